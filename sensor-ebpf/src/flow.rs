//! What is known of an end while it is followed: who uses it, what was decided about it, what of it was lost.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns};
use aya_log_ebpf::warn;
use sensor_abi::{
    flow::{
        DirectionState, FlowKey, FlowState, LOST_ON_PASS_BYTES, RELOOK_AFTER_BYTES_MAX,
        RELOOK_AFTER_BYTES_MIN, RELOOK_AFTER_NS, UNJUDGED_BYTES, direction_flag, drop, flow_flag,
        verdict,
    },
    record::direction,
};

use crate::{
    atomic, emit, end,
    inode::Object,
    maps::{self, FLOWS, TransferScratch, VERDICTS},
    scratch, task, tuple,
};

/// The state of an end, made on first sight if the end is of a kind that is followed.
#[inline(always)]
pub unsafe fn flow_of(object: &Object, scratch: *mut TransferScratch) -> Option<*mut FlowState> {
    if let Some(flow) = FLOWS.get_ptr_mut(&object.key) {
        return Some(flow);
    }
    let end = &raw mut (*scratch).record.end;
    if !end::fill(object, end) {
        return None;
    }
    let local = end::is_local(end);
    let by_reader = local && tuple::meet(scratch, &object.key);
    let flow = open_flow(scratch, &object.key, local, by_reader)?;
    if VERDICTS.get(&object.key).is_some() {
        // It was silent, and user space has woken it: what went by meanwhile is not known any more.
        lose(direction_of(flow, direction::READ), LOST_ON_PASS_BYTES);
        lose(direction_of(flow, direction::WRITE), LOST_ON_PASS_BYTES);
    }
    Some(flow)
}

/// Whether the end that [`flow_of`] gave nothing for is of a kind that is followed, so that there was no room for it.
///
/// # Safety
/// `scratch` is the one that it was asked with.
#[inline(always)]
pub unsafe fn is_followed(scratch: *mut TransferScratch) -> bool {
    (*scratch).record.end.channel != 0
}

/// Makes the state of an end, unless another processor was faster: then that one's, with what it counted.
///
/// # Safety
/// `scratch` is this CPU's.
#[inline(always)]
pub unsafe fn open_flow(
    scratch: *mut TransferScratch,
    key: &FlowKey,
    local: bool,
    by_reader: bool,
) -> Option<*mut FlowState> {
    // The rest of it is zero and stays so.
    let flow = &raw mut (*scratch).flow;
    (*flow).flags = if local { flow_flag::LOCAL } else { 0 };
    (*flow).directions[0].credit_bytes = UNJUDGED_BYTES;
    (*flow).directions[1].credit_bytes = UNJUDGED_BYTES;
    (*flow).directions[1].flags = if by_reader {
        direction_flag::BY_READER
    } else {
        0
    };
    let _ = FLOWS.insert(key, &*flow, u64::from(BPF_NOEXIST));
    let known = FLOWS.get_ptr_mut(key);
    if known.is_none() && emit::dropped(drop::MAP_FULL, 1) {
        warn!((), "no room for a flow: what it carries is not seen");
    }
    known
}

/// One direction of an end.
///
/// # Safety
/// `flow` is a live map value.
#[inline(always)]
pub unsafe fn direction_of(flow: *mut FlowState, way: u8) -> *mut DirectionState {
    // No branch: the verifier would follow each of the two to the end.
    let index = (maps::unknown(u64::from(way)) & 1) as usize;
    (&raw mut (*flow).directions)
        .cast::<DirectionState>()
        .add(index)
}

/// Counts bytes that no record stands for.
///
/// # Safety
/// `state` points into a live map value.
#[inline(always)]
pub unsafe fn lose(state: *mut DirectionState, count: u64) {
    if count > 0 {
        atomic::add(&raw mut (*state).lost_bytes, count);
    }
}

/// Counts bytes that moved in a form that is not read: they are told with the next record, and counted where the flow may be MCP.
///
/// # Safety
/// As for [`flow_of`].
#[inline(never)]
pub unsafe fn unread(object: &Object, way: u8, bytes: u64) {
    let Some(scratch) = scratch::take() else {
        return;
    };
    if let Some(flow) = flow_of(object, scratch) {
        let state = direction_of(flow, way);
        if is_copied(flow, state, way) {
            lose(state, bytes);
            if (*flow).verdict != verdict::NOT_MCP {
                emit::dropped(drop::UNREAD, 1);
            }
        }
    }
    scratch::give_back(scratch);
}

