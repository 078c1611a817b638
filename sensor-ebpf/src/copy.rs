//! Copies what a call moved from memory into records.
//!
//! One state machine serves flat buffers, vectors, arrays of messages and pages. Its state lives in the map
//! value, not on the stack, or the verifier follows every step of the loop for itself.

use core::ffi::c_void;
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use sensor_abi::{
    flow::{MESSAGE_BYTES_MAX, drop},
    record::{CHUNK_BYTES_MAX, STEP_BYTES_MAX, Transfer, end_flag, transfer_flag},
};

use crate::{
    emit,
    maps::{TransferScratch, Walk},
    memory::{kernel, user},
    pages, scratch,
};

/// `UIO_MAXIOV`.
const VECTORS_MAX: u64 = 1024;
/// `UIO_MAXIOV` is the limit of messages, too.
const MESSAGES_MAX: u64 = 1024;
/// A step copies, or goes to the next segment, or sends a chunk. Enough for a vector of the most
/// segments; thousands of messages of many segments each are cut, and the rest is lost.
const STEPS_MAX: u32 = 8192;

/// Layout of `struct iovec`, `msghdr` and `mmsghdr`.
struct Layout {
    iovec_bytes: u64,
    iovec_length: u64,
    vector: u64,
    vectors: u64,
    mmsghdr_length: u64,
    mmsghdr_bytes: u64,
}

/// 64-bit user ABI.
const WIDE: Layout = Layout {
    iovec_bytes: 16,
    iovec_length: 8,
    vector: 16,
    vectors: 24,
    mmsghdr_length: 56,
    mmsghdr_bytes: 64,
};
/// 32-bit user ABI: `struct compat_iovec`, `compat_msghdr`, `compat_mmsghdr`.
const NARROW: Layout = Layout {
    iovec_bytes: 8,
    iovec_length: 4,
    vector: 8,
    vectors: 12,
    mmsghdr_length: 28,
    mmsghdr_bytes: 32,
};

/// Whose memory a call's bytes are in, and what leads there. Ordered: from [`memory::VECTORS`] on the kernel leads, from
/// [`memory::KERNEL`] on the bytes are its own.
pub mod memory {
    /// A 64-bit program's.
    pub const WIDE: u64 = 0;
    /// A 32-bit program's.
    pub const NARROW: u64 = 1;
    /// A program's, by the kernel's `struct iovec`.
    pub const VECTORS: u64 = 2;
    /// The kernel's, by `struct kvec`, which is laid out the same.
    pub const KERNEL: u64 = 3;
    /// Pages, by `struct bio_vec`.
    pub const PAGES: u64 = 4;
    /// Pages in a pipe, by `struct pipe_buffer`.
    pub const PIPE: u64 = 5;
}

/// Whose memory the walk's call is about.
#[inline(always)]
unsafe fn memory_of(walk: *const Walk) -> u64 {
    read_volatile(&raw const (*walk).memory)
}

/// The layout of the walk's call.
#[inline(always)]
unsafe fn layout(walk: *const Walk) -> &'static Layout {
    if memory_of(walk) == memory::NARROW {
        &NARROW
    } else {
        &WIDE
    }
}

/// A word of user memory, of the width of the walk's call.
#[inline(always)]
unsafe fn word(walk: *const Walk, address: u64) -> Option<u64> {
    if memory_of(walk) == memory::NARROW {
        user::<u32>(address).map(u64::from)
    } else {
        user(address)
    }
}

/// Where a call's bytes are. No enum with values: what is unset in one of them the compiler moves
/// about, and the verifier refuses that.
#[derive(Clone, Copy)]
pub struct Source {
    /// What is there, one of [`form`].
    pub form: u64,
    /// One of [`memory`].
    pub memory: u64,
    /// Where; of a pipe's own buffers, the first one's number.
    pub address: u64,
    /// How many `struct iovec` or their like.
    pub count: u64,
    /// Bytes before those that moved.
    pub skip: u64,
    /// Of a pipe's own buffers, the pipe.
    pub pipe: u64,
}

/// What a [`Source`] points at.
pub mod form {
    /// One buffer.
    pub const BUFFER: u64 = 0;
    /// An array of `struct iovec`.
    pub const VECTOR: u64 = 1;
    /// A `struct msghdr`.
    pub const MESSAGE: u64 = 2;
    /// An array of `struct mmsghdr`; the call returned how many of them were used.
    pub const MESSAGES: u64 = 3;
}

impl Source {
    /// One buffer, or what [`form`] says, in user memory.
    #[inline(always)]
    pub const fn user(form: u64, address: u64, count: u64) -> Self {
        Self {
            form,
            memory: memory::WIDE,
            address,
            count,
            skip: 0,
            pipe: 0,
        }
    }

    /// One buffer in kernel memory.
    #[inline(always)]
    pub const fn kernel(address: u64, count: u64) -> Self {
        Self {
            memory: memory::KERNEL,
            ..Self::user(form::BUFFER, address, count)
        }
    }

