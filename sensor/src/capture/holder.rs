//! Which processes hold which sockets: the links in /proc/PID/fd.
//!
//! One look at all processes of a large host costs tens of milliseconds, so it begins with those that are likely and
//! ends with the last one that was asked for. Who calls bounds how often.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Descriptors looked at of one process.
const DESCRIPTORS_MAX: usize = 65_536;
/// How far up a socket is looked for with those who may have handed it down.
const ANCESTORS_MAX: usize = 8;

/// One process for each socket, by inode: the one that a child has it from, where several of one family hold it.
/// `wanted` gives the user who made a socket, `likely` processes to begin with.
#[must_use]
pub(super) fn holders(
    wanted: &HashMap<u64, u32>,
    likely: impl Iterator<Item = u32>,
) -> HashMap<u64, u32> {
    let mut found = HashMap::new();
    let mut missing: HashSet<u64> = wanted.keys().copied().collect();
    let mut look = |pid: u32, missing: &mut HashSet<u64>| {
        let held: Vec<u64> = held(pid, |inode| missing.contains(&inode)).collect();
        for inode in held {
            if missing.remove(&inode) {
                found.insert(inode, eldest(pid, inode));
            }
        }
    };
    for pid in likely {
        if missing.is_empty() {
            break;
        }
        look(pid, &mut missing);
    }
    if !missing.is_empty() {
        let users: HashSet<u32> = wanted.values().copied().collect();
        for pid in by_likelihood(&users) {
            look(pid, &mut missing);
            if missing.is_empty() {
                break;
            }
        }
    }
    found
}

/// All processes that hold any of these sockets.
#[must_use]
pub(super) fn all_holders(inodes: &HashSet<u64>) -> Vec<(u64, u32)> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let of = |pid: u32| {
        let held: HashSet<u64> = held(pid, |inode| inodes.contains(&inode)).collect();
        held.into_iter().map(move |inode| (inode, pid))
    };
    processes().flat_map(of).collect()
}

/// All processes of this pid namespace.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    let folder = fs::read_dir("/proc").into_iter().flatten().flatten();
    folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Those of the right users first, then the youngest: who has just connected mostly has just begun.
fn by_likelihood(users: &HashSet<u32>) -> Vec<u32> {
    let other = |pid: u32| {
        let owner = fs::metadata(format!("/proc/{pid}")).map(|folder| folder.uid());
        owner.map_or(true, |owner| !users.contains(&owner))
    };
    let mut pids: Vec<(bool, u32)> = processes().map(|pid| (other(pid), pid)).collect();
    pids.sort_unstable_by_key(|(other, pid)| (*other, u32::MAX - *pid));
    pids.into_iter().map(|(_, pid)| pid).collect()
}

/// Sockets among a process's descriptors; none when it is gone or closed to us.
fn held(pid: u32, asked: impl Fn(u64) -> bool) -> impl Iterator<Item = u64> {
    let folder = fs::read_dir(format!("/proc/{pid}/fd"));
    let links = folder.into_iter().flatten().flatten().take(DESCRIPTORS_MAX);
    links.filter_map(move |entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?;
        let inode = inode.strip_suffix(']')?.parse().ok()?;
        asked(inode).then_some(inode)
    })
}

/// The furthest ancestor that holds the socket, too: descriptors are handed down.
fn eldest(mut pid: u32, inode: u64) -> u32 {
    for _ in 0..ANCESTORS_MAX {
        let Some(parent) = super::image::parent(pid) else {
            break;
        };
        if held(parent, |held| held == inode).next().is_none() {
            break;
        }
        pid = parent;
    }
    pid
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn own_sockets_are_found_with_and_without_a_guess() {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let text = link.to_string_lossy().into_owned();
        let inode: u64 = text["socket:[".len()..text.len() - 1].parse().unwrap();
        let own = std::process::id();
        let uid = fs::metadata("/proc/self").unwrap().uid();
        let wanted = HashMap::from([(inode, uid), (u64::MAX, uid)]);
        let expected = HashMap::from([(inode, own)]);
        assert_eq!(holders(&wanted, std::iter::empty()), expected);
        assert_eq!(holders(&wanted, [u32::MAX, own].into_iter()), expected);
        assert_eq!(all_holders(&HashSet::from([inode])), [(inode, own)]);
    }
}
