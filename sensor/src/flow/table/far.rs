//! Connections between two network namespaces of this host, as of containers: whether an end of one belongs to a flow of
//! another.
//!
//! In a namespace of his own anybody gives himself any address, the other one's of a stranger's connection too. So an end of
//! another namespace than a flow's is kept apart until its bytes tell: only if it says and hears the same as the flow's own
//! end, in both directions, it is the flow's other side, and what it has is a copy. Otherwise it gets a flow of its own, with
//! all that it brought. A flow's own end is never closed, silenced or spoken for by one of another namespace.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Flow, FlowTable, Name, sender};
use crate::event::{Channel, Direction, End, ProcessKey, Transfer, Tuple, UnixNs};
use crate::flow::said::{Likeness, Said};
use crate::flow::users::Users;
use crate::flow::{FlowId, Lane, Side};

/// Ends that are kept apart at a time; a further one gets a flow of its own at once.
const ENDS_MAX: usize = 1024;
/// Flows whose other side an end may be, and ends that may be a flow's.
const RIVALS_MAX: usize = 4;
/// How long bytes wait for the flow's own end to show the same: longer than a call takes to return, and a reader to read.
const HELD_NS: u64 = 1_000_000_000;
/// Bytes of one end that wait, and of all.
const HELD_BYTES_MAX: usize = 256 * 1024;
const ALL_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What keeping a call costs beside its bytes.
const CALL_BYTES: usize = 256;
/// Calls by different processes that are noted of an end.
const USES_MAX: usize = 8;
/// An end without bytes that wait is forgotten when it was silent for so long; it may come again.
const IDLE_NS: u64 = 600_000_000_000;

/// Ends that may be the other side of a flow of another network namespace.
#[derive(Debug, Default)]
pub(super) struct FarEnds {
    /// By what the flow's own end calls the connection.
    flows: HashMap<Tuple, Vec<FlowId>>,
    /// By the same.
    ends: HashMap<Tuple, Vec<FarEnd>>,
    count: usize,
    bytes: usize,
    /// The host's own namespace, where nobody without root gives himself an address: who moves bytes there past all memory,
    /// and so has none to compare, is believed to be who he says.
    home: Option<u32>,
    released: VecDeque<(UnixNs, Transfer)>,
    joined: Vec<FlowId>,
    parted: Vec<Parted>,
}

/// An end that passed for a flow's other side, and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// Of which flow.
    pub flow: FlowId,
    /// Who used it: nothing is known of who is at the flow's other side.
    pub processes: Vec<ProcessKey>,
    /// Bytes of it were passed over as copies.
    pub lost: bool,
}

/// An end that is kept apart.
#[derive(Debug)]
struct FarEnd {
    end: End,
    last: UnixNs,
    /// By sides of the flow whose other side it may be.
    said: Said,
    /// Calls whose bytes no own end has shown.
    held: Vec<(UnixNs, Transfer)>,
    bytes: usize,
    uses: Vec<(Direction, ProcessKey)>,
    /// Its users stand in this flow's lanes already.
    lent: Option<FlowId>,
}

/// Whether the other side of an end may be in another network namespace of this host: loopback does not leave one, and two
/// ends with one address are in the same.
pub(super) fn may_be_far(end: &End) -> bool {
    let leaves = |tuple: Tuple| {
        let remote = tuple.remote.ip().to_canonical();
        !remote.is_loopback() && remote != tuple.local.ip().to_canonical()
    };
    end.channel == Channel::Tcp && end.netns != 0 && end.tuple.is_some_and(leaves)
}

impl FarEnds {
    pub(super) fn new(home: Option<u32>) -> Self {
        Self {
            home,
            ..Self::default()
        }
    }

    pub(super) fn note_flow(&mut self, flow: &Flow) {
        let (Some(tuple), true) = (flow.tuple, flow.said.is_some()) else {
            return;
        };
        let flows = self.flows.entry(tuple).or_default();
        if flows.len() < RIVALS_MAX {
            flows.push(flow.id);
        }
    }

