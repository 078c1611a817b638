//! Sessions over HTTP: Streamable HTTP of all revisions, and HTTP+SSE of 2024-11-05.
//!
//! A connection carries many exchanges, and a session's exchanges many connections. Which session an
//! exchange belongs to is told by `Mcp-Session-Id`, by the endpoint that an event stream gave out, or, where
//! the revision has neither, by the client's process and the server's address and path.

mod exchange;
mod place;

use super::message::{Era, Kind, Message, Notification, Parsed, parse};
use super::session::{ExchangeKey, Session, SessionNumber};
use super::signature::{Marks, event_marks, http_marks};
use super::table::{self, SessionTable, witness};
use crate::event::UnixNs;
use crate::flow::{FlowId, FlowTable, Side};
use crate::observation::Transport;
use crate::protocol::http1::{HttpEvent, RequestHead, ResponseHead};
use crate::protocol::sse::SseEvent;
use exchange::{Answer, Exchange, Exchanges};
use place::{Index, Place, SessionIdDigest};

/// After this long without a message a session of the modern era is over (DESIGN: session).
const MODERN_IDLE_NS: u64 = 5 * 60 * 1_000_000_000;
/// A legacy session ends by DELETE or with a process; one whose client is elsewhere, after this.
const LEGACY_IDLE_NS: u64 = 30 * 60 * 1_000_000_000;

/// Exchanges under way, and how sessions are found again.
#[derive(Default)]
pub struct Http {
    exchanges: Exchanges,
    index: Index,
}

/// What an event on a connection amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// An exchange that is none of MCP's was recognised as such.
    pub foreign: bool,
    /// The connection became something else (101).
    pub upgraded: bool,
}

impl Http {
    /// Takes what happened on a connection.
    pub fn event(
        &mut self,
        time: UnixNs,
        flow: FlowId,
        client: Side,
        event: HttpEvent,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) -> Progress {
        let mut progress = Progress::default();
        match event {
            HttpEvent::Request { exchange, head } => {
                let opened = Exchange::new(time, client, head);
                sessions.count_dropped(self.exchanges.insert((flow, exchange), opened));
            }
            HttpEvent::RequestBody { exchange, bytes } => {
                if let Some(exchange) = self.exchanges.get_mut((flow, exchange)) {
                    exchange.request_body(&bytes);
                }
            }
            HttpEvent::RequestGap { exchange, lost } => {
                if let Some(exchange) = self.exchanges.get_mut((flow, exchange)) {
                    exchange.request_gap(lost);
                }
            }
            HttpEvent::RequestEnd { exchange } => {
                progress.foreign = !self.request_end(time, (flow, exchange), flows, sessions);
            }
            HttpEvent::Response { exchange, head } => {
                progress.upgraded = head.status == 101;
                self.response(time, (flow, exchange), client, head, flows, sessions);
            }
            HttpEvent::ResponseBody { exchange, bytes } => {
                self.response_body(time, (flow, exchange), &bytes, flows, sessions);
            }
            HttpEvent::ResponseGap { exchange, lost } => {
                if let Some(exchange) = self.exchanges.get_mut((flow, exchange)) {
                    exchange.answer.gap(lost);
                }
            }
            HttpEvent::ResponseEnd { exchange } => {
                self.response_end(time, (flow, exchange), flows, sessions);
            }
            HttpEvent::Broken { exchange, .. } => {
                if let Some(exchange) = exchange {
                    self.exchanges.remove((flow, exchange));
                }
            }
        }
        progress
    }

    /// A connection is gone.
    pub fn flow_ended(&mut self, flow: FlowId) {
        self.exchanges.remove_flow(flow);
    }

    /// Bytes that are kept of the bodies on a connection.
    #[must_use]
    pub fn pending_bytes(&self, flow: FlowId) -> usize {
        self.exchanges.of(flow).map(Exchange::pending_bytes).sum()
    }

    /// Lets go of the bodies on a connection: they are as good as lost.
    pub fn shed(&mut self, flow: FlowId) {
        self.exchanges.shed(flow);
    }

    /// Whether an exchange of this connection is a session's.
    #[must_use]
    pub fn uses(&self, flow: FlowId) -> bool {
        self.exchanges
            .of(flow)
            .any(|exchange| exchange.session.is_some())
    }

    /// Ends sessions that were silent for too long.
    pub fn tick(&mut self, now: UnixNs, sessions: &mut SessionTable) {
        let idle: Vec<SessionNumber> = sessions
            .iter()
            .filter(|session| session.transport != Transport::Stdio && !session.ended)
            .filter(|session| session.era == Era::Modern || session.client.is_none())
            .filter(|session| {
                let idle_ns = if session.era == Era::Modern {
                    MODERN_IDLE_NS
                } else {
                    LEGACY_IDLE_NS
                };
                session.last_seen.saturating_add(idle_ns) < now
            })
            .map(|session| session.number)
            .collect();
        for number in idle {
            sessions.end(now, number);
        }
    }