/// Whether the bytes of this direction are copied here: with both sides on this host, by one of them.
///
/// # Safety
/// `state` is that direction's of `flow`, a live map value.
#[inline(always)]
pub unsafe fn is_copied(flow: *mut FlowState, state: *mut DirectionState, way: u8) -> bool {
    let by_reader = (*state).flags & direction_flag::BY_READER != 0;
    (*flow).flags & flow_flag::LOCAL == 0 || by_reader == (way == direction::READ)
}

/// Counts the bytes of a call that cannot be looked at now.
///
/// # Safety
/// `object` was just resolved.
#[inline(never)]
pub unsafe fn miss(object: &Object, way: u8, bytes: u64) {
    if let Some(flow) = FLOWS.get_ptr_mut(&object.key) {
        lose(direction_of(flow, way), bytes);
    }
}

/// Takes what was lost so far, to tell it with the next record.
#[inline(always)]
pub unsafe fn take_lost(state: *mut DirectionState) -> u64 {
    // Mostly there is nothing, and looking is cheaper than taking.
    if (*state).lost_bytes == 0 {
        return 0;
    }
    atomic::take(&raw mut (*state).lost_bytes)
}

/// Remembers the current user; true if it is none of the last two.
///
/// # Safety
/// `state` points into a live map value.
#[inline(always)]
pub unsafe fn note_user(state: *mut DirectionState) -> bool {
    let user = task::current_user();
    if (*state).users[0] == user || (*state).users[1] == user {
        return false;
    }
    (*state).users[1] = (*state).users[0];
    (*state).users[0] = user;
    true
}

/// Undoes [`note_user`] where telling of the current user failed, so that its next call tries again.
///
/// # Safety
/// `state` points into a live map value.
#[inline(always)]
pub unsafe fn forget_user(state: *mut DirectionState) {
    if (*state).users[0] == task::current_user() {
        (*state).users[0] = (*state).users[1];
        (*state).users[1] = 0;
    }
}

/// Takes over what user space decided since the end was last used.
///
/// # Safety
/// `flow` is the live map value of `key`.
#[inline(always)]
pub unsafe fn take_verdict(flow: *mut FlowState, key: &FlowKey) {
    let Some(&decided) = VERDICTS.get(key) else {
        return;
    };
    let _ = VERDICTS.remove(key);
    (*flow).flags &= !flow_flag::SAMPLE;
    if decided == verdict::NOT_MCP {
        silence(flow);
    } else {
        (*flow).verdict = decided;
        let share = if decided == verdict::HEADS {
            0
        } else {
            UNJUDGED_BYTES
        };
        grant(flow, share);
    }
}

/// Lets a flow go until it is looked at again, each time for twice as long. Not if something else was decided meanwhile: what comes to a
/// silent flow's mailbox is not read.
///
/// # Safety
/// `flow` is the live map value of `key`.
#[inline(always)]
pub unsafe fn silence_unless_decided(flow: *mut FlowState, key: &FlowKey) {
    silence(flow);
    take_verdict(flow, key);
}

/// Lets a flow go until it is looked at again, each time for twice as long.
#[inline(always)]
unsafe fn silence(flow: *mut FlowState) {
    let after = (*flow).relook_after_bytes * 2;
    (*flow).relook_after_bytes = after.clamp(RELOOK_AFTER_BYTES_MIN, RELOOK_AFTER_BYTES_MAX);
    (*flow).relook_at_ns = bpf_ktime_get_ns() + RELOOK_AFTER_NS;
    (*flow).directions[0].silent_bytes = 0;
    (*flow).directions[1].silent_bytes = 0;
    (*flow).verdict = verdict::NOT_MCP;
}

/// Sets what may be copied without a verdict, in both directions.
#[inline(always)]
pub unsafe fn grant(flow: *mut FlowState, share: u64) {
    (*flow).directions[0].credit_bytes = share;
    (*flow).directions[1].credit_bytes = share;
    (*flow).directions[0].beyond_bytes = 0;
    (*flow).directions[1].beyond_bytes = 0;
}
