//! Names of unix sockets and which sockets listen, as /proc lists them for one network namespace.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::path::{Mounts, read_bounded};

/// Longest list that is read, in bytes: about 100,000 sockets.
const LIST_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// `__SO_ACCEPTCON` (include/uapi/linux/net.h): it listens.
const LISTENING: u64 = 1 << 16;

/// A unix socket as its network namespace lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its path, or its abstract name after `@`; what was accepted on a named socket has its name.
    pub name: Option<String>,
    /// It listens.
    pub listening: bool,
}

/// The unix sockets of one network namespace.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// By inode number.
    pub(super) sockets: HashMap<u64, UnixSocket>,
    /// The list is longer than what is read of it: these are not all.
    pub(super) cut: bool,
}

/// The unix sockets that a process could see; none when it is gone.
pub(super) fn unix_sockets(pid: u32) -> Option<Listed> {
    listed(&format!("/proc/{pid}/net/unix"), LIST_BYTES_MAX)
}

fn listed(path: &str, bytes_max: u64) -> Option<Listed> {
    let list = read_bounded(path, bytes_max)?;
    // What is not UTF-8 takes no less room as text: a list that was cut never looks whole.
    let cut = list.len() as u64 >= bytes_max;
    let end = if cut { list.rfind('\n') } else { None };
    Some(Listed {
        sockets: parse_unix(list.get(..end.unwrap_or(list.len())).unwrap_or_default()),
        cut,
    })
}

/// proc(5), /proc/net/unix: `Num RefCount Protocol Flags Type St Inode Path`. The path may hold anything, line feeds
/// too, and what follows one may be written like a line about somebody else's socket. Which of two lines is the
/// kernel's does not show: such a socket is called by its number, and listens if one of them says so.
fn parse_unix(list: &str) -> HashMap<u64, UnixSocket> {
    let socket = |line: &str| {
        let mut rest = line;
        let mut fields = [""; 7];
        for field in &mut fields {
            rest = rest.trim_start_matches(' ');
            let end = rest.find(' ').unwrap_or(rest.len());
            (*field, rest) = rest.split_at(end);
        }
        let flags = u64::from_str_radix(fields[3], 16).ok()?;
        let inode: u64 = fields[6].parse().ok().filter(|inode| *inode != 0)?;
        let name = rest.strip_prefix(' ').filter(|name| !name.is_empty());
        let socket = UnixSocket {
            name: name.map(str::to_owned),
            listening: flags & LISTENING != 0,
        };
        Some((inode, socket))
    };
    let mut sockets: HashMap<u64, UnixSocket> = HashMap::new();
    for (inode, socket) in list.lines().skip(1).filter_map(socket) {
        match sockets.entry(inode) {
            Entry::Vacant(first) => {
                first.insert(socket);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.name = Some(format!("socket:[{inode}]"));
                known.listening |= socket.listening;
            }
        }
    }
    sockets
}

/// The network namespace of a process. namespaces(7): `net:[4026531840]`.
pub(crate) fn netns(process: &str) -> Option<u32> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/net")).ok()?;
    let text = link.to_string_lossy().into_owned();
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// Mode, owner and group of a socket's file as the process sees it, such as `0660 root:docker`: unix(7), who may
/// write to the file may connect. Names of users and groups are the host's.
pub(super) fn access(
    pid: u32,
    path: &str,
    user: impl Fn(u32) -> Option<String>,
    group: impl Fn(u32) -> Option<String>,
) -> Option<String> {
    let file = Mounts::of(pid)?.socket(path)?;
    let owner = user(file.uid).unwrap_or_else(|| file.uid.to_string());
    let group = group(file.gid).unwrap_or_else(|| file.gid.to_string());
    Some(format!("{:04o} {owner}:{group}", file.mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_and_their_names() {
        let list = "\
Num       RefCount Protocol Flags    Type St Inode Path
ffff8880: 00000002 00000000 00010000 0001 01 17001 /run/with space.sock
ffff8881: 00000003 00000000 00000000 0001 03 17002 /run/with space.sock
ffff8882: 00000002 00000000 00010000 0001 01    93 @abstract
ffff8883: 00000003 00000000 00000000 0001 03 17004
ffff8884: 00000003 00000000 00000000 0001 03     0 /embryo
broken
";
        let sockets = parse_unix(list);
        let socket = |name: Option<&str>, listening| UnixSocket {
            name: name.map(str::to_owned),
            listening,
        };
        assert_eq!(sockets.len(), 4);
        assert_eq!(sockets[&17001], socket(Some("/run/with space.sock"), true));
        assert_eq!(sockets[&17002], socket(Some("/run/with space.sock"), false));
        assert_eq!(sockets[&93], socket(Some("@abstract"), true));
        assert_eq!(sockets[&17004], socket(None, false));
    }

    #[test]
    fn nobody_names_the_socket_of_another() {
        let own = "0: 00000002 00000000 00010000 0001 01 17001 /run/own.sock\n";
        let forged = "0: 00000002 00000000 00000000 0001 01 17002 @x\n\
            0: 00000002 00000000 00000000 0001 01 17001 /run/other.sock\n";
        for list in [format!("{own}{forged}"), format!("{forged}{own}")] {
            let sockets = parse_unix(&format!("Num RefCount\n{list}"));
            let named = sockets[&17001].name.as_deref();
            assert_eq!(named, Some("socket:[17001]"), "{list}");
            assert!(sockets[&17001].listening, "{list}");
        }
    }

    #[test]
    fn of_a_list_that_is_cut_the_last_line_does_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("unix");
        let path = path.to_str().expect("text");
        let list = "Num RefCount\n\
            0: 00000002 00000000 00010000 0001 01 17001 /run/first.sock\n\
            0: 00000002 00000000 00010000 0001 01 17002 /run/second.sock\n";
        std::fs::write(path, list).expect("written");
        let read = |bytes_max| listed(path, bytes_max).expect("a list");
        let whole = read(list.len() as u64 + 1);
        assert!(!whole.cut && whole.sockets.len() == 2);
        assert!(read(list.len() as u64).cut, "it may go on");
        let cut = read(list.len() as u64 - 5);
        assert!(cut.cut && cut.sockets.len() == 1 && cut.sockets.contains_key(&17001));
        assert!(listed("/proc/0/net/unix", 1).is_none());
    }

    #[test]
    fn a_live_socket_is_found_with_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("own.sock");
        let socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let text = path.to_string_lossy().into_owned();
        let own = std::process::id();
        let list = unix_sockets(own).expect("a list");
        assert!(!list.cut);
        let found = list
            .sockets
            .into_values()
            .find(|socket| socket.name.as_deref() == Some(&text));
        assert!(found.expect("it is listed").listening);
        let nobody = |_| None;
        let access = access(own, &text, nobody, nobody).expect("a file");
        assert!(access.starts_with("07"), "{access}");
        drop(socket);
    }
}
