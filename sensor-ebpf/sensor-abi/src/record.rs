//! Records in the ring buffer and in the output of the iterators.
//!
//! A record is its fixed part, then its variable bytes. `Header::length` is the whole of both.

use core::mem::{offset_of, size_of};

/// A record's variable bytes hold at most this much of a transfer; longer ones come in several records.
pub const CHUNK_BYTES_MAX: usize = 60 * 1024;
/// One copy from user memory moves at most this much; also the slack behind a chunk that lets the
/// verifier see that no copy leaves the buffer.
pub const STEP_BYTES_MAX: usize = 16 * 1024;
/// Arguments copied at exec.
pub const ARGV_BYTES_MAX: usize = 16 * 1024;
/// A path copied at exec, as components.
pub const PATH_BYTES_MAX: usize = 4096;
/// One path component with its NUL (`NAME_MAX` + 1).
pub const NAME_BYTES_MAX: usize = 256;
/// Head copied of bytes that do not look like text while their flow is not judged.
pub const HEAD_BYTES: u64 = 256;

/// [`Transfer::fd`] of what is seen below the descriptors.
pub const NO_FD: u32 = u32::MAX;

/// What a record is.
pub mod kind {
    /// [`super::Transfer`] with payload.
    pub const TRANSFER: u16 = 1;
    /// [`super::Transfer`] without payload: nobody is left on the other side.
    pub const END_OF_STREAM: u16 = 2;
    /// [`super::Exec`] with argv, executable path and working directory.
    pub const EXEC: u16 = 3;
    /// [`super::Fork`].
    pub const FORK: u16 = 4;
    /// [`super::Exit`].
    pub const EXIT: u16 = 5;
    /// [`super::Socket`].
    pub const SOCKET: u16 = 6;
    /// [`super::Holder`], from the snapshot.
    pub const HOLDER: u16 = 7;
    /// [`super::Exec`] without variable bytes, from the snapshot.
    pub const PROCESS: u16 = 8;
    /// [`super::Transfer`] without payload: bytes went in from a file or a pipe, past all user memory
    /// (splice, sendfile, tee). From here on what is read is copied instead of what is written.
    pub const SPLICED: u16 = 9;
    /// [`super::Transfer`] that names a reader; its payload counts only where a [`SPLICED`] follows, for
    /// the reader may be back before the writer is.
    pub const STANDBY: u16 = 10;
}

/// Kinds of channel in [`End::channel`].
pub mod channel {
    /// Pipe or FIFO.
    pub const PIPE: u8 = 1;
    /// AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET.
    pub const UNIX: u8 = 2;
    /// TCP over IPv4 or IPv6.
    pub const TCP: u8 = 3;
    /// Pseudo-terminal.
    pub const PTY: u8 = 4;
}

/// Flags in [`End::flags`].
pub mod end_flag {
    /// SOCK_SEQPACKET: what one call writes is a packet.
    pub const PACKETS: u8 = 1;
}

/// Both sides of a pseudo-terminal are named by the inode of its slave; the master's device has this bit
/// set, which no device number has (`CHRDEV_MAJOR_MAX` is 512, majors begin at bit 20).
pub const MASTER_DEVICE: u32 = 1 << 31;

/// Directions, from the view of the caller.
pub mod direction {
    /// Into the channel.
    pub const WRITE: u8 = 0;
    /// Out of the channel.
    pub const READ: u8 = 1;
}

/// Flags in [`Transfer::flags`].
pub mod transfer_flag {
    /// The variable bytes are the whole of `length`.
    pub const COPIED: u8 = 1;
    /// A packet ends with this record ([`super::end_flag::PACKETS`]).
    pub const PACKET_END: u8 = 2;
}

/// Flags in [`Exec::flags`].
pub mod exec_flag {
    /// More arguments existed than were copied.
    pub const ARGV_TRUNCATED: u32 = 1;
    /// The executable's path was not walked to its root.
    pub const EXE_TRUNCATED: u32 = 2;
    /// The working directory was not walked to its root.
    pub const CWD_TRUNCATED: u32 = 4;
}

/// File modes in [`Holder::mode`], as `FMODE_READ` and `FMODE_WRITE` of the kernel.
pub mod file_mode {
    /// Opened for reading.
    pub const READ: u32 = 1;
    /// Opened for writing.
    pub const WRITE: u32 = 2;
}

/// First bytes of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// [`crate::ABI_VERSION`].
    pub abi: u16,
    /// One of [`kind`].
    pub kind: u16,
    /// Bytes of the whole record, this header included.
    pub length: u32,
    /// Nanoseconds of CLOCK_BOOTTIME.
    pub time_ns: u64,
}

