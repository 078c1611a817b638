//! Flags of messages on sockets (include/linux/socket.h).

const MSG_OOB: u32 = 0x1;
const MSG_PEEK: u32 = 0x2;
const MSG_TRUNC: u32 = 0x20;
const MSG_ERRQUEUE: u32 = 0x2000;
/// Flags with which a call does not take bytes of the stream into the caller's memory.
pub const NOT_STREAM: u32 = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;
