//! When a listener is stated: where MCP was seen, at once; others when they have stayed a moment, at a bounded
//! rate; again when something about them changes, now and then while they stay, and a last time when they end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};

use super::{Output, Pipeline, is_foreign_netns};
use crate::event::{Channel, EndKey, LossReason, ProcessKey, SocketState, UnixNs};
use crate::flow::Side;
use crate::host::UnixList;
use crate::mcp::session::SessionNumber;
use crate::observation::{
    self, Body, Evidence, Listener, ListenerMcp, ListenerState, Observation, Quality, Source,
};
use crate::process::listeners::{Address, Found, Place, State};
use crate::process::table::ImageNumber;
use crate::redact;

/// How long a listener without MCP must have been there: most of the short-lived ones are tests.
const SETTLE_NS: u64 = 1_000_000_000;
/// How often a listener is stated again while it stays as it is.
const REPEAT_NS: u64 = 6 * 3600 * 1_000_000_000;
/// Listeners without MCP stated in one second; the others wait their turn.
const TOLD_PER_SECOND: u32 = 256;
/// How often unix sockets and those that nobody is known to hold are looked after: nobody tells their end.
const LOOK_NS: u64 = 30_000_000_000;
/// Unix sockets whose names are asked for in one turn.
const NAMED_MAX: usize = 4096;
/// Network namespaces looked into in one turn.
const NAMESPACES_MAX: usize = 64;

/// What was stated of listeners.
#[derive(Default)]
pub(super) struct ListenersTold {
    told: HashMap<Place, Told>,
    due: BTreeSet<(UnixNs, Place)>,
    due_at: HashMap<Place, UnixNs>,
    /// The running second, and how many were stated in it.
    second: (UnixNs, u32),
    last: UnixNs,
    looked: UnixNs,
}

/// The last statement. A process with thousands of sockets is kept once, in what is known of processes.
#[derive(PartialEq)]
struct Told {
    process: Option<ProcessKey>,
    image: Option<ImageNumber>,
    /// Without its process.
    listener: Listener,
}

impl ListenersTold {
    fn put(&mut self, time: UnixNs, place: Place) {
        if let Some(before) = self.due_at.insert(place.clone(), time) {
            self.due.remove(&(before, place.clone()));
        }
        self.due.insert((time, place));
    }

    fn drop_due(&mut self, place: &Place) {
        if let Some(before) = self.due_at.remove(place) {
            self.due.remove(&(before, place.clone()));
        }
    }

    /// The next one whose time has come, as long as there is room in this second.
    fn take_due(&mut self, now: UnixNs, all: bool) -> Option<Place> {
        let second = now / 1_000_000_000;
        if self.second.0 != second {
            self.second = (second, 0);
        }
        let (time, _) = self.due.first()?;
        if !all && (*time > now || self.second.1 >= TOLD_PER_SECOND) {
            return None;
        }
        self.second.1 += 1;
        let (_, place) = self.due.pop_first()?;
        self.due_at.remove(&place);
        Some(place)
    }

    /// The clock was set back: what is due by the old time is due now.
    fn check_clock(&mut self, now: UnixNs) {
        if now.saturating_add(REPEAT_NS / 2) < self.last {
            for (_, place) in std::mem::take(&mut self.due) {
                self.due_at.insert(place.clone(), now);
                self.due.insert((now, place));
            }
            self.looked = now;
        }
        self.last = now;
    }
}

impl Pipeline {
    /// A process listens, or was found holding a listening socket.
    pub(super) fn listens(&mut self, time: UnixNs, state: &SocketState, process: ProcessKey) {
        let place = state
            .end
            .tuple
            .map(|tuple| Place::tcp(tuple.local, self.foreign(state.end.netns)));
        let unix = state.end.channel == Channel::Unix;
        if place.is_some() || unix {
            self.listeners.open(
                time,
                Found {
                    key: state.end.key,
                    place,
                    process,
                    opened: (!state.held).then_some(time),
                },
            );
        }
    }

    /// The namespace's number where it is not the host's own, else 0.
    pub(super) fn foreign(&mut self, netns: u32) -> u32 {
        if is_foreign_netns(&mut *self.host, netns) {
            netns
        } else {
            0
        }
    }

