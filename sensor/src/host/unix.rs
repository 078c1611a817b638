//! Lists of unix sockets, read for a share of the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sockets::{self, Listed, UnixSocket};
use crate::credit::Credit;

/// Reading takes one in this many of one processor's time, also where thousands of sockets come at once, each is asked for, and
/// they are in many namespaces: all lists share it.
const SHARE: u32 = 20;
/// What may be saved up of it. One list takes a millisecond for a thousand sockets or so.
const SAVED: Duration = Duration::from_millis(200);
/// How long a list is believed that has what is asked for. What it does not have is looked for at once.
const BELIEVED_FOR: Duration = Duration::from_millis(500);
/// Lists kept, and sockets in all of them but the last one: about 100 bytes each.
const LISTS_MAX: usize = 64;
const SOCKETS_MAX: usize = 100_000;

/// The unix sockets of one network namespace.
#[derive(Clone, Debug, Default)]
pub struct UnixList {
    sockets: Arc<HashMap<u64, UnixSocket>>,
    current: bool,
    newly_cut: bool,
}

impl UnixList {
    /// Of a namespace without any, or that is gone.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            sockets: Arc::default(),
            current: true,
            newly_cut: false,
        }
    }

    /// The socket of this inode.
    #[must_use]
    pub fn get(&self, inode: u64) -> Option<&UnixSocket> {
        self.sockets.get(&inode)
    }

    /// It has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// It is longer than what is read of it, and was not when it was read before.
    #[must_use]
    pub const fn is_newly_cut(&self) -> bool {
        self.newly_cut
    }

    /// There is no such socket any more. One that is not in the list may as well be younger than the list, or in the part of
    /// it that was not read: then this is not known.
    #[must_use]
    pub fn is_gone(&self, inode: u64) -> bool {
        self.current && !self.sockets.contains_key(&inode)
    }
}

/// A list as it was read last.
#[derive(Debug)]
struct Read {
    at: Instant,
    sockets: Arc<HashMap<u64, UnixSocket>>,
    cut: bool,
}

/// The lists that were read last, by network namespace.
#[derive(Debug)]
pub(super) struct UnixLists {
    lists: HashMap<u32, Read>,
    credit: Credit,
}

impl Default for UnixLists {
    fn default() -> Self {
        Self {
            lists: HashMap::new(),
            credit: Credit::new(SHARE, SAVED, Instant::now()),
        }
    }
}

impl UnixLists {
    /// The unix sockets that a process could see; none when it is gone. A list that lacks any of `wanted` is read again, if there
    /// is time for it.
    pub(super) fn of(&mut self, pid: u32, mut wanted: impl Iterator<Item = u64>) -> UnixList {
        let Some(netns) = sockets::netns(&pid.to_string()) else {
            return UnixList::nothing();
        };
        let now = Instant::now();
        let known = self.lists.get(&netns);
        let believed = known.filter(|read| {
            now.saturating_duration_since(read.at) < BELIEVED_FOR
                && wanted.all(|inode| read.sockets.contains_key(&inode))
        });
        if believed.is_some() || !self.credit.is_left(now) {
            let sockets = known.map(|read| Arc::clone(&read.sockets));
            return UnixList {
                sockets: sockets.unwrap_or_default(),
                current: false,
                newly_cut: false,
            };
        }
        match self.credit.pay(|| sockets::unix_sockets(pid)) {
            Some(list) => self.take(netns, now, list),
            None => UnixList::default(),
        }
    }

    fn take(&mut self, netns: u32, now: Instant, list: Listed) -> UnixList {
        let cut = list.cut;
        let was_cut = self.lists.get(&netns).is_some_and(|read| read.cut);
        let sockets = Arc::new(list.sockets);
        self.keep(
            netns,
            Read {
                at: now,
                sockets: Arc::clone(&sockets),
                cut,
            },
        );
        UnixList {
            sockets,
            current: !cut,
            newly_cut: cut && !was_cut,
        }
    }

