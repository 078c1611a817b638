//! Whose a connection's two ends are.
//!
//! By what the kernel says of the socket with its addresses, and the process that holds that socket. A socket that was just connected may not be
//! accepted yet, and a short connection may be over before it is looked up: then it is whoever alone listens there, or
//! nobody that we know. What this costs is bounded to a share of one processor.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::holder::Search;
use super::listeners::Listeners;
use super::processes::Processes;
use super::socket::{Sockets, is_to_be_accepted};
use crate::credit::Credit;
use crate::event::{Event, ProcessKey, Tuple, UnixNs};
use crate::host::Addresses;
use crate::kernel::clock::thread_time;

/// The share of one processor that looking may take: one in this many.
const SHARE: u32 = 10;
/// What may be saved up of it.
const SAVED: Duration = Duration::from_millis(500);
/// Processes that were found last are asked first.
const LIKELY_MAX: usize = 32;
/// How long after a search for nothing was over the next one comes: a descriptor may be about to be given out.
const SEARCH_AGAIN: Duration = Duration::from_millis(100);
/// Such sockets remembered.
const MISSED_MAX: usize = 1024;
/// How long the host's own addresses are believed.
const ADDRESSES_FOR: Duration = Duration::from_secs(5);

/// Whose an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// This process's.
    Process(ProcessKey),
    /// On this host, but nobody was found.
    Nobody(ProcessKey),
    /// Another host's, or another network namespace's.
    Remote,
}

impl Owner {
    /// Who is said to have used it; none for a remote one.
    #[must_use]
    pub(super) const fn process(self) -> Option<ProcessKey> {
        match self {
            Self::Process(process) | Self::Nobody(process) => Some(process),
            Self::Remote => None,
        }
    }
}

/// The ends of a connection, by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Addresses; A opened it, as far as that was seen.
    pub(super) addresses: [SocketAddr; 2],
    /// Whose they are, as far as that is known.
    pub(super) owners: [Option<Owner>; 2],
}

impl Ends {
    /// Of which nothing is known.
    #[must_use]
    pub(super) const fn new(addresses: [SocketAddr; 2]) -> Self {
        Self {
            addresses,
            owners: [None; 2],
        }
    }

    /// Both are known.
    #[must_use]
    pub(super) const fn is_settled(&self) -> bool {
        matches!(self.owners, [Some(_), Some(_)])
    }

    /// A connection that this host only forwards: somebody opened it.
    fn close(&mut self) {
        if self.owners == [Some(Owner::Remote); 2] {
            let opener = ProcessKey::nobody(self.addresses[0].ip());
            self.owners[0] = Some(Owner::Nobody(opener));
        }
    }

    /// The addresses as one side sees them.
    #[must_use]
    pub(super) const fn tuple(&self, side: usize) -> Tuple {
        Tuple {
            local: self.addresses[side],
            remote: self.addresses[1 - side],
        }
    }
}

/// Looks up ends.
#[derive(Debug)]
pub(super) struct Owners {
    credit: Credit,
    likely: VecDeque<u32>,
    /// Sockets that nobody was found to hold, and when.
    missed: HashMap<u64, Instant>,
    search: Search,
    addresses: Addresses,
}

impl Default for Owners {
    fn default() -> Self {
        Self {
            credit: Credit::new(SHARE, SAVED, Instant::now()),
            likely: VecDeque::new(),
            missed: HashMap::new(),
            search: Search::default(),
            addresses: Addresses::new(ADDRESSES_FOR),
        }
    }
}

