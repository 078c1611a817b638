//! gnomon-sensor: sees every MCP conversation of one Linux host.

pub mod agent;
pub mod capture;
pub mod config;
pub mod duty;
pub mod event;
pub mod export;
pub mod finding;
pub mod flow;
pub mod gate;
pub mod guard;
pub mod host;
pub mod kernel;
pub mod mcp;
pub mod observation;
pub mod off;
pub mod output;
pub mod own;
pub mod pipeline;
pub mod process;
pub mod protocol;
pub mod redact;
pub mod replay;
pub mod snapshot;
pub mod source;
pub mod spool;
mod statement;
pub mod switch;
