//! The bytes that the BPF programs and the sensor share: records, flow state, globals, counters.
//!
//! Rules: `#[repr(C)]`, sized integers and arrays only, padding named, sizes asserted at compile
//! time. User space copies a record through one checked read and never points into the ring.
#![no_std]

pub mod config;
pub mod flow;
pub mod record;

/// Version of everything in this crate; a record of another version is not read.
pub const ABI_VERSION: u16 = 3;
