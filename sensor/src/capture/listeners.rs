//! Listening sockets of this network namespace, as events, and whom a connection to one of them goes to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::holder::{self, STEP_DESCRIPTORS};
use super::image;
use super::processes::Processes;
use crate::credit::Credit;
use crate::event::{
    Body, Channel, End, EndKey, Event, LossReason, ProcessKey, SocketState, TcpState, UnixNs,
};
use crate::host::TcpSocket;

/// How often the list is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Who holds a socket is asked again after so long: descriptors are handed on, closed, or open to us only now.
const SEARCH_AGAIN: Duration = Duration::from_secs(30);
/// Processes told of one socket: a server may have thousands of workers that inherited it.
const HOLDERS_MAX: usize = 16;
/// The share of one processor that searching may take: one in this many.
const SHARE: u32 = 20;
/// What may be saved up of it.
const SAVED: Duration = Duration::from_millis(500);

/// Those that were told.
#[derive(Debug)]
pub(super) struct Listeners {
    told: HashMap<u64, Listener>,
    looked: Option<Instant>,
    /// Processes that are still to be asked in the running search.
    round: Vec<u32>,
    /// What it looks for, and who was found so far.
    asked: HashMap<u64, Vec<ProcessKey>>,
    credit: Credit,
    netns: u32,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    /// It was there before us.
    early: bool,
    /// Somebody was told to listen there.
    told: bool,
    holders: Vec<ProcessKey>,
    /// More hold it than were told.
    cut: bool,
    /// That was counted.
    counted: bool,
    searched: Option<Instant>,
}

impl Listener {
    fn is_to_be_searched(&self, now: Instant, processes: &Processes) -> bool {
        let is_old = |searched: Instant| now.saturating_duration_since(searched) >= SEARCH_AGAIN;
        self.searched.is_none_or(is_old)
            || self.holders.iter().any(|holder| processes.is_gone(holder))
    }
}

impl Listeners {
    /// None yet. `netns`: inode of this network namespace.
    #[must_use]
    pub(super) fn new(netns: u32) -> Self {
        Self {
            told: HashMap::new(),
            looked: None,
            round: Vec::new(),
            asked: HashMap::new(),
            credit: Credit::new(SHARE, SAVED, Instant::now()),
            netns,
        }
    }

