//! What happened on this host, owned and validated: the second stage of the pipeline.
//!
//! The same types come from the ring buffer, from the snapshot at start and from recordings, so that
//! a replay is the same pass as life. Nothing here does I/O.

use std::net::{IpAddr, SocketAddr};

/// Nanoseconds since the Unix epoch. Of events and inside the pass by a clock that no step of the wall clock moves
/// ([`crate::timeline`]); by the wall clock in what is stated.
pub type UnixNs = u64;

/// A process, unambiguous although pids are reused: thread-group id and the boot-time start of its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// Thread-group id in the initial pid namespace.
    pub pid: u32,
    /// `task_struct.group_leader->start_boottime`, in nanoseconds since boot.
    pub start_ns: u64,
}

impl ProcessKey {
    /// Whoever it was at an address of this host: its process was not found. Those of one address are not told apart.
    #[must_use]
    pub fn nobody(address: IpAddr) -> Self {
        let octets = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let folded = octets.iter().fold(0u64, |sum, octet| {
            sum.wrapping_mul(0x0100_0000_01b3)
                .wrapping_add(u64::from(*octet))
        });
        Self {
            pid: NOBODY_PID,
            start_ns: folded | 1 << 63,
        }
    }

    /// What is known of one side after another look at it: whoever was found is not displaced by nobody.
    #[must_use]
    pub fn latest(seen: Option<Self>, known: Option<Self>) -> Option<Self> {
        match (seen, known) {
            (Some(seen), Some(known)) if seen.is_nobody() => Some(known),
            _ => seen.or(known),
        }
    }

    /// It stands for a process that was not found.
    #[must_use]
    pub const fn is_nobody(self) -> bool {
        self.pid == NOBODY_PID && self.start_ns >> 63 == 1
    }
}

/// The idle task's number: no process has it.
const NOBODY_PID: u32 = 0;

/// A kernel object that bytes go into or come out of: the inode of a pipe or of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndKey {
    /// `super_block.s_dev`: tells pipefs, sockfs and real file systems apart.
    pub device: u32,
    /// `inode.i_ino`.
    pub inode: u64,
}

/// What kind of byte channel an end belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Anonymous pipe or FIFO. Both sides share one inode.
    Pipe,
    /// AF_UNIX stream or packet socket. Each side has an inode of its own.
    Unix,
    /// TCP over IPv4 or IPv6. IPv4-mapped addresses are given as IPv4.
    Tcp,
    /// Pseudo-terminal. Both sides are named by the slave's inode, the master's with a bit set in its device.
    Pty,
}

/// Local and remote address of a TCP socket, as its owner sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// This socket's own address.
    pub local: SocketAddr,
    /// The other side's address.
    pub remote: SocketAddr,
}

impl Tuple {
    /// The same connection seen from the other side.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }
}

/// One end of a channel with what the kernel knows of its other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// The object itself.
    pub key: EndKey,
    /// What kind of channel.
    pub channel: Channel,
    /// The connected socket's inode (unix) or the other side (pty), where the kernel still knew it.
    pub peer: Option<EndKey>,
    /// Addresses (TCP).
    pub tuple: Option<Tuple>,
    /// Network namespace inode number (`net.ns.inum`), TCP only: tuples repeat between namespaces.
    pub netns: u32,
}

/// Which way the bytes went, from the view of the process that made the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the channel.
    Write,
    /// Out of the channel.
    Read,
}

/// One fact, and when it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, by the clock that nobody sets. For a transfer: when the call returned.
    pub time: UnixNs,
    /// What.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A process runs a new image, or is found running it by the snapshot.
    Exec(Box<Exec>),
    /// A process was made.
    Fork {
        /// Who forked.
        parent: ProcessKey,
        /// The new process.
        child: ProcessKey,
    },
    /// The last thread of a process ended.
    Exit {
        /// Which.
        process: ProcessKey,
    },
    /// Bytes moved (or, with no payload, were seen to move: the other side is the one that is copied).
    Transfer(Transfer),
    /// Bytes went in from another descriptor, past all user memory (splice, sendfile, tee): no payload. From here on
    /// what is read is copied in place of what is written.
    Spliced(Transfer),
    /// A new reader; the payload is what it read, and counts only if it turns out to have been spliced: the
    /// reader may be back before the writer is.
    Standby(Transfer),
    /// A read returned 0, or a write returned EPIPE: nobody is left on the other side.
    EndOfStream {
        /// Who learned it.
        process: ProcessKey,
        /// Of which end.
        end: End,
        /// `Read`: end of file. `Write`: broken pipe.
        direction: Direction,
    },
    /// A socket changed state.
    SocketState(SocketState),
    /// Snapshot: a process holds a descriptor of an end. Said of holders, it proves no use.
    Holder {
        /// Who.
        process: ProcessKey,
        /// Of what.
        end: End,
        /// Descriptor number.
        fd: u32,
        /// The file was opened for reading, for writing, or both.
        readable: bool,
        /// See `readable`.
        writable: bool,
    },
    /// Something was lost, by reason; the count is what was lost since the last such event.
    Lost {
        /// Why.
        reason: LossReason,
        /// How many records.
        count: u64,
    },
}

/// A new image and what the kernel knew at exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Who.
    pub process: ProcessKey,
    /// Its parent at that time.
    pub parent: Option<ProcessKey>,
    /// Wall-clock start of the process.
    pub started: UnixNs,
    /// Path of the executable as the kernel sees it; lossy UTF-8.
    pub exe: Option<String>,
    /// Device and inode of the executable.
    pub exe_inode: Option<EndKey>,
    /// Arguments, lossy UTF-8, at most 16 KiB. NOT redacted.
    pub argv: Vec<String>,
    /// More arguments existed than were copied.
    pub argv_truncated: bool,
    /// Working directory.
    pub cwd: Option<String>,
    /// Real user id.
    pub uid: u32,
    /// Login user id (audit), none where unset.
    pub login_uid: Option<u32>,
    /// Audit session id, none where unset.
    pub login_session: Option<u32>,
    /// cgroup v2 id of the process.
    pub cgroup: u64,
}

