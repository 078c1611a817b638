//! TCP where it is written and read (tier 1): net/ipv4/af_inet.c, net/ipv6/af_inet6.c.
//!
//! `int inet_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)`, `int inet_recvmsg(…, size_t size, int flags)`, and
//! the same of IPv6. TCP, its several paths (MPTCP) and its encryption in the kernel (`TCP_ULP`) part below them: here
//! all of them are in plain. What comes from another host can only be copied as it is read, so both are hooked after the
//! call.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};

use sensor_abi::record::direction::READ;

use crate::{
    end, flow,
    memory::offset,
    pass::{self, Holders},
    probe::message,
    stream,
};

#[fexit(function = "inet_sendmsg")]
pub fn inet_sendmsg(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { message::sent(&ctx) }
}

#[fexit(function = "inet6_sendmsg")]
pub fn inet6_sendmsg(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { message::sent(&ctx) }
}

#[fexit(function = "inet_recvmsg")]
pub fn inet_recvmsg(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { received(&ctx) }
}

#[fexit(function = "inet6_recvmsg")]
pub fn inet6_recvmsg(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { received(&ctx) }
}

#[fexit(function = "inet_sendpage")]
pub fn inet_sendpage(ctx: FExitContext) -> i32 {
    // SAFETY: the arguments of that function.
    unsafe { message::sent_page(&ctx) }
}

#[inline(always)]
unsafe fn received(ctx: &FExitContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    let id = pass::of(socket);
    // What it returned is behind its four arguments.
    let returned: i32 = ctx.arg(4);
    if returned > 0 && pass::may_read(id, Holders::One) {
        return 0;
    }
    let (wanted, flags): (u64, u32) = (ctx.arg(2), ctx.arg(3));
    if flags & message::NOT_RECEIVED == 0 {
        if returned != 0 || wanted > 0 {
            read(socket, id, ctx.arg(1), i64::from(returned));
        }
    } else if message::is_discarded(flags) && returned > 0 {
        discarded(socket, returned as u64);
    }
    0
}

/// Bytes came out of the stream, and went nowhere.
#[inline(never)]
unsafe fn discarded(socket: u64, bytes: u64) {
    if let Some(object) = end::object_of_socket(socket) {
        flow::unread(&object, READ, bytes);
    }
}

#[inline(never)]
unsafe fn read(socket: u64, id: u64, message: u64, returned: i64) {
    if returned > 0 && pass::may_read(id, Holders::Many) {
        return;
    }
    let stamp = pass::stamp();
    if let Some(object) = end::object_of_socket(socket) {
        let iter = message + offset!(msghdr_iter) as u64;
        let due = pass::due(id, stamp, end::holders_of_socket(socket));
        stream::read(&object, due, iter, returned);
    }
}

/// `int inet_release(struct socket *sock)`, which that of IPv6 comes to: the socket is closed for good.
#[fentry(function = "inet_release")]
pub fn inet_release(ctx: FEntryContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    // SAFETY: a number.
    unsafe { pass::take(pass::of(socket)) };
    0
}
