//! Looks at a call on an end: copies of it what is wanted, and tells it. Shared by all ways of attaching.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use sensor_abi::{
    flow::{FlowState, LOST_ON_PASS_BYTES, PASS_NS, direction_flag, verdict},
    record::{CHUNK_BYTES_MAX, NO_FD, direction, kind, transfer_flag},
};

use crate::{
    copy::{self, Source},
    decide::{Action, decide, look_again},
    emit, end,
    flow::{
        direction_of, flow_of, forget_user, is_followed, lose, note_user, take_lost, take_verdict,
    },
    inode::Object,
    maps::{self, FLOWS, TransferScratch, Walk},
    pass, scratch, share, task,
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
    /// What passes go by ([`crate::pass`]), 0 for none.
    pub pass: u64,
}

/// Looks at a call that moved bytes on `object`. Gives how many bytes of further calls like it need no look.
///
/// # Safety
/// In the context of the task that made the call; `scratch` is this program's.
#[inline(always)]
pub unsafe fn look(scratch: *mut TransferScratch, object: &Object, call: Call) -> u64 {
    let Some(flow) = flow_of(object, scratch) else {
        return if is_followed(scratch) { 0 } else { u64::MAX };
    };
    let total = call.source.total(scratch, call.returned);
    if call.pass != 0 && call.direction == direction::WRITE {
        let state = direction_of(flow, direction::WRITE);
        let silent = (*state).silent_bytes;
        let given = (*flow).relook_after_bytes.saturating_sub(silent);
        (*state).silent_bytes = silent + pass::used(call.pass, given);
    }
    let action = decide(flow, &object.key, call.direction, total);
    if action == Action::Skip {
        return if call.pass == 0 {
            0
        } else {
            unseen(flow, call.direction)
        };
    }
    if call.pass != 0 {
        // The flow may have been silent until now, in the other direction, too.
        pass::take(call.pass);
    }
    tell(scratch, flow, object, &call, action, total);
    0
}

/// How many bytes of a flow that was just skipped need no look. They are told as lost beforehand, in one.
#[inline(always)]
unsafe fn unseen(flow: *mut FlowState, way: u8) -> u64 {
    if (*flow).verdict != verdict::NOT_MCP {
        // The other direction is the one that is copied, and its user is known.
        return u64::MAX;
    }
    if bpf_ktime_get_ns() + PASS_NS > (*flow).relook_at_ns {
        return 0;
    }
    lose(direction_of(flow, way), LOST_ON_PASS_BYTES);
    if way == direction::READ {
        // What a reader's pass lets go is not counted: the next look comes when it is time.
        return u64::MAX;
    }
    let silent = (*direction_of(flow, way)).silent_bytes;
    (*flow).relook_after_bytes.saturating_sub(silent)
}

/// Does about a call what was decided.
#[inline(always)]
unsafe fn tell(
    scratch: *mut TransferScratch,
    flow: *mut FlowState,
    object: &Object,
    call: &Call,
    action: Action,
    total: u64,
) {
    call.source.start(scratch, call.returned);
    // What the verifier has learnt of these by the way would part what goes on alike.
    let total = maps::unknown(total);
    let state = direction_of(flow, call.direction);
    let wanted = match action {
        Action::Inspect => share::charge(scratch, state, total),
        Action::Exceed => share::exceed(scratch, flow, object, state, total),
        Action::Heads => share::heads(scratch, flow, object, state, total),
        Action::Watch => {
            share::watch(scratch, flow);
            return;
        }
        _ => u64::MAX,
    };
    let (total, wanted) = (maps::unknown(total), maps::unknown(wanted));
    if wanted == 0 {
        lose(state, total);
        return;
    }
    let what = if action == Action::StandBy {
        kind::STANDBY
    } else {
        kind::TRANSFER
    };
    let filled = fill_record(scratch, what, object, call.fd, call.direction);
    (*scratch).record.length = total;
    if action == Action::Tell {
        if !filled || !copy::send_bare(scratch) {
            forget_user(state);
        }
        return;
    }
    if action == Action::StandBy {
        limit(&raw mut (*scratch).walk, CHUNK_BYTES_MAX as u64);
        if !filled || !copy::send_head(scratch) {
            forget_user(state);
        }
        return;
    }
    if !filled {
        lose(state, total);
        return;
    }
    (*scratch).walk.lost_bytes = take_lost(state);
    if wanted < total {
        limit(&raw mut (*scratch).walk, wanted);
    } else {
        (*scratch).record.flags = transfer_flag::COPIED;
    }
    copy::copy_all(scratch, total);
    lose(state, (*scratch).walk.lost_bytes);
}

