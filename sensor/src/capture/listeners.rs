//! Listening sockets of this network namespace, as events, and whom a connection to one of them goes to.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::holder;
use super::processes::Processes;
use super::socket::Socket;
use crate::event::{Body, Channel, End, EndKey, Event, ProcessKey, SocketState, TcpState, UnixNs};

/// How often the list is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Those that were told.
#[derive(Debug)]
pub(super) struct Listeners {
    told: HashMap<u64, (SocketAddr, Vec<ProcessKey>)>,
    looked: Option<Instant>,
    netns: u32,
}

impl Listeners {
    /// None yet. `netns`: inode of this network namespace.
    #[must_use]
    pub(super) fn new(netns: u32) -> Self {
        Self {
            told: HashMap::new(),
            looked: None,
            netns,
        }
    }

    /// Whether it is time to look again.
    #[must_use]
    pub(super) fn is_due(&self) -> bool {
        self.looked
            .is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// Tells which are new and which are gone; `sockets` are all that listen. The first look finds what was there before us.
    pub(super) fn look(
        &mut self,
        time: UnixNs,
        sockets: &[Socket],
        processes: &mut Processes,
        events: &mut Vec<Event>,
    ) {
        let held = self.looked.replace(Instant::now()).is_none();
        let listening: HashMap<u64, SocketAddr> = sockets
            .iter()
            .filter(|socket| socket.inode != 0)
            .map(|socket| (socket.inode, socket.tuple.local))
            .collect();
        let netns = self.netns;
        self.told.retain(|inode, (address, _)| {
            let stays = listening.get(inode) == Some(address);
            if !stays {
                events.push(state(time, netns, *inode, *address, TcpState::Close, None));
            }
            stays
        });
        let new: HashSet<u64> = listening
            .keys()
            .copied()
            .filter(|inode| !self.told.contains_key(inode))
            .collect();
        for (inode, pid) in holder::all_holders(&new) {
            let (Some(address), Some(process)) =
                (listening.get(&inode), processes.name(time, pid, events))
            else {
                continue;
            };
            let known = self.told.entry(inode).or_insert((*address, Vec::new()));
            known.1.push(process);
            let mut event = state(
                time,
                netns,
                inode,
                *address,
                TcpState::Listen,
                Some(process),
            );
            if let Body::SocketState(state) = &mut event.body {
                state.held = held;
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
        let mut holders = self
            .told
            .values()
            .filter(|(address, _)| serves(address))
            .flat_map(|(_, holders)| holders);
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
