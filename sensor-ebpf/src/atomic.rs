//! What several processors count at the same time. `core` has only loads and stores for BPF, where
//! the instruction set has more.

use core::arch::asm;

/// Adds to a counter.
///
/// # Safety
/// `counter` points into a live map value.
#[inline(always)]
pub unsafe fn add(counter: *mut u64, count: u64) {
    asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) count);
}

/// Takes what a counter says, and sets it to zero.
///
/// # Safety
/// `counter` points into a live map value.
#[inline(always)]
pub unsafe fn take(counter: *mut u64) -> u64 {
    swap(counter, 0)
}

/// Sets a word; gives what it was.
///
/// # Safety
/// `counter` points into a live map value.
#[inline(always)]
pub unsafe fn swap(counter: *mut u64, value: u64) -> u64 {
    let mut value = value;
    asm!("{1} = xchg_64({0} + 0, {1})", in(reg) counter, inout(reg) value);
    value
}
