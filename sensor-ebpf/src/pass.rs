//! Passes: by them a call that is of no interest is let go within a few instructions, before anything is looked up.
//!
//! A table, hashed by what stands for the file, socket or inode. The kernel gives a pass when a look had no result. A pass
//! is good for one object, and
//! - where nobody else holds the object, until any process is made, runs a new image or is handed descriptors (the
//!   epoch): who could use it cannot have changed before that, and nothing has to be asked of the caller;
//! - else for one user of it, so that a newcomer has none.
//!
//! It is taken when the object is released, and the sensor voids all of them when it wakes a flow, and every few seconds, so
//! that what waits for time to pass (the next look at a silent flow) is not kept waiting. What was left for writers of a
//! pass that is void is given back to the flow ([`refund`]): the next look comes no sooner for it.

use core::ptr::{read_volatile, write_volatile};

use sensor_abi::flow::{PASSES, PASSES_BYTES};

use crate::{
    atomic,
    memory::{load, offset},
    task,
};

/// A pass to write.
#[repr(C)]
#[derive(Clone, Copy)]
struct WritePass {
    /// Object and epoch, or object and user; 0 for none.
    tag: u64,
    /// Bytes that may still go unseen.
    left: i64,
    /// Whose it is, or was while it was good.
    object: u64,
}

/// All passes: a map of its own, of [`sensor_abi::flow::PASSES_BYTES`].
#[repr(C)]
struct Table {
    write: [WritePass; PASSES],
    read: [u64; PASSES],
    epoch: u64,
}

const _: () = assert!(size_of::<Table>() == PASSES_BYTES);

#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.passes")]
static mut PASS_TABLE: Table = Table {
    write: [WritePass {
        tag: 0,
        left: 0,
        object: 0,
    }; PASSES],
    read: [0; PASSES],
    epoch: 0,
};

/// Counted on by the sensor, whenever all passes are to be void.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.generation")]
static mut PASS_GENERATION: u64 = 0;

/// Spreads generations over all bits: 2^64 by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Who holds an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holders {
    /// One descriptor of one process.
    One,
    /// Several, or that is not known.
    Many,
}

/// What stands for an object here: its address, as a number. The verifier lets nobody reckon with a pointer, but for the
/// distance to another one.
///
/// # Safety
/// `object` is a pointer whose type the verifier knows.
#[inline(always)]
pub unsafe fn of(object: u64) -> u64 {
    object.wrapping_sub(&raw mut PASS_TABLE as u64)
}

/// Objects are aligned to 64 bytes at least.
#[inline(always)]
const fn slot(object: u64) -> usize {
    (object >> 6) as usize & (PASSES - 1)
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

/// Below 2^32, where users begin.
#[inline(always)]
unsafe fn epoch() -> u64 {
    read_volatile(&raw const PASS_TABLE.epoch) & 0xffff_ffff
}

/// The current user: its process, and how often that has exec'ed.
#[inline(always)]
unsafe fn user() -> u64 {
    let task = task::current();
    let tgid: u32 = load(task, offset!(task_tgid));
    let execs: u32 = load(task, offset!(task_self_exec_id));
    (u64::from(tgid) << 32) | u64::from(execs)
}

/// What a pass of today says.
#[inline(always)]
unsafe fn mark(holders: Holders) -> u64 {
    let generation = read_volatile(&raw const PASS_GENERATION).wrapping_mul(SPREAD);
    generation
        ^ match holders {
            Holders::One => epoch(),
            Holders::Many => user(),
        }
}

/// Whether `moved` bytes may go into `object` unseen, as it is held. What failed is looked at.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(always)]
pub unsafe fn may_write(object: u64, holders: Holders, moved: i64) -> bool {
    let pass = write_slot(object);
    if moved <= 0 || read_volatile(&raw const (*pass).tag) != object ^ mark(holders) {
        return false;
    }
    let left = read_volatile(&raw const (*pass).left) - moved;
    write_volatile(&raw mut (*pass).left, left);
    left > 0
}

/// Whether bytes may come out of `object` unseen, as it is held.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn may_read(object: u64, holders: Holders) -> bool {
    read_volatile(read_slot(object)) == object ^ mark(holders)
}

/// Lets so many bytes go into `object` unseen.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn let_write(object: u64, holders: Holders, bytes: u64) {
    let pass = write_slot(object);
    write_volatile(&raw mut (*pass).left, bytes.min(i64::MAX as u64) as i64);
    write_volatile(&raw mut (*pass).object, object);
    write_volatile(&raw mut (*pass).tag, object ^ mark(holders));
}

/// What was left of the pass for `object` when it became void, or another user's came.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn refund(object: u64) -> u64 {
    let pass = write_slot(object);
    if read_volatile(&raw const (*pass).object) != object {
        return 0;
    }
    let left = read_volatile(&raw const (*pass).left);
    write_volatile(&raw mut (*pass).object, 0);
    write_volatile(&raw mut (*pass).tag, 0);
    left.max(0) as u64
}

/// Lets bytes come out of `object` unseen.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn let_read(object: u64, holders: Holders) {
    write_volatile(read_slot(object), object ^ mark(holders));
}

/// Takes both passes: the object is released, and its address may be another's next.
///
/// # Safety
/// `object` is any number.
#[inline(always)]
pub unsafe fn take(object: u64) {
    let pass = write_slot(object);
    write_volatile(&raw mut (*pass).tag, 0);
    write_volatile(&raw mut (*pass).object, 0);
    write_volatile(read_slot(object), 0);
}

/// Who holds what may have changed: passes that rely on it are void.
///
/// # Safety
/// In any program.
#[inline(always)]
pub unsafe fn turn_epoch() {
    atomic::add(&raw mut PASS_TABLE.epoch, 1);
}
