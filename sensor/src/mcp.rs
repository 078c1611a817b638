//! Frames → messages: what a JSON text says, in the terms of the Model Context Protocol.

mod canonical;
mod envelope;
mod fields;
mod json;
pub mod message;
pub mod signature;
pub mod tools;
