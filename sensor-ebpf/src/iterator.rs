//! From a `struct iov_iter` after the call back to what moved: the call advanced it past the bytes.
//!
//! What it points at is then the first byte that did not move, so the way back is walked: within the
//! current vector, then over those before it, which stand where they stood.
//!
//! A copy that faulted has moved the iterator past bytes that the call does not count: then nothing is known of where the
//! others are. Such a fault is found again by a look at the byte that did not move.

use core::ffi::c_void;
use core::ptr::{read_volatile, write_volatile};

use crate::{
    copy::{Source, form, memory},
    maps::TransferScratch,
    memory::{kernel, offset, user},
    pages, scratch,
};

/// `struct iovec`, `struct kvec` and `struct bio_vec` are all of this size, their length at 8.
const VECTOR_BYTES: u64 = 16;
const LENGTH_AT: usize = 8;
/// `UIO_MAXIOV`, and the current one.
const VECTORS_MAX: u32 = 1025;

/// What cannot be found.
const NOWHERE: Source = Source::vectors(memory::VECTORS, 0, 0, 0);

/// Where the `moved` bytes are that the iterator at `iter` was just advanced by. An iterator of another kind leads
/// nowhere: its bytes are told as not readable.
///
/// # Safety
/// `iter` is a `struct iov_iter`; `scratch` is this program's.
#[inline(always)]
pub unsafe fn source(scratch: *mut TransferScratch, iter: u64, moved: u64) -> Source {
    let kind: u8 = kernel(iter, offset!(iter_kind)).unwrap_or(u8::MAX);
    let skip: u64 = kernel(iter, offset!(iter_skip)).unwrap_or(0);
    let kind = usize::from(kind);
    let left: u64 = kernel(iter, offset!(iter_count)).unwrap_or(0);
    if kind == offset!(iter_is_buffer) {
        let buffer: u64 = kernel(iter, offset!(iter_buffer)).unwrap_or(0);
        if left > 0 && user::<u8>(buffer.wrapping_add(skip)).is_none() {
            return NOWHERE;
        }
        let first = buffer.wrapping_add(skip).wrapping_sub(moved);
        return Source::user(form::BUFFER, first, moved);
    }
    let memory = if kind == offset!(iter_is_vector) {
        memory::VECTORS
    } else if kind == offset!(iter_is_kernel) {
        memory::KERNEL
    } else if kind == offset!(iter_is_pages) {
        memory::PAGES
    } else {
        return NOWHERE;
    };
    let vector = kernel(iter, offset!(iter_vector)).unwrap_or(0);
    if left > 0 && memory == memory::VECTORS && !is_readable(vector, skip) {
        return NOWHERE;
    }
    back(scratch, Source::vectors(memory, vector, 1, skip), moved)
}

/// Whether the first byte that did not move can be read: in this vector, or where that is used up, in the next one.
#[inline(always)]
unsafe fn is_readable(vector: u64, skip: u64) -> bool {
    let Some([base, length]) = kernel::<[u64; 2]>(vector, 0) else {
        return false;
    };
    if skip < length {
        return user::<u8>(base.wrapping_add(skip)).is_some();
    }
    let next = kernel(vector.wrapping_add(VECTOR_BYTES), 0).unwrap_or(0);
    user::<u8>(next).is_some()
}

/// Where the last `total` bytes of a pipe are. Those that were read meanwhile lead nowhere.
///
/// # Safety
/// `pipe` is a `struct pipe_inode_info`, or anything: the helpers check it; `scratch` is this program's.
#[inline(always)]
pub unsafe fn tail(scratch: *mut TransferScratch, pipe: u64, total: u64) -> Source {
    let head: u32 = kernel(pipe, offset!(pipe_head)).unwrap_or(0);
    let end = Source {
        pipe,
        ..Source::vectors(memory::PIPE, u64::from(head), 0, 0)
    };
    let found = back(scratch, end, total);
    // Counted on for ever, they wrap round.
    let tail: u32 = kernel(pipe, offset!(pipe_tail)).unwrap_or(0);
    let ahead = (found.address as u32).wrapping_sub(tail);
    if ahead >= 1 << 31 {
        return NOWHERE;
    }
    found
}

/// Goes back `moved` bytes from where a source ends.
#[inline(always)]
unsafe fn back(scratch: *mut TransferScratch, end: Source, moved: u64) -> Source {
    let walk = &raw mut (*scratch).walk;
    (*walk).memory = end.memory;
    (*walk).message = end.pipe;
    (*walk).vector = end.address;
    (*walk).vectors = end.count;
    (*walk).skip = end.skip;
    (*walk).message_bytes = moved;
    scratch::each(scratch, VECTORS_MAX, step_back);
    let skip = read_volatile(&raw const (*walk).skip);
    let left = read_volatile(&raw const (*walk).message_bytes);
    Source {
        address: read_volatile(&raw const (*walk).vector),
        count: read_volatile(&raw const (*walk).vectors),
        skip: skip.saturating_sub(left),
        ..end
    }
}

/// Goes to the vector before, unless the bytes that moved begin in this one.
unsafe extern "C" fn step_back(_index: u32, context: *mut c_void) -> i64 {
    let Some(scratch) = scratch::of(context) else {
        return 1;
    };
    let walk = &raw mut (*scratch).walk;
    let skip = read_volatile(&raw const (*walk).skip);
    let left = read_volatile(&raw const (*walk).message_bytes);
    if left <= skip {
        return 1;
    }
    let vector = read_volatile(&raw const (*walk).vector);
    let memory = read_volatile(&raw const (*walk).memory);
    let size = if memory == memory::PIPE {
        1
    } else {
        VECTOR_BYTES
    };
    let vector = vector.wrapping_sub(size);
    let length = match memory {
        memory::PIPE => {
            pages::length_in_pipe(read_volatile(&raw const (*walk).message), vector as u32)
        }
        memory::PAGES => kernel::<u32>(vector, LENGTH_AT).map(u64::from),
        _ => kernel::<u64>(vector, LENGTH_AT),
    };
    let Some(length) = length else { return 1 };
    write_volatile(&raw mut (*walk).message_bytes, left - skip);
    write_volatile(&raw mut (*walk).skip, length);
    write_volatile(&raw mut (*walk).vector, vector);
    (*walk).vectors += 1;
    0
}