    /// Whether it is time to look again.
    #[must_use]
    pub(super) fn is_due(&self) -> bool {
        self.looked
            .is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// Takes the list of all sockets that listen: tells which are gone, and has it searched who holds those that are new, or that
    /// may have changed hands. The first look finds what was there before us.
    pub(super) fn look(
        &mut self,
        time: UnixNs,
        sockets: &[TcpSocket],
        processes: &Processes,
        events: &mut Vec<Event>,
    ) {
        let now = Instant::now();
        let early = self.looked.replace(now).is_none();
        let listening: HashMap<u64, SocketAddr> = sockets
            .iter()
            .filter(|socket| socket.inode != 0)
            .map(|socket| (socket.inode, socket.tuple.local))
            .collect();
        let netns = self.netns;
        self.told.retain(|inode, listener| {
            let address = listener.address;
            let stays = listening.get(inode) == Some(&address);
            if !stays && listener.told {
                events.push(state(time, netns, *inode, address, TcpState::Close, None));
            }
            stays
        });
        for (inode, address) in listening {
            self.told.entry(inode).or_insert(Listener {
                address,
                early,
                told: false,
                holders: Vec::new(),
                cut: false,
                counted: false,
                searched: None,
            });
        }
        if self.asked.is_empty() {
            let searched = self
                .told
                .iter()
                .filter(|(_, listener)| listener.is_to_be_searched(now, processes));
            self.asked = searched.map(|(inode, _)| (*inode, Vec::new())).collect();
            self.round = if self.asked.is_empty() {
                Vec::new()
            } else {
                holder::processes().collect()
            };
        }
    }

    /// Makes a step of the search for who holds what listens, if one is under way and there is time for it. Who was found is told
    /// when all were asked.
    pub(super) fn search(
        &mut self,
        time: UnixNs,
        processes: &mut Processes,
        events: &mut Vec<Event>,
    ) {
        if self.asked.is_empty() || !self.credit.is_left(Instant::now()) {
            return;
        }
        let (round, asked) = (&mut self.round, &mut self.asked);
        self.credit.pay(|| {
            let mut left = STEP_DESCRIPTORS;
            while left > 0
                && let Some(pid) = round.pop()
            {
                // Before its descriptors: who is another one when all were asked did not hold them.
                let Some(process) = image::key(pid) else {
                    continue;
                };
                let held: Vec<u64> =
                    holder::held(pid, &mut left, |inode| asked.contains_key(&inode)).collect();
                for inode in held {
                    // One more than are told: then it shows that there are more.
                    if let Some(holders) = asked.get_mut(&inode)
                        && holders.last() != Some(&process)
                        && holders.len() <= HOLDERS_MAX
                    {
                        holders.push(process);
                    }
                }
            }
        });
        if self.round.is_empty() {
            for (inode, holders) in std::mem::take(&mut self.asked) {
                self.tell(time, inode, &holders, processes, events);
            }
        }
    }

    fn tell(
        &mut self,
        time: UnixNs,
        inode: u64,
        holders: &[ProcessKey],
        processes: &mut Processes,
        events: &mut Vec<Event>,
    ) {
        let Some(listener) = self.told.get_mut(&inode) else {
            return;
        };
        let again = listener.searched.replace(Instant::now()).is_some();
        listener.cut = holders.len() > HOLDERS_MAX;
        if listener.cut && !std::mem::replace(&mut listener.counted, true) {
            let reason = LossReason::TableFull;
            let body = Body::Lost { reason, count: 1 };
            events.push(Event { time, body });
        }
        let holders = holders.iter().take(HOLDERS_MAX);
        let holders: Vec<ProcessKey> = holders
            // A number may be another process's by now.
            .filter_map(|holder| {
                let named = processes.name(time, holder.pid, events);
                named.filter(|process| process == holder)
            })
            .collect();
        let before = std::mem::replace(&mut listener.holders, holders);
        listener.told |= !listener.holders.is_empty();
        for holder in &listener.holders {
            if before.contains(holder) {
                continue;
            }
            let (address, process) = (listener.address, Some(*holder));
            let mut event = state(time, self.netns, inode, address, TcpState::Listen, process);
            if let Body::SocketState(state) = &mut event.body {
                // Whoever holds it by now need not have opened it.
                state.held = listener.early || again;
            }
            events.push(event);
        }
    }

    /// The process that alone listens where a connection arrived.
    #[must_use]
    pub(super) fn only(&self, reached: SocketAddr) -> Option<ProcessKey> {
        let serves = |address: &SocketAddr| {
            let any = match address.ip() {
                IpAddr::V4(ip) => ip.is_unspecified() && reached.is_ipv4(),
                // It takes IPv4, too, unless it says otherwise.
                IpAddr::V6(ip) => ip.is_unspecified(),
            };
            address.port() == reached.port() && (any || address.ip() == reached.ip())
        };
        let serving = self.told.values().filter(|known| serves(&known.address));
        // Whose one of them is may not be known yet, or not of all who hold it.
        if serving
            .clone()
            .any(|known| known.holders.is_empty() || known.cut)
        {
            return None;
        }
        let mut holders = serving.flat_map(|known| &known.holders);
        let only = *holders.next()?;
        holders.all(|other| *other == only).then_some(only)
    }
}

fn state(
    time: UnixNs,
    netns: u32,
    inode: u64,
    address: SocketAddr,
    state: TcpState,
    process: Option<ProcessKey>,
) -> Event {
    let any: IpAddr = if address.is_ipv4() {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    };
    let end = End {
        key: EndKey {
            device: super::LISTENING,
            inode,
        },
        channel: Channel::Tcp,
        peer: None,
        tuple: Some(crate::event::Tuple {
            local: address,
            remote: SocketAddr::new(any, 0),
        }),
        netns,
    };
    Event {
        time,
        body: Body::SocketState(SocketState {
            end,
            state,
            process,
            held: false,
        }),
    }
}

#[cfg(test)]
mod tests;
