//! What the kernel remembers of an end, and what it counts.

use core::mem::{offset_of, size_of};

/// Verdicts on an end.
pub mod verdict {
    /// Not judged: copied as long as the share of unjudged bytes lasts.
    pub const INSPECT: u32 = 0;
    /// MCP: everything is copied.
    pub const MCP: u32 = 1;
    /// Not MCP for now: nothing is copied until the next look.
    pub const NOT_MCP: u32 = 2;
    /// HTTP without MCP so far: heads of requests and answers are copied, and what follows a POST.
    pub const HEADS: u32 = 3;
}

/// Flags in [`FlowState::flags`].
pub mod flow_flag {
    /// Looked at again after it was silent: falls silent by itself when the share is used up and nothing began like a
    /// message.
    pub const SAMPLE: u32 = 2;
    /// Both sides are on this host: what is written is copied, reads only name the reader.
    pub const LOCAL: u32 = 1;
}

/// Flags in [`DirectionState::flags`].
pub mod direction_flag {
    /// Text was seen: binary-looking calls are copied whole from here on.
    pub const TEXT: u32 = 1;
    /// The end of the stream was told and nothing moved since.
    pub const ENDED: u32 = 2;
    /// Of a flow with both sides here: the readers' side is the one that is copied, because writers went past
    /// user memory (splice, sendfile, tee).
    pub const BY_READER: u32 = 4;
    /// A call began like a message since the flow was looked at again.
    pub const BEGUN: u32 = 8;
}

/// Bytes of one end and direction that are copied before anybody judged it.
pub const UNJUDGED_BYTES: u64 = 1024 * 1024;
/// Once they are used up, calls that begin like a message are still copied, up to so many bytes of them: the answers that
/// follow a first one of a megabyte come before anybody could judge it.
pub const UNJUDGED_MESSAGES_BYTES: u64 = 256 * 1024;
/// The longest of these calls.
pub const UNJUDGED_MESSAGE_BYTES_MAX: u64 = 64 * 1024;
/// The same when a flow judged not MCP is looked at again; one whole call is copied in any case.
pub const RELOOK_BYTES: u64 = 16 * 1024;
/// Head copied of a request or an answer of a flow of which only heads are wanted.
pub const HTTP_HEAD_BYTES: u64 = 4096;
/// Bytes of each direction that are copied whole from a POST on, on such a flow.
pub const POST_BYTES: u64 = 64 * 1024;
/// Traffic after which a flow judged not MCP is looked at again, at first; doubles each time.
pub const RELOOK_AFTER_BYTES_MIN: u64 = 64 * 1024;
/// Where the doubling ends.
pub const RELOOK_AFTER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Time after which it is looked at again however little moved.
pub const RELOOK_AFTER_NS: u64 = 60_000_000_000;
/// A new process on a silenced end is looked at at once, but not more often than this at first
/// (a pipe shared by a thousand children would never fall silent); doubles each time.
pub const NEWCOMER_PAUSE_NS_MIN: u64 = 1_000_000;
/// Where the doubling ends.
pub const NEWCOMER_PAUSE_NS_MAX: u64 = 1_000_000_000;
/// TCP connections between processes of this host of which both sides are remembered.
pub const TUPLES_MAX: u32 = 4096;
/// At most this much of one call is copied: the longest message (16 MiB), and what may come with it, such as its
/// line end or its heads.
pub const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024 + 64 * 1024;

/// Passes of either direction: so many files and sockets (tier 1), or descriptors of processes (tier 2), have one at a time.
pub const PASSES: usize = 4096;
/// The map that holds them (`.data.passes`): a tag, what is left and of what for writers, a tag for readers.
pub const PASSES_BYTES: usize = PASSES * (24 + 8);
/// How often the sensor voids all passes, so that a silent flow is looked at again as it should be.
pub const PASSES_RENEWED_NS: u64 = 15_000_000_000;
/// What is told as lost when a pass was given: it counts no bytes that could be told one by one, and is more than any
/// message or body has.
pub const LOST_ON_PASS_BYTES: u64 = 1 << 40;

