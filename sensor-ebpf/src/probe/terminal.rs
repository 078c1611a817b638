//! Terminals where they are written (tier 1): drivers/tty/tty_io.c.
//!
//! `ssize_t tty_write(struct kiocb *iocb, struct iov_iter *from)` and `ssize_t tty_read(struct kiocb *iocb,
//! struct iov_iter *to)`, of both sides of a pseudo-terminal. No passes: nothing tells when one is released.

use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{
    end,
    memory::{load, offset},
    pass::Due,
    stream,
};

#[fexit(function = "tty_write")]
pub fn tty_write(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    // SAFETY: the typed `struct kiocb` of the call; the task that made it.
    unsafe {
        let file: u64 = load(ctx.arg(0), offset!(kiocb_file));
        if let Some(object) = end::object_of(file) {
            stream::wrote(&object, Due::NONE, ctx.arg(1), returned);
        }
    }
    0
}

#[fexit(function = "tty_read")]
pub fn tty_read(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    // SAFETY: as for `tty_write`.
    unsafe {
        let file: u64 = load(ctx.arg(0), offset!(kiocb_file));
        if let Some(object) = end::object_of(file) {
            // A terminal is copied where it is written, so that the iterator is not looked at.
            stream::read(&object, Due::NONE, ctx.arg(1), returned);
        }
    }
    0
}
