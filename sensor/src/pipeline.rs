//! The pass from events to observations, as one value that takes events and time.
//!
//! It owns every table, does no I/O but what [`crate::host::Host`] allows, and gives back what is to be
//! stated and what the kernel is to be told. Live events, the snapshot and recordings go through it alike.

mod flows;
mod listening;
mod reopening;
mod telling;
mod tools;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gnomon_policy::{Fronts, Policy};

use crate::event::{
    Body, Channel, Direction, EndKey, Event, FlowVerdict, LossReason, ProcessKey, SocketState,
    TcpState, Transfer, UnixNs,
};
use crate::flow::appraisal::Appraisal;
use crate::flow::decoder::{Chunk, Decoder, Frame, Reading};
use crate::flow::reserve::Reserve;
use crate::flow::table::Arrival;
use crate::flow::{FlowId, FlowTable, Lane, Side};
use crate::host::Host;
use crate::mcp::http::Http;
use crate::mcp::message::{Parsed, excerpt, parse};
use crate::mcp::stdio::Stdio;
use crate::mcp::table::SessionTable;
use crate::observation::{HostName, Observation};
use crate::process::listeners::{Listeners, Place};
use crate::process::table::ProcessTable;
use crate::protocol::lines::Line;
use crate::statement::Known;
use crate::timeline::Timeline;
use reopening::Reopening;
use telling::Told;

/// Bounds of the tables. What has to make way is counted under `table_full`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Byte channels followed at the same time.
    pub flows_max: usize,
    /// Processes known at the same time.
    pub processes_max: usize,
    /// Sessions open at the same time.
    pub sessions_max: usize,
    /// Bytes kept of unfinished messages, over all flows.
    pub buffer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows_max: 32_768,
            processes_max: 65_536,
            sessions_max: 4096,
            buffer_bytes_max: 48 * 1024 * 1024,
        }
    }
}

/// How long bytes of a flow that was given up may still be on their way from the kernel.
const UNDER_WAY_NS: u64 = 1_000_000_000;
/// How far up from who writes somebody may have made the pipe for it: a subshell, and the script.
const SPONSORS_MAX: usize = 2;

/// How often ended processes, idle sessions and dead flows are looked for.
const SWEEP_NS: u64 = 5_000_000_000;

/// What comes of events.
#[derive(Debug, Default)]
pub struct Output {
    /// What is to be stated.
    pub observations: Vec<Observation>,
    /// What the kernel is to be told.
    pub judgements: Vec<(EndKey, FlowVerdict)>,
    /// Ends that are gone: the kernel may forget them.
    pub closed: Vec<EndKey>,
}

/// Counters of the pass, since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// MCP messages understood.
    pub messages: u64,
    /// Payload bytes looked at.
    pub bytes: u64,
    /// What was lost, by reason.
    pub lost: BTreeMap<LossReason, u64>,
}

#[derive(Default)]
struct Reader {
    decoder: Decoder,
    appraisal: Appraisal,
    /// When it was given up.
    closed_at: UnixNs,
    /// As last counted into the sum over all flows.
    pending_bytes: usize,
}

/// The pass.
pub struct Pipeline {
    host_name: HostName,
    salt: Vec<u8>,
    policy: Policy,
    fronts: Fronts,
    host: Box<dyn Host + Send>,
    processes: ProcessTable,
    listeners: Listeners,
    flows: FlowTable,
    /// What may have been spliced.
    reserve: Reserve,
    readers: HashMap<FlowId, Reader>,
    /// Flows with bytes that wait for what should have come before them.
    waiting: BTreeSet<FlowId>,
    /// Flows that were given up, and lanes with requests whose answers may come on one of them.
    reopening: Reopening,
    /// Processes that ended since flows were last swept.
    exited: HashSet<ProcessKey>,
    sessions: SessionTable,
    stdio: Stdio,
    http: Http,
    told: Told,
    known: Known,
    counters: Counters,
    swept: UnixNs,
    /// What times of events are on the wall clock.
    timeline: Timeline,
    limits: Limits,
    /// Bytes kept of unfinished messages, over all flows.
    pending_bytes: usize,
    /// Some flow is about to be judged.
    unjudged: bool,
}