    /// A server of this host was seen to speak MCP: where it listens is a listener with MCP. Gives its place. `listens`: it
    /// is new that it does, so that there is such a place whether or not its socket is known.
    pub(super) fn note_listener(
        &mut self,
        now: UnixNs,
        number: SessionNumber,
        listens: bool,
        output: &mut Output,
    ) -> Option<Place> {
        let session = self.sessions.get(number)?;
        let server = session.server.filter(|server| !server.is_nobody())?;
        let paths: Vec<String> = session.http.paths.clone();
        let reached = match (session.channel, session.http.server) {
            (Channel::Tcp, Some(address)) => {
                let namespaces = session.http.namespaces.clone();
                let mut foreign = namespaces.into_iter().map(|netns| self.foreign(netns));
                let netns = match foreign.find(|netns| *netns != 0) {
                    // One end may be inside and the other not: the server's own is meant.
                    Some(any) => self
                        .host
                        .netns_of(server.pid)
                        .map_or(any, |own| self.foreign(own)),
                    None => 0,
                };
                Some(Place::tcp(address, netns))
            }
            (Channel::Unix, _) => self.unix_place(number, server),
            _ => None,
        };
        let place = self.listeners.seen(reached?, server, &paths, listens)?;
        self.tell_listener(now, &place, false, output);
        Some(place)
    }

    /// The name that the server's end of a session's unix socket has from the socket it was accepted on; none
    /// for a socket pair.
    fn unix_place(&mut self, number: SessionNumber, server: ProcessKey) -> Option<Place> {
        if let Some(known) = self.told.unix.get(&number) {
            return known.clone();
        }
        let http = self.sessions.get(number)?.http.flow;
        let flows: Vec<_> = http
            .into_iter()
            .chain(self.stdio.flows_of(number))
            .collect();
        let ends: BTreeSet<u64> = flows
            .into_iter()
            .filter_map(|flow| self.flows.get(flow))
            .flat_map(|flow| {
                let side = [Side::A, Side::B]
                    .into_iter()
                    .find(|side| flow.process(*side) == Some(server));
                side.and_then(|side| flow.keys[side.index()])
            })
            .map(|key| key.inode)
            .collect();
        if ends.is_empty() {
            return None;
        }
        let list = self.unix_sockets(server.pid, &mut ends.iter().copied());
        let there = ends.iter().filter_map(|end| list.get(*end));
        let place = match there.clone().find_map(|end| end.name.clone()) {
            Some(name) => {
                let netns = self.host.netns_of(server.pid).unwrap_or(0);
                Some(Place {
                    address: Address::Unix(name.into()),
                    netns: self.foreign(netns),
                })
            }
            // Gone by now: a server that listens on one socket was asked there.
            None if ends.iter().all(|end| list.is_gone(*end)) => self.listeners.only_unix(server),
            None if there.count() > 0 => None,
            // Not known yet: asked again when the session changes.
            None => return None,
        };
        self.told.unix.insert(number, place.clone());
        place
    }

    /// States what is new about listeners. `all`: whatever there is, since nothing more will come.
    pub(super) fn tell_listeners(&mut self, now: UnixNs, all: bool, output: &mut Output) {
        self.told.listeners.check_clock(now);
        self.name_unix_sockets(now, all);
        if self.told.listeners.looked.saturating_add(LOOK_NS) <= now {
            self.told.listeners.looked = now;
            self.look_after_silent();
        }
        for place in self.listeners.take_changed() {
            let known = self.told.listeners.told.contains_key(&place);
            let mcp = self.listeners.state(&place).is_some_and(|state| state.mcp);
            if known || mcp {
                self.tell_listener(now, &place, false, output);
            } else if !self.told.listeners.due_at.contains_key(&place) {
                let time = now.saturating_add(SETTLE_NS);
                self.told.listeners.put(time, place);
            }
        }
        while let Some(place) = self.told.listeners.take_due(now, all) {
            self.tell_listener(now, &place, !all, output);
        }
    }

