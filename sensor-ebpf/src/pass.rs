//! Passes: by them a call that is of no interest is let go within a few instructions, before anything is looked up.
//!
//! A table of two columns, hashed by what stands for the file or socket ([`of`]): a pass is good for one object and one user of
//! it, so that a newcomer has none. The kernel gives it when a look had no result, and takes it when the
//! object is released; the sensor takes all of them away when it wakes a flow, and every few seconds, so that what waits
//! for time to pass (the next look at a silent flow) is not kept waiting.

use core::ptr::{read_volatile, write_volatile};

use sensor_abi::flow::{PASSES, PASSES_BYTES};

use crate::{
    memory::{load, offset},
    task,
};

/// A pass to write.
#[repr(C)]
#[derive(Clone, Copy)]
struct WritePass {
    /// Object and user; 0 for none.
    tag: u64,
    /// Bytes that may still go unseen.
    left: i64,
}

/// Both tables: a map of its own, of [`sensor_abi::flow::PASSES_BYTES`].
#[repr(C)]
struct Table {
    write: [WritePass; PASSES],
    read: [u64; PASSES],
}

const _: () = assert!(size_of::<Table>() == PASSES_BYTES);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.passes")]
static mut PASS_TABLE: Table = Table {
    write: [WritePass { tag: 0, left: 0 }; PASSES],
    read: [0; PASSES],
};

/// What stands for an object here: its address, as a number. The verifier lets nobody reckon with a pointer, but for the
/// distance to another one.
///
/// # Safety
/// `object` is a pointer whose type the verifier knows.
#[inline(always)]
pub unsafe fn of(object: u64) -> u64 {
    object.wrapping_sub(&raw mut PASS_TABLE as u64)
}

/// Fibonacci hashing: the upper bits of the product with 2^64 divided by the golden ratio.
#[inline(always)]
const fn slot(object: u64) -> usize {
    (object.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PASSES.trailing_zeros())) as usize
}

/// An object and the current user of it: its process, and how often that has exec'ed.
#[inline(always)]
unsafe fn tag(object: u64) -> u64 {
    let task = task::current();
    let tgid: u32 = load(task, offset!(task_tgid));
    let execs: u32 = load(task, offset!(task_self_exec_id));
    object ^ ((u64::from(tgid) << 32) | u64::from(execs))
}

#[inline(always)]
unsafe fn write_slot(object: u64) -> *mut WritePass {
    (&raw mut PASS_TABLE.write)
        .cast::<WritePass>()
        .add(slot(object))
}

#[inline(always)]
unsafe fn read_slot(object: u64) -> *mut u64 {
    (&raw mut PASS_TABLE.read).cast::<u64>().add(slot(object))
}

/// Whether the current process may write `moved` bytes to `object` unseen.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(always)]
pub unsafe fn may_write(object: u64, moved: i64) -> bool {
    let pass = write_slot(object);
    if read_volatile(&raw const (*pass).tag) != tag(object) {
        return false;
    }
    let left = read_volatile(&raw const (*pass).left) - moved;
    write_volatile(&raw mut (*pass).left, left);
    left > 0
}

/// Whether the current process may read from `object` unseen.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn may_read(object: u64) -> bool {
    read_volatile(read_slot(object)) == tag(object)
}

/// Lets the current process write so many bytes unseen.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn let_write(object: u64, bytes: u64) {
    let pass = write_slot(object);
    write_volatile(&raw mut (*pass).left, bytes.min(i64::MAX as u64) as i64);
    write_volatile(&raw mut (*pass).tag, tag(object));
}

/// Lets the current process read unseen.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn let_read(object: u64) {
    write_volatile(read_slot(object), tag(object));
}

/// Takes both passes: the object is released, and its address may be another's next.
///
/// # Safety
/// `object` is any number.
#[inline(always)]
pub unsafe fn take(object: u64) {
    write_volatile(&raw mut (*write_slot(object)).tag, 0);
    write_volatile(read_slot(object), 0);
}
