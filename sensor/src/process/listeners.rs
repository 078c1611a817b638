//! Which process listens where, and where it was seen to serve.
//!
//! Two questions are answered from one table. *Where does this process listen?* is asked for verdicts: only
//! what the kernel said of the process itself counts, and nothing from another network namespace than the
//! host's, for a user can make one and give himself any address in it. *What listens on this host?* is asked
//! for the inventory: there everything is named, with the process that serves where that was seen.

mod place;
mod places;

pub use place::{Address, Place};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use crate::event::{EndKey, ProcessKey, UnixNs};
use places::{Listening, Places};

/// Listening sockets kept, over all processes; a host with more has other problems.
const SOCKETS_MAX: usize = 16_384;
/// Sockets kept of one process: nobody can fill the table alone.
const OWN_MAX: usize = 12_288;
/// Sockets that a child takes over from its parent: a fork is not to cost more than this.
const INHERITED_MAX: usize = 256;
/// Processes kept that hold one socket.
const HOLDERS_MAX: usize = 1024;
/// Addresses kept on which one process was seen to serve.
const SERVED_MAX: usize = 64;
/// Addresses told of on which other processes listen beside one.
const OTHERS_MAX: usize = 64;
/// HTTP paths kept of one place.
const PATHS_MAX: usize = 16;

/// How a process came to hold a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It opened it, was found holding it, or was forked from one that did.
    Own,
    /// It runs a new image since; what it opened may be closed by that.
    Maybe,
}

/// One listening socket.
#[derive(Debug, Default)]
struct Socket {
    /// None: a unix socket whose name is not known yet.
    place: Option<Place>,
    opener: Option<ProcessKey>,
    holders: BTreeMap<ProcessKey, Hold>,
}

/// A listening socket as it was learned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The socket.
    pub key: EndKey,
    /// Where; none: a unix socket, which has a name that has to be asked for.
    pub place: Option<Place>,
    /// Who asked to listen, or was found holding it.
    pub process: ProcessKey,
    /// When it began to listen; none: before the sensor.
    pub opened: Option<UnixNs>,
}

/// What is known of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// Who serves there: seen to, else the likeliest of those who hold the socket.
    pub process: Option<ProcessKey>,
    /// Whether `process` was seen to serve.
    pub serves: bool,
    /// Who asked the kernel to listen, where that was seen.
    pub opener: Option<ProcessKey>,
    /// MCP was seen on it.
    pub mcp: bool,
    /// HTTP paths on which it was seen, the first one first. NOT redacted.
    pub paths: &'a [String],
    /// Since when.
    pub opened: Option<UnixNs>,
    /// It was there before the sensor.
    pub early: bool,
    /// A listening socket is known, not merely its use.
    pub socket: bool,
}

/// Listening sockets of the host.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: HashMap<EndKey, Socket>,
    places: Places,
    /// Sockets that a process holds.
    held: HashMap<ProcessKey, HashSet<EndKey>>,
    /// Places that a process was seen to serve.
    serving: HashMap<ProcessKey, BTreeSet<Place>>,
    /// Addresses that a process proved to serve, for verdicts.
    served: HashMap<ProcessKey, BTreeSet<SocketAddr>>,
    nameless: BTreeMap<EndKey, UnixNs>,
    orphans: BTreeSet<EndKey>,
    changed: BTreeSet<Place>,
    dropped: u64,
}

impl Listeners {
    /// A process listens, or was found holding a listening socket.
    pub fn open(&mut self, time: UnixNs, found: Found) {
        let Found {
            key,
            place,
            process,
            opened,
        } = found;
        let known = self.sockets.get(&key);
        if known.is_some_and(|known| place.is_some() && known.place != place) {
            // The number of a socket that has gone unnoticed.
            self.remove(key);
        }
        if !self.sockets.contains_key(&key) {
            if self.sockets.len() >= SOCKETS_MAX || self.holds(process) >= OWN_MAX {
                self.dropped += 1;
                return;
            }
            let opener = opened.map(|_| process);
            self.sockets.insert(
                key,
                Socket {
                    opener,
                    ..Socket::default()
                },
            );
            match place {
                Some(place) => self.settle(key, place, opened),
                None => {
                    self.nameless.insert(key, time);
                }
            }
        }
        self.hold(key, process);
    }

    /// A unix socket's name was found out. None: it listens no more.
    pub fn name(&mut self, key: EndKey, place: Option<Place>) {
        let Some(since) = self.nameless.remove(&key) else {
            return;
        };
        let Some(socket) = self.sockets.get(&key) else {
            return;
        };
        let opened = socket.opener.map(|_| since);
        match place {
            Some(place) => self.settle(key, place, opened),
            None => self.remove(key),
        }
    }

