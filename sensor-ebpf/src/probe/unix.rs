//! Unix sockets where they are written (tier 1): net/unix/af_unix.c.
//!
//! `int unix_stream_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)` and
//! `int unix_stream_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)`, and the same of packets
//! (`unix_seqpacket_…`). Copied and told as pipes are.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use sensor_abi::record::{NO_FD, direction::WRITE};

use crate::{
    end, inspect,
    pass::{self, Holders},
    probe::{listen, message},
    stream,
};

#[fexit(function = "unix_stream_sendmsg")]
pub fn unix_stream_sendmsg(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { message::sent(&ctx) }
}

#[fexit(function = "unix_stream_sendpage")]
pub fn unix_stream_sendpage(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { message::sent_page(&ctx) }
}

#[fexit(function = "unix_seqpacket_sendmsg")]
pub fn unix_seqpacket_sendmsg(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { message::sent(&ctx) }
}

#[fentry(function = "unix_stream_recvmsg")]
pub fn unix_stream_recvmsg(ctx: FEntryContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { asks(&ctx) }
}

#[fentry(function = "unix_seqpacket_recvmsg")]
pub fn unix_seqpacket_recvmsg(ctx: FEntryContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { asks(&ctx) }
}

/// `int unix_release(struct socket *sock)`: the socket is closed for good, and its peer learns so.
#[fentry(function = "unix_release")]
pub fn unix_release(ctx: FEntryContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    // SAFETY: the typed `struct socket` of the call.
    unsafe {
        pass::take(pass::of(socket));
        if let Some(object) = end::object_of_socket(socket) {
            inspect::end_of_stream(&object, NO_FD, WRITE);
        }
    }
    0
}

/// `int unix_listen(struct socket *sock, int backlog)`.
#[fexit(function = "unix_listen")]
pub fn unix_listen(ctx: FExitContext) -> i32 {
    if ctx.ret::<i32>() != Ok(0) {
        return 0;
    }
    // SAFETY: the `struct socket` of the call; the task that made it.
    unsafe {
        if let Some(object) = end::object_of_socket(ctx.arg(0)) {
            listen::tell_of(&object);
        }
    }
    0
}

#[inline(always)]
unsafe fn asks(ctx: &FEntryContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    let id = pass::of(socket);
    if !pass::may_read(id, Holders::One) {
        asks_of(ctx.as_ptr(), id);
    }
    0
}

/// Takes the call's arguments anew: to hand them over would cost those calls, too, that have a pass.
#[inline(never)]
unsafe fn asks_of(ctx: *mut c_void, id: u64) {
    let ctx = FEntryContext::new(ctx);
    if pass::may_read(id, Holders::Many) {
        return;
    }
    let (socket, flags): (u64, u32) = (ctx.arg(0), ctx.arg(3));
    if flags & message::NOT_RECEIVED != 0 {
        return;
    }
    let stamp = pass::stamp();
    if let Some(object) = end::object_of_socket(socket) {
        let due = pass::due(id, stamp, end::holders_of_socket(socket));
        stream::asks(&object, due);
    }
}
