//! ClickHouse: the one place, with [`inventory`](crate::inventory), where SQL lives.

mod analyst;
pub mod client;
pub mod migrate;
pub mod row;

pub use client::{Access, Connection, Store, StoreError};
