//! Frames → messages: what a JSON text says, in the terms of the Model Context Protocol.

mod canonical;
mod envelope;
mod fields;
mod json;
pub mod http;
pub mod message;
pub mod session;
pub mod signature;
pub mod stdio;
pub mod table;
pub mod tools;
mod value;