    /// States one listener, if that is news, or `again`.
    fn tell_listener(&mut self, now: UnixNs, place: &Place, again: bool, output: &mut Output) {
        let told = match self.listeners.state(place).map(|state| state.process) {
            Some(process) => {
                let last = self.told.listeners.told.get(place);
                // Its process is gone: the socket mostly goes with it, and then its last word names it.
                if process.is_none() && !again && last.is_some_and(|last| last.process.is_some()) {
                    return;
                }
                let Some(listener) = self.listener(place) else {
                    return;
                };
                let image = process.and_then(|process| self.processes.image_number(process));
                let fresh = Told {
                    process,
                    image,
                    listener,
                };
                if !again && self.told.listeners.told.get(place) == Some(&fresh) {
                    return;
                }
                fresh
            }
            None => {
                self.told.listeners.drop_due(place);
                let Some(mut last) = self.told.listeners.told.remove(place) else {
                    return;
                };
                last.listener.state = ListenerState::Closed;
                last
            }
        };
        let process = told.process.map(|process| {
            self.known
                .process(process, &self.processes, &mut *self.host)
        });
        output.observations.push(Observation {
            time: self.timeline.wall(now),
            body: Body::Listener(Listener {
                process,
                ..told.listener.clone()
            }),
        });
        if told.listener.state == ListenerState::Open {
            let due = now.saturating_add(REPEAT_NS);
            self.told.listeners.told.insert(place.clone(), told);
            self.told.listeners.put(due, place.clone());
        }
    }

    /// What is known of a place, but for its process.
    fn listener(&mut self, place: &Place) -> Option<Listener> {
        let state = self.listeners.state(place)?;
        let (process, opener) = (state.process, state.opener);
        let mut evidence = evidence(&state);
        let paths: Vec<String> = state.paths.iter().map(|path| redact::url(path)).collect();
        let opened = state.opened.map(|opened| self.timeline.wall(opened));
        let mcp = state.mcp;
        if let Some(opener) = opener.filter(|opener| Some(*opener) != process) {
            let opener = self.known.process(opener, &self.processes, &mut *self.host);
            let exe = opener.exe.as_deref().unwrap_or("an unknown program");
            evidence.push(Evidence {
                source: Source::Kernel,
                fact: format!("opened by process {} ({exe})", opener.pid),
                quality: Quality::Exact,
            });
        }
        let (address, port, channel, access) = match &place.address {
            Address::Tcp(address) => (
                address.ip().to_string(),
                Some(address.port()),
                observation::Channel::Tcp,
                None,
            ),
            Address::Unix(name) => {
                let access = match (name.starts_with('@'), process) {
                    (true, _) => Some("abstract".to_owned()),
                    (false, Some(process)) => self.host.socket_access(process.pid, name),
                    (false, None) => None,
                };
                (stated_name(name), None, observation::Channel::Unix, access)
            }
        };
        Some(Listener {
            address,
            port,
            path: paths.first().cloned(),
            channel,
            process: None,
            mcp: if mcp {
                ListenerMcp::Seen
            } else {
                ListenerMcp::Unknown
            },
            tls: None,
            exposure: Some(place.exposure()),
            state: ListenerState::Open,
            paths,
            namespace: Some(place.netns).filter(|netns| *netns != 0),
            access,
            opened,
            evidence,
        })
    }

    /// Asks for the names of unix sockets that began to listen, once for each network namespace.
    fn name_unix_sockets(&mut self, now: UnixNs, all: bool) {
        let before = if all {
            UnixNs::MAX
        } else {
            now.saturating_sub(SETTLE_NS)
        };
        let mut nameless = self.listeners.nameless(before);
        nameless.truncate(NAMED_MAX);
        for (netns, (pid, keys)) in self.by_namespace(nameless) {
            let list = self.unix_sockets(pid, &mut keys.iter().map(|key| key.inode));
            let netns = self.foreign(netns);
            for key in keys {
                let known = list.get(key.inode);
                if known.is_none() && !list.is_gone(key.inode) {
                    continue;
                }
                let place = known
                    .filter(|socket| socket.listening)
                    .and_then(|socket| socket.name.as_deref())
                    .map(|name| Place {
                        address: Address::Unix(name.into()),
                        netns,
                    });
                self.listeners.name(key, place);
            }
        }
    }

    /// The unix sockets that a process could see. Where there are too many, the rest is not looked at.
    fn unix_sockets(&mut self, pid: u32, wanted: &mut dyn Iterator<Item = u64>) -> UnixList {
        let list = self.host.unix_sockets(pid, wanted);
        self.lose(LossReason::TableFull, u64::from(list.is_newly_cut()));
        list
    }