    pub(super) fn forget_flow(&mut self, flow: &Flow) {
        if let Some(tuple) = flow.tuple
            && let Some(flows) = self.flows.get_mut(&tuple)
        {
            flows.retain(|id| *id != flow.id);
            if flows.is_empty() {
                self.flows.remove(&tuple);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.ends.is_empty() && (self.count, self.bytes) == (0, 0)
    }

    fn take(&mut self, tuple: Tuple, netns: u32) -> Option<FarEnd> {
        let ends = self.ends.get_mut(&tuple)?;
        let at = ends.iter().position(|far| far.end.netns == netns)?;
        let far = ends.swap_remove(at);
        if ends.is_empty() {
            self.ends.remove(&tuple);
        }
        self.count -= 1;
        self.bytes -= far.bytes;
        Some(far)
    }

    fn put(&mut self, tuple: Tuple, far: FarEnd) {
        self.count += 1;
        self.bytes += far.bytes;
        self.ends.entry(tuple).or_default().push(far);
    }

    fn has_room(&self, tuple: Tuple) -> bool {
        let rivals = self.ends.get(&tuple).map_or(0, Vec::len);
        self.count < ENDS_MAX && rivals < RIVALS_MAX
    }
}

impl FarEnd {
    fn new(end: End, said: Said) -> Self {
        Self {
            end,
            last: 0,
            said,
            held: Vec::new(),
            bytes: 0,
            uses: Vec::new(),
            lent: None,
        }
    }

    fn take(&mut self, time: UnixNs, transfer: &Transfer) {
        self.last = time;
        say(
            &mut self.said,
            sender(Channel::Tcp, Side::B, transfer.direction),
            transfer,
        );
        let use_of_it = (transfer.direction, transfer.process);
        if self.uses.len() < USES_MAX && !self.uses.contains(&use_of_it) {
            self.uses.push(use_of_it);
        }
        if transfer.length > 0 || transfer.lost_before > 0 {
            self.bytes += transfer.payload.len() + CALL_BYTES;
            self.held.push((time, transfer.clone()));
        }
    }

    /// Lets go of what the flow's own end has shown, by sending side.
    fn drop_copies(&mut self, shown: [bool; 2]) {
        self.held.retain(|(_, transfer)| {
            let from = sender(Channel::Tcp, Side::B, transfer.direction);
            !shown[from.index()]
        });
        let bytes = |(_, transfer): &(UnixNs, Transfer)| transfer.payload.len() + CALL_BYTES;
        self.bytes = self.held.iter().map(bytes).sum();
    }
}

fn say(said: &mut Said, from: Side, transfer: &Transfer) {
    let missing = transfer
        .length
        .saturating_sub(transfer.payload.len() as u64);
    said.push(from, transfer.lost_before, &transfer.payload, missing);
}

impl FlowTable {
    /// A call on an end that turned out to be no other side of a flow, to be taken now.
    pub fn take_released(&mut self) -> Option<(UnixNs, Transfer)> {
        self.far.released.pop_front()
    }

    /// Flows whose other side became known since the last call.
    pub fn take_joined(&mut self) -> Vec<FlowId> {
        std::mem::take(&mut self.far.joined)
    }

    /// Ends that turned out to be no other side since the last call.
    pub fn take_parted(&mut self) -> Vec<Parted> {
        std::mem::take(&mut self.far.parted)
    }

    /// No bytes wait to be told apart.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.far.bytes == 0
    }

    /// An end is closed. True if that ends no flow: it was a far side, whose near one tells itself when it ends.
    pub fn close_far(&mut self, time: UnixNs, end: &End) -> bool {
        let Some(tuple) = end.tuple else {
            return false;
        };
        if let Some(far) = self.far.take(tuple.mirrored(), end.netns) {
            if far.held.is_empty() {
                return true;
            }
            self.part(time, far);
            return false;
        }
        match self.find(end) {
            Some((id, Side::B)) if self.flows.get(&id).is_some_and(|flow| flow.far.is_some()) => {
                self.names.remove(&Name::Tcp(end.netns, tuple));
                true
            }
            _ => false,
        }
    }

    /// Lets those go their own way that brought what no flow's own end has shown in time.
    pub fn tick(&mut self, now: UnixNs) {
        let due = |far: &FarEnd| {
            let waits = far.held.first().map(|(since, _)| (*since, HELD_NS));
            let (since, ns) = waits.unwrap_or((far.last, IDLE_NS));
            // Also when the clock was set back.
            !(since..since.saturating_add(ns)).contains(&now)
        };
        let over: Vec<(Tuple, u32)> = (self.far.ends.iter())
            .flat_map(|(tuple, ends)| ends.iter().map(move |far| (tuple, far)))
            .filter(|(tuple, far)| due(far) || !self.far.flows.contains_key(tuple))
            .map(|(tuple, far)| (*tuple, far.end.netns))
            .collect();
        for (tuple, netns) in over {
            if let Some(far) = self.far.take(tuple, netns)
                && !far.held.is_empty()
            {
                self.part(now, far);
            }
        }
    }

    /// Whether a call is on an end of which it is not clear yet whether it belongs to a flow of another namespace; then it is
    /// kept.
    pub(super) fn is_kept_apart(&mut self, time: UnixNs, transfer: &Transfer) -> bool {
        let end = &transfer.end;
        let Some(tuple) = end.tuple.filter(|_| may_be_far(end)) else {
            return false;
        };
        if let Some((id, side)) = self.find(end) {
            let is_replaced = self.flows.get(&id).is_some_and(|flow| {
                side == Side::B && flow.far.is_some() && !super::same_object(flow, side, end)
            });
            if !is_replaced {
                return false;
            }
            self.names.remove(&Name::Tcp(end.netns, tuple));
        }
        let near = tuple.mirrored();
        let known = self.far.take(near, end.netns);
        let mut far = match known {
            Some(far) if far.end.key == end.key => far,
            Some(other) => {
                if !other.held.is_empty() {
                    self.part(time, other);
                }
                return self.is_kept_apart(time, transfer);
            }
            None if self.near_flows(near, end.netns).is_empty() || !self.far.has_room(near) => {
                return false;
            }
            None => FarEnd::new(*end, Said::new(&self.key)),
        };
        far.take(time, transfer);
        self.decide(time, near, far);
        true
    }

    /// Flows whose other side is not known, and may be in this namespace.
    fn near_flows(&self, near: Tuple, netns: u32) -> Vec<FlowId> {
        let flows = self.far.flows.get(&near).into_iter().flatten();
        let open = flows.filter(|id| {
            self.flows.get(id).is_some_and(|flow| {
                flow.netns != netns && flow.far.is_none() && flow.namespaces[1].is_none()
            })
        });
        open.copied().collect()
    }

    /// Joins an end with the flow that it is the other side of, lets it go its own way, or keeps it.
    fn decide(&mut self, time: UnixNs, near: Tuple, mut far: FarEnd) {
        let flows = self.near_flows(near, far.end.netns);
        let mut open = 0;
        for id in &flows {
            let own = self.flows.get(id).and_then(|flow| flow.said.as_ref());
            match own.map(|own| own.likeness(&far.said)) {
                Some(Likeness::Same) => return self.join(*id, far),
                Some(Likeness::Open(shown)) => {
                    open += 1;
                    far.drop_copies(shown);
                }
                Some(Likeness::Differs) | None => {}
            }
        }
        let too_much =
            far.bytes > HELD_BYTES_MAX || self.far.bytes.saturating_add(far.bytes) > ALL_BYTES_MAX;
        if open == 0 || too_much {
            return self.part(time, far);
        }
        if let ([id], true) = (flows.as_slice(), far.said.is_silent())
            && self.far.home == Some(far.end.netns)
        {
            self.lend(*id, &far.uses);
            if far.lent.replace(*id).is_none() {
                self.far.joined.push(*id);
            }
        }
        self.far.put(near, far);
    }

    fn join(&mut self, id: FlowId, far: FarEnd) {
        if let Some(other) = far.lent.filter(|other| *other != id) {
            self.take_back(other, &far.uses);
        }
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        for name in flow.names() {
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
        flow.namespaces[1] = Some(far.end.netns);
        flow.keys[1] = Some(far.end.key).filter(|key| key.inode != 0);
        flow.far = Some(Box::new(far.said));
        for name in flow.names() {
            self.names.insert(name, id);
        }
        self.lend(id, &far.uses);
        self.far.joined.push(id);
    }

    /// Writes the users of an end into the lanes of a flow, as its side B.
    fn lend(&mut self, id: FlowId, uses: &[(Direction, ProcessKey)]) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        for (direction, process) in uses {
            let lane = &mut flow.lanes[sender(Channel::Tcp, Side::B, *direction).index()];
            match direction {
                Direction::Write => lane.writers.note(*process),
                Direction::Read => lane.readers.note(*process),
            };
        }
    }

    /// Gives an end a flow of its own, and releases what waits.
    fn part(&mut self, time: UnixNs, far: FarEnd) {
        if let Some(flow) = far.lent {
            self.take_back(flow, &far.uses);
        }
        let since = far.held.first().map_or(time, |(since, _)| *since);
        let (id, ..) = self.find_or_open(since, &far.end);
        self.far.released.extend(far.held);
        // Whoever moves bytes past all memory has brought none to compare.
        let near = far.end.tuple.map(|tuple| tuple.mirrored());
        let flows = near.map_or_else(Vec::new, |near| self.near_flows(near, far.end.netns));
        if let [other] = flows.as_slice()
            && let Some(other) = self.flows.get(other)
            && Some(other.netns) == self.far.home
            && other.said.as_ref().is_some_and(|said| said.is_silent())
        {
            let uses = |side: Side| {
                let writers = other.lane(side).writers.iter();
                let readers = other.lane(side.other()).readers.iter();
                let writers = writers.map(|process| (Direction::Write, process));
                writers.chain(readers.map(|process| (Direction::Read, process)))
            };
            let uses: Vec<_> = uses(Side::A).collect();
            self.lend(id, &uses);
        }
    }

    /// Undoes [`Self::lend`].
    fn take_back(&mut self, id: FlowId, uses: &[(Direction, ProcessKey)]) {
        let users: HashSet<ProcessKey> = uses.iter().map(|(_, process)| *process).collect();
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.lanes[1].writers.forget(&users);
        flow.lanes[0].readers.forget(&users);
        self.far.parted.push(Parted {
            flow: id,
            processes: users.into_iter().collect(),
            lost: false,
        });
    }

    /// Takes what an end of a flow said or heard, and what that tells of ends of other namespaces. True if this end turns out
    /// to be none of the flow's.
    pub(super) fn note_said(
        &mut self,
        time: UnixNs,
        lane: Lane,
        side: Side,
        transfer: &Transfer,
    ) -> bool {
        let Some(flow) = self.flows.get_mut(&lane.flow) else {
            return false;
        };
        let said = match side {
            Side::A => &mut flow.said,
            Side::B => &mut flow.far,
        };
        let Some(said) = said else { return false };
        say(said, lane.from, transfer);
        if let (Some(own), Some(far)) = (&flow.said, &flow.far)
            && own.likeness(far) == Likeness::Differs
        {
            self.divorce(lane.flow);
            if side == Side::B {
                self.far.released.push_back((time, transfer.clone()));
                return true;
            }
        }
        if side == Side::A
            && let Some(near) = self.flows.get(&lane.flow).and_then(|flow| flow.tuple)
            && let Some(ends) = self.far.ends.get(&near)
        {
            let waiting: Vec<u32> = ends.iter().map(|far| far.end.netns).collect();
            for netns in waiting {
                if let Some(far) = self.far.take(near, netns) {
                    self.decide(time, near, far);
                }
            }
        }
        false
    }

    /// The far side of a flow said something else than its own end in the end.
    fn divorce(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let (Some(netns), Some(tuple)) = (flow.namespaces[1], flow.tuple) else {
            return;
        };
        let writers = flow.lanes[1].writers.iter();
        let mut processes: Vec<ProcessKey> = writers.chain(flow.lanes[0].readers.iter()).collect();
        processes.dedup();
        self.names.remove(&Name::Tcp(netns, tuple.mirrored()));
        // No other one takes its place: whoever was pushed aside cannot be told from who pushes.
        flow.namespaces[1] = None;
        flow.keys[1] = None;
        flow.far = None;
        flow.lanes[1].writers = Users::default();
        flow.lanes[1].sponsors = Users::default();
        flow.lanes[0].readers = Users::default();
        flow.said = None;
        self.far.parted.push(Parted {
            flow: id,
            processes,
            lost: true,
        });
    }
}