/// A thread and its process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// `group_leader->start_boottime`, nanoseconds since boot.
    pub start_ns: u64,
    /// Thread-group id, initial pid namespace.
    pub pid: u32,
    /// Thread id, initial pid namespace.
    pub thread: u32,
}

/// One end of a channel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// `inode.i_ino`.
    pub inode: u64,
    /// Peer's inode (unix, pseudo-terminal), 0 if unknown.
    pub peer_inode: u64,
    /// `super_block.s_dev` of `inode`.
    pub device: u32,
    /// `super_block.s_dev` of `peer_inode`.
    pub peer_device: u32,
    /// `net.ns.inum` (TCP).
    pub netns: u32,
    /// Own port (TCP), host order.
    pub local_port: u16,
    /// Remote port (TCP), host order.
    pub remote_port: u16,
    /// Own address (TCP); IPv4 as `::ffff:a.b.c.d`.
    pub local: [u8; 16],
    /// Remote address (TCP).
    pub remote: [u8; 16],
    /// One of [`channel`].
    pub channel: u8,
    /// `sock_common.skc_state` (unix and TCP).
    pub state: u8,
    /// Set of [`end_flag`].
    pub flags: u8,
    /// Zero.
    pub pad: [u8; 5],
}

/// Bytes moved by one call, or a chunk of them. Payload follows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Transfer {
    /// First bytes.
    pub header: Header,
    /// Who called.
    pub process: Process,
    /// On what.
    pub end: End,
    /// Bytes of this end and direction that no record stands for, before this one.
    pub lost_before: u64,
    /// Bytes this record stands for.
    pub length: u64,
    /// Descriptor number; [`NO_FD`] where the call names none.
    pub fd: u32,
    /// Bytes that follow, at most [`CHUNK_BYTES_MAX`].
    pub payload_bytes: u32,
    /// One of [`direction`].
    pub direction: u8,
    /// Set of [`transfer_flag`].
    pub flags: u8,
    /// Zero.
    pub pad: [u8; 6],
}

/// A process with a new image, or one found by the snapshot. Then argv, executable, directory.
///
/// Paths are NUL-ended components, the last one first, without slashes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec {
    /// First bytes.
    pub header: Header,
    /// Who.
    pub process: Process,
    /// Its parent's leader; pid 0 for none.
    pub parent: Process,
    /// Inode of the executable, 0 if none (kernel threads).
    pub exe_inode: u64,
    /// cgroup v2 id.
    pub cgroup: u64,
    /// Device of the executable.
    pub exe_device: u32,
    /// Real user id.
    pub uid: u32,
    /// Login user id, `u32::MAX` if unset.
    pub login_uid: u32,
    /// Audit session, `u32::MAX` if unset.
    pub login_session: u32,
    /// Bytes of argv.
    pub argv_bytes: u32,
    /// Bytes of the executable's path.
    pub exe_bytes: u32,
    /// Bytes of the working directory's path.
    pub cwd_bytes: u32,
    /// Set of [`exec_flag`].
    pub flags: u32,
}

/// A process was made.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fork {
    /// First bytes.
    pub header: Header,
    /// Who forked.
    pub parent: Process,
    /// The new process.
    pub child: Process,
}

/// The last thread of a process ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Exit {
    /// First bytes.
    pub header: Header,
    /// Which.
    pub process: Process,
}

/// A TCP socket entered a state (in `end.state`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Socket {
    /// First bytes.
    pub header: Header,
    /// Who, where it is sure; else pid 0.
    pub process: Process,
    /// Which; inode 0 while it has no file.
    pub end: End,
}

/// A process holds a descriptor of an end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Holder {
    /// First bytes.
    pub header: Header,
    /// Who.
    pub process: Process,
    /// Of what.
    pub end: End,
    /// Descriptor number.
    pub fd: u32,
    /// Set of [`file_mode`].
    pub mode: u32,
}

/// Longest record: what a reader must be ready for.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(size_of::<Header>() == 16);
const _: () = assert!(size_of::<Process>() == 16);
const _: () = assert!(size_of::<End>() == 72 && offset_of!(End, local) == 32);
const _: () = assert!(size_of::<Transfer>() == 136 && offset_of!(Transfer, lost_before) == 104);
const _: () = assert!(size_of::<Exec>() == 96 && offset_of!(Exec, exe_device) == 64);
const _: () = assert!(size_of::<Fork>() == 48);
const _: () = assert!(size_of::<Exit>() == 32);
const _: () = assert!(size_of::<Socket>() == 104);
const _: () = assert!(size_of::<Holder>() == 112);
const _: () = assert!(size_of::<Transfer>() + CHUNK_BYTES_MAX <= RECORD_BYTES_MAX);
const _: () = assert!(size_of::<Exec>() + ARGV_BYTES_MAX + 2 * PATH_BYTES_MAX <= RECORD_BYTES_MAX);
