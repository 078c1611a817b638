//! `gnomon-collector`: takes in what sensors saw, keeps it in ClickHouse, answers questions.
//!
//! The way of a fact: [`ingest::service`] authenticates the host and reads batches, [`ingest::batch`]
//! checks them and makes rows, [`ingest::keeper`] judges their sessions ([`verdict`]) and commits both
//! to the [`store`]; only then is a batch acknowledged. [`finding`] keeps what is worth a decision up to date,
//! [`api`] reads the documented views.
//!
//! ClickHouse runs in a child process ([`engine`]) or is a server by URL; nothing but [`store`] and
//! [`engine`] knows which.

pub mod api;
pub mod assets;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod engine;
pub mod enroll;
pub mod finding;
pub mod html;
pub mod ingest;
pub mod inventory;
pub mod policy;
pub mod probes;
pub mod report;
pub mod server;
pub mod state;
pub mod store;
pub mod ui;
pub mod verdict;
