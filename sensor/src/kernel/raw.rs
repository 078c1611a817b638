//! Bytes of the ring buffer and of the iterators → [`Event`]: one checked read a record.
#![allow(unsafe_code, reason = "one checked read of plain bytes")]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sensor_abi::{
    ABI_VERSION,
    record::{self, channel, direction, exec_flag, file_mode, kind, transfer_flag},
};

use super::clock::Clock;
use crate::event::{
    Body, Channel, Direction, End, EndKey, Event, Exec, ProcessKey, SocketState, TcpState,
    Transfer, Tuple,
};

const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;

/// Arguments that are kept of a command line; fewer are stated. An empty one takes a byte of what is copied and the room of a
/// `String` here, so bytes alone are no bound.
const ARGUMENTS_MAX: usize = 256;

/// A structure of the ABI that any bytes are a value of.
///
/// # Safety
/// `#[repr(C)]`, integers and arrays of integers only.
unsafe trait Plain: Copy {}

// SAFETY: integers and arrays only, see sensor-abi.
unsafe impl Plain for record::Header {}
// SAFETY: as above.
unsafe impl Plain for record::Transfer {}
// SAFETY: as above.
unsafe impl Plain for record::Exec {}
// SAFETY: as above.
unsafe impl Plain for record::Fork {}
// SAFETY: as above.
unsafe impl Plain for record::Exit {}
// SAFETY: as above.
unsafe impl Plain for record::Socket {}
// SAFETY: as above.
unsafe impl Plain for record::Holder {}

/// The fixed part at the start of `bytes`, and what follows.
fn read<T: Plain>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (fixed, rest) = bytes.split_at_checked(size_of::<T>())?;
    // SAFETY: there are enough bytes, any bytes are a `T`, and alignment is not asked for.
    Some((unsafe { fixed.as_ptr().cast::<T>().read_unaligned() }, rest))
}

/// Length of the record at the start of `bytes`, if that many are there.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let (header, _) = read::<record::Header>(bytes)?;
    let length = usize::try_from(header.length).ok()?;
    (size_of::<record::Header>()..=bytes.len())
        .contains(&length)
        .then_some(length)
}

/// One record as an event; none if it is not one that this version understands.
///
/// `bytes` may be longer than the record says (the ring pads), never shorter.
#[must_use]
pub fn decode(bytes: &[u8], clock: &Clock) -> Option<Event> {
    let (header, _) = read::<record::Header>(bytes)?;
    if header.abi != ABI_VERSION {
        return None;
    }
    let bytes = bytes.get(..length(bytes)?)?;
    let body = match header.kind {
        kind::TRANSFER => Body::Transfer(transfer(bytes, clock.event_ns(header.time_ns))?),
        kind::SPLICED => Body::Spliced(transfer(bytes, clock.event_ns(header.time_ns))?),
        kind::STANDBY => Body::Standby(transfer(bytes, clock.event_ns(header.time_ns))?),
        kind::END_OF_STREAM => end_of_stream(bytes)?,
        kind::EXEC | kind::PROCESS => exec(bytes, clock)?,
        kind::FORK => {
            let (fork, _) = read::<record::Fork>(bytes)?;
            Body::Fork {
                parent: process(fork.parent),
                child: process(fork.child),
            }
        }
        kind::EXIT => Body::Exit {
            process: process(read::<record::Exit>(bytes)?.0.process),
        },
        kind::SOCKET => socket(read::<record::Socket>(bytes)?.0)?,
        kind::HOLDER => holder(read::<record::Holder>(bytes)?.0)?,
        _ => return None,
    };
    Some(Event {
        time: clock.event_ns(header.time_ns),
        body,
    })
}

fn transfer(bytes: &[u8], entered: u64) -> Option<Transfer> {
    let (raw, rest) = read::<record::Transfer>(bytes)?;
    let payload = rest.get(..usize::try_from(raw.payload_bytes).ok()?)?;
    if u64::from(raw.payload_bytes) > raw.length {
        return None;
    }
    let copied = raw.flags & transfer_flag::COPIED != 0;
    let (mut payload, mut length) = (payload.to_vec(), raw.length);
    // A packet is a message: where packets are kept apart by the kernel, streams have a line end.
    if copied && raw.flags & transfer_flag::PACKET_END != 0 && !payload.ends_with(b"\n") {
        payload.push(b'\n');
        length += 1;
    }
    Some(Transfer {
        process: process(raw.process),
        thread: raw.process.thread,
        fd: (raw.fd != record::NO_FD).then_some(raw.fd),
        end: end(&raw.end)?,
        direction: way(raw.direction)?,
        entered,
        lost_before: raw.lost_before,
        length,
        payload,
        copied,
    })
}

fn end_of_stream(bytes: &[u8]) -> Option<Body> {
    let (raw, _) = read::<record::Transfer>(bytes)?;
    Some(Body::EndOfStream {
        process: process(raw.process),
        end: end(&raw.end)?,
        direction: way(raw.direction)?,
    })
}

