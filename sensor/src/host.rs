//! What is asked of the host beside events: names of users, files of packages, digests of executables.
//!
//! The only stage between the ring buffer and the output that does I/O, behind one trait, so that a replay
//! runs the same code with a host that knows nothing.

mod addresses;
mod digest;
mod live;
mod path;
mod sockets;
mod tcp;
mod unix;

pub(crate) use addresses::Addresses;
pub use live::LiveHost;
pub(crate) use path::read_bounded;
pub use sockets::UnixSocket;
pub(crate) use sockets::netns;
pub(crate) use tcp::{TcpSocket, tcp_sockets};
pub use unix::UnixList;

use std::collections::HashSet;
use std::net::IpAddr;

use crate::event::Exec;
use crate::process::container::Container;

/// The host that the events come from.
pub trait Host {
    /// Login name of a user.
    fn user(&mut self, uid: u32) -> Option<String>;
    /// The container that a process runs in, asked while it lives.
    fn container(&mut self, pid: u32) -> Option<Container>;
    /// Text of a file as the process sees it: bounded, local file systems only.
    fn read_text(&mut self, image: &Exec, path: &str) -> Option<String>;
    /// SHA-256 in hex of what a process runs: its executable, or the script at this path. Computed aside:
    /// none until it is ready.
    fn digest(&mut self, image: &Exec, script: Option<&str>) -> Option<String>;
    /// Whether digests became ready since the last call.
    fn digests_ready(&mut self) -> bool;
    /// Addresses of the host's own interfaces.
    fn addresses(&mut self) -> Vec<IpAddr>;
    /// Inode of the host's own network namespace.
    fn netns(&mut self) -> Option<u32>;
    /// Inode of the network namespace that a process is in.
    fn netns_of(&mut self, pid: u32) -> Option<u32>;
    /// Unix sockets of the network namespace that a process is in, with the `wanted` ones, by inode, if they are there; none when
    /// the process is gone.
    fn unix_sockets(&mut self, pid: u32, wanted: &mut dyn Iterator<Item = u64>) -> UnixList;
    /// Inodes of TCP sockets that listen in the host's own network namespace.
    fn tcp_listening(&mut self) -> HashSet<u64>;
    /// Mode, owner and group of a unix socket's file as a process sees it: `0660 root:docker`.
    fn socket_access(&mut self, pid: u32, path: &str) -> Option<String>;
}

/// The host of a recording: unknown.
#[derive(Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn user(&mut self, _uid: u32) -> Option<String> {
        None
    }
    fn container(&mut self, _pid: u32) -> Option<Container> {
        None
    }
    fn read_text(&mut self, _image: &Exec, _path: &str) -> Option<String> {
        None
    }
    fn digest(&mut self, _image: &Exec, _script: Option<&str>) -> Option<String> {
        None
    }
    fn digests_ready(&mut self) -> bool {
        false
    }
    fn addresses(&mut self) -> Vec<IpAddr> {
        Vec::new()
    }
    fn netns(&mut self) -> Option<u32> {
        None
    }
    fn netns_of(&mut self, _pid: u32) -> Option<u32> {
        None
    }
    fn unix_sockets(&mut self, _pid: u32, _wanted: &mut dyn Iterator<Item = u64>) -> UnixList {
        UnixList::nothing()
    }
    fn tcp_listening(&mut self) -> HashSet<u64> {
        HashSet::new()
    }
    fn socket_access(&mut self, _pid: u32, _path: &str) -> Option<String> {
        None
    }
}
