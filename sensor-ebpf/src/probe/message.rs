//! Messages on sockets: their flags (include/linux/socket.h), and sending, which is the same for all families (tier 1).

use core::ffi::c_void;

use aya_ebpf::{EbpfContext as _, programs::FExitContext};

use crate::{
    end,
    maps::SELF_TGID,
    memory::{kernel, offset},
    pages,
    pass::{self, Holders},
    stream, task,
};

const MSG_OOB: u32 = 0x1;
const MSG_PEEK: u32 = 0x2;
const MSG_TRUNC: u32 = 0x20;
const MSG_ERRQUEUE: u32 = 0x2000;
/// Flags with which a receiving call does not take bytes of the stream into the caller's memory. To one that sends, all but
/// the first mean nothing, and it sends.
pub const NOT_RECEIVED: u32 = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;

/// Whether a receiving call with these flags takes bytes out of a stream of TCP and puts them nowhere (tcp(7)).
#[inline(always)]
pub const fn is_discarded(flags: u32) -> bool {
    flags & NOT_RECEIVED == MSG_TRUNC
}

/// Set in the number of bytes that were sent, where the last of them is urgent. More than one call moves.
const URGENT: i64 = 1 << 40;

/// What a call returned that sent with these flags, with a mark if it sent urgent data.
#[inline(always)]
pub const fn marked(flags: u32, sent: i64) -> i64 {
    if flags & MSG_OOB != 0 && sent > 0 {
        sent | URGENT
    } else {
        sent
    }
}

/// Back from [`marked`]: how many bytes were sent, and how many of them are in the stream.
#[inline(always)]
pub const fn unmarked(sent: i64) -> (i64, i64) {
    if sent >= URGENT {
        (sent & (URGENT - 1), (sent & (URGENT - 1)) - 1)
    } else {
        (sent, sent)
    }
}

/// How many of the bytes that were sent with these flags are in the stream: the last one of urgent data is beside it.
#[inline(always)]
pub const fn in_stream(flags: u32, sent: i64) -> i64 {
    unmarked(marked(flags, sent)).1
}

/// `int …_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)` has returned.
///
/// # Safety
/// These are the arguments of the function that is hooked.
#[inline(always)]
pub unsafe fn sent(ctx: &FExitContext) -> i32 {
    let returned: i32 = ctx.arg(3);
    let socket: u64 = ctx.arg(0);
    let id = pass::of(socket);
    if !pass::may_write(id, Holders::One, i64::from(returned)) {
        wrote(ctx.as_ptr(), id);
    }
    0
}

/// `ssize_t …_sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags)` has returned: before 6.5,
/// what sendfile and splice put into a socket. Since then that is a message of pages.
///
/// # Safety
/// These are the arguments of the function that is hooked.
#[inline(always)]
pub unsafe fn sent_page(ctx: &FExitContext) -> i32 {
    let returned: i64 = ctx.arg(5);
    if returned <= 0 || task::current_tgid() == SELF_TGID.load() {
        return 0;
    }
    // Read anew: as an argument it has a type, and the verifier lets nobody reckon with that.
    let page: u64 = kernel(ctx.as_ptr() as u64, size_of::<u64>()).unwrap_or(0);
    let socket: u64 = ctx.arg(0);
    let id = pass::of(socket);
    if !pass::may_write(id, Holders::One, returned) {
        let skip: u32 = ctx.arg(2);
        page_went(socket, id, page, u64::from(skip), returned);
    }
    0
}

#[inline(never)]
unsafe fn page_went(socket: u64, id: u64, page: u64, skip: u64, returned: i64) {
    // What has no such function of its own sends it as a message, which is seen below this one.
    if !end::sends_pages(socket) || pass::may_write(id, Holders::Many, returned) {
        return;
    }
    let stamp = pass::stamp();
    if let Some(object) = end::object_of_socket(socket) {
        let address = pages::of_page(page, skip).unwrap_or(0);
        let due = pass::due(id, stamp, end::holders_of_socket(socket));
        stream::wrote_page(&object, due, address, returned as u64);
    }
}

/// Takes the call's arguments anew: to hand them over would cost those calls, too, that have a pass.
#[inline(never)]
unsafe fn wrote(ctx: *mut c_void, id: u64) {
    let ctx = FExitContext::new(ctx);
    let (socket, message): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    let returned = i64::from(ctx.arg::<i32>(3));
    if pass::may_write(id, Holders::Many, returned) {
        return;
    }
    let flags: u32 = kernel(message, offset!(msghdr_flags)).unwrap_or(0);
    let returned = marked(flags, returned);
    let stamp = pass::stamp();
    if let Some(object) = end::object_of_socket(socket) {
        let iter = message + offset!(msghdr_iter) as u64;
        let due = pass::due(id, stamp, end::holders_of_socket(socket));
        stream::wrote(&object, due, iter, returned);
    }
}