    /// Unix sockets without a name that are older than `before`, with a process that holds each.
    #[must_use]
    pub fn nameless(&self, before: UnixNs) -> Vec<(EndKey, ProcessKey)> {
        self.nameless
            .iter()
            .filter(|(_, since)| **since <= before)
            .filter_map(|(key, _)| Some((*key, *self.sockets.get(key)?.holders.keys().next()?)))
            .collect()
    }

    /// All unix sockets that have a name, with it and a process that holds each.
    pub fn named(&self) -> impl Iterator<Item = (EndKey, &Place, Option<ProcessKey>)> {
        self.sockets.iter().filter_map(|(key, socket)| {
            let place = socket.place.as_ref()?;
            matches!(place.address, Address::Unix(_))
                .then(|| (*key, place, socket.holders.keys().next().copied()))
        })
    }

    /// The unix socket that a process listens on, if it has a name and is the only one.
    #[must_use]
    pub fn only_unix(&self, process: ProcessKey) -> Option<Place> {
        let held = self.held.get(&process)?;
        let mut unix = held.iter().filter_map(|key| {
            let place = self.sockets.get(key)?.place.as_ref()?;
            matches!(place.address, Address::Unix(_)).then_some(place)
        });
        let place = unix.next()?;
        unix.next().is_none().then(|| place.clone())
    }

    /// A process proved to be the server of this address of the host's own: it answered there. It may have been
    /// handed the socket, by its parent or over an exec (socket activation). True if that is news.
    pub fn serves(&mut self, address: SocketAddr, process: ProcessKey) -> bool {
        let own = self.of(process);
        let any = |own: &SocketAddr| own.ip().is_unspecified() && own.port() == address.port();
        let news = !own.contains(&address) && !own.iter().any(any);
        if !news {
            return false;
        }
        let served = self.served.entry(process).or_default();
        served.len() < SERVED_MAX && served.insert(address)
    }

    /// MCP was seen where a process serves. `reached` is the address that was connected to. Gives the place of
    /// the listening socket. `listens`: it does now, even if no socket is known; nobody would tell the end of a place that is
    /// made here of what is over.
    pub fn seen(
        &mut self,
        reached: Place,
        mut process: ProcessKey,
        paths: &[String],
        listens: bool,
    ) -> Option<Place> {
        let known = self.places.taking(&reached);
        let place = known.or_else(|| listens.then_some(reached))?;
        if self.places.get(&place).is_none() && self.places.len() >= 2 * SOCKETS_MAX {
            self.dropped += 1;
            return None;
        }
        let listening = self.places.make(&place);
        let known = listening.paths.len();
        for path in paths {
            if listening.paths.len() < PATHS_MAX && !listening.paths.contains(path) {
                listening.paths.push(path.clone());
            }
        }
        // One of several workers is enough to be named, as long as it is there.
        let holds = |who| {
            let own = |key| {
                self.sockets
                    .get(key)
                    .map(|own| own.holders.contains_key(&who))
            };
            listening.sockets.iter().filter_map(own).any(|holds| holds)
        };
        let before = listening.server;
        if before.is_some_and(|before| !holds(process) || holds(before)) {
            process = before.unwrap_or(process);
        }
        listening.server = Some(process);
        if !listening.mcp || before != Some(process) || known != listening.paths.len() {
            listening.mcp = true;
            self.changed.insert(place.clone());
        }
        if let Some(before) = before
            && before != process
            && let Some(places) = self.serving.get_mut(&before)
        {
            places.remove(&place);
        }
        self.serving
            .entry(process)
            .or_default()
            .insert(place.clone());
        Some(place)
    }

    /// A listening socket is gone. Its inode may be gone before it (0): then the place tells.
    pub fn close(&mut self, key: EndKey, place: &Place) {
        let sockets: Vec<EndKey> = match self.places.get(place) {
            _ if self.sockets.contains_key(&key) => vec![key],
            Some(listening) if key.inode == 0 => listening.sockets.iter().copied().collect(),
            _ => Vec::new(),
        };
        for key in sockets {
            self.remove(key);
        }
        if self
            .places
            .get(place)
            .is_some_and(|listening| listening.sockets.is_empty())
        {
            self.vacate(place);
        }
        if let Address::Tcp(address) = place.address
            && place.netns == 0
        {
            for served in self.served.values_mut() {
                served.remove(&address);
            }
        }
    }

