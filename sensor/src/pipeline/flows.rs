//! What the pass does about flows beside reading them: verdicts for the kernel, another look, the end.

use std::cmp::Reverse;

use super::{Output, Pipeline, SWEEP_NS};
use crate::event::{Channel, EndKey, FlowVerdict, LossReason, UnixNs};
use crate::flow::{Flow, FlowId, Lane, Side};
use crate::mcp::session::SessionNumber;

/// A pipe or local socket that nobody used for so long and that is no session's is forgotten, here and in the kernel: the
/// process that made it may live on, and nobody tells when it closed it. If it is used again, that is a new flow.
const IDLE_NS: u64 = 60_000_000_000;
/// A flow of which one side has ended, or both are unknown, is kept for so long while requests on it wait for their answers:
/// a server may be slow, or only now be started.
const AWAITED_NS: u64 = 60_000_000_000;

impl Pipeline {
    /// Flows that made way are over.
    pub(super) fn note_evicted(&mut self, time: UnixNs) {
        let evicted = self.flows.take_evicted();
        self.lose(LossReason::TableFull, evicted.len() as u64);
        for flow in evicted {
            self.flow_ended(time, flow);
        }
    }

    /// The other side of a flow became known, or turned out to be somebody else's.
    pub(super) fn note_far_sides(&mut self) {
        for flow in self.flows.take_joined() {
            if let Some(reader) = self.readers.get_mut(&flow) {
                reader.appraisal.tell_again();
                self.waiting.insert(flow);
            }
            self.users_changed(flow);
        }
        for parted in self.flows.take_parted() {
            self.lose(LossReason::EndsDiffer, u64::from(parted.lost));
            self.users_changed(parted.flow);
            let carried: Vec<SessionNumber> = (self.sessions.iter())
                .filter(|session| {
                    session.http.flow == Some(parted.flow)
                        || self.stdio.carries(session.number, parted.flow)
                })
                .map(|session| session.number)
                .collect();
            for number in carried {
                self.sessions.disown(number, &parted.processes);
            }
        }
    }

    pub(super) fn users_changed(&mut self, flow: FlowId) {
        for from in [Side::A, Side::B] {
            self.stdio.users_changed(Lane { flow, from }, &self.flows);
        }
    }

    /// Takes the calls of ends that turned out to have a flow of their own.
    pub(super) fn take_released(&mut self, output: &mut Output) {
        while let Some((time, transfer)) = self.flows.take_released() {
            self.transfer(time, &transfer, output);
        }
    }

    /// Counts what a flow keeps of unfinished messages. When all flows together keep too much, those that
    /// keep most let go: nobody can fill our memory by never finishing a line. An eighth is made free at once, so that
    /// of thousands of small ones not every call searches for the next.
    pub(super) fn weigh(&mut self, id: FlowId) {
        self.reweigh(id);
        let bytes_max = self.limits.buffer_bytes_max;
        if self.pending_bytes <= bytes_max {
            return;
        }
        let mut heaviest: Vec<(usize, FlowId)> = self
            .readers
            .iter()
            .map(|(id, reader)| (reader.pending_bytes, *id))
            .collect();
        heaviest.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        for (_, id) in heaviest {
            if self.pending_bytes <= bytes_max - bytes_max / 8 {
                return;
            }
            if let Some(reader) = self.readers.get_mut(&id) {
                reader.decoder.shed();
            }
            self.http.shed(id);
            self.lose(LossReason::BufferFull, 1);
            self.reweigh(id);
        }
    }

    fn reweigh(&mut self, id: FlowId) {
        let bodies = self.http.pending_bytes(id);
        if let Some(reader) = self.readers.get_mut(&id) {
            let pending_bytes = reader.decoder.pending_bytes() + bodies;
            self.pending_bytes = self.pending_bytes - reader.pending_bytes + pending_bytes;
            reader.pending_bytes = pending_bytes;
        }
    }

    /// Tells the kernel what a flow is by now.
    pub(super) fn appraise(&mut self, lane: Lane, output: &mut Output) {
        let id = lane.flow;
        let session =
            self.stdio.uses(id) || self.http.uses(id) || self.stdio.may_answer(id, &self.flows);
        let (Some(flow), Some(reader)) = (self.flows.get(id), self.readers.get_mut(&id)) else {
            return;
        };
        let unfinished = reader.decoder.unfinished(lane.from);
        let verdict = reader
            .appraisal
            .verdict(reader.decoder.reading(), session, unfinished);
        self.unjudged |= !session && reader.appraisal.is_close();
        let Some(verdict) = verdict else { return };
        if verdict == FlowVerdict::NotMcp {
            reader.decoder.close();
            reader.closed_at = flow.last_used;
            self.reopening.closed(id);
        }
        output
            .judgements
            .extend(flow_keys(flow.keys).map(|key| (key, verdict)));
    }

    pub(super) fn claim(&mut self, output: &mut Output) {
        for flow in self.sessions.take_mcp_flows() {
            if let Some(reader) = self.readers.get_mut(&flow) {
                reader.appraisal.mcp();
            }
            if let Some(flow) = self.flows.get_mut(flow) {
                flow.pinned = true;
            }
            self.appraise(
                Lane {
                    flow,
                    from: Side::A,
                },
                output,
            );
        }
    }

    fn is_forgotten(&self, now: UnixNs, flow: &Flow) -> bool {
        // The end of a connection is told.
        flow.channel != Channel::Tcp
            && flow.last_used.saturating_add(IDLE_NS) <= now
            && !flow.pinned
            && !self.stdio.uses(flow.id)
            && !self.http.uses(flow.id)
    }

    fn is_awaited(&self, now: UnixNs, flow: &Flow) -> bool {
        flow.last_used.saturating_add(AWAITED_NS) > now
            && (self.stdio.awaits(flow.id, &self.sessions) || self.http.uses(flow.id))
    }

    /// Forgets flows that nobody uses any more, and those that have ended: pipes tell nobody when they go.
    pub(super) fn sweep_flows(&mut self, now: UnixNs, output: &mut Output) {
        let exited = std::mem::take(&mut self.exited);
        self.flows.forget_users(&exited);
        self.stdio.users_forgotten(&self.flows);
        let over: Vec<FlowId> = self
            .flows
            .iter()
            .filter(|flow| flow.last_used.saturating_add(SWEEP_NS) <= now)
            .filter(|flow| flow.ending || flow.is_deserted() || self.is_forgotten(now, flow))
            .filter(|flow| !self.is_awaited(now, flow))
            .map(|flow| flow.id)
            .collect();
        for id in over {
            if let Some(flow) = self.flows.get(id) {
                output.closed.extend(flow_keys(flow.keys));
            }
            self.flow_ended(now, id);
        }
        let flows = &self.flows;
        self.readers.retain(|flow, _| flows.get(*flow).is_some());
        self.pending_bytes = self
            .readers
            .values()
            .map(|reader| reader.pending_bytes)
            .sum();
    }
}

pub(super) fn flow_keys(keys: [Option<EndKey>; 2]) -> impl Iterator<Item = EndKey> {
    let [first, second] = keys;
    let second = second.filter(|second| Some(*second) != first);
    first.into_iter().chain(second).filter(|key| key.inode != 0)
}
