//! Copies what a call moved from user memory into records.
//!
//! One state machine serves flat buffers, vectors and arrays of messages. Its state lives in the map
//! value, not on the stack, or the verifier follows every step of the loop for itself.

use core::ffi::c_void;
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_loop, generated::bpf_probe_read_user};
use sensor_abi::{
    flow::{MESSAGE_BYTES_MAX, drop},
    record::{CHUNK_BYTES_MAX, STEP_BYTES_MAX, Transfer, transfer_flag},
};

use crate::{
    emit,
    maps::{TRANSFERS, TransferScratch, Walk},
    memory::user,
};

/// `UIO_MAXIOV`.
const VECTORS_MAX: u64 = 1024;
/// `UIO_MAXIOV` is the limit of messages, too.
const MESSAGES_MAX: u64 = 1024;
/// A step copies, or goes to the next segment, or sends a chunk. Enough for a vector of the most
/// segments; thousands of messages of many segments each are cut, and the rest is lost.
const STEPS_MAX: u32 = 8192;
/// `sizeof(struct mmsghdr)` and the offsets in it, 64-bit user ABI.
const MMSGHDR_BYTES: u64 = 64;
const MMSGHDR_LENGTH: u64 = 56;
const MSGHDR_VECTOR: u64 = 16;
const MSGHDR_VECTORS: u64 = 24;
const IOVEC_BYTES: u64 = 16;

/// Where a call's bytes are in user memory.
#[derive(Clone, Copy)]
pub enum Source {
    /// One buffer.
    Buffer(u64),
    /// An array of `struct iovec`, and how many.
    Vector(u64, u64),
    /// A `struct msghdr`.
    Message(u64),
    /// An array of `struct mmsghdr`; the call returned how many of them were used.
    Messages(u64),
}