    /// Sockets in all lists.
    fn kept(&self) -> usize {
        self.lists.values().map(|read| read.sockets.len()).sum()
    }

    fn keep(&mut self, netns: u32, list: Read) {
        self.lists.remove(&netns);
        while self.lists.len() >= LISTS_MAX || self.kept() > SOCKETS_MAX {
            let oldest = self.lists.iter().min_by_key(|(_, read)| read.at);
            let Some(oldest) = oldest.map(|(netns, _)| *netns) else {
                break;
            };
            self.lists.remove(&oldest);
        }
        self.lists.insert(netns, list);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn socket() -> (UnixDatagram, u64) {
        let socket = UnixDatagram::unbound().unwrap();
        let file = File::from(socket.as_fd().try_clone_to_owned().unwrap());
        let inode = file.metadata().unwrap().ino();
        (socket, inode)
    }

    #[test]
    fn a_list_is_read_once_for_what_it_has_and_again_for_what_it_lacks() {
        let own = std::process::id();
        let mut lists = UnixLists::default();
        let (_first, inode) = socket();
        let list = lists.of(own, [inode].into_iter());
        assert!(list.get(inode).is_some());
        let again = lists.of(own, [inode].into_iter());
        assert!(Arc::ptr_eq(&list.sockets, &again.sockets));
        let (second, inode) = socket();
        assert!(lists.of(own, [inode].into_iter()).get(inode).is_some());
        drop(second);
        let after = lists.of(own, [inode, u64::MAX].into_iter());
        assert!(after.is_gone(inode) && after.is_gone(u64::MAX));
        assert!(lists.of(u32::MAX, [inode].into_iter()).is_gone(inode));
    }

    #[test]
    fn without_time_nothing_is_said_to_be_gone() {
        let own = std::process::id();
        let mut lists = UnixLists::default();
        let (_first, known) = socket();
        assert!(lists.of(own, [known].into_iter()).get(known).is_some());
        lists.credit.spend(Duration::from_secs(60));
        let (_second, young) = socket();
        let list = lists.of(own, [young].into_iter());
        assert!(list.get(known).is_some() && list.get(young).is_none());
        assert!(!list.is_gone(young));
    }

    #[test]
    fn of_a_list_that_is_cut_nothing_is_said_to_be_gone() {
        let mut lists = UnixLists::default();
        let socket = UnixSocket {
            name: None,
            listening: true,
        };
        let mut take = |cut| {
            let sockets = HashMap::from([(17001, socket.clone())]);
            lists.take(1, Instant::now(), Listed { sockets, cut })
        };
        let cut = take(true);
        assert!(cut.get(17001).is_some() && cut.get(17002).is_none());
        assert!(!cut.is_gone(17002) && cut.is_newly_cut());
        let again = take(true);
        assert!(!again.is_gone(17002) && !again.is_newly_cut());
        let whole = take(false);
        assert!(whole.is_gone(17002) && !whole.is_gone(17001) && !whole.is_newly_cut());
    }

    #[test]
    fn lists_of_many_namespaces_are_bounded() {
        let mut lists = UnixLists::default();
        let socket = UnixSocket {
            name: None,
            listening: false,
        };
        let many: HashMap<_, _> = (0..SOCKETS_MAX as u64 / 4)
            .map(|inode| (inode, socket.clone()))
            .collect();
        let (few, many) = (Arc::default(), Arc::new(many));
        let at = Instant::now();
        let read = |sockets: &Arc<_>| Read {
            at,
            sockets: Arc::clone(sockets),
            cut: false,
        };
        for netns in 0..200 {
            lists.keep(netns, read(&few));
            assert!(lists.lists.len() <= LISTS_MAX);
        }
        for netns in 0..200 {
            lists.keep(netns, read(&many));
            assert!(
                lists
                    .lists
                    .values()
                    .filter(|read| !read.sockets.is_empty())
                    .count()
                    <= 5
            );
        }
    }
}
