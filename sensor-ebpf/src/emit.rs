//! Sends records and counts drops.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE},
    helpers::{bpf_ktime_get_boot_ns, bpf_ringbuf_output, bpf_ringbuf_query},
};
use sensor_abi::{ABI_VERSION, flow::drop, record::Header};

use crate::maps::{DROPS, RECORDS};

/// Counts `count` drops for a reason of [`drop`]; true if they are the first on this processor.
#[inline(always)]
pub fn dropped(reason: u32, count: u64) -> bool {
    let Some(counter) = DROPS.get_ptr_mut(reason) else {
        return false;
    };
    // SAFETY: a live per-CPU map value.
    unsafe {
        let before = *counter;
        *counter = before + count;
        before == 0
    }
}

/// A header for a record of `length` bytes that happens now.
#[inline(always)]
pub fn header(kind: u16, length: usize) -> Header {
    Header {
        abi: ABI_VERSION,
        kind,
        length: length as u32,
        // SAFETY: takes no arguments.
        time_ns: unsafe { bpf_ktime_get_boot_ns() },
    }
}

/// Sends `length` bytes at `record`; false, and counted, when the ring is full.
///
/// # Safety
/// `record` points at that many initialised bytes of a map value or of the stack.
#[inline(always)]
pub unsafe fn send<T>(record: *const T, length: u64) -> bool {
    let sent = submit(record, length);
    if !sent {
        dropped(drop::EVENT_RING_FULL, 1);
    }
    sent
}

/// The same, and the caller counts: a call of many records is lost once.
///
/// # Safety
/// As for [`send`].
#[inline(always)]
pub unsafe fn submit<T>(record: *const T, length: u64) -> bool {
    bpf_ringbuf_output(
        (&raw const RECORDS).cast_mut().cast(),
        record.cast_mut().cast(),
        length,
        0,
    ) == 0
}

/// The ring is so full that large calls make way: a flood of them leaves room for the small ones, which most
/// messages are.
///
/// # Safety
/// Takes no arguments.
#[inline(always)]
pub unsafe fn is_crowded() -> bool {
    let ring = (&raw const RECORDS).cast_mut().cast();
    let size = bpf_ringbuf_query(ring, u64::from(BPF_RB_RING_SIZE));
    bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)) > size - size / 4
}
