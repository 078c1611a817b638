//! Decides what is done about a call on an end.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use sensor_abi::{
    flow::{
        DirectionState, FlowKey, FlowState, NEWCOMER_PAUSE_NS_MAX, NEWCOMER_PAUSE_NS_MIN,
        RELOOK_AFTER_NS, RELOOK_BYTES, direction_flag, flow_flag, verdict,
    },
    record::direction,
};

use crate::{
    flow::{
        direction_of, forget_user, grant, is_copied, lose, note_user, silence_unless_decided,
        take_verdict,
    },
    maps::VERDICTS,
    pass,
};

/// What is done about a call.
#[derive(Clone, Copy, PartialEq)]
pub enum Action {
    /// Nothing.
    Skip,
    /// Its fact is told, without bytes.
    Tell,
    /// The same, with bytes in reserve.
    StandBy,
    /// Not told, but a request that is read makes its answer worth copying.
    Watch,
    /// Copied if it is the head of a request or an answer, or follows a POST.
    Heads,
    /// Copied, with an eye on whether it is text.
    Inspect,
    /// The share of the flow is used up: copied if it begins like a message.
    Exceed,
    /// Copied.
    Copy,
}

#[inline(always)]
pub unsafe fn decide(flow: *mut FlowState, key: &FlowKey, way: u8, total: u64) -> Action {
    let state = direction_of(flow, way);
    // Where one side is copied, a call on the other only matters for who makes it.
    let named_only = !is_copied(flow, state, way);
    let newcomer = note_user(state);
    (*state).flags &= !direction_flag::ENDED;
    if named_only && !newcomer && (*flow).verdict != verdict::HEADS {
        return Action::Skip;
    }
    if (*flow).verdict != verdict::NOT_MCP {
        take_verdict(flow, key);
    }
    if (*flow).verdict == verdict::NOT_MCP && !look_again(flow, key, state, total, newcomer) {
        if !named_only {
            lose(state, total);
        } else if newcomer {
            // It is told when the flow is looked at again.
            forget_user(state);
        }
        return Action::Skip;
    }
    if named_only {
        return if !newcomer {
            Action::Watch
        } else if way == direction::READ && (*flow).verdict != verdict::HEADS {
            Action::StandBy
        } else {
            Action::Tell
        };
    }
    if (*flow).verdict == verdict::HEADS {
        return Action::Heads;
    }
    if (*flow).verdict == verdict::MCP {
        return Action::Copy;
    }
    if (*state).credit_bytes == 0 && !renew(flow) {
        let sample = (*flow).flags & flow_flag::SAMPLE != 0;
        if sample && (*state).flags & direction_flag::BEGUN == 0 {
            silence_unless_decided(flow, key);
            lose(state, total);
            return Action::Skip;
        }
        return Action::Exceed;
    }
    Action::Inspect
}

/// Whether a flow judged not MCP deserves another look; if so it is back to being inspected.
#[inline(always)]
pub unsafe fn look_again(
    flow: *mut FlowState,
    key: &FlowKey,
    state: *mut DirectionState,
    total: u64,
    newcomer: bool,
) -> bool {
    let now = bpf_ktime_get_ns();
    let silent = (*state).silent_bytes + total;
    (*state).silent_bytes = silent;
    if newcomer && now < (*flow).newcomer_at_ns {
        if (*flow).relook_at_ns > (*flow).newcomer_at_ns {
            (*flow).relook_at_ns = (*flow).newcomer_at_ns;
            // They were given in the belief that there is time.
            pass::void_all();
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
    (*flow).flags |= flow_flag::SAMPLE;
    (*flow).directions[0].flags &= !direction_flag::BEGUN;
    (*flow).directions[1].flags &= !direction_flag::BEGUN;
    // What was decided meanwhile was decided about the look before.
    let _ = VERDICTS.remove(key);
    grant(flow, RELOOK_BYTES);
    // Others' passes, to the same flow by other descriptors, would hide from this look what they move.
    pass::void_all();
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
    grant(flow, RELOOK_BYTES);
    true
}
