//! What is attached: a hook family each.

mod describe;
mod descriptor;
mod exec;
mod exit;
mod fork;
mod listen;
pub mod message;
mod pipe;
mod registers;
mod snapshot;
mod socket;
mod splice;
mod support;
mod syscall;
mod tcp;
mod terminal;
mod unix;
