//! The BPF programs of gnomon-sensor: see every byte stream that could carry MCP, at a cost that
//! nobody notices on traffic that is not MCP.
//!
//! `probe` holds what is attached, a hook family each. A probe resolves what it was called with to
//! an end and a source of bytes; `inspect` decides what of it is copied; `copy` copies;
//! `emit` sends records and counts what could not be sent.
#![no_std]
#![no_main]
// A loop that fills memory stays a loop: `memset` and the like would be calls of functions that take a byte at a time.
#![no_builtins]
#![feature(asm_experimental_arch)]
#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "every function here works on kernel pointers"
)]

mod atomic;
mod copy;
mod decide;
mod emit;
mod end;
mod ending;
mod flow;
mod inode;
mod inspect;
mod iterator;
mod maps;
mod memory;
mod moved;
mod pages;
mod pass;
mod probe;
mod scratch;
mod share;
mod splice;
mod stream;
mod task;
mod terminal;
mod tuple;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
