//! Sessions over lines: which lane carries a client's requests, and which one its answers.
//!
//! A claim of MCP takes a sign at the start of a line and an answer to its id on a lane that goes the
//! other way between the same processes. Logs, files and one-way pipes that quote MCP have no such answer.
//! Answers may arrive here before their requests, because calls are reported when they return: those are
//! kept for a moment.

mod asking;
mod doubt;
mod ends;
mod pairing;

use std::collections::{HashMap, VecDeque};

use super::early::{is_late, shorten};
use super::message::{Id, Kind, Message, Notification, Request, Response};
use super::session::SessionNumber;
use super::signature::{Mark, Sign};
use super::table::{Answer, SessionTable, witness};
use crate::event::{Channel, LossReason, ProcessKey, UnixNs};
use crate::flow::{FlowId, FlowTable, Lane};
use crate::observation::{Evidence, Quality, Source, Transport};
use asking::Asking;
use pairing::{is_closed, rank, reversed, server};

/// Answers that wait for their request.
const EARLY_MAX: usize = 64;
/// Beginnings of sessions that such an answer is held against; past this it is looked at once a tick, as those that are not
/// certain: whoever begins and begins does not keep us busy.
const EARLY_TRIES_MAX: u8 = 4;
/// How long after the client's end of stream a session goes on that waits for nothing: reports may be late.
const CLOSING_NS: u64 = 3_000_000_000;
/// How long after the client's end of stream a server may still answer: it may be slow, or only now be started.
const ANSWERING_NS: u64 = 60_000_000_000;
/// Sessions that have a request and no answer yet; past this the client that has most of them loses its oldest.
const UNPAIRED_MAX: usize = 256;
/// How long it is remembered that a client lost sessions in this way, and of how many: an answer that may be one to what was
/// forgotten is taken for no other request of the same two processes.
const CROWD_NS: u64 = 60_000_000_000;
const CROWDS_MAX: usize = 256;
/// Lanes known to carry both sides of a conversation; the oldest makes way.
const QUOTING_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    FromClient,
    FromServer,
}

#[derive(Clone, Copy, Debug)]
struct Unpaired {
    session: SessionNumber,
    requests: Lane,
}

struct Early {
    time: UnixNs,
    lane: Lane,
    message: Message,
    tries: u8,
}

impl Early {
    fn new(time: UnixNs, lane: Lane, mut message: Message) -> Self {
        if let Kind::Response(response) = &mut message.kind {
            shorten(response);
        }
        Self {
            time,
            lane,
            message,
            tries: 0,
        }
    }
}

/// Which lanes belong to which session.
#[derive(Default)]
pub struct Stdio {
    lanes: HashMap<Lane, (SessionNumber, Role)>,
    unpaired: Vec<Unpaired>,
    /// Their lanes.
    asking: Asking,
    /// Clients that lost sessions without an answer, and until when that counts.
    crowds: HashMap<ProcessKey, UnixNs>,
    early: VecDeque<Early>,
    /// Sessions whose client sends no more, and since when; the oldest comes first. Answers may still come.
    closing: VecDeque<(UnixNs, SessionNumber)>,
    /// Lanes that carry what only a server says after what only a client says: somebody passes a recording on.
    quoting: VecDeque<Lane>,
    /// What a lane said since it answered what it had asked itself, before anybody else did.
    doubtful: VecDeque<Early>,
}

impl Stdio {
    /// Takes one message that a lane carried.
    pub fn message(
        &mut self,
        time: UnixNs,
        lane: Lane,
        message: Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        if self.is_doubtful(lane, &message, flows, sessions) {
            self.doubt(time, lane, message, flows, sessions);
        } else {
            self.settled(time, lane, message, flows, sessions);
        }
    }

