//! Flags of messages on sockets (include/linux/socket.h).

const MSG_OOB: u32 = 0x1;
const MSG_PEEK: u32 = 0x2;
const MSG_TRUNC: u32 = 0x20;
const MSG_ERRQUEUE: u32 = 0x2000;
/// Flags with which a receiving call does not take bytes of the stream into the caller's memory. To one that sends, all but
/// the first mean nothing, and it sends.
pub const NOT_RECEIVED: u32 = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;

/// Set in the number of bytes that were sent, where the last of them is urgent. More than one call moves.
const URGENT: i64 = 1 << 40;

/// What a call returned that sent with these flags, with a mark if it sent urgent data.
#[inline(always)]
pub const fn marked(flags: u32, sent: i64) -> i64 {
    if flags & MSG_OOB != 0 && sent > 0 {
        sent | URGENT
    } else {
        sent
    }
}

/// Back from [`marked`]: how many bytes were sent, and how many of them are in the stream.
#[inline(always)]
pub const fn unmarked(sent: i64) -> (i64, i64) {
    if sent >= URGENT {
        (sent & (URGENT - 1), (sent & (URGENT - 1)) - 1)
    } else {
        (sent, sent)
    }
}

/// How many of the bytes that were sent with these flags are in the stream: the last one of urgent data is beside it.
#[inline(always)]
pub const fn in_stream(flags: u32, sent: i64) -> i64 {
    if flags & MSG_OOB != 0 && sent > 0 {
        sent - 1
    } else {
        sent
    }
}