    /// Sockets by network namespace, each with a process in it to look through.
    fn by_namespace(
        &mut self,
        sockets: Vec<(EndKey, ProcessKey)>,
    ) -> BTreeMap<u32, (u32, Vec<EndKey>)> {
        let mut asked: HashMap<u32, Option<u32>> = HashMap::new();
        let mut groups: BTreeMap<u32, (u32, Vec<EndKey>)> = BTreeMap::new();
        for (key, process) in sockets {
            let host = &mut *self.host;
            let netns = *asked
                .entry(process.pid)
                .or_insert_with(|| host.netns_of(process.pid));
            let Some(netns) = netns else {
                // Its process is gone, and the socket most likely with it; that it ended may never have been told.
                self.listeners.name(key, None);
                self.listeners.exit(process);
                continue;
            };
            if groups.len() < NAMESPACES_MAX || groups.contains_key(&netns) {
                let group = groups.entry(netns).or_insert((process.pid, Vec::new()));
                group.1.push(key);
            }
        }
        groups
    }

    /// Finds out which unix sockets, and which of those that nobody is known to hold, listen no more.
    fn look_after_silent(&mut self) {
        let held: Vec<(EndKey, ProcessKey)> = self
            .listeners
            .named()
            .filter_map(|(key, _, holder)| Some((key, holder?)))
            .collect();
        let mut gone: Vec<EndKey> = Vec::new();
        for (_, (pid, keys)) in self.by_namespace(held) {
            let list = self.unix_sockets(pid, &mut keys.iter().map(|key| key.inode));
            // The process ended just now: the next look tells.
            if list.is_empty() {
                continue;
            }
            let is_over = |key: &EndKey| match list.get(key.inode) {
                Some(socket) => !socket.listening,
                None => list.is_gone(key.inode),
            };
            gone.extend(keys.into_iter().filter(is_over));
        }
        let orphans = self.listeners.orphans();
        if !orphans.is_empty() {
            let tcp = self.host.tcp_listening();
            let unix = self.unix_sockets(1, &mut orphans.iter().map(|(key, _)| key.inode));
            let there = |key: &EndKey, place: &Option<Place>| match place {
                Some(place) if place.netns != 0 => false,
                Some(Place {
                    address: Address::Tcp(_),
                    ..
                }) => tcp.contains(&key.inode),
                _ => match unix.get(key.inode) {
                    Some(socket) => socket.listening,
                    None => !unix.is_gone(key.inode),
                },
            };
            for (key, place) in orphans {
                if !there(&key, &place) {
                    gone.push(key);
                } else if let (None, Some(socket)) = (place, unix.get(key.inode)) {
                    let place = socket.name.clone().map(|name| Place {
                        address: Address::Unix(name.into()),
                        netns: 0,
                    });
                    self.listeners.name(key, place);
                }
            }
        }
        for key in gone {
            self.listeners.gone(key);
        }
    }
}

/// A unix socket's name without secrets. Names that differ only in what was taken out stay different.
fn stated_name(name: &str) -> String {
    let text = redact::text(name);
    if text == name {
        return text;
    }
    let digest = Sha256::digest(name.as_bytes());
    let mark: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{text}#{mark}")
}

/// The socket's name as evidence of the session that is served on it.
pub(super) fn named(place: &Place) -> Option<Evidence> {
    let Address::Unix(name) = &place.address else {
        return None;
    };
    Some(Evidence {
        source: Source::Kernel,
        fact: format!("unix socket {}", stated_name(name)),
        quality: Quality::Exact,
    })
}

fn evidence(state: &State<'_>) -> Vec<Evidence> {
    let fact = |source, fact: &str, quality| Evidence {
        source,
        fact: fact.to_owned(),
        quality,
    };
    let mut evidence = Vec::new();
    if state.mcp {
        let text = "MCP on its connections";
        evidence.push(fact(Source::Wire, text, Quality::Exact));
    }
    if state.serves {
        let text = "the process answers there";
        evidence.push(fact(Source::Kernel, text, Quality::Exact));
    } else if state.process.is_some() && state.opener.is_none() {
        let text = "the process holds the socket";
        evidence.push(fact(Source::Snapshot, text, Quality::Likely));
    }
    if !state.socket {
        let text = "its listening socket was not seen";
        evidence.push(fact(Source::Kernel, text, Quality::Likely));
    } else if state.early {
        let text = "listened before the sensor started";
        evidence.push(fact(Source::Snapshot, text, Quality::Exact));
    }
    evidence
}
