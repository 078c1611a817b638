//! Bytes → frames: lines, HTTP/1 exchanges, content codings, server-sent events, JSON bodies.
//!
//! Every decoder here is incremental and bounded, and none of them can fail: bytes are what a
//! stranger wrote, so a decoder yields what it could read plus a reason for what it could not.
//! Cutting the same bytes differently never changes what comes out.

pub mod body;
pub mod coding;
mod excerpt;
pub mod http1;
pub mod lines;
pub mod sse;