/// A process asks for bytes of `object`, of which the other direction is copied. Tells who it is, once; true when it
/// needs no look any more.
///
/// # Safety
/// In the context of the task that makes the call.
#[inline(always)]
pub unsafe fn named(object: &Object, way: u8) -> bool {
    let Some(scratch) = scratch::take() else {
        return false;
    };
    let told = name(scratch, object, way);
    scratch::give_back(scratch);
    told
}

#[inline(always)]
unsafe fn name(scratch: *mut TransferScratch, object: &Object, way: u8) -> bool {
    let Some(flow) = flow_of(object, scratch) else {
        return !is_followed(scratch);
    };
    let state = direction_of(flow, way);
    let newcomer = note_user(state);
    if (*flow).verdict != verdict::NOT_MCP {
        take_verdict(flow, &object.key);
    }
    if (*flow).verdict == verdict::NOT_MCP && !look_again(flow, &object.key, state, 0, newcomer) {
        if newcomer {
            // It is told when the flow is looked at again.
            forget_user(state);
        }
        return !newcomer;
    }
    if !newcomer {
        return true;
    }
    let filled = fill_record(scratch, kind::TRANSFER, object, NO_FD, way);
    (*scratch).record.length = 0;
    let told = filled && copy::send_bare(scratch);
    if !told {
        forget_user(state);
    }
    told
}

/// Tells once that the other side of `object` is gone.
///
/// # Safety
/// In the context of the task that made the call.
#[inline(never)]
pub unsafe fn end_of_stream(object: &Object, fd: u32, way: u8) {
    let Some(flow) = FLOWS.get_ptr_mut(&object.key) else {
        return;
    };
    let state = direction_of(flow, way);
    if (*state).flags & direction_flag::ENDED != 0 {
        return;
    }
    let Some(scratch) = scratch::take() else {
        return;
    };
    if fill_record(scratch, kind::END_OF_STREAM, object, fd, way) {
        let lost = take_lost(state);
        (*scratch).record.length = 0;
        (*scratch).record.lost_before = lost;
        if copy::send_bare(scratch) {
            (*state).flags |= direction_flag::ENDED;
        } else {
            lose(state, lost);
        }
    }
    scratch::give_back(scratch);
}

/// Takes only the first `wanted` bytes of what the walk leads to.
#[inline(always)]
unsafe fn limit(walk: *mut Walk, wanted: u64) {
    let segment = (*walk).segment_bytes.min(wanted);
    (*walk).segment_bytes = segment;
    (*walk).budget_bytes = wanted - segment;
}

/// Fills in the record but for the payload; false if the end is gone.
///
/// # Safety
/// In the context of the task that made the call; `scratch` is this CPU's.
#[inline(always)]
pub unsafe fn fill_record(
    scratch: *mut TransferScratch,
    kind: u16,
    object: &Object,
    fd: u32,
    way: u8,
) -> bool {
    let record = &raw mut (*scratch).record;
    if !end::fill(object, &raw mut (*record).end) {
        return false;
    }
    (*record).header = emit::header(kind, 0);
    (*record).process = task::current_process();
    (*record).lost_before = 0;
    (*record).fd = fd;
    (*record).direction = way;
    (*record).flags = 0;
    true
}
