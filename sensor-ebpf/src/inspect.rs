//! Decides what of a call on an end is copied. Shared by all ways of attaching.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use sensor_abi::{
    flow::{
        DirectionState, FlowKey, FlowState, NEWCOMER_PAUSE_NS_MAX, NEWCOMER_PAUSE_NS_MIN,
        RELOOK_AFTER_BYTES_MAX, RELOOK_AFTER_BYTES_MIN, RELOOK_AFTER_NS, RELOOK_BYTES,
        UNJUDGED_BYTES, direction_flag, drop, flow_flag, verdict,
    },
    record::{HEAD_BYTES, direction, kind, transfer_flag},
};

use crate::{
    copy::{self, Source},
    emit,
    end::{self, Object},
    maps::{FLOWS, TransferScratch, VERDICTS},
    memory::user,
    task,
};

/// A call that moved bytes.
#[derive(Clone, Copy)]
pub struct Call {
    /// Descriptor it named.
    pub fd: u32,
    /// Which way.
    pub direction: u8,
    /// Where the bytes are.
    pub source: Source,
    /// What it returned: bytes, or messages.
    pub returned: u64,
}

/// What is done about a call.
#[derive(Clone, Copy, PartialEq)]
enum Action {
    /// Nothing.
    Skip,
    /// Its fact is told, without bytes.
    Tell,
    /// Copied, with an eye on whether it is text.
    Inspect,
    /// Copied.
    Copy,
}

/// Looks at a call that moved bytes on `object`.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(always)]
pub unsafe fn inspect(object: &Object, call: Call) {
    let Some(scratch) = copy::scratch() else {
        return;
    };
    let Some(flow) = flow_of(object, scratch) else {
        return;
    };
    let total = call.source.total(scratch, call.returned);
    let action = decide(flow, &object.key, call.direction, total);
    if action == Action::Skip {
        return;
    }
    if !fill_record(scratch, kind::TRANSFER, object, &call) {
        return;
    }
    (*scratch).record.length = total;
    if action == Action::Tell {
        copy::send_bare(scratch);
        return;
    }
    let state = direction_of(flow, call.direction);
    call.source.start(scratch, call.returned);
    (*scratch).walk.lost_bytes = (*state).lost_bytes;
    (*state).lost_bytes = 0;
    (*scratch).record.flags = transfer_flag::COPIED;
    if action == Action::Inspect {
        charge(scratch, state, total);
    }
    let rest = remainder(scratch, total);
    copy::copy_all(scratch);
    (*state).lost_bytes += (*scratch).walk.lost_bytes + rest;
}

/// Tells once that the other side of `object` is gone.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(always)]
pub unsafe fn end_of_stream(object: &Object, call: Call) {
    let Some(flow) = FLOWS.get_ptr_mut(&object.key) else {
        return;
    };
    let state = direction_of(flow, call.direction);
    if (*state).flags & direction_flag::ENDED != 0 {
        return;
    }
    let Some(scratch) = copy::scratch() else {
        return;
    };
    if !fill_record(scratch, kind::END_OF_STREAM, object, &call) {
        return;
    }
    (*scratch).record.length = 0;
    (*scratch).record.lost_before = (*state).lost_bytes;
    if copy::send_bare(scratch) {
        (*state).lost_bytes = 0;
        (*state).flags |= direction_flag::ENDED;
    }
}

/// The state of an end, made on first sight if the end is of a kind that is followed.
#[inline(always)]
unsafe fn flow_of(object: &Object, scratch: *mut TransferScratch) -> Option<*mut FlowState> {
    if let Some(flow) = FLOWS.get_ptr_mut(&object.key) {
        return Some(flow);
    }
    let end = &raw mut (*scratch).record.end;
    if !end::fill(object, end) {
        return None;
    }
    // The rest of it is zero and stays so.
    let flow = &raw mut (*scratch).flow;
    (*flow).flags = if end::is_local(end) {
        flow_flag::LOCAL
    } else {
        0
    };
    (*flow).directions[0].credit_bytes = UNJUDGED_BYTES;
    (*flow).directions[1].credit_bytes = UNJUDGED_BYTES;
    if FLOWS.insert(&object.key, &*flow, 0).is_err() {
        emit::dropped(drop::MAP_FULL, 1);
    }
    FLOWS.get_ptr_mut(&object.key)
}

#[inline(always)]
unsafe fn direction_of(flow: *mut FlowState, way: u8) -> *mut DirectionState {
    if way == direction::WRITE {
        &raw mut (*flow).directions[0]
    } else {
        &raw mut (*flow).directions[1]
    }
}

#[inline(always)]
unsafe fn decide(flow: *mut FlowState, key: &FlowKey, way: u8, total: u64) -> Action {
    let state = direction_of(flow, way);
    // Where the write side is copied, a read only matters for who reads.
    let named_only = way == direction::READ && (*flow).flags & flow_flag::LOCAL != 0;
    let newcomer = note_user(state);
    (*state).flags &= !direction_flag::ENDED;
    if named_only && !newcomer {
        return Action::Skip;
    }
    if (*flow).verdict != verdict::NOT_MCP {
        take_verdict(flow, key);
    }
    if (*flow).verdict == verdict::NOT_MCP && !look_again(flow, total, newcomer) {
        if !named_only {
            (*state).lost_bytes += total;
        }
        return Action::Skip;
    }
    if named_only {
        return Action::Tell;
    }
    if (*flow).verdict == verdict::MCP {
        return Action::Copy;
    }
    if (*state).credit_bytes == 0 && !renew(flow) {
        (*state).lost_bytes += total;
        emit::dropped(drop::UNJUDGED_CAP, 1);
        return Action::Skip;
    }
    Action::Inspect
}