    /// Takes one message, whatever it may be a copy of.
    fn settled(
        &mut self,
        time: UnixNs,
        lane: Lane,
        message: Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        self.drop_wrong_guess(time, lane, &message, flows, sessions);
        match (self.bound(lane, sessions), &message.kind) {
            (Some((number, Role::FromClient)), _) => {
                if message.is_of_server() {
                    self.note_quoting(lane);
                }
                self.take_from_client(time, lane, number, &message, flows, sessions);
            }
            (Some((number, Role::FromServer)), _) => {
                take_from_server(time, number, &message, sessions)
            }
            (None, Kind::Response(_)) => self.answer(time, lane, message, flows, sessions),
            (None, Kind::Request(request)) if may_begin(request, &message) => {
                self.begin(time, lane, &message, flows, sessions);
            }
            (None, _) => {}
        }
    }

    /// Bytes of a lane were lost.
    pub fn gap(&mut self, lane: Lane, sessions: &mut SessionTable) {
        if let Some((number, role)) = self.bound(lane, sessions) {
            sessions.gap(number, role == Role::FromServer, None);
        }
    }

    fn note_quoting(&mut self, lane: Lane) {
        if self.quoting.contains(&lane) {
            return;
        }
        if self.quoting.len() >= QUOTING_MAX {
            self.quoting.pop_front();
        }
        self.quoting.push_back(lane);
    }

    /// Which lane is the client's is a guess until its session has shaken hands: a server may ask first, or
    /// print something that looks like it. What says better drops the guess.
    fn drop_wrong_guess(
        &mut self,
        time: UnixNs,
        lane: Lane,
        message: &Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some((number, role)) = self.bound(lane, sessions) else {
            return;
        };
        let wrong = match (role, &message.kind) {
            (Role::FromClient, Kind::Response(_)) => self
                .better_guess(number, lane, message, flows, sessions)
                .is_some(),
            (Role::FromServer, Kind::Request(request)) => {
                request.method == "initialize"
                    && message.marks.is_decisive()
                    && sessions
                        .get(number)
                        .is_some_and(|session| !session.initialized)
            }
            _ => false,
        };
        if wrong {
            self.over(time, number, sessions);
            self.forget(number);
        }
    }

    /// The session that this answer of a lane belongs to rather than to be the client of its own.
    fn better_guess(
        &self,
        number: SessionNumber,
        lane: Lane,
        message: &Message,
        flows: &FlowTable,
        sessions: &SessionTable,
    ) -> Option<Unpaired> {
        let id = response_id(message)?;
        let handshake = message.marks.contains(Mark::Decisive(Sign::Initialized));
        let own = rank(sessions, number);
        let (other, _) = self
            .is_unpaired(lane)
            .then(|| self.asked(lane, id, flows, sessions))??;
        let better = handshake || rank(sessions, other.session) > own;
        (other.session != number && better).then_some(other)
    }

    /// Tries again to find the requests of early answers, and forgets those that nobody asked for.
    pub fn tick(&mut self, now: UnixNs, flows: &FlowTable, sessions: &mut SessionTable) {
        self.keep_unpaired(|unpaired| {
            sessions
                .get(unpaired.session)
                .is_some_and(|session| !session.ended)
        });
        self.crowds.retain(|_, until| *until > now);
        self.settle_due(now, flows, sessions);
        self.retry_early(now, flows, sessions);
        self.end_closing(now, sessions);
    }

    /// Whether this lane has requests of a session that got no answer yet.
    #[must_use]
    pub fn is_unpaired(&self, lane: Lane) -> bool {
        self.asking.contains(lane)
    }

    /// A lane has other users than before.
    pub fn users_changed(&mut self, lane: Lane, flows: &FlowTable) {
        if self.asking.contains(lane) {
            self.asking.note(lane, flows);
        }
    }

    /// Users of any lane were forgotten.
    pub fn users_forgotten(&mut self, flows: &FlowTable) {
        self.asking.note_all(flows);
    }

    fn keep_unpaired(&mut self, keep: impl Fn(&Unpaired) -> bool) {
        let asking = &mut self.asking;
        self.unpaired.retain(|unpaired| {
            let kept = keep(unpaired);
            if !kept {
                asking.forget(unpaired.requests);
            }
            kept
        });
    }