impl Pipeline {
    /// An empty pass. `salt` makes session ids unique over hosts and runs: the boot id, say.
    #[must_use]
    pub fn new(
        host_name: HostName,
        salt: &[u8],
        policy: Policy,
        mut host: Box<dyn Host + Send>,
        limits: Limits,
    ) -> Self {
        let home = host.netns();
        Self {
            host_name,
            salt: salt.to_vec(),
            policy,
            fronts: Fronts::new(),
            host,
            processes: ProcessTable::new(limits.processes_max),
            listeners: Listeners::default(),
            flows: FlowTable::new(limits.flows_max, home),
            reserve: Reserve::default(),
            readers: HashMap::new(),
            waiting: BTreeSet::new(),
            reopening: Reopening::default(),
            exited: HashSet::new(),
            sessions: SessionTable::new(limits.sessions_max),
            stdio: Stdio::default(),
            http: Http::default(),
            told: Told::default(),
            known: Known::default(),
            counters: Counters::default(),
            swept: 0,
            timeline: Timeline::default(),
            limits,
            pending_bytes: 0,
            unjudged: false,
        }
    }

    /// How the wall clock was set so far. Times of events, and those that are given here, are on a clock that nobody sets; what is
    /// stated says what the wall clock showed.
    pub fn keep_time(&mut self, timeline: &Timeline) {
        self.timeline.clone_from(timeline);
    }

    /// Takes one event. What it changes is stated by [`Self::state`], so that a burst is stated once.
    pub fn push(&mut self, event: Event, output: &mut Output) {
        let time = event.time;
        match event.body {
            Body::Exec(exec) => {
                self.listeners.exec(exec.process);
                self.processes.exec(*exec);
            }
            Body::Fork { parent, child } => {
                self.listeners.fork(parent, child);
                self.processes.fork(parent, child);
            }
            Body::Exit { process } => self.exit(time, process),
            Body::Transfer(transfer) => {
                self.transfer(time, &transfer, output);
                self.take_released(output);
            }
            Body::Standby(transfer) => self.standby(time, transfer),
            Body::Spliced(transfer) => self.spliced(time, transfer, output),
            Body::EndOfStream {
                process: _,
                end,
                direction,
            } => {
                if let Some(lane) = self.flows.lane_of(&end, direction) {
                    self.lane_ended(time, lane);
                }
            }
            Body::SocketState(state) => self.socket_state(time, &state, output),
            // Holding proves no use.
            Body::Holder { .. } => {}
            Body::Lost { reason, count } => {
                if count > 0 && is_of_any_flow(reason) {
                    self.sessions.host_gap(time);
                }
                self.lose(reason, count);
            }
        }
    }

    /// Something of any stream was lost until now, and is counted elsewhere: what is unanswered then may have been answered.
    pub fn gap(&mut self, now: UnixNs) {
        self.sessions.host_gap(now);
    }

    /// States what changed, and what follows from time passing. To be called after a batch of events and
    /// at least a few times a second.
    pub fn state(&mut self, now: UnixNs, output: &mut Output) {
        self.tick(now, output);
        self.tell(now, output);
        self.tell_listeners(now, false, output);
        let evicted = self.processes.take_evicted() + self.sessions.take_evicted();
        let dropped = self.listeners.take_dropped() + self.known.take_lightened();
        self.lose(LossReason::TableFull, evicted + dropped);
        for (reason, count) in self.sessions.take_lost() {
            self.lose(reason, count);
        }
    }

    /// States everything as it is at the end: nothing more will come.
    pub fn finish(&mut self, now: UnixNs, output: &mut Output) {
        // Twice the longest wait of any stage, so that everything that waits is let go.
        self.tick(now.saturating_add(10_000_000_000), output);
        // But for answers that may still come when a client is gone.
        let last = now.saturating_add(120_000_000_000);
        self.stdio.tick(last, &self.flows, &mut self.sessions);
        self.tell(now, output);
        self.tell_all(now, output);
        self.tell_listeners(now, true, output);
    }