impl Owners {
    /// Looks for those that are not known, as far as there is time for it, and tells new processes.
    pub(super) fn look(
        &mut self,
        time: UnixNs,
        ends: &mut [&mut Ends],
        sockets: &mut Sockets,
        listeners: &Listeners,
        processes: &mut Processes,
        events: &mut Vec<Event>,
    ) {
        let begun = Instant::now();
        if ends.is_empty() || !self.credit.is_left(begun) {
            return;
        }
        let used = thread_time();
        self.addresses.refresh();
        let open = ends.iter().flat_map(|ends| {
            let open = [0, 1]
                .into_iter()
                .filter(|side| ends.owners[*side].is_none());
            open.map(|side| ends.tuple(side))
        });
        let sockets = sockets.connected(open, &self.addresses);
        let mut wanted = HashMap::new();
        for end in ends.iter_mut() {
            for side in [0, 1] {
                if end.owners[side].is_some() {
                    continue;
                }
                match sockets.get(&end.tuple(side)) {
                    Some(socket) if socket.inode != 0 => {
                        if self.may_search(socket.inode, begun) {
                            wanted.insert(socket.inode, socket.uid);
                        }
                    }
                    Some(socket) if is_to_be_accepted(socket) => {}
                    _ => end.owners[side] = Some(self.without_socket(end, side, listeners)),
                }
            }
        }
        let step = self.search.step(&wanted, self.likely.iter().rev().copied());
        if self.missed.len() >= MISSED_MAX {
            self.missed.clear();
        }
        let missed = step.missed.into_iter();
        self.missed.extend(missed.map(|inode| (inode, begun)));
        for end in ends.iter_mut() {
            for side in [0, 1] {
                let socket = sockets.get(&end.tuple(side));
                let Some(pid) = socket.and_then(|socket| step.found.get(&socket.inode)) else {
                    continue;
                };
                if end.owners[side].is_none()
                    && let Some(process) = processes.name(time, *pid, events)
                {
                    end.owners[side] = Some(Owner::Process(process));
                    self.remember(*pid);
                }
            }
        }
        ends.iter_mut().for_each(|ends| ends.close());
        self.credit.spend(thread_time().saturating_sub(used));
    }

    /// It has taken too long: says what can be said without looking.
    pub(super) fn settle(&mut self, ends: &mut Ends, listeners: &Listeners) {
        self.addresses.refresh();
        for side in [0, 1] {
            if ends.owners[side].is_none() {
                ends.owners[side] = Some(self.without_socket(ends, side, listeners));
            }
        }
        ends.close();
    }

    fn without_socket(&self, ends: &Ends, side: usize, listeners: &Listeners) -> Owner {
        let address = ends.addresses[side];
        if !self.addresses.has(address.ip()) {
            return Owner::Remote;
        }
        match listeners.only(address) {
            Some(process) => Owner::Process(process),
            None => Owner::Nobody(ProcessKey::nobody(address.ip())),
        }
    }

    /// A search of all processes that found nobody is not repeated at once.
    fn may_search(&self, inode: u64, now: Instant) -> bool {
        let missed = self.missed.get(&inode);
        missed.is_none_or(|missed| now.saturating_duration_since(*missed) >= SEARCH_AGAIN)
    }

    fn remember(&mut self, pid: u32) {
        self.likely.retain(|known| *known != pid);
        if self.likely.len() >= LIKELY_MAX {
            self.likely.pop_front();
        }
        self.likely.push_back(pid);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::event::Body;

    #[test]
    fn both_ends_of_a_live_connection_are_ours_and_then_nobodys() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let addresses = [client.local_addr().unwrap(), server.local_addr().unwrap()];
        let (mut owners, listeners) = (Owners::default(), Listeners::new(0));
        let mut sockets = Sockets::open();
        let (mut processes, mut events) = (Processes::default(), Vec::new());
        let mut ends = Ends::new(addresses);
        owners.look(
            1,
            &mut [&mut ends],
            &mut sockets,
            &listeners,
            &mut processes,
            &mut events,
        );
        let own = super::super::image::key(std::process::id()).unwrap();
        assert_eq!(ends.owners, [Some(Owner::Process(own)); 2]);
        let execs = |event: &Event| matches!(&event.body, Body::Exec(exec) if exec.process == own);
        assert_eq!(events.iter().filter(|event| execs(event)).count(), 1);

        let mut far = Ends::new([
            "198.51.100.1:1".parse().unwrap(),
            "198.51.100.2:2".parse().unwrap(),
        ]);
        let mut gone = Ends::new([
            "127.0.0.1:1".parse().unwrap(),
            "127.0.0.1:2".parse().unwrap(),
        ]);
        for ends in [&mut far, &mut gone] {
            owners.settle(ends, &listeners);
            assert!(ends.is_settled());
        }
        assert_eq!(far.owners[1], Some(Owner::Remote));
        assert!(
            matches!(far.owners[0], Some(Owner::Nobody(_))),
            "somebody opened it"
        );
        assert!(matches!(
            gone.owners,
            [Some(Owner::Nobody(_)), Some(Owner::Nobody(_))]
        ));
    }
}
