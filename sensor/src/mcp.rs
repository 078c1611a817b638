//! Frames → messages: what a JSON text says, in the terms of the Model Context Protocol.

mod canonical;
mod early;
mod envelope;
mod fields;
pub mod http;
mod json;
pub mod message;
pub mod session;
pub mod signature;
pub mod stdio;
pub mod table;
pub mod tools;
mod value;
