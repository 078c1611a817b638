//! Lanes that will carry answers may have been given up after a banner: they are looked at again when somebody begins to ask.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

use super::Pipeline;
use crate::event::ProcessKey;
use crate::flow::decoder::Reading;
use crate::flow::{FlowId, Lane, LaneUse};

/// Lanes whose answers are looked for in one round; the others wait for the next.
const LANES_MAX: usize = 64;
/// Flows that are looked at in one turn; the next turn goes on with the others.
const FLOWS_MAX: usize = 2048;

/// Whose answers are looked for, and where.
#[derive(Default)]
pub(super) struct Reopening {
    /// Lanes with requests that are new, or have new users.
    lanes: BTreeSet<Lane>,
    /// Flows that are not read.
    closed: BTreeSet<FlowId>,
    round: Option<Round>,
}

/// One pass over the flows that are not read.
struct Round {
    /// Who reads the requests.
    readers: HashSet<ProcessKey>,
    /// Who writes them.
    writers: HashSet<ProcessKey>,
    /// Up to where flows have been looked at.
    after: FlowId,
}

impl Round {
    fn goes_back(&self, lane: &LaneUse) -> bool {
        lane.writers
            .iter()
            .any(|process| self.readers.contains(&process))
            || lane
                .readers
                .iter()
                .any(|process| self.writers.contains(&process))
    }
}

impl Reopening {
    /// A lane begins to ask, or has new users.
    pub(super) fn ask(&mut self, lane: Lane) {
        self.lanes.insert(lane);
    }

    /// A flow is not read from now on.
    pub(super) fn closed(&mut self, flow: FlowId) {
        self.closed.insert(flow);
    }

    /// A flow is read again, or gone.
    pub(super) fn opened(&mut self, flow: FlowId) {
        self.closed.remove(&flow);
    }

    pub(super) fn is_closed(&self, flow: FlowId) -> bool {
        self.closed.contains(&flow)
    }

    /// Nothing is left to look at.
    pub(super) fn is_done(&self) -> bool {
        self.lanes.is_empty() && self.round.is_none()
    }

    #[cfg(test)]
    pub(super) fn closed_count(&self) -> usize {
        self.closed.len()
    }
}

impl Pipeline {
    /// Looks at some more flows that are not read. Gives how many.
    pub(super) fn reopen_answers(&mut self) -> usize {
        let Some(mut round) = self.reopening.round.take().or_else(|| self.begin_round()) else {
            return 0;
        };
        let rest = (Bound::Excluded(round.after), Bound::Unbounded);
        let flows: Vec<FlowId> = self
            .reopening
            .closed
            .range(rest)
            .take(FLOWS_MAX)
            .copied()
            .collect();
        for id in &flows {
            let goes_back = self
                .flows
                .get(*id)
                .is_some_and(|flow| flow.lanes.iter().any(|lane| round.goes_back(lane)));
            if goes_back {
                self.reopen(*id);
            }
        }
        if flows.len() == FLOWS_MAX
            && let Some(last) = flows.last()
        {
            round.after = *last;
            self.reopening.round = Some(round);
        }
        flows.len()
    }

    fn begin_round(&mut self) -> Option<Round> {
        let mut round = Round {
            readers: HashSet::new(),
            writers: HashSet::new(),
            after: FlowId(0),
        };
        for _ in 0..LANES_MAX {
            let Some(lane) = self.reopening.lanes.pop_first() else {
                break;
            };
            let flow = self.flows.get(lane.flow);
            if let Some(flow) = flow.filter(|_| self.stdio.is_unpaired(lane)) {
                let asks = flow.lane(lane.from);
                round.readers.extend(asks.readers.iter());
                round.writers.extend(asks.writers.iter());
            }
        }
        (!round.readers.is_empty() || !round.writers.is_empty()).then_some(round)
    }

    /// A flow has a new user: it may carry answers now.
    pub(super) fn reopen_if_answer(&mut self, flow: FlowId) {
        if self.reopening.is_closed(flow) && self.stdio.may_answer(flow, &self.flows) {
            self.reopen(flow);
        }
    }

    /// Looks at a flow again that was given up.
    fn reopen(&mut self, flow: FlowId) {
        self.reopening.opened(flow);
        if let Some(reader) = self.readers.get_mut(&flow)
            && reader.decoder.reading() == Reading::Closed
        {
            reader.appraisal.renew();
            reader.decoder.reopen();
            self.waiting.insert(flow);
        }
    }
}
