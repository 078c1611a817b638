//! From ends as single processes see them to flows with both sides.
//!
//! A pipe is one inode. A unix stream is two sockets that name each other, a pseudo-terminal is two sides that do. A TCP connection on this host is
//! two sockets with mirrored addresses, of one network namespace or of two (`far.rs`); with a remote peer there is only ours.
//! Every flow is found by what either side calls it.

mod far;

use std::collections::{HashMap, HashSet};
use std::hash::RandomState;

use super::said::Said;
use super::{FlowId, Lane, Side, users::Users};
use crate::event::{Channel, Direction, End, EndKey, ProcessKey, Transfer, Tuple, UnixNs};
use far::FarEnds;
pub use far::Parted;

/// How a flow is called by one of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Object(EndKey),
    /// Addresses repeat in network namespaces: whoever makes one gives himself any.
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
    /// Where the reader's copies are taken because bytes were spliced: when that began, or the last of them came.
    by_reader: Option<UnixNs>,
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
    /// What side A said and heard, where side B may be in another network namespace.
    said: Option<Box<Said>>,
    /// The same of such a side B.
    far: Option<Box<Said>>,
}

/// A call on one end whose bytes were copied is told this long after another one on the other end, at most.
const LATE_NS: u64 = 100_000_000;

impl LaneUse {
    /// Whether a copy by this side is taken, and whether the lane follows its writer again with it: what the kernel knew of the
    /// spliced stream is gone then, or it would not copy what is written.
    fn take(&mut self, time: UnixNs, direction: Direction) -> (bool, bool) {
        let source = *self.source.get_or_insert(direction);
        match (self.by_reader, direction) {
            (Some(_), Direction::Read) => self.by_reader = Some(time),
            // The reader's copy of this may have been taken.
            (Some(last), Direction::Write) if last.saturating_add(LATE_NS) <= time => {
                self.by_reader = None;
                self.source = Some(direction);
                return (true, true);
            }
            _ => {}
        }
        (source == direction, false)
    }
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
        let netns = [self.netns, self.namespaces[1].unwrap_or(self.netns)];
        let addresses = self.tuple.map_or([None, None], |tuple| {
            [
                Some(Name::Tcp(netns[0], tuple)),
                Some(Name::Tcp(netns[1], tuple.mirrored())),
            ]
        });
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
    /// The lane follows its writer again, and what was said in between may be missing.
    pub turned: bool,
}

/// All flows, bounded. When full, the one that was silent longest makes way.
#[derive(Debug)]
pub struct FlowTable {
    flows: HashMap<FlowId, Flow>,
    names: HashMap<Name, FlowId>,
    next: u64,
    flows_max: usize,
    evicted: Vec<FlowId>,
    /// Ends that may be the other side of a flow of another network namespace.
    far: FarEnds,
    /// Of [`Said`].
    key: RandomState,
}

impl FlowTable {
    /// A table of at most `flows_max` flows. `home`: the host's own network namespace, where known.
    #[must_use]
    pub fn new(flows_max: usize, home: Option<u32>) -> Self {
        Self {
            flows: HashMap::new(),
            names: HashMap::new(),
            next: 1,
            flows_max,
            evicted: Vec::new(),
            far: FarEnds::new(home),
            key: RandomState::new(),
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

    /// Takes one call into account; none while it is not clear whether its end belongs to a flow of another network namespace
    /// (see [`Self::take_released`]). The second value is a flow that this one shows to be over, because its name was given to
    /// a new object.
    pub fn arrive(
        &mut self,
        time: UnixNs,
        transfer: &Transfer,
    ) -> (Option<Arrival>, Option<FlowId>) {
        if self.is_kept_apart(time, transfer) {
            return (None, None);
        }
        let (id, side, replaced) = self.find_or_open(time, &transfer.end);
        let flow = self.flows.get_mut(&id).expect("just found or opened");
        flow.last_used = time;
        let is_far = flow.far.is_some() && side == Side::B;
        let from = sender(flow.channel, side, transfer.direction);
        let lane = &mut flow.lanes[from.index()];
        let new_user = match transfer.direction {
            Direction::Write => lane.writers.note(transfer.process),
            Direction::Read => lane.readers.note(transfer.process),
        };
        let copied = transfer.copied || !transfer.payload.is_empty();
        // What the far end has is a copy of what the near one has.
        let (taken, turned) = if copied && !is_far {
            lane.take(time, transfer.direction)
        } else {
            (false, false)
        };
        let lane = Lane { flow: id, from };
        let is_parted = self.note_said(time, lane, side, transfer);
        let arrival = Arrival {
            lane,
            new_user: new_user && !is_parted,
            taken,
            turned,
        };
        (Some(arrival), replaced)
    }

    /// Notes that a process made one of those that write a lane.
    pub fn sponsor(&mut self, lane: Lane, process: ProcessKey) {
        if let Some(flow) = self.flows.get_mut(&lane.flow) {
            flow.lanes[lane.from.index()].sponsors.note(process);
        }
    }

    /// From here on a lane is followed by what its reader copies. True if nothing of it was taken before.
    pub fn follow_reader(&mut self, time: UnixNs, lane: Lane) -> bool {
        let Some(flow) = self.flows.get_mut(&lane.flow) else {
            return false;
        };
        let lane = &mut flow.lanes[lane.from.index()];
        lane.by_reader = Some(time);
        lane.source.replace(Direction::Read).is_none()
    }

    /// The lane that a read or write of this end uses, if the flow is known.
    #[must_use]
    pub fn lane_of(&self, end: &End, direction: Direction) -> Option<Lane> {
        let (id, side) = self.find(end)?;
        let flow = self.flows.get(&id)?;
        // The near end says itself what ends.
        let is_far = flow.far.is_some() && side == Side::B;
        (!is_far).then_some(Lane {
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
        self.far.forget_flow(&flow);
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
            netns: end.netns,
            said: far::may_be_far(end).then(|| Box::new(Said::new(&self.key))),
            far: None,
        };
        for name in flow.names() {
            self.names.insert(name, id);
        }
        self.far.note_flow(&flow);
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

fn names_of(end: &End) -> [Option<Name>; 2] {
    match end.channel {
        Channel::Pipe => [Some(Name::Object(end.key)), None],
        Channel::Unix | Channel::Pty => [Some(Name::Object(end.key)), end.peer.map(Name::Object)],
        Channel::Tcp => [end.tuple.map(|tuple| Name::Tcp(end.netns, tuple)), None],
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