fn exec(bytes: &[u8], clock: &Clock) -> Option<Body> {
    let (raw, rest) = read::<record::Exec>(bytes)?;
    let (argv, rest) = rest.split_at_checked(usize::try_from(raw.argv_bytes).ok()?)?;
    let (exe, rest) = rest.split_at_checked(usize::try_from(raw.exe_bytes).ok()?)?;
    let cwd = rest.get(..usize::try_from(raw.cwd_bytes).ok()?)?;
    let whole = |flag: u32| raw.flags & flag == 0;
    let (argv, more) = arguments(argv);
    Some(Body::Exec(Box::new(Exec {
        process: process(raw.process),
        parent: (raw.parent.pid != 0).then(|| process(raw.parent)),
        started: clock.unix_ns(raw.process.start_ns),
        exe: whole(exec_flag::EXE_TRUNCATED).then(|| path(exe)).flatten(),
        exe_inode: (raw.exe_inode != 0).then_some(EndKey {
            device: raw.exe_device,
            inode: raw.exe_inode,
        }),
        argv,
        argv_truncated: more || !whole(exec_flag::ARGV_TRUNCATED),
        cwd: (whole(exec_flag::CWD_TRUNCATED) && raw.header.kind == kind::EXEC)
            .then(|| path(cwd).unwrap_or_else(|| "/".to_owned())),
        uid: raw.uid,
        login_uid: set(raw.login_uid),
        login_session: set(raw.login_session),
        cgroup: raw.cgroup,
    })))
}

/// NUL-ended arguments, lossy, the first [`ARGUMENTS_MAX`] of them; and whether there were more.
pub(crate) fn arguments(bytes: &[u8]) -> (Vec<String>, bool) {
    if bytes.is_empty() {
        return (Vec::new(), false);
    }
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let mut texts = bytes.split(|byte| *byte == 0);
    let first = texts.by_ref().take(ARGUMENTS_MAX);
    let first = first.map(|text| String::from_utf8_lossy(text).into_owned());
    (first.collect(), texts.next().is_some())
}

/// A path from its NUL-ended components, the last one first; none if there are none.
fn path(components: &[u8]) -> Option<String> {
    let components = components.strip_suffix(&[0])?;
    let mut path = String::with_capacity(components.len() + 1);
    for component in components.split(|byte| *byte == 0).rev() {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(component));
    }
    Some(path)
}

fn socket(raw: record::Socket) -> Option<Body> {
    let state = match raw.end.state {
        TCP_LISTEN => TcpState::Listen,
        TCP_ESTABLISHED => TcpState::Established,
        TCP_CLOSE => TcpState::Close,
        _ => return None,
    };
    Some(Body::SocketState(SocketState {
        end: end(&raw.end)?,
        state,
        process: (raw.process.pid != 0).then(|| process(raw.process)),
        held: false,
    }))
}

/// The state of a socket that the snapshot found held, if it is one that matters.
pub(crate) fn held_state(bytes: &[u8]) -> Option<SocketState> {
    let (header, _) = read::<record::Header>(bytes)?;
    if header.kind != kind::HOLDER {
        return None;
    }
    let (raw, _) = read::<record::Holder>(bytes)?;
    let state = match (raw.end.channel, raw.end.state) {
        // Unix sockets use the same number (net/unix/af_unix.c).
        (channel::TCP | channel::UNIX, TCP_LISTEN) => TcpState::Listen,
        (channel::TCP, TCP_ESTABLISHED) => TcpState::Established,
        _ => return None,
    };
    Some(SocketState {
        end: end(&raw.end)?,
        state,
        process: Some(process(raw.process)),
        held: true,
    })
}

fn holder(raw: record::Holder) -> Option<Body> {
    Some(Body::Holder {
        process: process(raw.process),
        end: end(&raw.end)?,
        fd: raw.fd,
        readable: raw.mode & file_mode::READ != 0,
        writable: raw.mode & file_mode::WRITE != 0,
    })
}

fn process(raw: record::Process) -> ProcessKey {
    ProcessKey {
        pid: raw.pid,
        start_ns: raw.start_ns,
    }
}

fn way(raw: u8) -> Option<Direction> {
    match raw {
        direction::WRITE => Some(Direction::Write),
        direction::READ => Some(Direction::Read),
        _ => None,
    }
}

fn end(raw: &record::End) -> Option<End> {
    let channel = match raw.channel {
        channel::PIPE => Channel::Pipe,
        channel::UNIX => Channel::Unix,
        channel::TCP => Channel::Tcp,
        channel::PTY => Channel::Pty,
        _ => return None,
    };
    let tuple = (channel == Channel::Tcp).then(|| Tuple {
        local: address(raw.local, raw.local_port),
        remote: address(raw.remote, raw.remote_port),
    });
    Some(End {
        key: EndKey {
            device: raw.device,
            inode: raw.inode,
        },
        channel,
        peer: (raw.peer_inode != 0).then_some(EndKey {
            device: raw.peer_device,
            inode: raw.peer_inode,
        }),
        tuple,
        netns: raw.netns,
    })
}

/// IPv4-mapped addresses become IPv4.
fn address(bytes: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(), port)
}

fn set(id: u32) -> Option<u32> {
    (id != u32::MAX).then_some(id)
}

#[cfg(test)]
mod tests;
