//! Bytes that go from one descriptor into another, past all user memory: splice, sendfile, tee.
//!
//! There is nothing to copy where they are put in. Where the other side is on this host and takes them out
//! with a read, they are copied there: from the first such call on, a flow is copied by its reader. The reader
//! may be back before the writer is; what a new reader reads first is therefore kept in reserve
//! ([`kind::STANDBY`]).

use aya_ebpf::bindings::BPF_ANY;
use sensor_abi::{
    flow::{DirectionState, FlowKey, FlowState, direction_flag, drop, flow_flag, verdict},
    record::{channel, direction, kind},
};

use crate::{
    copy, emit, flow,
    inode::Object,
    inspect,
    maps::{FLOWS, TUPLES, TransferScratch},
    pass, scratch, tuple,
};

/// Bytes went out of `object` into another descriptor.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(never)]
pub unsafe fn taken_out(object: &Object, fd: u32, total: u64) {
    if let Some(scratch) = scratch::take() {
        take_out(scratch, object, fd, total);
        scratch::give_back(scratch);
    }
}

#[inline(always)]
unsafe fn take_out(scratch: *mut TransferScratch, object: &Object, fd: u32, total: u64) {
    let Some(flow) = begin(scratch, object) else {
        return;
    };
    let state = flow::direction_of(flow, direction::READ);
    let local = (*flow).flags & flow_flag::LOCAL != 0;
    if !local || (*state).flags & direction_flag::BY_READER != 0 {
        // Nobody else will show them.
        flow::lose(state, total);
        if (*flow).verdict != verdict::NOT_MCP {
            emit::dropped(drop::SPLICED, 1);
        }
    }
    name(scratch, flow, state, object, fd, direction::READ);
}

/// Bytes went from another descriptor into `object`.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(never)]
pub unsafe fn put_in(object: &Object, fd: u32, total: u64) {
    if let Some(scratch) = scratch::take() {
        put(scratch, object, fd, total);
        scratch::give_back(scratch);
    }
}

#[inline(always)]
unsafe fn put(scratch: *mut TransferScratch, object: &Object, fd: u32, total: u64) {
    let Some(flow) = begin(scratch, object) else {
        return;
    };
    let state = flow::direction_of(flow, direction::WRITE);
    if (*state).flags & direction_flag::BY_READER != 0 {
        return name(scratch, flow, state, object, fd, direction::WRITE);
    }
    if (*flow).verdict == verdict::NOT_MCP {
        return flow::lose(state, total);
    }
    if !inspect::fill_record(scratch, kind::SPLICED, object, fd, direction::WRITE) {
        return;
    }
    (*scratch).record.length = total;
    // What a terminal's reader reads is not what was written.
    let readable =
        (*flow).flags & flow_flag::LOCAL != 0 && (*scratch).record.end.channel != channel::PTY;
    if !readable {
        flow::lose(state, total);
        emit::dropped(drop::SPLICED, 1);
        return name(scratch, flow, state, object, fd, direction::WRITE);
    }
    if copy::send_bare(scratch) {
        flow::note_user(state);
        (*state).flags |= direction_flag::BY_READER;
        turn_reader(scratch, flow);
        // The reader has one, as long as writers were copied.
        pass::void_all();
    } else {
        flow::lose(state, total);
    }
}

#[inline(always)]
unsafe fn begin(scratch: *mut TransferScratch, object: &Object) -> Option<*mut FlowState> {
    let flow = flow::flow_of(object, scratch)?;
    if (*flow).verdict != verdict::NOT_MCP {
        flow::take_verdict(flow, &object.key);
    }
    Some(flow)
}

/// Tells of the caller, if it is new here.
#[inline(always)]
unsafe fn name(
    scratch: *mut TransferScratch,
    flow: *mut FlowState,
    state: *mut DirectionState,
    object: &Object,
    fd: u32,
    way: u8,
) {
    if (*flow).verdict == verdict::NOT_MCP || !flow::note_user(state) {
        return;
    }
    let filled = inspect::fill_record(scratch, kind::TRANSFER, object, fd, way);
    (*scratch).record.length = 0;
    if !filled || !copy::send_bare(scratch) {
        flow::forget_user(state);
    }
}

/// Has the other side of the record's end copied as it reads, seen already or not.
#[inline(never)]
unsafe fn turn_reader(scratch: *mut TransferScratch, flow: *mut FlowState) {
    let end = &raw const (*scratch).record.end;
    let other = match (*end).channel {
        channel::PIPE => {
            (*flow).directions[1].flags |= direction_flag::BY_READER;
            return;
        }
        channel::UNIX => FlowKey {
            device: u64::from((*end).peer_device),
            inode: (*end).peer_inode,
        },
        _ => match other_of(scratch) {
            Some(key) => key,
            None => return,
        },
    };
    if other.inode == 0 {
        return;
    }
    if let Some(known) = FLOWS.get_ptr_mut(&other) {
        (*known).directions[1].flags |= direction_flag::BY_READER;
    } else {
        flow::open_flow(scratch, &other, true, true);
    }
}

/// The key of the other side of the record's TCP connection; where it was not seen yet, it is marked.
#[inline(always)]
unsafe fn other_of(scratch: *mut TransferScratch) -> Option<FlowKey> {
    tuple::mirror(scratch);
    let tuple = &(*scratch).tuple;
    if let Some(&key) = TUPLES.get(tuple) {
        return Some(key);
    }
    let unseen = FlowKey {
        device: 0,
        inode: 0,
    };
    let _ = TUPLES.insert(tuple, &unseen, u64::from(BPF_ANY));
    None
}
