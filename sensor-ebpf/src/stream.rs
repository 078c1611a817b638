//! Tier 1: what the functions of pipes and sockets say of a call. Each probe resolves its arguments and comes here when the
//! call has no pass; `handle` is what its passes go by. Not inlined: what most calls run is a few instructions, and this is
//! one function for all of them.

use sensor_abi::record::{
    NO_FD,
    direction::{READ, WRITE},
};

use crate::{
    inode::{Kind, Object},
    inspect::{self, Call},
    iterator,
    maps::SELF_TGID,
    pass, scratch, task,
};

const EIO: i64 = -5;
const EPIPE: i64 = -32;
const ECONNRESET: i64 = -104;

/// Bytes went into `object`, as many as `returned` says, from where the iterator at `iter` was.
///
/// # Safety
/// In the context of the task that made the call, after it.
#[inline(never)]
pub unsafe fn wrote(object: &Object, handle: u64, iter: u64, returned: i64) {
    if returned <= 0 {
        if returned == EPIPE || returned == ECONNRESET || is_hung_up(object, returned) {
            inspect::end_of_stream(object, NO_FD, WRITE);
        }
        return;
    }
    if task::current_tgid() == SELF_TGID.load() {
        return pass::let_write(handle, u64::MAX);
    }
    let unseen = moved(object, WRITE, iter, returned as u64);
    if unseen > 0 {
        pass::let_write(handle, unseen);
    }
}

/// Bytes came out of `object`; `wanted` is nonzero if any were asked for.
///
/// # Safety
/// As for [`wrote`].
#[inline(never)]
pub unsafe fn read(object: &Object, handle: u64, iter: u64, returned: i64, wanted: u64) {
    if returned <= 0 {
        let ended = match returned {
            0 => wanted > 0,
            ECONNRESET => true,
            _ => is_hung_up(object, returned),
        };
        if ended {
            inspect::end_of_stream(object, NO_FD, READ);
        }
        return;
    }
    if task::current_tgid() == SELF_TGID.load() {
        return pass::let_read(handle);
    }
    if moved(object, READ, iter, returned as u64) > 0 {
        pass::let_read(handle);
    }
}

/// A process asks for bytes of `object`, of which the writers' side is copied: who it is, is all there is to tell.
///
/// # Safety
/// In the context of the task that makes the call, before it.
#[inline(never)]
pub unsafe fn asks(object: &Object, handle: u64) {
    if task::current_tgid() == SELF_TGID.load() || inspect::named(object, READ) {
        pass::let_read(handle);
    }
}

/// The last `total` bytes of a pipe's buffers were put into it just now, past all memory of the caller.
///
/// # Safety
/// As for [`wrote`]; `pipe` is its `struct pipe_inode_info`.
#[inline(never)]
pub unsafe fn put(object: &Object, pipe: u64, total: u64) {
    let Some(scratch) = scratch::take() else {
        return;
    };
    let call = Call {
        fd: NO_FD,
        direction: WRITE,
        source: iterator::tail(scratch, pipe, total),
        returned: total,
        passes: false,
    };
    inspect::look(scratch, object, call);
    scratch::give_back(scratch);
}

/// A terminal's other side is closed.
#[inline(always)]
fn is_hung_up(object: &Object, returned: i64) -> bool {
    returned == EIO && object.kind == Kind::Terminal
}

#[inline(always)]
unsafe fn moved(object: &Object, direction: u8, iter: u64, returned: u64) -> u64 {
    let Some(scratch) = scratch::take() else {
        return 0;
    };
    let call = Call {
        fd: NO_FD,
        direction,
        source: iterator::source(scratch, iter, returned),
        returned,
        passes: true,
    };
    let unseen = inspect::look(scratch, object, call);
    scratch::give_back(scratch);
    unseen
}
