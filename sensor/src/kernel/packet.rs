//! A packet socket on all interfaces of this network namespace, with a filter in the kernel: TCP only, and what
//! goes over loopback once.
//!
//! `SOCK_DGRAM`: the kernel takes away what comes before the IP header, so that Ethernet, tunnels and loopback look
//! alike, and VLAN tags are gone (packet(7)). Classic BPF is allowed where eBPF is not.
#![allow(
    unsafe_code,
    reason = "packet sockets, their options and poll of the C library"
)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use super::capability::{Capability, missing};
use crate::event::UnixNs;

/// What `SO_RCVBUF` is set to, bytes; the kernel doubles it for its own overhead. A packet of 64 KiB costs more than
/// its size, and without CAP_NET_ADMIN the kernel cuts this to `net.core.rmem_max` (often 208 KiB).
const BUFFER_BYTES: libc::c_int = 16 * 1024 * 1024;

/// include/uapi/asm-generic/sockios.h.
const SIOCGSTAMPNS: libc::Ioctl = 0x8907;

/// Why packets cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The process may not.
    #[error(
        "not allowed to capture packets (missing: {missing}): run as root, or with CAP_NET_RAW"
    )]
    NotPermitted {
        /// Capabilities that are missing.
        missing: String,
    },
    /// The kernel refused it all the same.
    #[error("the kernel refused to {what}: is AF_PACKET allowed here (seccomp, container)?")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// `linux/filter.h`: offsets of what the kernel knows of a packet beside its bytes.
const ANCILLARY: u32 = (libc::SKF_AD_OFF) as u32;
const PROTOCOL: u32 = ANCILLARY.wrapping_add(libc::SKF_AD_PROTOCOL as u32);
const PACKET_TYPE: u32 = ANCILLARY.wrapping_add(libc::SKF_AD_PKTTYPE as u32);
const DEVICE_TYPE: u32 = ANCILLARY.wrapping_add(libc::SKF_AD_HATYPE as u32);

const BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Of one instruction: code, operand, how many to skip when true, and when false.
const fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

/// The filter. IPv6 packets with extension headers before TCP are passed on, user space walks them.
const FILTER: [libc::sock_filter; 18] = [
    // Loopback shows each packet on its way out and on its way in: the second one counts.
    step(HALF, DEVICE_TYPE, 0, 0),
    step(EQUAL, libc::ARPHRD_LOOPBACK as u32, 0, 2),
    step(WORD, PACKET_TYPE, 0, 0),
    step(EQUAL, libc::PACKET_OUTGOING as u32, 13, 0),
    step(HALF, PROTOCOL, 0, 0),
    step(EQUAL, libc::ETH_P_IP as u32, 0, 4),
    step(BYTE, 9, 0, 0),
    step(EQUAL, libc::IPPROTO_TCP as u32, 0, 9),
    // A fragment but the first has no TCP header.
    step(HALF, 6, 0, 0),
    step(ANY_BIT, 0x1fff, 7, 6),
    step(EQUAL, libc::ETH_P_IPV6 as u32, 0, 6),
    step(BYTE, 6, 0, 0),
    step(EQUAL, libc::IPPROTO_TCP as u32, 3, 0),
    step(EQUAL, libc::IPPROTO_HOPOPTS as u32, 2, 0),
    step(EQUAL, libc::IPPROTO_ROUTING as u32, 1, 0),
    step(EQUAL, libc::IPPROTO_DSTOPTS as u32, 0, 1),
    step(RETURN, u32::MAX, 0, 0),
    step(RETURN, 0, 0, 0),
];

/// A socket that receives nothing until it is bound to a protocol, so that no packet passes before the filter is there.
///
/// # Errors
/// Says which capability is missing, or what the kernel refused.
pub(crate) fn open() -> Result<OwnedFd, PacketError> {
    let refused = |what| {
        move || PacketError::Refused {
            what,
            source: io::Error::last_os_error(),
        }
    };
    let missing = missing(&[Capability::NetRaw]);
    if !missing.is_empty() {
        return Err(PacketError::NotPermitted {
            missing: missing.join(", "),
        });
    }
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if socket < 0 {
        return Err(refused("open a packet socket")());
    }
    // SAFETY: a new descriptor that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let mut filter = FILTER;
    let program = libc::sock_fprog {
        len: FILTER.len() as libc::c_ushort,
        filter: filter.as_mut_ptr(),
    };
    let filtered = set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program);
    filtered.map_err(|()| refused("filter packets")())?;
    // With CAP_NET_ADMIN past the limit of the system; without it, as much as the system gives.
    set(
        &socket,
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        &BUFFER_BYTES,
    )
    .or_else(|()| set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &BUFFER_BYTES))
    .map_err(|()| refused("make room for packets")())?;
    Ok(socket)
}

/// Packets that found no room in the socket's buffer since the last call (`tp_drops` of `PACKET_STATISTICS`, packet(7)).
pub(crate) fn take_drops(socket: BorrowedFd<'_>) -> io::Result<u64> {
    // `struct tpacket_stats`: packets, drops.
    let mut counts = [0u32; 2];
    get(
        socket,
        libc::SOL_PACKET,
        libc::PACKET_STATISTICS,
        &mut counts,
    )?;
    Ok(u64::from(counts[1]))
}

/// When the packet that was read last was captured (socket(7), `SIOCGSTAMPNS`): the reader may be late. None where the kernel
/// does not say; asked once before the first packet, it stamps all that follow.
pub(crate) fn stamp(socket: BorrowedFd<'_>) -> Option<UnixNs> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one `struct timespec`, which is live and writable.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSTAMPNS, &raw mut time) };
    if result != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u64::try_from(time.tv_nsec).ok()?;
    Some(seconds.checked_mul(1_000_000_000)? + nanoseconds)
}

/// Size of the socket's buffer, bytes, the kernel's own overhead included.
pub(crate) fn buffer_bytes(socket: BorrowedFd<'_>) -> u64 {
    let mut bytes: libc::c_int = 0;
    let read = get(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &mut bytes);
    read.map_or(0, |()| u64::try_from(bytes).unwrap_or(0))
}

/// Waits until there is a packet, at most for `timeout`.
pub(crate) fn wait(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let mut entry = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout_ms = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one live entry.
    let ready = unsafe { libc::poll(&raw mut entry, 1, timeout_ms) };
    if ready >= 0 {
        return Ok(ready > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted {
        Ok(false)
    } else {
        Err(error)
    }
}

fn set<T>(socket: &OwnedFd, level: i32, option: i32, value: &T) -> Result<(), ()> {
    // SAFETY: a live value and its own size; the kernel copies it. The filter's instructions outlive the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(()) }
}

/// An option that is made of integers.
fn get<T: Copy>(socket: BorrowedFd<'_>, level: i32, option: i32, value: &mut T) -> io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: a live, writable value and its size, of which the kernel writes no more; any bytes are a value of the
    // integers that callers pass.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_mut(value).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