/// Remembers the current user; true if it is none of the last two.
#[inline(always)]
unsafe fn note_user(state: *mut DirectionState) -> bool {
    let user = task::current_user();
    if (*state).users[0] == user || (*state).users[1] == user {
        return false;
    }
    (*state).users[1] = (*state).users[0];
    (*state).users[0] = user;
    true
}

/// Takes over what user space decided since the end was last used.
#[inline(always)]
unsafe fn take_verdict(flow: *mut FlowState, key: &FlowKey) {
    let Some(&decided) = VERDICTS.get(key) else {
        return;
    };
    let _ = VERDICTS.remove(key);
    (*flow).verdict = decided;
    if decided == verdict::NOT_MCP {
        let after = (*flow).relook_after_bytes * 2;
        (*flow).relook_after_bytes = after.clamp(RELOOK_AFTER_BYTES_MIN, RELOOK_AFTER_BYTES_MAX);
        (*flow).relook_at_ns = bpf_ktime_get_ns() + RELOOK_AFTER_NS;
        (*flow).silent_bytes = 0;
    } else {
        (*flow).directions[0].credit_bytes = UNJUDGED_BYTES;
        (*flow).directions[1].credit_bytes = UNJUDGED_BYTES;
    }
}

/// Whether a flow judged not MCP deserves another look; if so it is back to being inspected.
#[inline(always)]
unsafe fn look_again(flow: *mut FlowState, total: u64, newcomer: bool) -> bool {
    let now = bpf_ktime_get_ns();
    let silent = (*flow).silent_bytes + total;
    (*flow).silent_bytes = silent;
    if newcomer && now < (*flow).newcomer_at_ns {
        if (*flow).relook_at_ns > (*flow).newcomer_at_ns {
            (*flow).relook_at_ns = (*flow).newcomer_at_ns;
        }
        return false;
    }
    if newcomer {
        let pause =
            ((*flow).newcomer_pause_ns * 2).clamp(NEWCOMER_PAUSE_NS_MIN, NEWCOMER_PAUSE_NS_MAX);
        (*flow).newcomer_pause_ns = pause;
        (*flow).newcomer_at_ns = now + pause;
    } else if silent < (*flow).relook_after_bytes && now < (*flow).relook_at_ns {
        return false;
    }
    (*flow).verdict = verdict::INSPECT;
    (*flow).relook_at_ns = 0;
    (*flow).directions[0].credit_bytes = RELOOK_BYTES;
    (*flow).directions[1].credit_bytes = RELOOK_BYTES;
    true
}

/// Gives a flow that nobody judged a new share after a while.
#[inline(always)]
unsafe fn renew(flow: *mut FlowState) -> bool {
    let now = bpf_ktime_get_ns();
    if (*flow).relook_at_ns == 0 {
        (*flow).relook_at_ns = now + RELOOK_AFTER_NS;
        return false;
    }
    if now < (*flow).relook_at_ns {
        return false;
    }
    (*flow).relook_at_ns = 0;
    (*flow).directions[0].credit_bytes = RELOOK_BYTES;
    (*flow).directions[1].credit_bytes = RELOOK_BYTES;
    true
}

/// Takes a call off the unjudged share. What does not begin like text gets only its head copied,
/// unless the flow has shown text before: TLS, compressed and binary protocols.
#[inline(always)]
unsafe fn charge(scratch: *mut TransferScratch, state: *mut DirectionState, total: u64) {
    let walk = &raw mut (*scratch).walk;
    let mut cost = total;
    if (*state).flags & direction_flag::TEXT == 0 {
        // Empty segments may come first.
        if (*walk).segment_bytes == 0 && copy::advance(walk) && (*walk).segment_bytes == 0 {
            copy::advance(walk);
        }
        let first: u8 = user((*walk).address).unwrap_or(b' ');
        let control = first < b' ' && first != b'\n' && first != b'\r' && first != b'\t';
        if !control {
            (*state).flags |= direction_flag::TEXT;
        } else if total > HEAD_BYTES {
            cost = HEAD_BYTES;
            (*scratch).record.flags = 0;
            (*walk).budget_bytes = 0;
            (*walk).segment_bytes = (*walk).segment_bytes.min(HEAD_BYTES);
        }
    }
    (*state).credit_bytes = (*state).credit_bytes.saturating_sub(cost);
}

/// Bytes of a call past the cap, counted.
#[inline(always)]
unsafe fn remainder(scratch: *mut TransferScratch, total: u64) -> u64 {
    if (*scratch).record.flags & transfer_flag::COPIED == 0
        || total <= sensor_abi::flow::MESSAGE_BYTES_MAX
    {
        return 0;
    }
    emit::dropped(drop::MESSAGE_CAP, 1);
    total - sensor_abi::flow::MESSAGE_BYTES_MAX
}

/// Fills in the record but for the payload; false if the end is gone.
#[inline(always)]
unsafe fn fill_record(
    scratch: *mut TransferScratch,
    kind: u16,
    object: &Object,
    call: &Call,
) -> bool {
    let record = &raw mut (*scratch).record;
    if !end::fill(object, &raw mut (*record).end) {
        return false;
    }
    (*record).header = emit::header(kind, 0);
    (*record).process = task::current_process();
    (*record).lost_before = 0;
    (*record).fd = call.fd;
    (*record).direction = call.direction;
    (*record).flags = 0;
    true
}
