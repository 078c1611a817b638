//! From ends as single processes see them to flows with both sides.
//!
//! A pipe is one inode. A unix stream is two sockets that name each other, a pseudo-terminal is two sides that do. A TCP connection on this host is
//! two sockets with mirrored addresses; with a remote peer there is only ours. Every flow is found by what
//! either side calls it.

use std::collections::{HashMap, HashSet};

use super::{FlowId, Lane, Side, users::Users};
use crate::event::{Channel, Direction, End, EndKey, ProcessKey, Transfer, Tuple, UnixNs};

/// How a flow is called by one of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Object(EndKey),
    /// Loopback addresses repeat in every network namespace, others do not (0 then).
    Tcp(u32, Tuple),
}

/// Who uses one direction of a flow.
#[derive(Clone, Debug, Default)]
pub struct LaneUse {
    /// Processes that wrote.
    pub writers: Users,
    /// Processes that read.
    pub readers: Users,
    /// Parents of those that wrote: the descriptor may be theirs.
    pub sponsors: Users,
    /// Which side's copies are taken, once the first has come.
    source: Option<Direction>,
}

/// A byte channel with what is known of its two sides.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its number.
    pub id: FlowId,
    /// What kind.
    pub channel: Channel,
    /// The kernel objects, by side; both the same for a pipe.
    pub keys: [Option<EndKey>; 2],
    /// TCP addresses as side A sees them.
    pub tuple: Option<Tuple>,
    /// Uses, by sending side.
    pub lanes: [LaneUse; 2],
    /// First seen.
    pub opened: UnixNs,
    /// Last use.
    pub last_used: UnixNs,
    /// One side said that it has no more to say, or heard so.
    pub ending: bool,
    /// It carries a session: it makes way last.
    pub pinned: bool,
    /// Network namespaces of the two sides, where seen (TCP).
    pub namespaces: [Option<u32>; 2],
    netns: u32,
}

impl Flow {
    /// The users of one lane.
    #[must_use]
    pub const fn lane(&self, from: Side) -> &LaneUse {
        &self.lanes[from.index()]
    }

    /// The TCP addresses as `side` sees them.
    #[must_use]
    pub const fn tuple_of(&self, side: Side) -> Option<Tuple> {
        match (self.tuple, side) {
            (Some(tuple), Side::A) => Some(tuple),
            (Some(tuple), Side::B) => Some(tuple.mirrored()),
            (None, _) => None,
        }
    }

    /// The process at `side`, as far as it was seen to write there or to read what the other side sent.
    #[must_use]
    pub fn process(&self, side: Side) -> Option<ProcessKey> {
        self.lane(side)
            .writers
            .last()
            .or_else(|| self.lane(side.other()).readers.last())
    }

    /// Nobody is known any more who reads or writes it.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| lane.writers.is_empty() && lane.readers.is_empty())
    }

    fn names(&self) -> impl Iterator<Item = Name> + use<> {
        let objects = match self.channel {
            Channel::Tcp => [None, None],
            Channel::Pipe | Channel::Unix | Channel::Pty => {
                self.keys.map(|key| key.map(Name::Object))
            }
        };
        let netns = self.netns;
        let addresses = self
            .tuple
            .map_or([None, None], |tuple| [Some(tuple), Some(tuple.mirrored())])
            .map(|tuple| tuple.map(|tuple| Name::Tcp(netns, tuple)));
        objects.into_iter().chain(addresses).flatten()
    }
}

/// What a transfer is in terms of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The direction the bytes go.
    pub lane: Lane,
    /// The process was not known to use the lane this way.
    pub new_user: bool,
    /// The payload is to be taken: it comes from the side whose copies this lane follows.
    pub taken: bool,
}

/// All flows, bounded. When full, the one that was silent longest makes way.
#[derive(Debug)]
pub struct FlowTable {
    flows: HashMap<FlowId, Flow>,
    names: HashMap<Name, FlowId>,
    next: u64,
    flows_max: usize,
    evicted: Vec<FlowId>,
}

