//! Pipes and FIFOs where they are written (tier 1).
//!
//! `ssize_t pipe_write(struct kiocb *iocb, struct iov_iter *from)` and `pipe_read`, which are `anon_pipe_write` and
//! `anon_pipe_read` from 6.16 on (fs/pipe.c): what write, writev, io_uring and all others come to. A pipe's writers are
//! copied after the call, when it is known what really moved; of its readers only who they are is told, before the call,
//! which is the cheaper hook.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use sensor_abi::record::{NO_FD, direction::READ, file_mode};

use crate::{
    end, inspect,
    memory::{kernel, load, offset},
    pass::{self, Holders},
    stream,
};

/// `ki_filp` is the first member of `struct kiocb`; the sensor makes sure before it attaches.
const KIOCB_FILE: usize = 0;

#[fexit(function = "pipe_write")]
pub fn pipe_write(ctx: FExitContext) -> i32 {
    // What it returned comes behind its arguments, and costs less there than by the helper.
    let returned: i64 = ctx.arg(2);
    // SAFETY: the typed `struct kiocb` of the call; the task that made it.
    unsafe {
        let file: u64 = load(ctx.arg(0), KIOCB_FILE);
        let id = pass::of(file);
        if !pass::may_write(id, Holders::One, returned) {
            wrote(ctx.as_ptr(), id);
        }
    }
    0
}

/// Takes the call's arguments anew: to hand them over would cost those calls, too, that have a pass.
#[inline(never)]
unsafe fn wrote(ctx: *mut c_void, id: u64) {
    let ctx = FExitContext::new(ctx);
    let returned: i64 = ctx.arg(2);
    if pass::may_write(id, Holders::Many, returned) {
        return;
    }
    let stamp = pass::stamp();
    let file: u64 = load(ctx.arg(0), KIOCB_FILE);
    if let Some(object) = end::object_of(file) {
        let due = pass::due(id, stamp, end::holders_of(file));
        stream::wrote(&object, due, ctx.arg(1), returned);
    }
}

#[fentry(function = "pipe_read")]
pub fn pipe_read(ctx: FEntryContext) -> i32 {
    // SAFETY: as for `pipe_write`.
    unsafe {
        let file: u64 = load(ctx.arg(0), KIOCB_FILE);
        let id = pass::of(file);
        if !pass::may_read(id, Holders::One) {
            asks(ctx.as_ptr(), id);
        }
    }
    0
}

/// As [`wrote`].
#[inline(never)]
unsafe fn asks(ctx: *mut c_void, id: u64) {
    if pass::may_read(id, Holders::Many) {
        return;
    }
    let stamp = pass::stamp();
    let file: u64 = load(FEntryContext::new(ctx).arg(0), KIOCB_FILE);
    if let Some(object) = end::object_of(file) {
        let due = pass::due(id, stamp, end::holders_of(file));
        stream::asks(&object, due);
    }
}

/// `int pipe_release(struct inode *inode, struct file *file)`: one of the pipe's files is closed for good. Its readers
/// learn that nothing will come any more when the last one that could write is.
#[fentry(function = "pipe_release")]
pub fn pipe_release(ctx: FEntryContext) -> i32 {
    let file: u64 = ctx.arg(1);
    // SAFETY: the typed `struct file` of the call.
    unsafe {
        pass::take(pass::of(file));
        let mode: u32 = load(file, offset!(file_mode));
        let pipe: u64 = load(file, offset!(file_private));
        let writers: u32 = kernel(pipe, offset!(pipe_writers)).unwrap_or(0);
        if mode & file_mode::WRITE != 0
            && writers == 1
            && let Some(object) = end::object_of(file)
        {
            inspect::end_of_stream(&object, NO_FD, READ);
        }
    }
    0
}
