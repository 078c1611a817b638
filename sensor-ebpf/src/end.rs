//! From a file to the end of a channel.

use sensor_abi::{
    flow::FlowKey,
    record::{End, channel, end_flag},
};

use crate::{
    inode::{self, Kind, Object},
    memory::{kernel, load, offset},
    pass::Holders,
    terminal,
};

const S_IFMT: u16 = 0o170_000;
const S_IFIFO: u16 = 0o010_000;
const S_IFSOCK: u16 = 0o140_000;
const S_IFCHR: u16 = 0o020_000;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: u16 = 1;
const SOCK_SEQPACKET: u16 = 5;
const IPPROTO_TCP: u16 = 6;
/// TCP over several paths: its socket has the addresses of the first.
const IPPROTO_MPTCP: u16 = 262;

/// The open file behind a descriptor of the current task, or 0.
///
/// # Safety
/// Offsets are set.
#[inline(always)]
pub unsafe fn file_of(task: u64, fd: u32) -> u64 {
    let files: u64 = load(task, offset!(task_files));
    if files == 0 {
        return 0;
    }
    let table: u64 = load(files, offset!(files_fdt));
    let count: u32 = load(table, offset!(fdt_max_fds));
    if fd >= count {
        return 0;
    }
    let array: u64 = load(table, offset!(fdt_fd));
    kernel(array, fd as usize * 8).unwrap_or(0)
}

/// The object of a file, if it is a pipe or a socket.
///
/// # Safety
/// `file` is a `struct file`, or 0.
#[inline(always)]
pub unsafe fn object_of(file: u64) -> Option<Object> {
    let inode: u64 = kernel(file, offset!(file_inode))?;
    let known = inode::read(inode)?;
    let kind = match known.mode & S_IFMT {
        S_IFIFO => Kind::Pipe,
        S_IFSOCK => Kind::Socket,
        S_IFCHR => return terminal::object_of(file, known.device),
        _ => return None,
    };
    Some(Object {
        inode,
        kind,
        key: inode::key_of(&known)?,
    })
}

/// Who holds a file, by the references to it. A call of a process of several threads has one of its own.
///
/// # Safety
/// `file` is a `struct file`, or anything: the helper checks it.
#[inline(always)]
pub unsafe fn holders_of(file: u64) -> Holders {
    // `file_ref_t` counts from 0 for one reference, `f_count` before it from 1.
    let one = if offset!(file_count_is_offset) == u32::MAX as usize {
        1_u64
    } else {
        0
    };
    match kernel::<u64>(file, offset!(file_count)) {
        Some(count) if count == one => Holders::One,
        _ => Holders::Many,
    }
}

/// Who holds a socket.
///
/// # Safety
/// `socket` is a `struct socket`, or anything.
#[inline(always)]
pub unsafe fn holders_of_socket(socket: u64) -> Holders {
    match kernel(socket, offset!(socket_file)) {
        Some(file) => holders_of(file),
        None => Holders::Many,
    }
}

/// The object of a `struct socket`, if it has a file.
///
/// # Safety
/// `socket` is a `struct socket` that lies in a `struct socket_alloc`, or 0.
#[inline(always)]
pub unsafe fn object_of_socket(socket: u64) -> Option<Object> {
    if socket == 0 {
        return None;
    }
    let inode = socket + offset!(socket_alloc_inode) as u64;
    Some(Object {
        inode,
        kind: Kind::Socket,
        key: inode::key_of(&inode::read(inode)?)?,
    })
}

/// The `struct sock` of a socket's inode, or 0. The inode lies inside `struct socket_alloc`.
#[inline(always)]
unsafe fn sock_of(inode: u64) -> u64 {
    let socket = inode.wrapping_sub(offset!(socket_alloc_inode) as u64);
    kernel(socket, offset!(socket_sk)).unwrap_or(0)
}

/// A socket takes pages as such, before 6.5: unix(7) and TCP do, TCP over several paths does not.
///
/// # Safety
/// `socket` is a `struct socket`, or anything.
#[inline(always)]
pub unsafe fn sends_pages(socket: u64) -> bool {
    let sock: u64 = kernel(socket, offset!(socket_sk)).unwrap_or(0);
    let protocol: u16 = kernel(sock, offset!(sock_protocol)).unwrap_or(0);
    family_of(sock) == AF_UNIX || protocol == IPPROTO_TCP
}

/// A socket is of unix(7).
///
/// # Safety
/// `object` was just resolved.
#[inline(always)]
pub unsafe fn is_unix(object: &Object) -> bool {
    family_of(sock_of(object.inode)) == AF_UNIX
}

/// Fills in what is known of an object; false if it is not a channel that is followed.
///
/// # Safety
/// `object` was just resolved; `end` points at writable memory.
#[inline(always)]
pub unsafe fn fill(object: &Object, end: *mut End) -> bool {
    clear(end);
    (*end).inode = object.key.inode;
    (*end).device = object.key.device as u32;
    match object.kind {
        Kind::Pipe => {
            (*end).channel = channel::PIPE;
            true
        }
        Kind::Terminal => {
            terminal::fill(object, end);
            true
        }
        Kind::Socket => fill_socket(sock_of(object.inode), end),
    }
}

/// Zeroes an end, word by word: `memset` is not there.
///
/// # Safety
/// `end` points at writable memory.
#[inline(always)]
pub unsafe fn clear(end: *mut End) {
    let words = end.cast::<u64>();
    let mut index = 0;
    while index < size_of::<End>() / 8 {
        words.add(index).write_volatile(0);
        index += 1;
    }
}

