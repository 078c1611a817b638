//! TCP where it is written and read (tier 1): net/ipv4/tcp.c.
//!
//! `int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size)` and `int tcp_recvmsg(struct sock *sk,
//! struct msghdr *msg, size_t len, int flags, …)`, for IPv4, IPv6 and the paths of MPTCP's first one alike. What comes from
//! another host can only be copied as it is read, so both are hooked after the call.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};

use crate::{
    end,
    memory::{kernel, load, offset},
    pass::{self, Holders},
    probe::message,
    stream,
};

#[fexit(function = "tcp_sendmsg")]
pub fn tcp_sendmsg(ctx: FExitContext) -> i32 {
    let returned: i32 = ctx.arg(3);
    let sock: u64 = ctx.arg(0);
    // SAFETY: the arguments of that function; the task that called it.
    unsafe {
        let id = pass::of(sock);
        if !pass::may_write(id, Holders::One, i64::from(returned)) {
            wrote(sock, id, ctx.arg(1), i64::from(returned));
        }
    }
    0
}

#[inline(never)]
unsafe fn wrote(sock: u64, id: u64, message: u64, returned: i64) {
    if pass::may_write(id, Holders::Many, returned) {
        return;
    }
    let flags: u32 = kernel(message, offset!(msghdr_flags)).unwrap_or(0);
    let returned = message::marked(flags, returned);
    if let Some(object) = end::object_of_sock(sock) {
        let iter = message + offset!(msghdr_iter) as u64;
        stream::wrote(&object, id, holders_of(sock), iter, returned);
    }
}

#[fexit(function = "tcp_recvmsg")]
pub fn tcp_recvmsg(ctx: FExitContext) -> i32 {
    let sock: u64 = ctx.arg(0);
    // SAFETY: the arguments of that function; the task that called it.
    unsafe {
        let id = pass::of(sock);
        if pass::may_read(id, Holders::One) {
            return 0;
        }
        let (wanted, flags): (u64, u32) = (ctx.arg(2), ctx.arg(3));
        let returned = ctx.ret::<i32>().unwrap_or(-1);
        if flags & message::NOT_RECEIVED == 0 && (returned != 0 || wanted > 0) {
            read(sock, id, ctx.arg(1), i64::from(returned));
        }
    }
    0
}

#[inline(never)]
unsafe fn read(sock: u64, id: u64, message: u64, returned: i64) {
    if pass::may_read(id, Holders::Many) {
        return;
    }
    if let Some(object) = end::object_of_sock(sock) {
        let iter = message + offset!(msghdr_iter) as u64;
        stream::read(&object, id, holders_of(sock), iter, returned);
    }
}

#[inline(always)]
unsafe fn holders_of(sock: u64) -> Holders {
    end::holders_of_socket(kernel(sock, offset!(sock_socket)).unwrap_or(0))
}

/// `int inet_release(struct socket *sock)` (net/ipv4/af_inet.c): the socket is closed for good.
#[fentry(function = "inet_release")]
pub fn inet_release(ctx: FEntryContext) -> i32 {
    let socket: u64 = ctx.arg(0);
    // SAFETY: the typed `struct socket` of the call.
    unsafe {
        let sock: u64 = load(socket, offset!(socket_sk));
        pass::take(pass::of(sock));
    }
    0
}
