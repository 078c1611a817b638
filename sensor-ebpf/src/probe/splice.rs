//! Bytes that go from one descriptor into another (tier 1): fs/splice.c, fs/read_write.c. What they put into a socket is
//! seen where sockets are written; what they put into a pipe is in its buffers, and is copied from there.
//!
//! `do_splice(struct file *in, loff_t *off_in, struct file *out, loff_t *off_out, size_t len, unsigned int flags)` and
//! `do_tee(struct file *in, struct file *out, size_t len, unsigned int flags)`, which io_uring comes to as well;
//! `do_sendfile(int out_fd, int in_fd, loff_t *ppos, size_t count, loff_t max)`; vmsplice(2) by its registers.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use sensor_abi::record::{NO_FD, direction::READ, file_mode};

use crate::{
    end,
    inode::{Kind, Object},
    inspect,
    maps::SELF_TGID,
    memory::{kernel, offset},
    probe::registers::Registers,
    splice, stream, task,
};

#[fexit(function = "do_splice")]
pub fn do_splice(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    let (from, to): (u64, u64) = (ctx.arg(0), ctx.arg(2));
    // SAFETY: files of the call; the task that made it.
    unsafe {
        if returned < 0 || is_own() {
            return 0;
        }
        take_out(from, returned as u64);
        if returned > 0 {
            put(to, returned as u64);
        }
    }
    0
}

#[fexit(function = "do_tee")]
pub fn do_tee(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    // SAFETY: files of the call; the task that made it.
    unsafe {
        if returned > 0 && !is_own() {
            put(ctx.arg(1), returned as u64);
        }
    }
    0
}

#[fexit(function = "do_sendfile")]
pub fn do_sendfile(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    let (to, from): (u32, u32) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: descriptors of the task that made the call.
    unsafe {
        if returned > 0 && !is_own() {
            let task = task::current();
            // Mostly a file; a socket into a pipe (5.12).
            take_out(end::file_of(task, from), returned as u64);
            put(end::file_of(task, to), returned as u64);
        }
    }
    0
}

#[fexit(function = "__x64_sys_vmsplice")]
pub fn vmsplice(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    // SAFETY: the typed `struct pt_regs` of the call; the task that made it.
    unsafe {
        let fd = Registers(ctx.arg(0)).argument(0);
        of_memory(fd as u32, returned);
    }
    0
}

/// The same of a 32-bit process.
#[fexit(function = "__ia32_sys_vmsplice")]
pub fn vmsplice_narrow(ctx: FExitContext) -> i32 {
    let Ok(returned) = ctx.ret::<i64>() else {
        return 0;
    };
    // SAFETY: the typed `struct pt_regs` of the call; the task that made it.
    unsafe {
        let fd = Registers(ctx.arg(0)).narrow_argument(0);
        of_memory(fd as u32, returned);
    }
    0
}

/// Bytes went from memory into a pipe, or out of one.
#[inline(always)]
unsafe fn of_memory(fd: u32, returned: i64) {
    if returned <= 0 || is_own() {
        return;
    }
    let file = end::file_of(task::current(), fd);
    let mode: u32 = kernel(file, offset!(file_mode)).unwrap_or(0);
    if mode & file_mode::WRITE != 0 {
        put(file, returned as u64);
    } else {
        take_out(file, returned as u64);
    }
}

#[inline(always)]
fn is_own() -> bool {
    task::current_tgid() == SELF_TGID.load()
}

#[inline(always)]
unsafe fn take_out(file: u64, returned: u64) {
    let Some(object) = end::object_of(file) else {
        return;
    };
    if returned > 0 {
        splice::taken_out(&object, NO_FD, returned);
    } else {
        inspect::end_of_stream(&object, NO_FD, READ);
    }
}

#[inline(always)]
unsafe fn put(file: u64, returned: u64) {
    if let Some(
        object @ Object {
            kind: Kind::Pipe, ..
        },
    ) = end::object_of(file)
    {
        let pipe: u64 = kernel(file, offset!(file_private)).unwrap_or(0);
        stream::put(&object, pipe, returned);
    }
}
