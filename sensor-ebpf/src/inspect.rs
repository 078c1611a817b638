//! Decides what of a call on an end is copied. Shared by all ways of attaching.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_ktime_get_ns};
use aya_log_ebpf::warn;
use sensor_abi::{
    flow::{
        DirectionState, FlowKey, FlowState, HTTP_HEAD_BYTES, LOST_ON_PASS_BYTES,
        NEWCOMER_PAUSE_NS_MAX, NEWCOMER_PAUSE_NS_MIN, PASS_NS, POST_BYTES, RELOOK_AFTER_BYTES_MAX,
        RELOOK_AFTER_BYTES_MIN, RELOOK_AFTER_NS, RELOOK_BYTES, UNJUDGED_BYTES,
        UNJUDGED_MESSAGE_BYTES_MAX, UNJUDGED_MESSAGES_BYTES, direction_flag, drop, flow_flag,
        verdict,
    },
    record::{CHUNK_BYTES_MAX, HEAD_BYTES, NO_FD, channel, direction, kind, transfer_flag},
};

use crate::{
    atomic,
    copy::{self, Source},
    emit, end,
    inode::Object,
    maps::{self, FLOWS, TransferScratch, VERDICTS, Walk},
    pass, scratch, task, tuple,
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

/// What is done about a call.
#[derive(Clone, Copy, PartialEq)]
enum Action {
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

/// Looks at a call that moved bytes on `object`. Gives how many bytes of further calls like it need no look.
///
/// # Safety
/// In the context of the task that made the call; `scratch` is this program's.
#[inline(always)]
pub unsafe fn look(scratch: *mut TransferScratch, object: &Object, call: Call) -> u64 {
    let Some(flow) = flow_of(object, scratch) else {
        return u64::MAX;
    };
    let total = call.source.total(scratch, call.returned);
    if call.pass != 0 && call.direction == direction::WRITE {
        let state = direction_of(flow, direction::WRITE);
        (*state).silent_bytes = (*state)
            .silent_bytes
            .saturating_sub(pass::refund(call.pass));
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
    let state = direction_of(flow, way);
    let (after, silent) = ((*flow).relook_after_bytes, (*state).silent_bytes);
    // All that may pass counts now, and what did not is given back.
    (*state).silent_bytes = after;
    after.saturating_sub(silent)
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
        Action::Inspect => charge(scratch, state, total),
        Action::Exceed => exceed(scratch, flow, state, total),
        Action::Heads => heads(scratch, flow, object, state, total),
        Action::Watch => {
            watch(scratch, flow);
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
        return true;
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
unsafe fn take_lost(state: *mut DirectionState) -> u64 {
    // Mostly there is nothing, and looking is cheaper than taking.
    if (*state).lost_bytes == 0 {
        return 0;
    }
    atomic::take(&raw mut (*state).lost_bytes)
}

#[inline(always)]
unsafe fn decide(flow: *mut FlowState, key: &FlowKey, way: u8, total: u64) -> Action {
    let state = direction_of(flow, way);
    // Where one side is copied, a call on the other only matters for who makes it.
    let local = (*flow).flags & flow_flag::LOCAL != 0;
    let copied = if (*state).flags & direction_flag::BY_READER != 0 {
        direction::READ
    } else {
        direction::WRITE
    };
    let named_only = local && way != copied;
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
            silence(flow);
            lose(state, total);
            return Action::Skip;
        }
        return Action::Exceed;
    }
    Action::Inspect
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
unsafe fn grant(flow: *mut FlowState, share: u64) {
    (*flow).directions[0].credit_bytes = share;
    (*flow).directions[1].credit_bytes = share;
    (*flow).directions[0].beyond_bytes = 0;
    (*flow).directions[1].beyond_bytes = 0;
}

/// Whether a flow judged not MCP deserves another look; if so it is back to being inspected.
#[inline(always)]
unsafe fn look_again(
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

/// Begins what colours a terminal's text.
const ESCAPE: u8 = 0x1b;

/// Takes a call off the unjudged share; returns how much of it is wanted. What does not begin like
/// text gets only its head copied, unless the flow has shown text before: TLS, compressed and binary
/// protocols.
#[inline(always)]
unsafe fn charge(scratch: *mut TransferScratch, state: *mut DirectionState, total: u64) -> u64 {
    let mut wanted = total;
    let looked = direction_flag::TEXT | direction_flag::BEGUN;
    if (*state).flags & looked != looked {
        let first = first_bytes(scratch).unwrap_or([b' '; 4]);
        if begins(first) {
            (*state).flags |= direction_flag::BEGUN;
        }
        let first = first[0];
        let control = first < b' ' && !matches!(first, b'\n' | b'\r' | b'\t' | ESCAPE);
        if !control {
            (*state).flags |= direction_flag::TEXT;
        } else if total > HEAD_BYTES && (*state).flags & direction_flag::TEXT == 0 {
            wanted = HEAD_BYTES;
        }
    }
    (*state).credit_bytes = (*state).credit_bytes.saturating_sub(wanted);
    wanted
}

/// How much is wanted of a call on a flow that used up its share before anybody judged it: all of what begins like a
/// message, or nothing, and that is counted.
#[inline(always)]
unsafe fn exceed(
    scratch: *mut TransferScratch,
    flow: *mut FlowState,
    state: *mut DirectionState,
    total: u64,
) -> u64 {
    let used = u64::from((*state).beyond_bytes);
    let first = first_bytes(scratch).unwrap_or([0; 4]);
    if begins(first)
        && total <= UNJUDGED_MESSAGE_BYTES_MAX
        && used + total <= UNJUDGED_MESSAGES_BYTES
    {
        (*state).beyond_bytes = (used + total) as u32;
        return total;
    }
    emit::dropped(drop::UNJUDGED_CAP, 1);
    let is_used_up = used > UNJUDGED_MESSAGES_BYTES - UNJUDGED_MESSAGE_BYTES_MAX;
    if is_used_up && (*flow).flags & flow_flag::SAMPLE != 0 {
        // Nothing more is copied of this look. Whatever is decided on it, the flow need not be looked at until then: it
        // is woken if it is MCP.
        silence(flow);
    }
    0
}

/// How much is wanted of a call on a flow of which only heads are.
#[inline(always)]
unsafe fn heads(
    scratch: *mut TransferScratch,
    flow: *mut FlowState,
    object: &Object,
    state: *mut DirectionState,
    total: u64,
) -> u64 {
    let first = first_bytes(scratch).unwrap_or([0; 4]);
    if first == *b"POST" {
        grant(flow, POST_BYTES);
        grant_peer(scratch, object);
    }
    let share = (*state).credit_bytes;
    if share > 0 {
        (*state).credit_bytes = share.saturating_sub(total);
        return total;
    }
    if is_head(first) { HTTP_HEAD_BYTES } else { 0 }
}

/// Who reads a POST from a unix socket is about to write an answer that is wanted, on an end of his own.
#[inline(always)]
unsafe fn grant_peer(scratch: *mut TransferScratch, object: &Object) {
    let end = &raw mut (*scratch).record.end;
    if !end::fill(object, end) || (*end).channel != channel::UNIX {
        return;
    }
    let peer = FlowKey {
        device: u64::from((*end).peer_device),
        inode: (*end).peer_inode,
    };
    if let Some(flow) = FLOWS.get_ptr_mut(&peer) {
        grant(flow, POST_BYTES);
    }
}

/// A server that reads a POST is about to write an answer that is wanted.
#[inline(always)]
unsafe fn watch(scratch: *mut TransferScratch, flow: *mut FlowState) {
    if first_bytes(scratch) == Some(*b"POST") {
        grant(flow, POST_BYTES);
    }
}

/// Begins like a message, as far as can be told: blanks may come before one.
#[inline(always)]
fn begins(first: [u8; 4]) -> bool {
    matches!(first[0], b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n') || is_head(first)
}

/// Begins like a request or a status line of HTTP/1.
#[inline(always)]
fn is_head(first: [u8; 4]) -> bool {
    matches!(
        &first,
        b"HTTP" | b"GET " | b"POST" | b"PUT " | b"DELE" | b"HEAD" | b"OPTI" | b"PATC"
    )
}

/// First bytes of a call; empty segments may come before them.
#[inline(always)]
unsafe fn first_bytes(scratch: *mut TransferScratch) -> Option<[u8; 4]> {
    let walk = &raw mut (*scratch).walk;
    if (*walk).segment_bytes == 0 && copy::advance(walk) && (*walk).segment_bytes == 0 {
        copy::advance(walk);
    }
    match copy::peek::<[u8; 4]>(walk) {
        Some(first) => Some(first),
        // The last byte before an unmapped page.
        None => copy::peek::<u8>(walk).map(|first| [first, 0, 0, 0]),
    }
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