    /// The policy in force from now on; every open session is judged again.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.fronts = Fronts::new();
        self.told.judge_again();
    }

    /// Nothing is open that needs to be looked after before the next event.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.waiting.is_empty()
            && self.stdio.is_quiet()
            && self.flows.is_settled()
            && self.reopening.is_done()
    }

    /// Whether a flow was about to be judged since the last call: the sooner its next bytes are read, the fewer are copied.
    pub fn take_unjudged(&mut self) -> bool {
        std::mem::take(&mut self.unjudged)
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            messages: self.sessions.messages(),
            ..self.counters.clone()
        }
    }

    fn lose(&mut self, reason: LossReason, count: u64) {
        if count > 0 {
            *self.counters.lost.entry(reason).or_default() += count;
        }
    }

    fn exit(&mut self, time: UnixNs, process: ProcessKey) {
        self.listeners.exit(process);
        self.processes.exit(time, process);
        let listeners = &self.listeners;
        let processes = &self.processes;
        let orphans = self.sessions.end_process(
            time,
            process,
            |address| listeners.is_served(address),
            || processes.heir(process),
        );
        for number in orphans {
            let (flows, processes) = (&self.flows, &self.processes);
            self.stdio
                .client_gone(time, number, flows, processes, &mut self.sessions);
        }
        self.exited.insert(process);
    }

    /// Who moved bytes on which lane, and whether they are to be read; none while it is not clear which flow they are of.
    fn arrive(&mut self, time: UnixNs, transfer: &Transfer) -> Option<Arrival> {
        let (arrival, replaced) = self.flows.arrive(time, transfer);
        if let Some(flow) = replaced {
            self.flow_ended(time, flow);
        }
        self.note_evicted(time);
        self.note_far_sides();
        let arrival = arrival?;
        if arrival.new_user && self.stdio.is_unpaired(arrival.lane) {
            self.stdio.users_changed(arrival.lane, &self.flows);
            self.reopening.ask(arrival.lane);
        }
        if arrival.new_user && transfer.direction == Direction::Write {
            let parents = self.processes.lineage(transfer.process).skip(1);
            for parent in parents.take(SPONSORS_MAX) {
                self.flows.sponsor(arrival.lane, parent);
            }
        }
        if arrival.new_user {
            self.reopen_if_answer(arrival.lane.flow);
        }
        Some(arrival)
    }

    /// A new reader, and what it read.
    fn standby(&mut self, time: UnixNs, mut transfer: Transfer) {
        let bytes = std::mem::take(&mut transfer.payload);
        if let Some(Arrival { lane, .. }) = self.arrive(time, &transfer) {
            self.reserve.keep(time, lane, bytes);
        }
    }

    /// The first bytes that were spliced into a lane: its readers are copied from now on, and what they have read
    /// already is here.
    fn spliced(&mut self, time: UnixNs, mut transfer: Transfer, output: &mut Output) {
        let Some(Arrival { lane, .. }) = self.arrive(time, &transfer) else {
            return;
        };
        let bytes = self.reserve.take(lane);
        if !self.flows.follow_reader(time, lane) || bytes.is_empty() {
            return;
        }
        transfer.length = bytes.len() as u64;
        transfer.payload = bytes;
        self.read(time, lane, &transfer, output);
    }

    fn transfer(&mut self, time: UnixNs, transfer: &Transfer, output: &mut Output) {
        match self.arrive(time, transfer) {
            Some(Arrival {
                lane, turned: true, ..
            }) => {
                let mut transfer = transfer.clone();
                transfer.lost_before = transfer.lost_before.max(1);
                self.read(time, lane, &transfer, output);
            }
            Some(Arrival {
                lane, taken: true, ..
            }) => self.read(time, lane, transfer, output),
            _ => {}
        }
    }

    /// Reads what a lane carried.
    fn read(&mut self, time: UnixNs, lane: Lane, transfer: &Transfer, output: &mut Output) {
        let Some(flow) = self.flows.get(lane.flow) else {
            return;
        };
        let channel = flow.channel;
        self.counters.bytes += transfer.payload.len() as u64;
        let reader = self.readers.entry(lane.flow).or_default();
        let looks_again =
            transfer.lost_before > 0 || reader.closed_at.saturating_add(UNDER_WAY_NS) < time;
        if reader.decoder.reading() == Reading::Closed && looks_again {
            reader.appraisal.look_again();
            reader.decoder.reopen();
            self.reopening.opened(lane.flow);
        }
        reader.appraisal.bytes(transfer.payload.len() as u64);
        let mut frames = Vec::new();
        let chunk = Chunk {
            lane,
            lost: transfer.lost_before,
            bytes: &transfer.payload,
        };
        let missing = transfer
            .length
            .saturating_sub(transfer.payload.len() as u64);
        if transfer.lost_before > 0 || missing > 0 {
            self.stdio.gap(lane, &mut self.sessions);
        }
        reader.decoder.push(time, channel, chunk, &mut frames);
        if missing > 0 {
            let chunk = Chunk {
                lane,
                lost: missing,
                bytes: &[],
            };
            reader.decoder.push(time, channel, chunk, &mut frames);
        }
        if reader.decoder.waits() {
            self.waiting.insert(lane.flow);
        }
        self.frames(time, frames);
        self.weigh(lane.flow);
        self.appraise(lane, output);
        self.claim(output);
    }

    fn frames(&mut self, time: UnixNs, frames: Vec<Frame>) {
        for frame in frames {
            match frame {
                Frame::Line(lane, line) => self.line(time, lane, &line),
                Frame::Http {
                    flow,
                    client,
                    event,
                } => {
                    let progress =
                        self.http
                            .event(time, flow, client, event, &self.flows, &mut self.sessions);
                    if let Some(reader) = self.readers.get_mut(&flow) {
                        if progress.foreign {
                            reader.appraisal.foreign_exchange();
                        }
                        if progress.upgraded {
                            reader.decoder.close();
                            self.reopening.closed(flow);
                        }
                    }
                }
            }
        }
    }

    fn line(&mut self, time: UnixNs, lane: Lane, line: &Line) {
        if line.too_long || line.cut {
            self.lose(LossReason::MessageTooLong, u64::from(line.too_long));
            if let Some(message) = excerpt(&line.text, &line.tail, line.length) {
                self.stdio
                    .message(time, lane, message, &self.flows, &mut self.sessions);
            }
            return;
        }
        let (messages, against) = match parse(&line.text) {
            // Only there: a server on pipes could hide behind numbers that it prints.
            Parsed::Rpc { .. } if line.announced && self.is_tcp(lane) => (Vec::new(), false),
            Parsed::Rpc { messages, dropped } => {
                self.lose(LossReason::BatchTooLong, dropped);
                (messages, false)
            }
            Parsed::NotRpc(marks) => (Vec::new(), marks.is_against()),
            Parsed::NotJson => (Vec::new(), is_foreign(&line.text)),
        };
        let against = against || messages.iter().any(|message| message.marks.is_against());
        if let Some(reader) = self.readers.get_mut(&lane.flow) {
            reader.appraisal.message(!messages.is_empty(), against);
        }
        for message in messages {
            let asked = self.stdio.is_unpaired(lane);
            self.stdio
                .message(time, lane, message, &self.flows, &mut self.sessions);
            if !asked && self.stdio.is_unpaired(lane) {
                self.reopening.ask(lane);
            }
        }
    }

    fn is_tcp(&self, lane: Lane) -> bool {
        let flow = self.flows.get(lane.flow);
        flow.is_some_and(|flow| flow.channel == Channel::Tcp)
    }

    fn socket_state(&mut self, time: UnixNs, state: &SocketState, output: &mut Output) {
        match (state.state, state.process) {
            (TcpState::Listen, Some(process)) => self.listens(time, state, process),
            (TcpState::Close, _) => {
                // A listening socket has no other side.
                if let Some(tuple) = state.end.tuple
                    && tuple.remote.port() == 0
                {
                    let place = Place::tcp(tuple.local, self.foreign(state.end.netns));
                    self.listeners.close(state.end.key, &place);
                }
                if self.flows.close_far(time, &state.end) {
                    output.closed.push(state.end.key);
                    return;
                }
                self.take_released(output);
                if let Some(id) = self.flows.flow_of(&state.end) {
                    if let Some(flow) = self.flows.get(id) {
                        output.closed.extend(flows::flow_keys(flow.keys));
                    }
                    self.flow_ended(time, id);
                }
            }
            (TcpState::Listen | TcpState::Established, _) => {}
        }
    }

    fn lane_ended(&mut self, time: UnixNs, lane: Lane) {
        let mut frames = Vec::new();
        if let Some(reader) = self.readers.get_mut(&lane.flow) {
            reader.decoder.end(lane, &mut frames);
        }
        self.frames(time, frames);
        self.stdio.settle(lane, &self.flows, &mut self.sessions);
        self.stdio.lane_ended(time, lane, &mut self.sessions);
        if let Some(flow) = self.flows.get_mut(lane.flow) {
            flow.ending = true;
        }
    }

    fn flow_ended(&mut self, time: UnixNs, flow: FlowId) {
        for from in [Side::A, Side::B] {
            self.lane_ended(time, Lane { flow, from });
        }
        self.stdio.flow_ended(time, flow, &mut self.sessions);
        self.http.flow_ended(time, flow, &mut self.sessions);
        self.flows.close(flow);
        self.users_changed(flow);
        self.reopening.opened(flow);
        if let Some(reader) = self.readers.remove(&flow) {
            self.pending_bytes -= reader.pending_bytes;
        }
    }

    fn tick(&mut self, now: UnixNs, output: &mut Output) {
        self.flows.tick(now);
        self.note_evicted(now);
        self.note_far_sides();
        self.take_released(output);
        self.reopen_answers();
        for flow in std::mem::take(&mut self.waiting) {
            let mut frames = Vec::new();
            if let Some(reader) = self.readers.get_mut(&flow) {
                reader.decoder.tick(now, flow, &mut frames);
                if reader.decoder.waits() {
                    self.waiting.insert(flow);
                }
            }
            self.frames(now, frames);
            self.appraise(
                Lane {
                    flow,
                    from: Side::A,
                },
                output,
            );
        }
        self.stdio.tick(now, &self.flows, &mut self.sessions);
        // Also when the clock was set back.
        if self.swept.saturating_add(SWEEP_NS) <= now || now < self.swept {
            self.swept = now;
            self.http.tick(now, &mut self.sessions);
            self.processes.tick(now);
            self.known.tick(&self.processes, &self.sessions.processes());
            self.sweep_flows(now, output);
        }
        self.claim(output);
    }
}

/// Whether what was lost for this reason could have been of any flow; other losses are told with their flow.
const fn is_of_any_flow(reason: LossReason) -> bool {
    matches!(
        reason,
        LossReason::RingFull
            | LossReason::EventRingFull
            | LossReason::CaptureFull
            | LossReason::Recursion
            | LossReason::ProbeDetached
            | LossReason::BadRecord
    )
}

/// Whether a network namespace is known not to be the host's.
fn is_foreign_netns(host: &mut dyn Host, netns: u32) -> bool {
    netns != 0 && host.netns().is_some_and(|own| own != netns)
}

/// A header of the other JSON-RPC framing (LSP, DAP), or bytes that no text has.
fn is_foreign(line: &[u8]) -> bool {
    line.starts_with(b"Content-Length:") || line.contains(&0)
}

#[cfg(test)]
mod tests;