impl FlowTable {
    /// A table of at most `flows_max` flows.
    #[must_use]
    pub fn new(flows_max: usize) -> Self {
        Self {
            flows: HashMap::new(),
            names: HashMap::new(),
            next: 1,
            flows_max,
            evicted: Vec::new(),
        }
    }

    /// The flow, while it is open.
    #[must_use]
    pub fn get(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(&id)
    }

    /// All open flows.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values()
    }

    /// The flow, to be marked.
    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        self.flows.get_mut(&id)
    }

    /// Forgets processes that have ended.
    pub fn forget_users(&mut self, ended: &HashSet<ProcessKey>) {
        for lane in self.flows.values_mut().flat_map(|flow| &mut flow.lanes) {
            lane.writers.forget(ended);
            lane.readers.forget(ended);
            lane.sponsors.forget(ended);
        }
    }

    /// Flows that had to make way since the last call; they are closed already.
    #[must_use]
    pub fn take_evicted(&mut self) -> Vec<FlowId> {
        std::mem::take(&mut self.evicted)
    }

    /// Takes one call into account. The second value is a flow that this one shows to be over, because its
    /// name was given to a new object.
    pub fn arrive(&mut self, time: UnixNs, transfer: &Transfer) -> (Arrival, Option<FlowId>) {
        let (id, side, replaced) = self.find_or_open(time, &transfer.end);
        let flow = self.flows.get_mut(&id).expect("just found or opened");
        flow.last_used = time;
        let from = sender(flow.channel, side, transfer.direction);
        let lane = &mut flow.lanes[from.index()];
        let new_user = match transfer.direction {
            Direction::Write => lane.writers.note(transfer.process),
            Direction::Read => lane.readers.note(transfer.process),
        };
        let taken = transfer.copied || !transfer.payload.is_empty();
        let taken = taken && *lane.source.get_or_insert(transfer.direction) == transfer.direction;
        (
            Arrival {
                lane: Lane { flow: id, from },
                new_user,
                taken,
            },
            replaced,
        )
    }

    /// Notes that a process made one of those that write a lane.
    pub fn sponsor(&mut self, lane: Lane, process: ProcessKey) {
        if let Some(flow) = self.flows.get_mut(&lane.flow) {
            flow.lanes[lane.from.index()].sponsors.note(process);
        }
    }

    /// From here on a lane is followed by what its reader copies. True if nothing of it was taken before.
    pub fn follow_reader(&mut self, lane: Lane) -> bool {
        let Some(flow) = self.flows.get_mut(&lane.flow) else {
            return false;
        };
        let source = &mut flow.lanes[lane.from.index()].source;
        source.replace(Direction::Read).is_none()
    }

    /// The lane that a read or write of this end uses, if the flow is known.
    #[must_use]
    pub fn lane_of(&self, end: &End, direction: Direction) -> Option<Lane> {
        let (id, side) = self.find(end)?;
        let flow = self.flows.get(&id)?;
        Some(Lane {
            flow: id,
            from: sender(flow.channel, side, direction),
        })
    }

    /// The flow that this end belongs to.
    #[must_use]
    pub fn flow_of(&self, end: &End) -> Option<FlowId> {
        self.find(end).map(|(id, _)| id)
    }

    /// Forgets a flow.
    pub fn close(&mut self, id: FlowId) -> Option<Flow> {
        let flow = self.flows.remove(&id)?;
        for name in flow.names() {
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
        Some(flow)
    }

    fn find(&self, end: &End) -> Option<(FlowId, Side)> {
        let id = names_of(end)
            .into_iter()
            .flatten()
            .find_map(|name| self.names.get(&name).copied())?;
        let flow = self.flows.get(&id)?;
        Some((id, side_of(flow, end)))
    }

    fn find_or_open(&mut self, time: UnixNs, end: &End) -> (FlowId, Side, Option<FlowId>) {
        let mut replaced = None;
        if let Some((id, side)) = self.find(end) {
            let flow = self.flows.get_mut(&id).expect("names point to open flows");
            if same_object(flow, side, end) {
                // Mostly there is nothing new, and this is the way of every call.
                if learn(flow, side, end) {
                    for name in flow.names() {
                        self.names.insert(name, id);
                    }
                }
                return (id, side, None);
            }
            self.close(id);
            replaced = Some(id);
        }
        if self.flows.len() >= self.flows_max {
            self.evict();
        }
        (self.open(time, end), Side::A, replaced)
    }

    fn open(&mut self, time: UnixNs, end: &End) -> FlowId {
        let id = FlowId(self.next);
        self.next += 1;
        let other = match end.channel {
            Channel::Pipe => Some(end.key),
            Channel::Unix | Channel::Pty => end.peer,
            Channel::Tcp => None,
        };
        let flow = Flow {
            id,
            channel: end.channel,
            keys: [Some(end.key), other],
            tuple: end.tuple,
            lanes: [LaneUse::default(), LaneUse::default()],
            opened: time,
            last_used: time,
            ending: false,
            pinned: false,
            namespaces: [Some(end.netns).filter(|netns| *netns != 0), None],
            netns: scope(end),
        };
        for name in flow.names() {
            self.names.insert(name, id);
        }
        self.flows.insert(id, flow);
        id
    }

    /// Makes room for many at once, so that a full table does not search itself for every newcomer.
    fn evict(&mut self) {
        let mut ages: Vec<(bool, UnixNs, FlowId)> = self
            .flows
            .values()
            .map(|flow| (flow.pinned, flow.last_used, flow.id))
            .collect();
        let share = (self.flows_max / 16).clamp(1, ages.len());
        ages.select_nth_unstable(share - 1);
        for (_, _, id) in ages.into_iter().take(share) {
            self.close(id);
            self.evicted.push(id);
        }
    }
}

