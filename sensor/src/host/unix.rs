//! Lists of unix sockets, read at most for a share of the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sockets::{self, UnixSocket};

/// A list is believed for so many times what it took to read: reading costs a twentieth of one processor at most, also where
/// thousands of sockets come at once and each is asked for.
const SHARE: u32 = 20;
/// Longest that one is believed: names come late only where lists are very long.
const BELIEVED_MAX: Duration = Duration::from_millis(500);

/// The list that was read last.
#[derive(Debug, Default)]
pub(super) struct UnixLists {
    last: Option<List>,
}

#[derive(Debug)]
struct List {
    netns: Option<u32>,
    until: Instant,
    sockets: Arc<HashMap<u64, UnixSocket>>,
}

impl UnixLists {
    /// The unix sockets that a process could see, by inode number; empty when it is gone.
    pub(super) fn of(&mut self, pid: u32) -> Arc<HashMap<u64, UnixSocket>> {
        let netns = sockets::netns(&pid.to_string());
        let begun = Instant::now();
        if let Some(list) = &self.last
            && list.netns == netns
            && netns.is_some()
            && begun < list.until
        {
            return Arc::clone(&list.sockets);
        }
        let sockets = Arc::new(sockets::unix_sockets(pid));
        let read = Instant::now();
        let believed = (SHARE * read.saturating_duration_since(begun)).min(BELIEVED_MAX);
        self.last = Some(List {
            netns,
            until: read + believed,
            sockets: Arc::clone(&sockets),
        });
        sockets
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_list_is_read_again_in_time() {
        let mut lists = UnixLists::default();
        assert!(!lists.of(std::process::id()).is_empty());
        let folder = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(folder.path().join("here.sock")).unwrap();
        let deadline = Instant::now() + 20 * BELIEVED_MAX;
        let is_there = |socket: &UnixSocket| {
            (socket.name.as_deref()).is_some_and(|name| name.ends_with("/here.sock"))
        };
        while !lists.of(std::process::id()).values().any(is_there) {
            assert!(Instant::now() < deadline, "never read again");
        }
        assert!(lists.of(u32::MAX).is_empty());
    }
}
