//! Processes: who they are, what they run, who started them.

pub mod application;
pub mod container;
mod launch;
pub mod listeners;
pub mod package;
pub mod table;
pub(crate) mod weight;