/// Whose bytes a call moves: a writer's own, a reader's peer's. A pipe has one lane only.
const fn sender(channel: Channel, side: Side, direction: Direction) -> Side {
    match (channel, direction) {
        (Channel::Pipe, _) => Side::A,
        (_, Direction::Write) => side,
        (_, Direction::Read) => side.other(),
    }
}

fn scope(end: &End) -> u32 {
    match end.tuple {
        Some(tuple) if tuple.remote.ip().is_loopback() => end.netns,
        _ => 0,
    }
}

fn names_of(end: &End) -> [Option<Name>; 2] {
    match end.channel {
        Channel::Pipe => [Some(Name::Object(end.key)), None],
        Channel::Unix | Channel::Pty => [Some(Name::Object(end.key)), end.peer.map(Name::Object)],
        Channel::Tcp => [end.tuple.map(|tuple| Name::Tcp(scope(end), tuple)), None],
    }
}

fn side_of(flow: &Flow, end: &End) -> Side {
    let is_a = match flow.channel {
        Channel::Pipe => true,
        Channel::Unix | Channel::Pty => {
            flow.keys[0] == Some(end.key) || flow.keys[1] == end.peer && end.peer.is_some()
        }
        Channel::Tcp => flow.tuple == end.tuple,
    };
    if is_a { Side::A } else { Side::B }
}

/// A TCP name may be given to a new connection while the old one still stands here: its inode tells.
fn same_object(flow: &Flow, side: Side, end: &End) -> bool {
    match flow.keys[side.index()] {
        Some(known) if flow.channel == Channel::Tcp => {
            known == end.key || known.inode == 0 || end.key.inode == 0
        }
        _ => true,
    }
}

/// Takes in what an end knows of its flow; true if a key is new.
fn learn(flow: &mut Flow, side: Side, end: &End) -> bool {
    if flow.channel == Channel::Pipe {
        return false;
    }
    if end.netns != 0 {
        flow.namespaces[side.index()] = Some(end.netns);
    }
    let before = flow.keys;
    if end.key.inode != 0 {
        flow.keys[side.index()] = Some(end.key);
    }
    if end.peer.is_some() {
        flow.keys[side.other().index()] = end.peer;
    }
    flow.keys != before
}

#[cfg(test)]
mod tests;