    /// A socket was found to be gone, though nobody said so.
    pub fn gone(&mut self, key: EndKey) {
        self.remove(key);
    }

    /// Sockets that nobody is known to hold any more, with their places: they were handed to somebody, or their
    /// end was missed.
    #[must_use]
    pub fn orphans(&self) -> Vec<(EndKey, Option<Place>)> {
        let place = |key: &EndKey| Some((*key, self.sockets.get(key)?.place.clone()));
        self.orphans.iter().filter_map(place).collect()
    }

    /// A process runs a new image: what it inherited is not its own any more, until it is seen to serve.
    pub fn exec(&mut self, process: ProcessKey) {
        self.served.remove(&process);
        self.serves_no_more(process);
        let held = self.held.remove(&process).unwrap_or_default();
        let mut kept = HashSet::new();
        for key in held {
            let Some(socket) = self.sockets.get_mut(&key) else {
                continue;
            };
            if socket.holders.len() == 1 {
                // Closed by the exec, which will be told, or handed over by it.
                socket.holders.insert(process, Hold::Maybe);
                kept.insert(key);
            } else {
                socket.holders.remove(&process);
            }
            self.changed.extend(socket.place.clone());
        }
        if !kept.is_empty() {
            self.held.insert(process, kept);
        }
    }

    /// A process made another, which has its descriptors.
    pub fn fork(&mut self, parent: ProcessKey, child: ProcessKey) {
        let Some(held) = self.held.get(&parent) else {
            return;
        };
        let keys: Vec<EndKey> = held.iter().take(INHERITED_MAX).copied().collect();
        for key in keys {
            let own = |socket: &Socket| socket.holders.get(&parent) == Some(&Hold::Own);
            if self.sockets.get(&key).is_some_and(own) {
                self.hold(key, child);
            }
        }
    }

    /// A process is gone.
    pub fn exit(&mut self, process: ProcessKey) {
        self.served.remove(&process);
        self.serves_no_more(process);
        for key in self.held.remove(&process).unwrap_or_default() {
            let Some(socket) = self.sockets.get_mut(&key) else {
                continue;
            };
            socket.holders.remove(&process);
            if socket.holders.is_empty() {
                self.orphans.insert(key);
            }
            self.changed.extend(socket.place.clone());
        }
    }

    /// Where a process listens on the host's own addresses, in a stable order.
    #[must_use]
    pub fn of(&self, process: ProcessKey) -> Vec<SocketAddr> {
        let held = self.held.get(&process).into_iter().flatten();
        let own = held.filter_map(|key| {
            let socket = self.sockets.get(key)?;
            match (&socket.place, socket.holders.get(&process)) {
                (
                    Some(Place {
                        address: Address::Tcp(address),
                        netns: 0,
                    }),
                    Some(Hold::Own),
                ) => Some(*address),
                _ => None,
            }
        });
        let served = self.served.get(&process).into_iter().flatten().copied();
        let mut addresses: Vec<SocketAddr> = own.chain(served).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Where other processes than `own` listen on the host's own addresses, on the ports of `serves`, beside those; in a
    /// stable order, a last none where there are more than are told.
    #[must_use]
    pub fn others(
        &self,
        own: &BTreeSet<ProcessKey>,
        serves: &[SocketAddr],
    ) -> Vec<Option<SocketAddr>> {
        // Sockets that they were handed and answer on are theirs, whoever else holds them.
        let served = own.iter().filter_map(|process| self.served.get(process));
        let handed: HashSet<Place> = served
            .flatten()
            .filter_map(|address| self.places.taking(&Place::tcp(*address, 0)))
            .collect();
        let ports: BTreeSet<u16> = serves.iter().map(SocketAddr::port).collect();
        let on_ports = ports.iter().flat_map(|port| self.places.on_port(*port));
        let mut others: Vec<Option<SocketAddr>> = on_ports
            .filter(|(place, listening)| {
                !handed.contains(place) && self.is_of_others(listening, own)
            })
            .filter_map(|(place, _)| match place.address {
                Address::Tcp(address) => Some(address),
                Address::Unix(_) => None,
            })
            .filter(|address| !serves.contains(address))
            .map(Some)
            .take(OTHERS_MAX + 1)
            .collect();
        if others.len() > OTHERS_MAX {
            others.pop();
            others.push(None);
        }
        others
    }

    /// Whether somebody else than `own` listens or serves there, or nobody that is known.
    fn is_of_others(&self, listening: &Listening, own: &BTreeSet<ProcessKey>) -> bool {
        let other = |process: &ProcessKey| !own.contains(process);
        listening.server.as_ref().is_some_and(other)
            || listening
                .sockets
                .iter()
                .filter_map(|key| self.sockets.get(key))
                .any(|socket| socket.holders.is_empty() || socket.holders.keys().any(other))
    }

    /// Whether anybody listens on this address of the host's own, on it or on all of them.
    #[must_use]
    pub fn is_served(&self, address: SocketAddr) -> bool {
        let held = |key: &EndKey| {
            let socket = self.sockets.get(key);
            socket.is_some_and(|socket| socket.holders.values().any(|hold| *hold == Hold::Own))
        };
        Place::tcp(address, 0)
            .listening()
            .filter_map(|place| self.places.get(&place))
            .any(|listening| listening.server.is_some() || listening.sockets.iter().any(held))
    }

    /// What is known of a place; none: nobody listens there.
    #[must_use]
    pub fn state(&self, place: &Place) -> Option<State<'_>> {
        let listening = self.places.get(place)?;
        let sockets = || {
            let sockets = listening.sockets.iter();
            sockets.filter_map(|key| self.sockets.get(key))
        };
        let opener = sockets().find_map(|socket| socket.opener);
        let holds =
            |process: &ProcessKey| sockets().any(|socket| socket.holders.contains_key(process));
        // The first process of the host listens for others; among workers the oldest started them.
        let likeliest = || {
            let holders = sockets().flat_map(|socket| socket.holders.keys().copied());
            holders.min_by_key(|process| (process.pid == 1, process.start_ns, process.pid))
        };
        let process = listening
            .server
            .or_else(|| opener.filter(holds))
            .or_else(likeliest);
        Some(State {
            process,
            serves: listening.server.is_some(),
            opener,
            mcp: listening.mcp,
            paths: &listening.paths,
            opened: listening.opened,
            early: listening.early,
            socket: !listening.sockets.is_empty(),
        })
    }

