//! What is read of the inode behind a file.

use core::{mem::MaybeUninit, ptr::read_volatile};

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use sensor_abi::flow::FlowKey;

use crate::memory::{kernel, offset};

/// A pipe, a socket, or a side of a pseudo-terminal.
#[derive(Clone, Copy)]
pub struct Object {
    /// `struct inode`.
    pub inode: u64,
    /// Which of them.
    pub kind: Kind,
    /// Its key.
    pub key: FlowKey,
}

/// Kinds of [`Object`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pipe or FIFO.
    Pipe,
    /// Any socket.
    Socket,
    /// Side of a pseudo-terminal.
    Terminal,
}

/// Key of an inode.
///
/// # Safety
/// `inode` is a `struct inode`, or anything: the helpers check it.
#[inline(always)]
pub unsafe fn key(inode: u64) -> Option<FlowKey> {
    key_of(&read(inode)?)
}

/// What is read of every inode that passes by.
pub struct Known {
    /// Kind of file, and rights.
    pub mode: u16,
    /// Of a device file: which device.
    pub device: u32,
    block: u64,
    number: u64,
}

/// Bytes from the first to the last of these members, at most: 80 since 5.x, and some reserve.
const SPAN_BYTES_MAX: usize = 96;

/// What is read of an inode. A function of its own, for the bytes it reads at a time would stand on the stack of all that
/// its callers call.
///
/// # Safety
/// As for [`key`].
#[inline(always)]
pub unsafe fn read(inode: u64) -> Option<Known> {
    let mut known = MaybeUninit::<Known>::uninit();
    if read_into(inode, known.as_mut_ptr()) {
        Some(known.assume_init())
    } else {
        None
    }
}

/// One read for all members, since this is the price of every call on any file: they lie close.
#[inline(never)]
unsafe fn read_into(inode: u64, known: *mut Known) -> bool {
    let first = offset!(inode_mode);
    let span = (offset!(inode_rdev) + 4).wrapping_sub(first);
    let block = offset!(inode_sb).wrapping_sub(first);
    let number = offset!(inode_ino).wrapping_sub(first);
    if span > SPAN_BYTES_MAX || block > span - 8 || number > span - 8 {
        return read_one_by_one(inode, known);
    }
    let mut bytes = MaybeUninit::<[u64; SPAN_BYTES_MAX / 8]>::uninit();
    let start = bytes.as_mut_ptr().cast::<u8>();
    let source = (inode as *const u8).wrapping_add(first);
    if bpf_probe_read_kernel(start.cast(), span as u32, source.cast()) != 0 {
        return false;
    }
    (*known).mode = read_volatile(start.cast());
    (*known).device = read_volatile(start.add(span - 4).cast());
    (*known).block = read_volatile(start.add(block).cast());
    (*known).number = read_volatile(start.add(number).cast());
    true
}

#[inline(always)]
unsafe fn read_one_by_one(inode: u64, known: *mut Known) -> bool {
    let (Some(mode), Some(device), Some(block), Some(number)) = (
        kernel(inode, offset!(inode_mode)),
        kernel(inode, offset!(inode_rdev)),
        kernel(inode, offset!(inode_sb)),
        kernel(inode, offset!(inode_ino)),
    ) else {
        return false;
    };
    (*known).mode = mode;
    (*known).device = device;
    (*known).block = block;
    (*known).number = number;
    true
}

/// Its key.
///
/// # Safety
/// As for [`key`].
#[inline(always)]
pub unsafe fn key_of(known: &Known) -> Option<FlowKey> {
    let device: u32 = kernel(known.block, offset!(sb_dev))?;
    Some(FlowKey {
        device: u64::from(device),
        inode: known.number,
    })
}
