//! What is attached: a hook family each.

mod describe;
mod exec;
mod exit;
mod fork;
mod listen;
mod registers;
mod snapshot;
mod socket;
mod support;
mod syscall;
