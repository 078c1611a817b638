//! Every map and every global.

use aya_ebpf::{
    Global,
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray, RingBuf},
};
use sensor_abi::{
    config::{Offsets, Pages},
    flow::{self, FlowKey, FlowState, TupleKey},
    record::{
        ARGV_BYTES_MAX, CHUNK_BYTES_MAX, Exec, NAME_BYTES_MAX, PATH_BYTES_MAX, STEP_BYTES_MAX,
        Transfer,
    },
};

use crate::{inode::Object, moved::Moved};

/// The sensor's own process: it must not watch itself.
#[unsafe(no_mangle)]
pub static SELF_TGID: Global<u32> = Global::new(0);

/// Offsets of kernel members; read through [`crate::memory`] only.
#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::UNKNOWN;

/// How the kernel maps its memory.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.pages")]
static mut PAGES: Pages = Pages {
    map_at: 0,
    memory_at: 0,
    page_shift: 0,
};

/// How the kernel maps its memory.
#[inline(always)]
pub fn pages() -> Pages {
    // SAFETY: words that the sensor writes once.
    unsafe { (&raw const PAGES).read_volatile() }
}

/// Families that other programs read already, for the fallback at system calls.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.covered")]
static mut COVERED: u32 = 0;

/// Whether other programs read a family of [`flow::family`].
#[inline(always)]
pub fn is_covered(family: u32) -> bool {
    // SAFETY: one aligned word.
    unsafe { (&raw const COVERED).read_volatile() & family != 0 }
}

/// Nothing. In memory that could be written, so that the verifier does not know it.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.nothing")]
static mut NOTHING: u64 = 0;

/// The same number, which the verifier does not know any more: it follows what is done with it once, not once for each
/// constant that it may be.
#[inline(always)]
pub fn unknown(number: u64) -> u64 {
    // SAFETY: one aligned word, which nobody writes.
    number | unsafe { (&raw const NOTHING).read_volatile() }
}

/// Records to the sensor. Size set at load.
#[map]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(16 * 1024 * 1024, 0);

/// What is known of each end. Size set at load; the least used makes way.
#[map]
pub static FLOWS: LruHashMap<FlowKey, FlowState> = LruHashMap::with_max_entries(16384, 0);

/// Verdicts from the sensor, taken over by the kernel when the end is used next, so that each of
/// the two sides writes to one map only.
#[map]
pub static VERDICTS: LruHashMap<FlowKey, u32> = LruHashMap::with_max_entries(16384, 0);

/// TCP ends whose other side is on this host, by what they call the connection; an inode of 0 marks one that was
/// not seen yet and will be copied as it reads.
#[map]
pub static TUPLES: LruHashMap<TupleKey, FlowKey> =
    LruHashMap::with_max_entries(flow::TUPLES_MAX, 0);

/// Drop counters, indexed by [`flow::drop`].
#[map]
pub static DROPS: PerCpuArray<u64> = PerCpuArray::with_max_entries(flow::drop::COUNT, 0);

/// Buffers for transfers, [`sensor_abi::config::LEVELS`] a CPU: larger than what a per-CPU map may hold. Size set at load.
#[map]
pub static TRANSFERS: Array<TransferScratch> = Array::with_max_entries(2, 0);

/// One buffer a CPU for exec.
#[map]
pub static EXECS: PerCpuArray<ExecScratch> = PerCpuArray::with_max_entries(1, 0);

/// A transfer under way.
#[repr(C)]
pub struct TransferScratch {
    /// 1 while a program works with it.
    pub busy: u64,
    /// Its own index.
    pub index: u64,
    /// Where the copying is.
    pub walk: Walk,
    /// What a system call moves.
    pub moved: Moved,
    /// On what.
    pub object: Object,
    /// A flow seen for the first time.
    pub flow: FlowState,
    /// The other side of a TCP connection.
    pub tuple: TupleKey,
    /// The record; `data` follows it in memory.
    pub record: Transfer,
    /// Payload of the record, and slack for one copy.
    pub data: [u8; CHUNK_BYTES_MAX + STEP_BYTES_MAX],
}

/// Where the copying from user memory is: messages hold vectors hold segments of bytes.
#[repr(C)]
pub struct Walk {
    /// Next `struct mmsghdr`; of a pipe's own buffers, the pipe.
    pub message: u64,
    /// How many are left.
    pub messages: u64,
    /// Next `struct iovec` or its like; of a pipe's own buffers, the next one's number.
    pub vector: u64,
    /// How many are left.
    pub vectors: u64,
    /// Bytes of the next one that come before those that moved.
    pub skip: u64,
    /// Bytes of the current message that are not in a segment yet.
    pub message_bytes: u64,
    /// Next byte.
    pub address: u64,
    /// Bytes left in the segment.
    pub segment_bytes: u64,
    /// Bytes that may still be copied of this call.
    pub budget_bytes: u64,
    /// Bytes in `data`.
    pub fill: u64,
    /// Bytes lost before `data`.
    pub lost_bytes: u64,
    /// Bytes of this call that a record stands for or that are in `lost_bytes`.
    pub accounted_bytes: u64,
    /// 1 when the walk came to its end, whatever ended it.
    pub done: u64,
    /// Bytes of all messages.
    pub total_bytes: u64,
    /// One of [`crate::copy::memory`].
    pub memory: u64,
    /// Records of this call that found no room.
    pub dropped: u64,
    /// 1 when the call is of more than one record.
    pub large: u64,
}

/// An exec under way.
#[repr(C)]
pub struct ExecScratch {
    /// Where the walk along a path is.
    pub path: PathWalk,
    /// The record; `data` follows it in memory.
    pub record: Exec,
    /// argv, executable, directory, and slack for one name.
    pub data: [u8; ARGV_BYTES_MAX + 2 * PATH_BYTES_MAX + NAME_BYTES_MAX],
}

/// Where the walk along a path is.
#[repr(C)]
pub struct PathWalk {
    /// `struct dentry`.
    pub dentry: u64,
    /// `struct mount`.
    pub mount: u64,
    /// Bytes in `data`.
    pub fill: u64,
    /// Limit of `fill` for this path.
    pub limit: u64,
    /// 1 when the root was reached.
    pub done: u64,
}