    /// Forgets a session.
    pub fn forget(&mut self, number: SessionNumber) {
        self.index.forget(number);
        self.exchanges.forget(number);
    }

    /// A request is complete. Gives false when it is none of MCP's.
    fn request_end(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return false;
        };
        let Some(place) = Place::of(flows, key.0, exchange.client, &exchange.head) else {
            return false;
        };
        let messages = exchange.take_request_messages();
        let mut marks = http_marks(&exchange.head, None);
        messages
            .iter()
            .for_each(|message| marks.merge(message.marks));
        exchange.marks = marks;
        exchange.has_messages = !messages.is_empty();
        let awaits_stream = exchange.head.method == "GET" && accepts_events(&exchange.head);
        let number = self.session_of(time, &place, &messages, marks, sessions);
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return false;
        };
        exchange.session = number;
        let Some(number) = number else {
            exchange.foreign = !awaits_stream;
            return awaits_stream;
        };
        let ends = exchange.head.method == "DELETE";
        exchange.ends_session = ends;
        if let Some(session) = sessions.change(number) {
            place.describe(session);
            witness(session, marks);
            session.decisive |= marks.is_decisive();
            session.last_seen = session.last_seen.max(time);
        }
        let exchange_key = (place.transport != Transport::Sse).then_some(key);
        for message in &messages {
            client_message(time, number, exchange_key, message, sessions);
        }
        true
    }

    /// Finds the session of a request, or begins it.
    fn session_of(
        &mut self,
        time: UnixNs,
        place: &Place,
        messages: &[Message],
        marks: Marks,
        sessions: &mut SessionTable,
    ) -> Option<SessionNumber> {
        if marks.is_against() {
            return None;
        }
        let initializes = messages
            .iter()
            .any(|message| matches!(&message.kind, Kind::Request(r) if r.method == "initialize"));
        let modern = place.modern || messages.iter().any(is_modern);
        let known = self
            .index
            .find(place, initializes, modern, |number| sessions.get(number));
        if let Some(number) = known {
            return Some(number);
        }
        let posted = place.method == "POST";
        let begins =
            posted && !messages.is_empty() && (marks.is_decisive() || marks.strong_count() > 1);
        // Attached in mid-stream: the session id alone tells, on a POST, the event stream, or a DELETE.
        let goes_on = place.session_id.is_some() && marks.is_decisive();
        if !begins && !goes_on {
            return None;
        }
        let session = sessions.open(time, place.transport, place.channel);
        if modern {
            session.era = Era::Modern;
        }
        let number = session.number;
        self.index.learn(place, number, modern);
        Some(number)
    }

    fn response(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        client: Side,
        head: ResponseHead,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        if self.exchanges.get(key).is_none() {
            // The request was not seen: an event stream is worth following all the same, its answers tell
            // whose it is.
            sessions.count_dropped(self.exchanges.insert(key, Exchange::orphan(time, client)));
        }
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        exchange.status = head.status;
        exchange.answer = Answer::of(&head, exchange.foreign);
        let marks = http_marks(&exchange.head, Some(&head));
        exchange.marks.merge(marks);
        let Some(number) = exchange.session else {
            return;
        };
        if let Some(id) = SessionIdDigest::of(&head.headers)
            && let Some(place) = Place::of(flows, key.0, exchange.client, &exchange.head)
        {
            self.index.learn_id(&place, id, number);
        }
        let accepted = matches!(head.status, 200..=299);
        if let Some(session) = sessions.change(number) {
            session.last_seen = session.last_seen.max(time);
            if let Some(flow) = flows.get(key.0) {
                session.server = flow.process(exchange.client.other()).or(session.server);
                session.client = flow.process(exchange.client).or(session.client);
            }
            if accepted {
                witness(session, marks);
            }
        }
        if accepted {
            // The heads are an answer too: a 202 to messages, or the opening of an event stream. Any other
            // server may well answer a request whose headers only look like MCP.
            let speaks = matches!(exchange.answer, Answer::Events(_))
                || (head.status == 202 && exchange.has_messages);
            if speaks && marks.is_decisive() {
                sessions.answered(number, "", marks);
            }
            if exchange.ends_session {
                sessions.end(time, number);
            }
        }
        claim_if_identified(number, key.0, sessions);
    }

    fn response_body(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        bytes: &[u8],
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        for event in exchange.answer.push(bytes) {
            self.stream_event(time, key, &event, flows, sessions);
        }
    }

    fn stream_event(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        event: &SseEvent,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let marks = event_marks(event);
        if event.event.as_deref() == Some("endpoint") {
            self.endpoint(time, key, event, flows, sessions);
        } else if let Parsed::Rpc { messages, .. } = parse(&event.data) {
            self.server_messages(time, key, &messages, marks, flows, sessions);
        }
    }

    /// HTTP+SSE: the stream gives out the address that requests are to be posted to.
    fn endpoint(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        event: &SseEvent,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let Some(mut place) = Place::of(flows, key.0, exchange.client, &exchange.head) else {
            return;
        };
        if exchange.session.is_some() || event.data.len() > place::TARGET_BYTES_MAX {
            return;
        }
        place.transport = Transport::Sse;
        let session = sessions.open(exchange.since.max(1), Transport::Sse, place.channel);
        session.last_seen = time;
        let number = session.number;
        place.describe(session);
        witness(session, event_marks(event));
        exchange.session = Some(number);
        self.index.learn_endpoint(&place, &event.data, number);
    }

    fn response_end(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some(mut exchange) = self.exchanges.remove(key) else {
            return;
        };
        let messages = exchange.answer.finish();
        let (session, status) = (exchange.session, exchange.status);
        sessions.count_dropped(self.exchanges.insert(key, exchange));
        self.server_messages(time, key, &messages, Marks::default(), flows, sessions);
        self.exchanges.remove(key);
        let Some(number) = session else { return };
        if status >= 400
            && let Some(session) = sessions.change(number)
        {
            session.exchange_failed(time, key, &format!("HTTP status {status}"));
        }
        let nothing = sessions
            .get(number)
            .is_some_and(|session| !session.identified && !session.decisive);
        if nothing || (status >= 400 && sessions.get(number).is_some_and(|s| !s.identified)) {
            self.forget(number);
            sessions.forget(number);
        }
    }

    /// The session that an exchange carries; for a stream whose opening was not seen, the one between the
    /// same client and server that waits for what it answers.
    fn session_of_stream(
        &mut self,
        key: ExchangeKey,
        messages: &[Message],
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) -> Option<SessionNumber> {
        let exchange = self.exchanges.get_mut(key)?;
        if exchange.session.is_some() || !exchange.orphan {
            return exchange.session;
        }
        let flow = flows.get(key.0)?;
        let client = flow.process(exchange.client);
        let server = flow.tuple_of(exchange.client).map(|tuple| tuple.remote);
        let waits = |session: &&Session| {
            session.transport != Transport::Stdio
                && session.client == client
                && session.http.server == server
                && messages.iter().any(|message| {
                    matches!(&message.kind, Kind::Response(r) if r.id.as_ref().is_some_and(|id| session.awaits(id)))
                })
        };
        let number = sessions
            .iter()
            .filter(|session| !session.ended)
            .find(waits)?
            .number;
        exchange.session = Some(number);
        if let Some(session) = sessions.change(number)
            && !session.initialized
        {
            session.transport = Transport::Sse;
        }
        Some(number)
    }

    fn server_messages(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        messages: &[Message],
        marks: Marks,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some(number) = self.session_of_stream(key, messages, flows, sessions) else {
            return;
        };
        for message in messages {
            sessions.count_message();
            let Kind::Response(response) = &message.kind else {
                sessions.change(number);
                continue;
            };
            let mut marks = marks;
            marks.merge(message.marks);
            let answer = table::Answer {
                response,
                bytes: message.bytes,
                marks,
            };
            sessions.response(time, number, Some(key), answer);
        }
        claim_if_identified(number, key.0, sessions);
    }
}

fn client_message(
    time: UnixNs,
    number: SessionNumber,
    exchange: Option<ExchangeKey>,
    message: &Message,
    sessions: &mut SessionTable,
) {
    sessions.count_message();
    match &message.kind {
        Kind::Request(request) => sessions.request(time, number, exchange, request, message.bytes),
        Kind::Notification(Notification {
            cancels: Some(id), ..
        }) => {
            if let Some(session) = sessions.change(number) {
                session.cancel(time, id);
            }
        }
        Kind::Notification(_) | Kind::Response(_) => {}
    }
}

fn claim_if_identified(number: SessionNumber, flow: FlowId, sessions: &mut SessionTable) {
    if sessions
        .get(number)
        .is_some_and(|session| session.identified)
    {
        sessions.claim_flow(flow);
    }
}

fn is_modern(message: &Message) -> bool {
    match &message.kind {
        Kind::Request(request) => request.era == Era::Modern,
        Kind::Notification(notification) => notification.era == Era::Modern,
        Kind::Response(_) => false,
    }
}

fn accepts_events(head: &RequestHead) -> bool {
    head.headers
        .text("accept")
        .is_some_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
}