#[inline(always)]
unsafe fn fill_socket(sock: u64, end: *mut End) -> bool {
    let family: u16 = kernel(sock, offset!(sock_family)).unwrap_or(0);
    let kind: u16 = kernel(sock, offset!(sock_type)).unwrap_or(0);
    let packets = kind == SOCK_SEQPACKET && family == AF_UNIX;
    if kind != SOCK_STREAM && !packets {
        return false;
    }
    (*end).state = kernel(sock, offset!(sock_state)).unwrap_or(0);
    if family == AF_UNIX {
        (*end).channel = channel::UNIX;
        if packets {
            (*end).flags = end_flag::PACKETS;
        }
        fill_peer(sock, end);
        return true;
    }
    let protocol: u16 = kernel(sock, offset!(sock_protocol)).unwrap_or(0);
    (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP) && fill_inet(sock, family, end)
}

/// Fills in what a TCP socket says of itself; false if it is none.
///
/// # Safety
/// `sock` is a `struct sock`, or 0.
#[inline(always)]
pub unsafe fn fill_tcp(sock: u64, family: u16, end: *mut End) -> bool {
    let protocol: u16 = kernel(sock, offset!(sock_protocol)).unwrap_or(0);
    protocol == IPPROTO_TCP && fill_inet(sock, family, end)
}

#[inline(always)]
unsafe fn fill_inet(sock: u64, family: u16, end: *mut End) -> bool {
    if family != AF_INET && family != AF_INET6 {
        return false;
    }
    (*end).channel = channel::TCP;
    (*end).state = kernel(sock, offset!(sock_state)).unwrap_or(0);
    (*end).local_port = kernel(sock, offset!(sock_num)).unwrap_or(0);
    if (*end).local_port == 0 {
        // A closed socket has given its port back, and still knows which it was.
        (*end).local_port = u16::from_be(kernel(sock, offset!(inet_sport)).unwrap_or(0));
    }
    (*end).remote_port = u16::from_be(kernel(sock, offset!(sock_dport)).unwrap_or(0));
    if offset!(sock_net) != u32::MAX as usize {
        let net: u64 = kernel(sock, offset!(sock_net)).unwrap_or(0);
        (*end).netns = kernel(net, offset!(net_inum)).unwrap_or(0);
    }
    if family == AF_INET {
        mapped(
            &raw mut (*end).local,
            kernel(sock, offset!(sock_rcv_saddr)).unwrap_or(0),
        );
        mapped(
            &raw mut (*end).remote,
            kernel(sock, offset!(sock_daddr)).unwrap_or(0),
        );
    } else if offset!(sock_v6_daddr) != u32::MAX as usize {
        copy_address(&raw mut (*end).local, sock, offset!(sock_v6_rcv_saddr));
        copy_address(&raw mut (*end).remote, sock, offset!(sock_v6_daddr));
    }
    true
}

/// The family of a socket.
///
/// # Safety
/// `sock` is a `struct sock`, or 0.
#[inline(always)]
pub unsafe fn family_of(sock: u64) -> u16 {
    kernel(sock, offset!(sock_family)).unwrap_or(0)
}

/// The inode that belongs to a `struct sock`, if it has a file.
///
/// # Safety
/// `sock` is a `struct sock`, or 0.
#[inline(always)]
pub unsafe fn key_of_sock(sock: u64) -> Option<FlowKey> {
    let socket: u64 = kernel(sock, offset!(sock_socket))?;
    if socket == 0 {
        return None;
    }
    inode::key_of(&inode::read(socket + offset!(socket_alloc_inode) as u64)?)
}

#[inline(always)]
unsafe fn fill_peer(sock: u64, end: *mut End) {
    let peer: u64 = kernel(sock, offset!(unix_peer)).unwrap_or(0);
    if peer == 0 {
        return;
    }
    if let Some(key) = key_of_sock(peer) {
        (*end).peer_inode = key.inode;
        (*end).peer_device = key.device as u32;
    }
}

/// An IPv4 address (network order) as `::ffff:a.b.c.d`.
#[inline(always)]
unsafe fn mapped(target: *mut [u8; 16], address: u32) {
    let target = target.cast::<u32>();
    target.add(2).write(u32::from_ne_bytes([0, 0, 0xff, 0xff]));
    target.add(3).write(address);
}

#[inline(always)]
unsafe fn copy_address(target: *mut [u8; 16], sock: u64, offset: usize) {
    let target = target.cast::<u64>();
    target.write(kernel(sock, offset).unwrap_or(0));
    target.add(1).write(kernel(sock, offset + 8).unwrap_or(0));
}

/// Both sides are on this host: always so but for TCP, which may be looped back.
///
/// # Safety
/// `end` points at a filled end.
#[inline(always)]
pub unsafe fn is_local(end: *const End) -> bool {
    if (*end).channel != channel::TCP {
        return true;
    }
    let remote = (&raw const (*end).remote).cast::<u64>();
    let local = (&raw const (*end).local).cast::<u64>();
    let (upper, lower) = (remote.read(), remote.add(1).read());
    let looped4 = upper == 0 && lower & LOOPBACK4_MASK == LOOPBACK4;
    let looped6 = upper == 0 && lower == LOOPBACK6;
    looped4 || looped6 || (upper == local.read() && lower == local.add(1).read())
}

/// Lower half of `::ffff:127.0.0.0/104`, and of `::1`.
const LOOPBACK4: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 127, 0, 0, 0]);
const LOOPBACK4_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0]);
const LOOPBACK6: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, 1]);
