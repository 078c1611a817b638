//! The running host.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::digest::Digests;
use super::path::{open_of, read_bounded, text_of};
use super::tcp::{TcpSocket, tcp_sockets};
use super::unix::UnixLists;
use super::{Addresses, Host, UnixList, sockets};
use crate::event::Exec;
use crate::process::container::{self, Container};

/// Longest file that is read for a package's name and version, in bytes.
const TEXT_BYTES_MAX: u64 = 256 * 1024;
/// Addresses that are told.
const ADDRESSES_MAX: usize = 64;
/// How long the list of users and of addresses is believed.
const REFRESH: Duration = Duration::from_secs(10);

/// The host that this program runs on.
pub struct LiveHost {
    users: HashMap<u32, String>,
    users_read: Option<Instant>,
    groups: HashMap<u32, String>,
    groups_read: Option<Instant>,
    addresses: Addresses,
    digests: Digests,
    unix: UnixLists,
    netns: Option<u32>,
}

impl LiveHost {
    /// Starts the thread that computes digests.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> std::io::Result<Self> {
        Ok(Self {
            users: HashMap::new(),
            users_read: None,
            groups: HashMap::new(),
            groups_read: None,
            addresses: Addresses::new(REFRESH),
            digests: Digests::start()?,
            unix: UnixLists::default(),
            // Of the first process: the sensor itself may run in a container.
            netns: sockets::netns("1").or_else(|| sockets::netns("self")),
        })
    }
}

impl Host for LiveHost {
    fn user(&mut self, uid: u32) -> Option<String> {
        if !self.users.contains_key(&uid) && is_old(self.users_read) {
            self.users_read = Some(Instant::now());
            self.users = users(&fs::read_to_string("/etc/passwd").unwrap_or_default());
        }
        self.users.get(&uid).cloned()
    }

    fn container(&mut self, pid: u32) -> Option<Container> {
        container::container(&read_bounded(&format!("/proc/{pid}/cgroup"), 16 * 1024)?)
    }

    fn read_text(&mut self, image: &Exec, path: &str) -> Option<String> {
        text_of(open_of(image, path)?, TEXT_BYTES_MAX)
    }

    fn digest(&mut self, image: &Exec, script: Option<&str>) -> Option<String> {
        self.digests.get(image, script)
    }

    fn digests_ready(&mut self) -> bool {
        self.digests.take_ready()
    }

    fn addresses(&mut self) -> Vec<IpAddr> {
        self.addresses.refresh();
        self.addresses.iter().take(ADDRESSES_MAX).collect()
    }

    fn netns(&mut self) -> Option<u32> {
        self.netns
    }

    fn netns_of(&mut self, pid: u32) -> Option<u32> {
        sockets::netns(&pid.to_string())
    }

    fn unix_sockets(&mut self, pid: u32, wanted: &mut dyn Iterator<Item = u64>) -> UnixList {
        self.unix.of(pid, wanted)
    }

    fn tcp_listening(&mut self) -> HashSet<u64> {
        let sockets = tcp_sockets("1").into_iter();
        let listening = sockets.filter(TcpSocket::is_listening);
        listening.map(|socket| socket.inode).collect()
    }

    fn socket_access(&mut self, pid: u32, path: &str) -> Option<String> {
        if is_old(self.groups_read) {
            self.groups_read = Some(Instant::now());
            self.groups = users(&fs::read_to_string("/etc/group").unwrap_or_default());
            // Owners of files need not be users of processes that were seen.
            self.users = users(&fs::read_to_string("/etc/passwd").unwrap_or_default());
        }
        let (users, groups) = (&self.users, &self.groups);
        sockets::access(
            pid,
            path,
            |uid| users.get(&uid).cloned(),
            |gid| groups.get(&gid).cloned(),
        )
    }
}

fn is_old(read: Option<Instant>) -> bool {
    read.is_none_or(|read| read.elapsed() > REFRESH)
}

/// passwd(5) and group(5): name, password, id, and what does not matter here.
fn users(passwd: &str) -> HashMap<u32, String> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    passwd.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_id() {
        let users =
            users("root:x:0:0:root:/root:/bin/sh\nbroken\nmara:x:1000:1000::/home/mara:/bin/sh\n");
        assert_eq!(users.get(&1000).map(String::as_str), Some("mara"));
        assert_eq!(users.len(), 2);
    }
}