    /// The first of `count` vectors of the kernel, of which `skip` bytes moved before.
    #[inline(always)]
    pub const fn vectors(memory: u64, address: u64, count: u64, skip: u64) -> Self {
        Self {
            form: form::VECTOR,
            memory,
            address,
            count,
            skip,
            pipe: 0,
        }
    }

    /// Bytes the call moved, of what it returned.
    ///
    /// # Safety
    /// `scratch` is this CPU's.
    #[inline(always)]
    pub unsafe fn total(self, scratch: *mut TransferScratch, returned: u64) -> u64 {
        if self.form != form::MESSAGES {
            return returned;
        }
        let walk = &mut (*scratch).walk;
        walk.memory = self.memory;
        walk.message = self.address;
        walk.messages = returned;
        walk.total_bytes = 0;
        scratch::each(scratch, MESSAGES_MAX as u32, add_message);
        read_volatile(&raw const (*scratch).walk.total_bytes)
    }

    /// Sets the walk to the first byte.
    ///
    /// # Safety
    /// `scratch` is this CPU's.
    #[inline(always)]
    pub unsafe fn start(self, scratch: *mut TransferScratch, returned: u64) {
        let walk = &mut (*scratch).walk;
        walk.message = self.pipe;
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
        walk.dropped = 0;
        walk.memory = self.memory;
        walk.skip = self.skip;
        let address = self.address;
        match self.form {
            form::BUFFER => {
                walk.address = address;
                walk.segment_bytes = returned.min(MESSAGE_BYTES_MAX);
                walk.budget_bytes = MESSAGE_BYTES_MAX - walk.segment_bytes;
                walk.message_bytes = 0;
            }
            form::VECTOR => {
                walk.vector = address;
                walk.vectors = self.count.min(VECTORS_MAX);
            }
            form::MESSAGE => enter_message(walk, address),
            _ => {
                walk.message = address;
                walk.messages = returned;
                walk.message_bytes = 0;
            }
        }
    }
}

#[inline(always)]
unsafe fn enter_message(walk: *mut Walk, address: u64) {
    let layout = layout(walk);
    (*walk).vector = word(walk, address + layout.vector).unwrap_or(0);
    let count = word(walk, address + layout.vectors).unwrap_or(0);
    (*walk).vectors = count.min(VECTORS_MAX);
}

unsafe extern "C" fn add_message(_index: u32, context: *mut c_void) -> i64 {
    let Some(scratch) = scratch::of(context) else {
        return 1;
    };
    let walk = &raw mut (*scratch).walk;
    let left = read_volatile(&raw const (*walk).messages);
    if left == 0 {
        return 1;
    }
    let message = read_volatile(&raw const (*walk).message);
    // How long it was is not known then: one byte makes it a gap.
    let layout = layout(walk);
    let length: u32 = user(message + layout.mmsghdr_length).unwrap_or(1);
    (*walk).total_bytes += u64::from(length);
    (*walk).messages = left - 1;
    (*walk).message = message + layout.mmsghdr_bytes;
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
    if memory_of(walk) >= memory::VECTORS {
        if !enter_kernel_vector(walk) {
            return false;
        }
    } else if !enter_vector(walk) {
        return false;
    }
    let base = read_volatile(&raw const (*walk).address);
    let length = read_volatile(&raw const (*walk).segment_bytes);
    let length = length.min(message_bytes).min(budget);
    (*walk).vectors = vectors - 1;
    (*walk).message_bytes = message_bytes - length;
    (*walk).budget_bytes = budget - length;
    (*walk).address = base;
    (*walk).segment_bytes = length;
    true
}

/// Sets the segment to what the next `struct iovec` in user memory says; false if that cannot be read.
#[inline(always)]
unsafe fn enter_vector(walk: *mut Walk) -> bool {
    let vector = read_volatile(&raw const (*walk).vector);
    let layout = layout(walk);
    let (Some(base), Some(length)) = (word(walk, vector), word(walk, vector + layout.iovec_length))
    else {
        return false;
    };
    (*walk).vector = vector + layout.iovec_bytes;
    write_volatile(&raw mut (*walk).address, base);
    write_volatile(&raw mut (*walk).segment_bytes, length);
    true
}

/// Sets the segment to what the kernel's next vector says, from where the call began; false if there is no way to it.
#[inline(never)]
unsafe fn enter_kernel_vector(walk: *mut Walk) -> bool {
    let vector = read_volatile(&raw const (*walk).vector);
    let skip = read_volatile(&raw const (*walk).skip);
    let (base, length) = match memory_of(walk) {
        memory::PIPE => {
            let pipe = read_volatile(&raw const (*walk).message);
            let Some((base, length)) = pages::of_pipe(pipe, vector as u32) else {
                return false;
            };
            (*walk).vector = vector + 1;
            (base, length)
        }
        memory::PAGES => {
            let Some((base, length)) = pages::of_vector(vector) else {
                return false;
            };
            (*walk).vector = vector + pages::VECTOR_BYTES;
            (base, length)
        }
        _ => {
            let Some([base, length]) = kernel::<[u64; 2]>(vector, 0) else {
                return false;
            };
            (*walk).vector = vector + WIDE.iovec_bytes;
            (base, length)
        }
    };
    (*walk).skip = 0;
    write_volatile(&raw mut (*walk).address, base + skip);
    write_volatile(&raw mut (*walk).segment_bytes, length.saturating_sub(skip));
    true
}

