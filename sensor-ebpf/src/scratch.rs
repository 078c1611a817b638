//! The buffer that a program works in: too large for its stack, and not to be shared with another one that came in
//! between. Where the kernel may be preempted, so may a program, and another hook's may run on the same processor.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_loop};
use sensor_abi::{config::LEVELS, flow::drop};

use crate::{
    atomic, emit,
    maps::{TRANSFERS, TransferScratch},
};

/// Takes a free buffer of this processor; none, and counted, if all are in use.
///
/// # Safety
/// What is taken is given back by [`give_back`] before the program ends.
#[inline(always)]
pub unsafe fn take() -> Option<*mut TransferScratch> {
    let first = bpf_get_smp_processor_id() * LEVELS;
    if let Some(scratch) = occupy(first) {
        return Some(scratch);
    }
    let second = occupy(first + 1);
    if second.is_none() {
        emit::dropped(drop::NESTED, 1);
    }
    second
}

#[inline(always)]
unsafe fn occupy(index: u32) -> Option<*mut TransferScratch> {
    let scratch = TRANSFERS.get_ptr_mut(index)?;
    if atomic::swap(&raw mut (*scratch).busy, 1) != 0 {
        return None;
    }
    (*scratch).index = u64::from(index);
    Some(scratch)
}

/// Gives a buffer back.
///
/// # Safety
/// It was taken by this program.
#[inline(always)]
pub unsafe fn give_back(scratch: *mut TransferScratch) {
    (&raw mut (*scratch).busy).write_volatile(0);
}

/// Calls `step` with the buffer until it returns 1, at most `count` times.
///
/// # Safety
/// `step` finds the buffer by [`of`].
#[inline(always)]
pub unsafe fn each(
    scratch: *mut TransferScratch,
    count: u32,
    step: unsafe extern "C" fn(u32, *mut c_void) -> i64,
) {
    let mut index = (*scratch).index;
    bpf_loop(count, step as *mut c_void, (&raw mut index).cast(), 0);
}

/// The buffer that a step of [`each`] is about.
///
/// # Safety
/// `context` is what `each` handed over.
#[inline(always)]
pub unsafe fn of(context: *mut c_void) -> Option<*mut TransferScratch> {
    TRANSFERS.get_ptr_mut(*context.cast::<u64>() as u32)
}
