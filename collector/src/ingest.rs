//! From the wire into the store: authenticate, check, judge, insert, acknowledge.

pub mod batch;
pub mod host;
pub mod keeper;
pub mod service;

/// One message on the stream, bytes, at most; a sensor seals its batches far below this.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Observations in a batch, at most.
pub const OBSERVATIONS_MAX: usize = 10_000;
