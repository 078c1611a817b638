//! Lanes with requests that nobody answered yet, found by the processes at their ends: with each record it is asked whether
//! it may carry answers, and who asks and asks without an answer must not make that dear.

use std::collections::HashMap;

use crate::event::{Channel, ProcessKey};
use crate::flow::{FlowTable, Lane, LaneUse};

/// What of a lane with requests makes another one go the other way; see [`super::pairing::reversed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Trait {
    /// This process reads it.
    Reader(ProcessKey),
    /// This process writes it.
    Writer(ProcessKey),
    /// This process writes it, and nobody is known to read it.
    Unread(ProcessKey),
    /// The first writes it, the second reads it.
    Between(ProcessKey, ProcessKey),
}

/// Lanes with requests, by what they have. Bounded by the sessions without an answer, and by the users of a lane.
#[derive(Default)]
pub(super) struct Asking {
    lanes: HashMap<Lane, Vec<Trait>>,
    counts: HashMap<Trait, usize>,
}

impl Asking {
    /// A lane has requests, or other users than before.
    pub(super) fn note(&mut self, lane: Lane, flows: &FlowTable) {
        self.forget(lane);
        let users = flows.get(lane.flow).map(|flow| flow.lane(lane.from));
        let traits = users.map(traits).unwrap_or_default();
        for own in &traits {
            *self.counts.entry(*own).or_default() += 1;
        }
        self.lanes.insert(lane, traits);
    }

    /// The same for all of them.
    pub(super) fn note_all(&mut self, flows: &FlowTable) {
        let lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|lane| self.note(lane, flows));
    }

    /// A lane has no requests any more.
    pub(super) fn forget(&mut self, lane: Lane) {
        for own in self.lanes.remove(&lane).unwrap_or_default() {
            if let Some(count) = self.counts.get_mut(&own) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&own);
                }
            }
        }
    }

    pub(super) fn contains(&self, lane: Lane) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Whether a lane may carry answers to requests of another one.
    pub(super) fn may_answer(&self, lane: Lane, flows: &FlowTable) -> bool {
        if self.lanes.is_empty() {
            return false;
        }
        let Some(flow) = flows.get(lane.flow) else {
            return false;
        };
        if flow.channel != Channel::Pipe && self.contains(lane.back()) {
            return true;
        }
        // Nobody answers himself.
        let own = self.lanes.get(&lane);
        answered(flow.lane(lane.from)).any(|wanted| {
            let is_own = own.is_some_and(|own| own.contains(&wanted));
            self.counts.get(&wanted).copied().unwrap_or(0) > usize::from(is_own)
        })
    }
}

fn traits(users: &LaneUse) -> Vec<Trait> {
    let between = |writer| {
        let readers = users.readers.iter();
        readers.map(move |reader| Trait::Between(writer, reader))
    };
    let mut traits: Vec<Trait> = users.readers.iter().map(Trait::Reader).collect();
    traits.extend(users.writers.iter().map(Trait::Writer));
    if users.readers.is_empty() {
        traits.extend(users.writers.iter().map(Trait::Unread));
    }
    traits.extend(users.writers.iter().flat_map(between));
    traits
}

/// What a lane with requests must have, one of these, that one of such users goes the other way.
fn answered(back: &LaneUse) -> impl Iterator<Item = Trait> {
    let alone = back.writers.is_empty();
    let started = |reader| {
        let sponsors = back.sponsors.iter();
        sponsors.map(move |sponsor| Trait::Between(reader, sponsor))
    };
    let read = back.readers.iter().map(move |reader| {
        if alone {
            Trait::Writer(reader)
        } else {
            Trait::Unread(reader)
        }
    });
    let written = back.writers.iter().map(Trait::Reader);
    written
        .chain(read)
        .chain(back.readers.iter().flat_map(started))
}

#[cfg(test)]
mod tests {
    use super::super::pairing::reversed;
    use super::*;
    use crate::event::{Direction, End, EndKey, Transfer};
    use proptest::prelude::*;

    fn process(pid: u32) -> ProcessKey {
        ProcessKey { pid, start_ns: 1 }
    }

    /// A use of a pipe or a unix socket; of pipes the first side is both.
    fn uses(
        flows: &mut FlowTable,
        channel: Channel,
        number: u64,
        pid: u32,
        way: Direction,
    ) -> Lane {
        let key = |inode| EndKey { device: 8, inode };
        let end = End {
            key: key(2 * number),
            channel,
            peer: (channel == Channel::Unix).then_some(key(2 * number + 1)),
            tuple: None,
            netns: 0,
        };
        let transfer = Transfer {
            process: process(pid),
            thread: pid,
            fd: None,
            end,
            direction: way,
            entered: 0,
            lost_before: 0,
            length: 1,
            payload: vec![b'x'],
            copied: true,
        };
        flows.arrive(1, &transfer).0.expect("nothing waits").lane
    }

    fn way(reads: bool) -> Direction {
        if reads {
            Direction::Read
        } else {
            Direction::Write
        }
    }

    proptest! {
        #[test]
        fn it_says_what_looking_at_every_lane_would_say(
            moves in proptest::collection::vec((0_u64..6, 0_u32..5, any::<bool>(), 0_u32..7), 1..30),
            asking in proptest::collection::vec((0_u64..6, any::<bool>()), 0..5),
            unix in any::<bool>(),
        ) {
            let channel = if unix { Channel::Unix } else { Channel::Pipe };
            let mut flows = FlowTable::new(64, None);
            let mut index = Asking::default();
            let mut lanes = Vec::new();
            for (at, (number, pid, reads, sponsor)) in moves.into_iter().enumerate() {
                let lane = uses(&mut flows, channel, number, pid, way(reads));
                if sponsor < 5 {
                    flows.sponsor(lane, process(sponsor));
                }
                if asking.contains(&(number, reads)) {
                    index.note(lane, &flows);
                }
                if at % 3 == 0 {
                    index.note_all(&flows);
                }
                lanes.push(lane);
            }
            index.note_all(&flows);
            for lane in lanes {
                let naive = index.lanes.keys().any(|asks| reversed(&flows, *asks, lane).is_some());
                prop_assert_eq!(index.may_answer(lane, &flows), naive);
            }
            let all: Vec<Lane> = index.lanes.keys().copied().collect();
            all.into_iter().for_each(|lane| index.forget(lane));
            prop_assert!(index.counts.is_empty());
        }
    }

    #[test]
    fn how_many_lanes_ask_makes_a_look_no_dearer() {
        let mut flows = FlowTable::new(4096, None);
        let mut index = Asking::default();
        for number in 0..256 {
            let lane = uses(&mut flows, Channel::Pipe, number, 1, Direction::Write);
            index.note(lane, &flows);
        }
        for pid in 10..20 {
            for reads in [true, false] {
                let lane = uses(&mut flows, Channel::Pipe, 1000, pid, way(reads));
                flows.sponsor(lane, process(pid));
                let back = flows.get(lane.flow).expect("a flow").lane(lane.from);
                // By at most four users of each kind.
                assert!(answered(back).count() <= 4 + 4 + 4 * 4);
                assert!(!index.may_answer(lane, &flows));
            }
        }
    }
}
