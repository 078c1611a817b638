//! Frames → messages: what a JSON text says, in the terms of the Model Context Protocol.

pub mod message;
pub mod signature;
pub mod tools;