    /// Nothing waits for time to pass.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.early.is_empty() && self.closing.is_empty() && self.doubtful.is_empty()
    }

    /// Whether a flow may carry the answers that some session still waits for.
    #[must_use]
    pub fn may_answer(&self, flow: FlowId, flows: &FlowTable) -> bool {
        use crate::flow::Side;
        [Side::A, Side::B]
            .into_iter()
            .any(|from| self.asking.may_answer(Lane { flow, from }, flows))
    }

    /// Forgets a session's lanes.
    pub fn forget(&mut self, number: SessionNumber) {
        self.lanes.retain(|_, (session, _)| *session != number);
        self.keep_unpaired(|unpaired| unpaired.session != number);
    }

    /// The flows that carry a session.
    pub fn flows_of(&self, number: SessionNumber) -> impl Iterator<Item = FlowId> + '_ {
        let own = move |(_, (session, _)): &(&Lane, &(SessionNumber, Role))| *session == number;
        self.lanes.iter().filter(own).map(|(lane, _)| lane.flow)
    }

    /// Whether a flow carries this session.
    #[must_use]
    pub fn carries(&self, number: SessionNumber, flow: FlowId) -> bool {
        use crate::flow::Side;
        [Side::A, Side::B].into_iter().any(|from| {
            let bound = self.lanes.get(&Lane { flow, from });
            bound.is_some_and(|(session, _)| *session == number)
        })
    }

    /// Whether a flow carries a session or the beginning of one.
    #[must_use]
    pub fn uses(&self, flow: FlowId) -> bool {
        use crate::flow::Side;
        [Side::A, Side::B]
            .into_iter()
            .any(|from| self.lanes.contains_key(&Lane { flow, from }))
    }

    /// Whether a flow carries a session of which requests wait for their answers.
    #[must_use]
    pub fn awaits(&self, flow: FlowId, sessions: &SessionTable) -> bool {
        use crate::flow::Side;
        [Side::A, Side::B].into_iter().any(|from| {
            let bound = self.lanes.get(&Lane { flow, from });
            let session = bound.and_then(|(number, _)| sessions.get(*number));
            session.is_some_and(|session| !session.ended && session.is_waiting())
        })
    }

    fn bound(&mut self, lane: Lane, sessions: &SessionTable) -> Option<(SessionNumber, Role)> {
        let (number, role) = *self.lanes.get(&lane)?;
        if sessions.get(number).is_some_and(|session| !session.ended) {
            return Some((number, role));
        }
        self.forget(number);
        None
    }

    fn begin(
        &mut self,
        time: UnixNs,
        lane: Lane,
        message: &Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some(flow) = flows.get(lane.flow) else {
            return;
        };
        let session = sessions.open(time, Transport::Stdio, flow.channel);
        let number = session.number;
        session.client = flow.lane(lane.from).writers.last();
        if self.unpaired.len() >= UNPAIRED_MAX {
            self.make_way(time, sessions);
        }
        self.unpaired.push(Unpaired {
            session: number,
            requests: lane,
        });
        self.asking.note(lane, flows);
        self.lanes.insert(lane, (number, Role::FromClient));
        self.take_from_client(time, lane, number, message, flows, sessions);
        self.retry_sure(time, lane, flows, sessions);
    }

    /// Forgets the oldest session without an answer of the client that has most of them: whoever asks and asks does not push
    /// out those who wait for a slow server.
    fn make_way(&mut self, time: UnixNs, sessions: &mut SessionTable) {
        let client = |unpaired: &Unpaired| {
            sessions
                .get(unpaired.session)
                .and_then(|session| session.client)
        };
        let mut counts: HashMap<_, usize> = HashMap::new();
        for unpaired in &self.unpaired {
            *counts.entry(client(unpaired)).or_default() += 1;
        }
        let count = |unpaired: &&Unpaired| counts.get(&client(unpaired)).copied();
        // The last of equals: the oldest.
        let gone = self.unpaired.iter().rev().max_by_key(count).copied();
        if let Some(gone) = gone {
            if let Some(client) = client(&gone)
                && (self.crowds.len() < CROWDS_MAX || self.crowds.contains_key(&client))
            {
                self.crowds.insert(client, time.saturating_add(CROWD_NS));
            }
            sessions.count_dropped(1);
            self.forget(gone.session);
            sessions.forget(gone.session);
        }
    }

    /// Tries again those early answers that certainly belong to a request of the lane `requests`. The others wait for the next
    /// tick: what else came with the request may show that it is a quotation.
    fn retry_sure(
        &mut self,
        now: UnixNs,
        requests: Lane,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let (mut sure, mut others) = (VecDeque::new(), VecDeque::new());
        for mut early in std::mem::take(&mut self.early) {
            let may_be = early.tries < EARLY_TRIES_MAX && is_closed(flows, requests, early.lane);
            early.tries += u8::from(may_be);
            let id = response_id(&early.message).filter(|_| may_be);
            let asked = id.and_then(|id| self.asked(early.lane, id, flows, sessions));
            let is_sure =
                asked.is_some_and(|(found, _)| is_closed(flows, found.requests, early.lane));
            if is_sure {
                sure.push_back(early);
            } else {
                others.push_back(early);
            }
        }
        self.early = sure;
        self.retry_early(now, flows, sessions);
        let again = std::mem::replace(&mut self.early, others);
        self.early.extend(again);
    }

    /// Tries again to find the requests of early answers.
    fn retry_early(&mut self, now: UnixNs, flows: &FlowTable, sessions: &mut SessionTable) {
        for early in std::mem::take(&mut self.early) {
            if !is_late(early.time, now) {
                self.message(early.time, early.lane, early.message, flows, sessions);
            } else if early.message.marks.is_decisive() && !self.quoting.contains(&early.lane) {
                // Only a server of MCP says this, and nobody was seen to ask.
                sessions.lose(LossReason::RequestUnread, 1);
            }
        }
    }

    fn take_from_client(
        &mut self,
        time: UnixNs,
        lane: Lane,
        number: SessionNumber,
        message: &Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let begins_anew = matches!(&message.kind, Kind::Request(request)
            if request.method == "initialize"
                && sessions.get(number).is_some_and(|session| session.initialized));
        if begins_anew {
            return self.begin_anew(time, lane, number, message, flows, sessions);
        }
        sessions.count_message();
        self.closing.retain(|(_, closing)| *closing != number);
        let writer = flows
            .get(lane.flow)
            .and_then(|flow| flow.lane(lane.from).writers.last());
        let Some(session) = sessions.change(number) else {
            return;
        };
        // A helper of the client may write for it.
        session.client = session.client.or(writer);
        witness(session, message.marks);
        session.decisive |= message.marks.is_decisive();
        session.last_seen = session.last_seen.max(time);
        match &message.kind {
            Kind::Request(request) => sessions.request(time, number, None, request, message.bytes),
            Kind::Notification(Notification {
                cancels: Some(id), ..
            }) => session.cancel(time, id),
            // The rest, and answers to what the server asked, change nothing that is kept.
            Kind::Notification(_) | Kind::Response(_) => {}
        }
    }

    /// A second `initialize` on the same lanes is a session of its own.
    fn begin_anew(
        &mut self,
        time: UnixNs,
        lane: Lane,
        old: SessionNumber,
        message: &Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let answers = self
            .lanes
            .iter()
            .find(|(_, bound)| **bound == (old, Role::FromServer))
            .map(|(lane, _)| *lane);
        self.over(time, old, sessions);
        self.forget(old);
        self.begin(time, lane, message, flows, sessions);
        if let (Some(answers), Some(&(new, _))) = (answers, self.lanes.get(&lane)) {
            self.pair(new, lane, answers, Quality::Exact, flows, sessions);
        }
    }

    fn answer(
        &mut self,
        time: UnixNs,
        lane: Lane,
        message: Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Kind::Response(Response { id: Some(id), .. }) = &message.kind else {
            return;
        };
        let found = self.asked(lane, id, flows, sessions);
        if let Some((unpaired, quality)) = found {
            self.pair(
                unpaired.session,
                unpaired.requests,
                lane,
                quality,
                flows,
                sessions,
            );
            take_from_server(time, unpaired.session, &message, sessions);
        } else {
            if self.early.len() >= EARLY_MAX
                && let Some(gone) = self.early.pop_front()
            {
                // Most are not of MCP, and those are no loss.
                let marks = gone.message.marks;
                let loss = marks.is_decisive() || marks.strong_count() > 0;
                sessions.count_dropped(loss.into());
            }
            self.early.push_back(Early::new(time, lane, message));
        }
    }

    /// The session without an answer yet that waits for this id, and whose requests go the other way.
    ///
    /// Somebody may pass a recording on, to a pipeline, an echo, a database, or a terminal: then either the lane of the requests has the
    /// answers too, or the lane of the answers has the same requests. The latter proves nothing between two processes that were both
    /// seen at both lanes: a server may print what it was asked.
    fn asked(
        &self,
        lane: Lane,
        id: &Id,
        flows: &FlowTable,
        sessions: &SessionTable,
    ) -> Option<(Unpaired, Quality)> {
        let waits = |unpaired: &&Unpaired| {
            sessions
                .get(unpaired.session)
                .is_some_and(|session| session.awaits(id))
        };
        let asks_itself = self
            .unpaired
            .iter()
            .filter(waits)
            .any(|unpaired| unpaired.requests == lane);
        let is_passed_on = |(unpaired, _): &(Unpaired, Quality)| {
            self.quoting.contains(&unpaired.requests)
                || asks_itself && !is_closed(flows, unpaired.requests, lane)
        };
        let channel = flows.get(lane.flow).map(|flow| flow.channel);
        let is_own = |unpaired: &Unpaired| {
            unpaired.requests.back() == lane && channel != Some(Channel::Pipe)
        };
        let is_crowded = |unpaired: &Unpaired| {
            let client = sessions.get(unpaired.session)?.client?;
            Some(self.crowds.contains_key(&client))
        };
        self.unpaired
            .iter()
            .filter(waits)
            .filter_map(|unpaired| Some((*unpaired, reversed(flows, unpaired.requests, lane)?)))
            .filter(|(unpaired, _)| is_own(unpaired) || is_crowded(unpaired) != Some(true))
            .filter(|found| !is_passed_on(found))
            .max_by_key(|(unpaired, quality)| {
                let rank = rank(sessions, unpaired.session);
                (is_own(unpaired), rank, *quality == Quality::Exact)
            })
    }

    fn pair(
        &mut self,
        number: SessionNumber,
        requests: Lane,
        answers: Lane,
        quality: Quality,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        self.keep_unpaired(|unpaired| unpaired.session != number);
        self.lanes.insert(answers, (number, Role::FromServer));
        sessions.claim_flow(requests.flow);
        sessions.claim_flow(answers.flow);
        let server = server(flows, requests, answers);
        let client = flows
            .get(requests.flow)
            .and_then(|flow| flow.lane(requests.from).writers.last())
            .or_else(|| flows.get(answers.flow)?.lane(answers.from).readers.last());
        if let Some(session) = sessions.change(number) {
            session.server = server.or(session.server);
            session.client = client.or(session.client);
            let fact = "answered on the flow that goes the other way".to_owned();
            session.witness(Evidence {
                source: Source::Kernel,
                fact,
                quality,
            });
        }
    }
}

/// A first request that is worth waiting for its answer. What a server asks of a client begins nothing:
/// its lane carries answers.
fn may_begin(request: &Request, message: &Message) -> bool {
    let of_server = matches!(
        request.method.as_str(),
        "sampling/createMessage" | "elicitation/create" | "roots/list"
    );
    let of_server = of_server || request.method.starts_with("tasks/");
    let marks = message.marks;
    !of_server && !marks.is_against() && (marks.is_decisive() || marks.strong_count() > 0)
}

fn response_id(message: &Message) -> Option<&Id> {
    match &message.kind {
        Kind::Response(response) => response.id.as_ref(),
        _ => None,
    }
}

fn take_from_server(
    time: UnixNs,
    number: SessionNumber,
    message: &Message,
    sessions: &mut SessionTable,
) {
    sessions.count_message();
    if let Kind::Response(response) = &message.kind {
        let answer = Answer {
            response,
            bytes: message.bytes,
            marks: message.marks,
        };
        sessions.response(time, number, None, answer);
    } else if let Some(session) = sessions.change(number) {
        session.last_seen = session.last_seen.max(time);
    }
}