#[inline(always)]
unsafe fn advance_message(walk: *mut Walk) -> bool {
    let messages = read_volatile(&raw const (*walk).messages);
    if messages == 0 {
        return false;
    }
    let message = read_volatile(&raw const (*walk).message);
    let layout = layout(walk);
    let Some(length) = user::<u32>(message + layout.mmsghdr_length) else {
        return false;
    };
    (*walk).messages = messages - 1;
    (*walk).message = message + layout.mmsghdr_bytes;
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
    write_volatile(
        &raw mut (*scratch).walk.large,
        u64::from(total > CHUNK_BYTES_MAX as u64),
    );
    // Most calls are one small segment: two steps in line, and no loop.
    if go(scratch) == 0 && go(scratch) == 0 {
        scratch::each(scratch, STEPS_MAX, step);
    }
    if read_volatile(&raw const (*scratch).walk.fill) > 0 {
        send_packet(scratch);
    }
    reconcile(scratch, total);
    if read_volatile(&raw const (*scratch).walk.dropped) > 0 {
        emit::dropped(drop::RING_FULL, 1);
    }
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

unsafe extern "C" fn step(_index: u32, context: *mut c_void) -> i64 {
    let Some(scratch) = scratch::of(context) else {
        return 1;
    };
    go(scratch)
}

/// One step of the walk; 1 when it is over.
#[inline(always)]
unsafe fn go(scratch: *mut TransferScratch) -> i64 {
    let walk = &raw mut (*scratch).walk;
    let segment = read_volatile(&raw const (*walk).segment_bytes);
    let fill = read_volatile(&raw const (*walk).fill);
    if segment == 0 {
        if fill > 0 && between_packets(scratch) {
            send_packet(scratch);
        }
        return if advance(walk) { 0 } else { end(walk) };
    }
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
    let source = address as *const c_void;
    let copied = if memory_of(walk) >= memory::KERNEL {
        bpf_probe_read_kernel(target.cast(), length as u32, source) == 0
    } else {
        bpf_probe_read_user(target.cast(), length as u32, source) == 0
    };
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

/// The walk stands between two messages that are packets.
#[inline(always)]
unsafe fn between_packets(scratch: *const TransferScratch) -> bool {
    let walk = &raw const (*scratch).walk;
    read_volatile(&raw const (*scratch).record.end.flags) & end_flag::PACKETS != 0
        && read_volatile(&raw const (*walk).message_bytes) == 0
        && read_volatile(&raw const (*walk).messages) > 0
}

/// Sends the last record of a packet, or of what is none.
#[inline(always)]
unsafe fn send_packet(scratch: *mut TransferScratch) {
    let record = &raw mut (*scratch).record;
    let flags = read_volatile(&raw const (*record).flags);
    if read_volatile(&raw const (*record).end.flags) & end_flag::PACKETS != 0 {
        write_volatile(&raw mut (*record).flags, flags | transfer_flag::PACKET_END);
    }
    send_chunk(scratch);
    write_volatile(&raw mut (*record).flags, flags);
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
    let large = read_volatile(&raw const (*walk).large) != 0;
    if !(large && emit::is_crowded()) && emit::submit(record, length) {
        write_volatile(&raw mut (*walk).lost_bytes, 0);
    } else {
        (*walk).lost_bytes += (*record).length;
        (*walk).dropped += 1;
    }
}

/// The first bytes of the walk's segment.
///
/// # Safety
/// `walk` is this CPU's.
#[inline(always)]
pub unsafe fn peek<T>(walk: *const Walk) -> Option<T> {
    let address = read_volatile(&raw const (*walk).address);
    if memory_of(walk) >= memory::KERNEL {
        kernel(address, 0)
    } else {
        user(address)
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

/// Sends the head of what the walk leads to, as far as it is in one chunk and can be read; the record stands
/// for the whole call.
///
/// # Safety
/// The walk was started and limited to a chunk, the record is filled in.
#[inline(always)]
pub unsafe fn send_head(scratch: *mut TransferScratch) -> bool {
    scratch::each(scratch, STEPS_MAX, step);
    let fill = read_volatile(&raw const (*scratch).walk.fill);
    if fill > CHUNK_BYTES_MAX as u64 {
        return false;
    }
    let record = &raw mut (*scratch).record;
    (*record).payload_bytes = fill as u32;
    let length = size_of::<Transfer>() as u64 + fill;
    (*record).header.length = length as u32;
    emit::send(record, length)
}
