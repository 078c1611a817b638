//! Passes: by them a call that is of no interest is let go within a few instructions, before anything is looked up.
//!
//! A table, hashed by what stands for the file, socket or descriptor. The kernel gives a pass when a look had no result. A
//! pass is good for one object, and
//! - where nobody else holds the object, until any process is made, runs a new image or is handed descriptors (the
//!   epoch): who could use it cannot have changed before that, and nothing has to be asked of the caller;
//! - else for one user of it, so that a newcomer has none.
//!
//! It is taken when the object is released, or the descriptor closed. All of them are void once a silent flow is looked at again,
//! or its next look was brought forward; and the sensor voids them when it wakes a flow, and every few seconds, so that
//! what waits for time to pass (the next look at a silent flow) is not kept waiting.
//!
//! Nothing is locked. Two processors at one place at a time may leave a pass that lets more go than it should, or less: until the
//! next renewal at the latest. What the flow is charged is what a pass has let go, as far as that is known ([`used`]).

use core::{
    ffi::c_void,
    ptr::{read_volatile, write_volatile},
};

use aya_ebpf::helpers::bpf_loop;
use sensor_abi::flow::{PASSES, PASSES_BYTES};

use crate::{
    atomic,
    memory::{load, offset},
    task,
};

/// The passes of one place. One behind the other in memory: what stands for an object leads to both within two instructions.
#[repr(C)]
#[derive(Clone, Copy)]
struct Place {
    /// To write: object and stamp, or object and user; 0 for none.
    write: u64,
    /// Bytes that may still be written unseen, at most [`i64::MAX`].
    left: u64,
    /// Whose the pass to write is, or was while it was good; 0 once that was asked.
    object: u64,
    /// To read: as `write`.
    read: u64,
}

/// All of them: a map of its own, of [`sensor_abi::flow::PASSES_BYTES`].
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.passes")]
static mut PASS_TABLE: [Place; PASSES] = [Place {
    write: 0,
    left: 0,
    object: 0,
    read: 0,
}; PASSES];

const _: () = assert!(size_of::<[Place; PASSES]>() == PASSES_BYTES);

/// Once it is another number, passes are void: all of them when the upper half is counted on, which the sensor does, too;
/// those that rely on the epoch, which is the lower one, when that is. One word, since reading a second one is a tenth of
/// the price of a pass.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.stamp")]
static mut PASS_STAMP: u64 = 0;

/// Spreads users and descriptors over all bits: 2^64 by the golden ratio.
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

/// Bits of an object's number that lead to its place.
const PLACE: u32 = PASSES.trailing_zeros();

/// What stands for a descriptor of the current process here: where it leads, and which of its passes it has. Not good once
/// it was closed ([`closed`]): what is opened next may have the same address.
///
/// # Safety
/// `file` is what [`crate::end::file_of`] gives for `fd`.
#[inline(always)]
pub unsafe fn of_descriptor(task: u64, fd: u32, file: u64) -> u64 {
    ((file >> 6) << (6 + PLACE)) | place_of(task, fd)
}

#[inline(always)]
unsafe fn place_of(task: u64, fd: u32) -> u64 {
    let tgid: u32 = load(task, offset!(task_tgid));
    let spread = u64::from(tgid).wrapping_mul(SPREAD) >> 40;
    ((spread + u64::from(fd)) & (PASSES as u64 - 1)) << 6
}

/// Descriptors that [`closed_range`] takes one by one, at most.
const CLOSED_MAX: u64 = 4096;

/// The current process closed all descriptors from one to another.
///
/// # Safety
/// `task` is the current one, typed.
#[inline(always)]
pub unsafe fn closed_range(task: u64, first: u32, last: u32) {
    let files: u64 = load(task, offset!(task_files));
    if files == 0 {
        return;
    }
    let table: u64 = load(files, offset!(files_fdt));
    let count: u32 = load(table, offset!(fdt_max_fds));
    let end = u64::from(last).min(u64::from(count).wrapping_sub(1));
    let number = (end + 1).saturating_sub(u64::from(first));
    if number > CLOSED_MAX {
        return void_all();
    }
    let mut start = place_of(task, first);
    bpf_loop(
        number as u32,
        closed_one as *mut c_void,
        (&raw mut start).cast(),
        0,
    );
}

/// A step of [`closed_range`].
unsafe extern "C" fn closed_one(index: u32, start: *mut c_void) -> i64 {
    take(*start.cast::<u64>() + (u64::from(index) << 6));
    0
}

/// The current process closed a descriptor.
///
/// # Safety
/// `task` is the current one, typed.
#[inline(always)]
pub unsafe fn closed(task: u64, fd: u32) {
    take(place_of(task, fd));
}

