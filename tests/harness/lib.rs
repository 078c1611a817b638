//! Starts the real programs and real MCP peers in a temporary folder, and asks the inventory what it holds.
//!
//! Used by the end-to-end tests and the benchmarks. Everything started here ends with the value that
//! started it, also when a test panics, and is killed by process id only. Waiting is polling with a
//! deadline, never a fixed pause.

pub mod accuracy;
pub mod bystander;
pub mod claims;
pub mod compare;
pub mod deadline;
pub mod document;
pub mod gnomon;
pub mod host;
pub mod inventory;
pub mod matrix;
pub mod peers;
pub mod place;
pub mod process;
pub mod programs;
pub mod secrets;
pub mod vm;