/// No pass is given to a flow that is looked at again within this time.
pub const PASS_NS: u64 = 1_000_000_000;

/// Families of channels that tier 1 reads, as bits: what the fallback at system calls leaves alone.
pub mod family {
    /// Pipes and FIFOs.
    pub const PIPE: u32 = 1;
    /// Unix stream and packet sockets.
    pub const UNIX: u32 = 2;
    /// TCP.
    pub const TCP: u32 = 4;
    /// Pseudo-terminals.
    pub const PTY: u32 = 8;
    /// Bytes that go from one descriptor into another.
    pub const SPLICE: u32 = 16;
    /// listen(2) on unix sockets.
    pub const LISTEN: u32 = 32;
}

/// Key of an end: `super_block.s_dev` and `inode.i_ino`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
}

/// A TCP connection as one of its ends sees it: the part of [`crate::record::End`] from `netns` to
/// `remote`, word by word.
pub type TupleKey = [u64; 5];

/// One direction of an end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectionState {
    /// Unjudged bytes that may still be copied.
    pub credit_bytes: u64,
    /// Bytes that no record stands for since the last one.
    pub lost_bytes: u64,
    /// Traffic since the flow was judged not MCP, as far as it is known: what a reader's pass let go is not in it, what a writer's did is once it
    /// is void.
    pub silent_bytes: u64,
    /// The last two users: pid in the upper half, count of its execs in the lower.
    pub users: [u64; 2],
    /// Set of [`direction_flag`].
    pub flags: u32,
    /// Bytes of calls that were copied when there was no credit any more.
    pub beyond_bytes: u32,
}

/// What the kernel remembers of an end. Written by the kernel only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowState {
    /// One of [`verdict`].
    pub verdict: u32,
    /// Set of [`flow_flag`].
    pub flags: u32,
    /// Traffic in one direction after which it is looked at again.
    pub relook_after_bytes: u64,
    /// Monotonic time at which it is looked at again, or at which spent credit is renewed.
    pub relook_at_ns: u64,
    /// Monotonic time before which a new process causes no look.
    pub newcomer_at_ns: u64,
    /// Current pause between looks caused by new processes.
    pub newcomer_pause_ns: u64,
    /// By [`crate::record::direction`].
    pub directions: [DirectionState; 2],
}

/// Indices of the drop counters.
pub mod drop {
    /// The ring buffer was full: calls of which not everything was told.
    pub const RING_FULL: u32 = 0;
    /// User memory could not be read.
    pub const COPY_FAULT: u32 = 1;
    /// The flow map had no room.
    pub const MAP_FULL: u32 = 2;
    /// One call moved more than is copied of it.
    pub const MESSAGE_CAP: u32 = 3;
    /// The share of unjudged bytes was used up.
    pub const UNJUDGED_CAP: u32 = 4;
    /// A call of a 32-bit program whose arguments could not be read.
    pub const COMPAT_CALL: u32 = 5;
    /// Bytes went past all user memory of this host (splice, sendfile, tee).
    pub const SPLICED: u32 = 6;
    /// The ring buffer was full: events without bytes of a stream (processes, sockets, who uses what).
    pub const EVENT_RING_FULL: u32 = 7;
    /// A program was held up within itself by so many others on one processor that no buffer was free.
    pub const NESTED: u32 = 8;
    /// Bytes of a stream moved in a form that is not read.
    pub const UNREAD: u32 = 9;
    /// How many there are.
    pub const COUNT: u32 = 10;
}

const _: () = assert!(size_of::<FlowKey>() == 16);
const _: () = assert!(size_of::<DirectionState>() == 48);
const _: () = assert!(size_of::<FlowState>() == 136 && offset_of!(FlowState, directions) == 40);
