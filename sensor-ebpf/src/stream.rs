//! Tier 1: what the functions of pipes and sockets say of a call. Each probe resolves its arguments and comes here when the
//! call has no pass. Not inlined: what most calls run is a few instructions, and this is one function for all of them.

use sensor_abi::record::{
    NO_FD,
    direction::{READ, WRITE},
};

use crate::{
    copy::Source,
    ending, flow,
    inode::Object,
    inspect::{self, Call},
    iterator,
    maps::SELF_TGID,
    pass::{self, Due},
    probe::message,
    scratch, task,
};

/// Bytes went into `object`, as many as `returned` says ([`message::marked`]), from where the iterator at `iter` was. `due`
/// is the pass that it may get.
///
/// # Safety
/// In the context of the task that made the call, after it.
#[inline(never)]
pub unsafe fn wrote(object: &Object, due: Due, iter: u64, returned: i64) {
    if returned <= 0 {
        if ending::ends(object, WRITE, returned, 1) {
            inspect::end_of_stream(object, NO_FD, WRITE);
        }
        return;
    }
    if task::current_tgid() == SELF_TGID.load() {
        return pass::let_write(due, u64::MAX);
    }
    let unseen = moved(object, due.object, WRITE, iter, returned);
    if unseen > 0 {
        pass::let_write(due, unseen);
    }
}

/// Bytes came out of `object`, or none of those that were asked for.
///
/// # Safety
/// As for [`wrote`].
#[inline(never)]
pub unsafe fn read(object: &Object, due: Due, iter: u64, returned: i64) {
    if returned <= 0 {
        if ending::ends(object, READ, returned, 1) {
            inspect::end_of_stream(object, NO_FD, READ);
        }
        return;
    }
    if task::current_tgid() == SELF_TGID.load() {
        return pass::let_read(due);
    }
    if moved(object, due.object, READ, iter, returned) > 0 {
        pass::let_read(due);
    }
}

/// A process asks for bytes of `object`, of which the writers' side is copied: who it is, is all there is to tell.
///
/// # Safety
/// In the context of the task that makes the call, before it.
#[inline(never)]
pub unsafe fn asks(object: &Object, due: Due) {
    if task::current_tgid() == SELF_TGID.load() || inspect::named(object, READ) {
        pass::let_read(due);
    }
}

/// The last `total` bytes of a pipe's buffers were put into it just now, past all memory of the caller.
///
/// # Safety
/// As for [`wrote`]; `pipe` is its `struct pipe_inode_info`.
#[inline(never)]
pub unsafe fn put(object: &Object, pipe: u64, total: u64) {
    let Some(scratch) = scratch::take() else {
        return flow::miss(object, WRITE, total);
    };
    let call = Call {
        fd: NO_FD,
        direction: WRITE,
        source: iterator::tail(scratch, pipe, total),
        returned: total,
        pass: 0,
    };
    inspect::look(scratch, object, call);
    scratch::give_back(scratch);
}

/// The `total` bytes at `address` in kernel memory went into `object`; 0: somewhere that cannot be found.
///
/// # Safety
/// As for [`wrote`].
#[inline(never)]
pub unsafe fn wrote_page(object: &Object, due: Due, address: u64, total: u64) {
    let Some(scratch) = scratch::take() else {
        return flow::miss(object, WRITE, total);
    };
    let call = Call {
        fd: NO_FD,
        direction: WRITE,
        source: Source::kernel(address, total),
        returned: total,
        pass: due.object,
    };
    let unseen = inspect::look(scratch, object, call);
    scratch::give_back(scratch);
    if unseen > 0 {
        pass::let_write(due, unseen);
    }
}

#[inline(always)]
unsafe fn moved(object: &Object, id: u64, direction: u8, iter: u64, returned: i64) -> u64 {
    let (all, in_stream) = message::unmarked(returned);
    if in_stream < all {
        flow::unread(object, direction, (all - in_stream) as u64);
    }
    if in_stream == 0 {
        return 0;
    }
    let Some(scratch) = scratch::take() else {
        flow::miss(object, direction, in_stream as u64);
        return 0;
    };
    let call = Call {
        fd: NO_FD,
        direction,
        source: iterator::source(scratch, iter, all as u64),
        returned: in_stream as u64,
        pass: id,
    };
    let unseen = inspect::look(scratch, object, call);
    scratch::give_back(scratch);
    unseen
}