/// This CPU's buffer.
#[inline(always)]
pub fn scratch() -> Option<*mut TransferScratch> {
    // SAFETY: takes no arguments.
    TRANSFERS.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

impl Source {
    /// Bytes the call moved, of what it returned.
    ///
    /// # Safety
    /// `scratch` is this CPU's.
    #[inline(always)]
    pub unsafe fn total(self, scratch: *mut TransferScratch, returned: u64) -> u64 {
        let Self::Messages(address) = self else {
            return returned;
        };
        let walk = &mut (*scratch).walk;
        walk.message = address;
        walk.messages = returned;
        walk.total_bytes = 0;
        bpf_loop(
            MESSAGES_MAX as u32,
            add_message as *mut c_void,
            core::ptr::null_mut(),
            0,
        );
        read_volatile(&raw const (*scratch).walk.total_bytes)
    }

    /// Sets the walk to the first byte.
    ///
    /// # Safety
    /// `scratch` is this CPU's.
    #[inline(always)]
    pub unsafe fn start(self, scratch: *mut TransferScratch, returned: u64) {
        let walk = &mut (*scratch).walk;
        walk.message = 0;
        walk.messages = 0;
        walk.vector = 0;
        walk.vectors = 0;
        walk.message_bytes = returned;
        walk.address = 0;
        walk.segment_bytes = 0;
        walk.budget_bytes = MESSAGE_BYTES_MAX;
        walk.fill = 0;
        walk.accounted_bytes = 0;
        walk.done = 0;
        match self {
            Self::Buffer(address) => {
                walk.address = address;
                walk.segment_bytes = returned.min(MESSAGE_BYTES_MAX);
                walk.budget_bytes = MESSAGE_BYTES_MAX - walk.segment_bytes;
                walk.message_bytes = 0;
            }
            Self::Vector(address, count) => {
                walk.vector = address;
                walk.vectors = count.min(VECTORS_MAX);
            }
            Self::Message(address) => enter_message(walk, address),
            Self::Messages(address) => {
                walk.message = address;
                walk.messages = returned;
                walk.message_bytes = 0;
            }
        }
    }
}

#[inline(always)]
unsafe fn enter_message(walk: *mut Walk, address: u64) {
    (*walk).vector = user(address + MSGHDR_VECTOR).unwrap_or(0);
    let count: u64 = user(address + MSGHDR_VECTORS).unwrap_or(0);
    (*walk).vectors = count.min(VECTORS_MAX);
}

unsafe extern "C" fn add_message(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    let left = read_volatile(&raw const (*walk).messages);
    if left == 0 {
        return 1;
    }
    let message = read_volatile(&raw const (*walk).message);
    // How long it was is not known then: one byte makes it a gap.
    let length: u32 = user(message + MMSGHDR_LENGTH).unwrap_or(1);
    (*walk).total_bytes += u64::from(length);
    (*walk).messages = left - 1;
    (*walk).message = message + MMSGHDR_BYTES;
    0
}

/// Goes on to the next segment, vector or message; false when there is none. Also when the way on
/// cannot be read: what would come later must not close up to what came before.
///
/// # Safety
/// `walk` is this CPU's.
#[inline(always)]
pub unsafe fn advance(walk: *mut Walk) -> bool {
    let budget = read_volatile(&raw const (*walk).budget_bytes);
    if budget == 0 {
        return false;
    }
    let message_bytes = read_volatile(&raw const (*walk).message_bytes);
    let vectors = read_volatile(&raw const (*walk).vectors);
    if message_bytes == 0 {
        return advance_message(walk);
    }
    if vectors == 0 {
        return false;
    }
    let vector = read_volatile(&raw const (*walk).vector);
    let (Some(base), Some(length)) = (user::<u64>(vector), user::<u64>(vector + 8)) else {
        return false;
    };
    let length = length.min(message_bytes).min(budget);
    (*walk).vector = vector + IOVEC_BYTES;
    (*walk).vectors = vectors - 1;
    (*walk).message_bytes = message_bytes - length;
    (*walk).budget_bytes = budget - length;
    (*walk).address = base;
    (*walk).segment_bytes = length;
    true
}

#[inline(always)]
unsafe fn advance_message(walk: *mut Walk) -> bool {
    let messages = read_volatile(&raw const (*walk).messages);
    if messages == 0 {
        return false;
    }
    let message = read_volatile(&raw const (*walk).message);
    let Some(length) = user::<u32>(message + MMSGHDR_LENGTH) else {
        return false;
    };
    (*walk).messages = messages - 1;
    (*walk).message = message + MMSGHDR_BYTES;
    (*walk).message_bytes = u64::from(length);
    enter_message(walk, message);
    true
}

/// Copies all that the walk leads to, and sends it in chunks. Of the `total` bytes of the call, each is
/// afterwards in a record that was sent or in `lost_bytes`.
///
/// # Safety
/// The walk was started, the record filled in but for what depends on the payload.
#[inline(always)]
pub unsafe fn copy_all(scratch: *mut TransferScratch, total: u64) {
    // Most calls are one small segment: two steps in line, and no loop.
    if step(0, core::ptr::null_mut()) == 0 && step(0, core::ptr::null_mut()) == 0 {
        bpf_loop(STEPS_MAX, step as *mut c_void, core::ptr::null_mut(), 0);
    }
    if read_volatile(&raw const (*scratch).walk.fill) > 0 {
        send_chunk(scratch);
    }
    reconcile(scratch, total);
}

/// Counts as lost what the walk did not come to: the one place for all the ways it may end early.
#[inline(always)]
unsafe fn reconcile(scratch: *mut TransferScratch, total: u64) {
    let walk = &raw mut (*scratch).walk;
    let accounted = read_volatile(&raw const (*walk).accounted_bytes);
    if accounted >= total {
        return;
    }
    (*walk).lost_bytes += total - accounted;
    let whole = (*scratch).record.flags & transfer_flag::COPIED != 0;
    let stopped = read_volatile(&raw const (*walk).done) == 0;
    let spent = read_volatile(&raw const (*walk).budget_bytes) == 0;
    if stopped || (whole && spent) {
        emit::dropped(drop::MESSAGE_CAP, 1);
    } else {
        emit::dropped(drop::COPY_FAULT, 1);
    }
}

unsafe extern "C" fn step(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    let segment = read_volatile(&raw const (*walk).segment_bytes);
    if segment == 0 {
        return if advance(walk) { 0 } else { end(walk) };
    }
    let fill = read_volatile(&raw const (*walk).fill);
    if fill >= CHUNK_BYTES_MAX as u64 {
        send_chunk(scratch);
        return 0;
    }
    let room = CHUNK_BYTES_MAX as u64 - fill;
    let mut length = if segment < room { segment } else { room };
    if length > STEP_BYTES_MAX as u64 {
        length = STEP_BYTES_MAX as u64;
    }
    let address = read_volatile(&raw const (*walk).address);
    let target = (&raw mut (*scratch).data).cast::<u8>().add(fill as usize);
    let copied = bpf_probe_read_user(target.cast(), length as u32, address as *const c_void) == 0;
    if copied {
        (*walk).address = address + length;
        (*walk).segment_bytes = segment - length;
        (*walk).fill = fill + length;
        return 0;
    }
    if (*scratch).record.flags & transfer_flag::COPIED == 0 {
        // A head is one record, which stands for the whole call: it ends here.
        return end(walk);
    }
    (*walk).address = address + length;
    (*walk).segment_bytes = segment - length;
    if fill > 0 {
        send_chunk(scratch);
    }
    (*walk).lost_bytes += length;
    (*walk).accounted_bytes += length;
    emit::dropped(drop::COPY_FAULT, 1);
    0
}

/// Ends the walk; what a step returns then.
#[inline(always)]
unsafe fn end(walk: *mut Walk) -> i64 {
    (*walk).done = 1;
    1
}

/// Sends what is in the buffer as one record.
#[inline(always)]
unsafe fn send_chunk(scratch: *mut TransferScratch) {
    let walk = &raw mut (*scratch).walk;
    let fill = read_volatile(&raw const (*walk).fill);
    (*walk).fill = 0;
    if fill > CHUNK_BYTES_MAX as u64 {
        return;
    }
    let record = &raw mut (*scratch).record;
    if (*record).flags & transfer_flag::COPIED != 0 {
        (*record).length = fill;
    }
    (*record).payload_bytes = fill as u32;
    (*record).lost_before = (*walk).lost_bytes;
    (*walk).accounted_bytes += (*record).length;
    let length = size_of::<Transfer>() as u64 + fill;
    (*record).header.length = length as u32;
    if emit::send(record, length) {
        write_volatile(&raw mut (*walk).lost_bytes, 0);
    } else {
        (*walk).lost_bytes += (*record).length;
    }
}

/// Sends the record without payload.
///
/// # Safety
/// The record is filled in.
#[inline(always)]
pub unsafe fn send_bare(scratch: *mut TransferScratch) -> bool {
    let record = &raw mut (*scratch).record;
    (*record).payload_bytes = 0;
    (*record).header.length = size_of::<Transfer>() as u32;
    emit::send(record, size_of::<Transfer>() as u64)
}
