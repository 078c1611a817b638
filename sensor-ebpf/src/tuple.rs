//! TCP connections of which both ends are on this host, by what either end calls them.

use core::ptr::read_volatile;

use aya_ebpf::bindings::BPF_ANY;
use sensor_abi::{
    flow::{FlowKey, TupleKey},
    record::{End, channel},
};

use crate::maps::{TUPLES, TransferScratch};

/// A new end of a flow with both sides on this host: a TCP connection is remembered by what the end calls it.
/// True if it is to be copied as it reads.
///
/// # Safety
/// `scratch` is this CPU's, its record's end is filled in.
#[inline(always)]
pub unsafe fn meet(scratch: *mut TransferScratch, key: &FlowKey) -> bool {
    if (*scratch).record.end.channel != channel::TCP {
        return false;
    }
    own(scratch);
    let tuple = &(*scratch).tuple;
    let marked = TUPLES.get(tuple).is_some_and(|known| known.inode == 0);
    let _ = TUPLES.insert(tuple, key, u64::from(BPF_ANY));
    marked
}

/// Sets the scratch's tuple to what the record's end calls its connection.
#[inline(always)]
unsafe fn own(scratch: *mut TransferScratch) {
    let words = tuple_of(&raw const (*scratch).record.end);
    let tuple = &raw mut (*scratch).tuple;
    let mut index = 0;
    while index < size_of::<TupleKey>() / 8 {
        (*tuple)[index] = read_volatile(words.add(index));
        index += 1;
    }
}

/// Sets it to what the other side calls it.
///
/// # Safety
/// As for [`meet`].
#[inline(always)]
pub unsafe fn mirror(scratch: *mut TransferScratch) {
    own(scratch);
    let [first, local, local_low, remote, remote_low] = (*scratch).tuple;
    // Namespace, own port, other port.
    let ports = (first << 16) & 0xffff_0000_0000_0000 | (first >> 16) & 0x0000_ffff_0000_0000;
    (*scratch).tuple = [
        first & 0xffff_ffff | ports,
        remote,
        remote_low,
        local,
        local_low,
    ];
}

#[inline(always)]
unsafe fn tuple_of(end: *const End) -> *const u64 {
    (&raw const (*end).netns).cast()
}

const _: () = assert!(core::mem::offset_of!(End, netns) % 8 == 0);
const _: () =
    assert!(core::mem::offset_of!(End, channel) - core::mem::offset_of!(End, netns) == 40);
