//! The kernel side against the running kernel. Needs root, and says so: nothing is skipped.

mod attaching;
mod calls;
mod harness;
mod losses;
mod odd_hosts;
mod passes;
mod processes;
mod recall;
mod refused;
mod unread;
mod verdicts;
