//! gnomon-sensor: sees every MCP conversation of one Linux host.

pub mod event;
pub mod process;
pub mod redact;