/// Whether only the current process can close its descriptors, and only by the calls that are seen.
///
/// # Safety
/// `task` is the current one, typed.
#[inline(always)]
pub unsafe fn closes_alone(task: u64) -> bool {
    let known =
        offset!(files_count) != u32::MAX as usize && offset!(signal_threads) != u32::MAX as usize;
    if !known {
        return false;
    }
    // Where it is not known there are none: a kernel without CONFIG_IO_URING.
    let ring: u64 = if offset!(task_io_uring) == u32::MAX as usize {
        0
    } else {
        load(task, offset!(task_io_uring))
    };
    let files: u64 = load(task, offset!(task_files));
    let signal: u64 = load(task, offset!(task_signal));
    if ring != 0 || files == 0 || signal == 0 {
        return false;
    }
    let (tables, threads): (u32, u32) = (
        load(files, offset!(files_count)),
        load(signal, offset!(signal_threads)),
    );
    tables <= threads
}

/// Objects are aligned to 64 bytes at least.
#[inline(always)]
unsafe fn place(object: u64) -> *mut Place {
    let index = (object >> 6) as usize & (PASSES - 1);
    (&raw mut PASS_TABLE).cast::<Place>().add(index)
}

/// What passes say now. To be read before it is found out what a pass relies on: what changes meanwhile voids it.
///
/// # Safety
/// In any program.
#[inline(always)]
pub unsafe fn stamp() -> u64 {
    read_volatile(&raw const PASS_STAMP)
}

/// What a pass of that time says.
#[inline(always)]
unsafe fn mark(stamp: u64, holders: Holders) -> u64 {
    match holders {
        Holders::One => stamp,
        // Without the epoch: newcomers are other users. Spread, or some thousand generations on it would be another file's.
        Holders::Many => {
            (stamp >> 32).wrapping_mul(SPREAD) ^ task::current_user().wrapping_mul(SPREAD)
        }
    }
}

/// A pass that may be given, as things were when the look began.
#[derive(Clone, Copy)]
pub struct Due {
    /// For what; 0 for none.
    pub object: u64,
    tag: u64,
}

impl Due {
    /// None.
    pub const NONE: Self = Self { object: 0, tag: 0 };
}

/// The pass for `object`, as it was held after [`stamp`] was read.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(always)]
pub unsafe fn due(object: u64, stamp: u64, holders: Holders) -> Due {
    Due {
        object,
        tag: object ^ mark(stamp, holders),
    }
}

/// Whether `moved` bytes may go into `object` unseen, as it is held. What failed (negative) is looked at.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(always)]
pub unsafe fn may_write(object: u64, holders: Holders, moved: i64) -> bool {
    // In this order it takes no register that has to be saved.
    let tag = object ^ mark(stamp(), holders);
    let pass = place(object);
    if read_volatile(&raw const (*pass).write) != tag {
        return false;
    }
    let (left, moved) = (read_volatile(&raw const (*pass).left), moved as u64);
    // What is negative is more than all that may be left.
    if moved >= left {
        return false;
    }
    write_volatile(&raw mut (*pass).left, left - moved);
    true
}

/// Whether bytes may come out of `object` unseen, as it is held.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn may_read(object: u64, holders: Holders) -> bool {
    read_volatile(&raw const (*place(object)).read) == object ^ mark(stamp(), holders)
}

/// Lets so many bytes be written unseen, if there is something to give a pass for.
///
/// # Safety
/// In any program.
#[inline(always)]
pub unsafe fn let_write(due: Due, bytes: u64) {
    if due.object == 0 {
        return;
    }
    let pass = place(due.object);
    write_volatile(&raw mut (*pass).left, bytes.min(i64::MAX as u64));
    write_volatile(&raw mut (*pass).object, due.object);
    write_volatile(&raw mut (*pass).write, due.tag);
}

/// How many of the `given` bytes went by the last pass for `object`; 0 if another one has come to its place.
///
/// # Safety
/// As for [`may_write`].
#[inline(always)]
pub unsafe fn used(object: u64, given: u64) -> u64 {
    let pass = place(object);
    if read_volatile(&raw const (*pass).object) != object {
        return 0;
    }
    let left = read_volatile(&raw const (*pass).left);
    write_volatile(&raw mut (*pass).object, 0);
    write_volatile(&raw mut (*pass).write, 0);
    given.saturating_sub(left)
}

/// Lets bytes be read unseen, as [`let_write`].
///
/// # Safety
/// In any program.
#[inline(always)]
pub unsafe fn let_read(due: Due) {
    if due.object != 0 {
        write_volatile(&raw mut (*place(due.object)).read, due.tag);
    }
}

/// Takes both passes: the object is released, and its address may be another's next.
///
/// # Safety
/// `object` is any number.
#[inline(always)]
pub unsafe fn take(object: u64) {
    let pass = place(object);
    write_volatile(&raw mut (*pass).write, 0);
    write_volatile(&raw mut (*pass).object, 0);
    write_volatile(&raw mut (*pass).read, 0);
}

/// Voids all passes: which of them are good no more is not known here.
///
/// # Safety
/// In any program.
#[inline(always)]
pub unsafe fn void_all() {
    atomic::add(&raw mut PASS_STAMP, 1 << 32);
}

/// Who holds what may have changed: passes that rely on it are void.
///
/// # Safety
/// In any program.
#[inline(always)]
pub unsafe fn turn_epoch() {
    // It would take 2^32 processes within seconds to count on the upper half.
    atomic::add(&raw mut PASS_STAMP, 1);
}
