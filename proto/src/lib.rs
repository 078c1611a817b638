//! `gnomon.v1`: what sensor and collector say to each other.
//!
//! The types are generated from `proto/gnomon/v1/*.proto` and committed, so that building needs no
//! protoc. After changing a `.proto` file: `GNOMON_REGENERATE=1 cargo test -p gnomon-proto`.

/// Generated types and services of package `gnomon.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    include!("generated/gnomon.v1.rs");
}