/// One call that moved bytes, or one chunk of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who made the call.
    pub process: ProcessKey,
    /// Thread id.
    pub thread: u32,
    /// Descriptor number used; recordings and snapshots may not know it.
    pub fd: Option<u32>,
    /// On what.
    pub end: End,
    /// Which way.
    pub direction: Direction,
    /// When the call was entered, where known; else the event's time.
    pub entered: UnixNs,
    /// Bytes of this end and direction that were not delivered since the last transfer that was:
    /// not copied, over a cap, or dropped for want of ring space. A stream with a gap must find its
    /// feet again.
    pub lost_before: u64,
    /// Bytes this record stands for.
    pub length: u64,
    /// The first bytes of them; empty where the other side is the one that is copied.
    pub payload: Vec<u8>,
    /// `payload` is the whole of `length`. When false and `payload` is empty, only the fact of use is told.
    pub copied: bool,
}

/// A socket's new state: TCP; of unix sockets only that they listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketState {
    /// Which socket; `key.inode` is 0 when it has no file (yet).
    pub end: End,
    /// The state entered.
    pub state: TcpState,
    /// Who owns the socket, where the kernel could be trusted to say (not in soft-irq).
    pub process: Option<ProcessKey>,
    /// Found in this state by the snapshot: when it was entered is not known, `process` holds it.
    pub held: bool,
}

/// The states that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpState {
    /// Listening.
    Listen,
    /// Connected.
    Established,
    /// Gone.
    Close,
}

/// Why something never arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossReason {
    /// The ring buffer was full: calls of which not all was told.
    RingFull,
    /// The ring buffer was full: events of processes and sockets, and who uses which stream.
    EventRingFull,
    /// User memory could not be read.
    CopyFault,
    /// The flow map had no room.
    MapFull,
    /// One call moved more than is copied of it.
    MessageCap,
    /// A flow was not judged before its share of unjudged bytes was used up.
    UnjudgedCap,
    /// The kernel refused to run a program within itself (`recursion_misses`).
    Recursion,
    /// A probe was detached by somebody else, and was away for a while: counted once each time.
    ProbeDetached,
    /// A call made with the 32-bit ABI whose arguments could not be read.
    CompatCall,
    /// Bytes of a stream moved in a form that is not read.
    Unread,
    /// Bytes went past all user memory of this host (splice, sendfile, tee).
    Spliced,
    /// A record that this version does not understand.
    BadRecord,
    /// A table of ours had no room, the oldest made way.
    TableFull,
    /// A stream had more unfinished bytes than a message may have.
    MessageTooLong,
    /// A batch had more messages than are read of one.
    BatchTooLong,
    /// Unfinished messages of all flows together took too much memory; the largest was let go.
    BufferFull,
    /// A bounded queue was full.
    QueueFull,
    /// Messages of HTTP, and answers over lines, whose request was not read, so that nothing tells whose they are; requests of
    /// ambiguous length.
    RequestUnread,
    /// Packets found no room in the capture's buffer.
    CaptureFull,
    /// A stream of HTTP went on past bytes that were not captured.
    SegmentMissed,
    /// Segments that came before what they follow took too much memory, over all connections.
    ReassemblyFull,
    /// A body of HTTP has a content coding that is not read, or too many.
    CodingUnknown,
    /// A coded body cannot be undone: it is not what it says, or lost bytes in its middle.
    CodingBroken,
    /// A coded body unpacks to far more than its size.
    CodingBomb,
    /// Two ends that passed for one connection of two network namespaces said different things in the end.
    EndsDiffer,
}

impl LossReason {
    /// Stable name in output and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::EventRingFull => "event_ring_full",
            Self::CopyFault => "copy_fault",
            Self::MapFull => "map_full",
            Self::MessageCap => "message_cap",
            Self::UnjudgedCap => "unjudged_cap",
            Self::Recursion => "recursion",
            Self::ProbeDetached => "probe_detached",
            Self::CompatCall => "compat_call",
            Self::Unread => "unread",
            Self::Spliced => "spliced",
            Self::BadRecord => "bad_record",
            Self::TableFull => "table_full",
            Self::MessageTooLong => "message_too_long",
            Self::BatchTooLong => "batch_too_long",
            Self::BufferFull => "buffer_full",
            Self::QueueFull => "queue_full",
            Self::RequestUnread => "request_unread",
            Self::CaptureFull => "capture_full",
            Self::SegmentMissed => "segment_missed",
            Self::ReassemblyFull => "reassembly_full",
            Self::CodingUnknown => "coding_unknown",
            Self::CodingBroken => "coding_broken",
            Self::CodingBomb => "coding_bomb",
            Self::EndsDiffer => "ends_differ",
        }
    }
}

/// What user space tells the kernel about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowVerdict {
    /// Keep copying: not decided yet. Grants a further share of unjudged bytes.
    Inspect,
    /// MCP: copy everything.
    Mcp,
    /// HTTP/1 without MCP so far: judged request by request. Copied are the first 4 KiB of a call that
    /// begins like a request line (`GET `, `POST `, `PUT `, `DELETE `, …) or a status line (`HTTP/1.`),
    /// everything else is skipped and told in `lost_before`; a call beginning `POST ` opens a share of
    /// 64 KiB per direction that is copied whole, so that the answer is there when user space has judged.
    Heads,
    /// Not MCP for now: return at once; looked at again by the rules of the flow cache.
    NotMcp,
}
