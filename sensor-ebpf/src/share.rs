//! How much of a call is wanted: shares that run out until somebody has judged the end, and heads of HTTP.

use sensor_abi::{
    flow::{
        DirectionState, FlowKey, FlowState, HTTP_HEAD_BYTES, POST_BYTES,
        UNJUDGED_MESSAGE_BYTES_MAX, UNJUDGED_MESSAGES_BYTES, direction_flag, drop, flow_flag,
    },
    record::{HEAD_BYTES, channel},
};

use crate::{
    copy, emit, end,
    flow::{grant, silence_unless_decided},
    inode::Object,
    maps::{FLOWS, TransferScratch},
};

/// Begins what colours a terminal's text.
const ESCAPE: u8 = 0x1b;

/// Takes a call off the unjudged share; returns how much of it is wanted. What does not begin like
/// text gets only its head copied, unless the flow has shown text before: TLS, compressed and binary
/// protocols.
#[inline(always)]
pub unsafe fn charge(scratch: *mut TransferScratch, state: *mut DirectionState, total: u64) -> u64 {
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
pub unsafe fn exceed(
    scratch: *mut TransferScratch,
    flow: *mut FlowState,
    object: &Object,
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
        // A look ends with its share. Whatever is decided on it, the flow need not be looked at until then: it is woken if it is
        // MCP.
        silence_unless_decided(flow, &object.key);
    }
    0
}

/// How much is wanted of a call on a flow of which only heads are.
#[inline(always)]
pub unsafe fn heads(
    scratch: *mut TransferScratch,
    flow: *mut FlowState,
    object: &Object,
    state: *mut DirectionState,
    total: u64,
) -> u64 {
    let first = first_bytes(scratch).unwrap_or([0; 4]);
    if first == *b"POST" || begins_post(first, total) {
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
pub unsafe fn watch(scratch: *mut TransferScratch, flow: *mut FlowState) {
    if first_bytes(scratch) == Some(*b"POST") {
        grant(flow, POST_BYTES);
    }
}

/// Begins like a message, as far as can be told: blanks may come before one.
#[inline(always)]
fn begins(first: [u8; 4]) -> bool {
    matches!(first[0], b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n') || is_head(first)
}

/// A POST that begins in this call and goes on in the next one, or behind the blank line that may come before a request (RFC 9112,
/// section 2.2).
#[inline(always)]
fn begins_post(first: [u8; 4], total: u64) -> bool {
    match first {
        [b'P', ..] => total < 4,
        [b'\r', b'\n', b'P', _] | [b'\n', b'P', _, _] => true,
        _ => false,
    }
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