    /// Places about which something is new since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<Place> {
        std::mem::take(&mut self.changed)
    }

    /// Sockets that found no room since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn holds(&self, process: ProcessKey) -> usize {
        self.held.get(&process).map_or(0, HashSet::len)
    }

    fn hold(&mut self, key: EndKey, process: ProcessKey) {
        let Some(socket) = self.sockets.get_mut(&key) else {
            return;
        };
        let new = !socket.holders.contains_key(&process);
        let own = self.held.entry(process).or_default();
        if new && (socket.holders.len() >= HOLDERS_MAX || own.len() >= OWN_MAX) {
            self.dropped += 1;
            return;
        }
        own.insert(key);
        socket.holders.insert(process, Hold::Own);
        self.orphans.remove(&key);
    }

    /// Puts a socket in its place.
    fn settle(&mut self, key: EndKey, place: Place, opened: Option<UnixNs>) {
        let Some(socket) = self.sockets.get_mut(&key) else {
            return;
        };
        socket.place = Some(place.clone());
        let listening = self.places.make(&place);
        if listening.sockets.is_empty() {
            listening.opened = opened;
            listening.early = opened.is_none();
        }
        listening.sockets.insert(key);
        self.changed.insert(place);
    }

    fn remove(&mut self, key: EndKey) {
        self.nameless.remove(&key);
        self.orphans.remove(&key);
        let Some(socket) = self.sockets.remove(&key) else {
            return;
        };
        for process in socket.holders.keys() {
            if let Some(held) = self.held.get_mut(process) {
                held.remove(&key);
                if held.is_empty() {
                    self.held.remove(process);
                }
            }
        }
        if let Some(place) = socket.place {
            let listening = self.places.make(&place);
            listening.sockets.remove(&key);
            if listening.sockets.is_empty() {
                self.vacate(&place);
            }
            self.changed.insert(place);
        }
    }

    /// Nobody listens there any more.
    fn vacate(&mut self, place: &Place) {
        if let Some(listening) = self.places.remove(place)
            && let Some(server) = listening.server
            && let Some(places) = self.serving.get_mut(&server)
        {
            places.remove(place);
        }
        self.changed.insert(place.clone());
    }

    fn serves_no_more(&mut self, process: ProcessKey) {
        for place in self.serving.remove(&process).unwrap_or_default() {
            let Some(listening) = self.places.get_mut(&place) else {
                continue;
            };
            listening.server = None;
            if listening.sockets.is_empty() {
                self.places.remove(&place);
            }
            self.changed.insert(place);
        }
    }
}

#[cfg(test)]
mod tests;
