//! Sessions over HTTP: Streamable HTTP of all revisions, and HTTP+SSE of 2024-11-05.
//!
//! A connection carries many exchanges, and a session's exchanges many connections. Which session an
//! exchange belongs to is told by `Mcp-Session-Id`, by the endpoint that an event stream gave out, or, where
//! the revision has neither, by the client's process and the server's address and path.

mod answers;
mod content;
mod exchange;
mod index;
mod place;

use super::message::{Era, Kind, Message, Notification};
use super::session::{ExchangeKey, Session, SessionNumber};
use super::signature::{Marks, http_marks};
use super::table::{SessionTable, witness};
use crate::event::{LossReason, UnixNs};
use crate::flow::{FlowId, FlowTable, Side};
use crate::observation::Transport;
use crate::protocol::http1::{self, HttpEvent, RequestHead};
use exchange::{Exchange, Exchanges};
use index::{Asks, Index};
use place::Place;

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
                let marks = http_marks(&head, None);
                let opened = Exchange::new(time, client, head, marks);
                sessions.count_dropped(self.exchanges.insert((flow, exchange), opened));
            }
            HttpEvent::RequestBody { exchange, bytes } => {
                if let Some(exchange) = self.exchanges.get_mut((flow, exchange)) {
                    exchange.request.push(&bytes);
                }
            }
            HttpEvent::RequestGap { exchange, lost } => {
                if let Some(exchange) = self.exchanges.get_mut((flow, exchange)) {
                    exchange.request.gap(lost);
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
                progress.foreign =
                    !self.response_body(time, (flow, exchange), &bytes, flows, sessions);
            }
            HttpEvent::ResponseGap { exchange, lost } => {
                let key = (flow, exchange);
                if let Some(exchange) = self.exchanges.get_mut(key) {
                    exchange.answer.gap(lost);
                    if let Some(number) = exchange.session {
                        sessions.gap(number, true, None);
                    }
                }
                self.count_losses(key, sessions);
            }
            HttpEvent::ResponseEnd { exchange } => {
                self.response_end(time, (flow, exchange), flows, sessions);
            }
            HttpEvent::Broken {
                side,
                exchange,
                reason,
            } => self.broken(time, flow, side, exchange, reason, sessions),
        }
        progress
    }

    /// A connection is gone.
    pub fn flow_ended(&mut self, time: UnixNs, flow: FlowId, sessions: &mut SessionTable) {
        let open: Vec<ExchangeKey> = self.exchanges.numbered(flow).map(|(key, _)| key).collect();
        for key in open {
            self.stream_ended(time, key, sessions);
        }
        self.exchanges.remove_flow(flow);
    }

    /// One side can no longer be followed.
    fn broken(
        &mut self,
        time: UnixNs,
        flow: FlowId,
        side: http1::Side,
        exchange: Option<u64>,
        reason: &'static str,
        sessions: &mut SessionTable,
    ) {
        // Cut short is what the peer did; everything else is our loss.
        let is_loss = reason != "cut_short";
        let answers = side == http1::Side::Server;
        if reason == "length_ambiguous" && !answers {
            // What no two readers see alike may be a request all the same.
            sessions.lose(LossReason::RequestUnread, 1);
        }
        let touched = |(key, _): &(ExchangeKey, &Exchange)| exchange.is_none_or(|own| key.1 == own);
        let open = self.exchanges.numbered(flow).filter(touched);
        let open: Vec<(ExchangeKey, Option<SessionNumber>)> = open
            .map(|(key, exchange)| (key, exchange.session))
            .collect();
        for (key, session) in open {
            if let Some(number) = session.filter(|_| is_loss) {
                sessions.gap(number, answers, Some(key));
            }
            if exchange.is_none() {
                continue;
            }
            if is_loss {
                self.stream_lost(key, sessions);
            } else {
                self.stream_ended(time, key, sessions);
            }
            self.exchanges.remove(key);
        }
    }

    /// What of an exchange could not be read is counted.
    fn count_losses(&mut self, key: ExchangeKey, sessions: &mut SessionTable) {
        let losses = self
            .exchanges
            .get_mut(key)
            .map(Exchange::take_losses)
            .unwrap_or_default();
        for (reason, count) in losses {
            sessions.lose(reason, count);
        }
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
        // An open stream of answers is a use, however quiet it is.
        let in_use = self.exchanges.in_use();
        let idle: Vec<(SessionNumber, UnixNs)> = sessions
            .iter()
            .filter(|session| !in_use.contains(&session.number))
            .filter_map(|session| Some((session.number, idle_end(session)?)))
            .filter(|(_, end)| *end < now)
            .collect();
        for (number, end) in idle {
            sessions.end(end, number);
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
        let (messages, dropped) = exchange.take_request_messages();
        let marks = request_marks(http_marks(&exchange.head, None), &messages);
        exchange.marks = marks;
        exchange.has_messages = !messages.is_empty();
        exchange.has_requests = messages
            .iter()
            .any(|message| matches!(message.kind, Kind::Request(_)));
        let awaits_stream = exchange.head.method == "GET" && accepts_events(&exchange.head);
        let number = self.session_of(time, &place, &messages, marks, sessions);
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return false;
        };
        exchange.session = number;
        self.count_losses(key, sessions);
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return false;
        };
        let Some(number) = number else {
            exchange.foreign = !awaits_stream;
            return awaits_stream;
        };
        sessions.lose(LossReason::BatchTooLong, dropped);
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
        if messages.iter().any(|message| message.marks.is_against()) {
            return None;
        }
        let modern = place.modern || messages.iter().any(is_modern);
        let asks = Asks::of(messages, modern);
        let known = self.index.find(place, &asks, |number| sessions.get(number));
        if let Some(number) = known {
            let idle = sessions.get(number).and_then(idle_end);
            match idle.filter(|end| *end < time && !self.exchanges.in_use().contains(&number)) {
                // Nobody looked since it ended.
                Some(end) => sessions.end(end, number),
                None => return Some(number),
            }
        }
        let posted = place.method == "POST";
        // Somebody sends a recording away: what only a server says comes from no client.
        let quotes = messages.iter().any(Message::is_of_server);
        let begins = posted
            && !messages.is_empty()
            && !quotes
            && (marks.is_decisive() || !marks.is_against() && marks.strong_count() > 1);
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
}

/// What a head and its messages say. A header or a path of another protocol is easily added: beside what only MCP says it
/// counts for nothing, unless a message itself is of the other one.
fn request_marks(head: Marks, messages: &[Message]) -> Marks {
    let is_mcp =
        head.pardoned().is_decisive() || messages.iter().any(|message| message.marks.is_decisive());
    let mut marks = if is_mcp { head.pardoned() } else { head };
    messages
        .iter()
        .for_each(|message| marks.merge(message.marks));
    marks
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
        Kind::Notification(notification) => {
            if notification.method == "notifications/initialized"
                && let Some(session) = sessions.change(number)
            {
                session.confirmed = true;
            }
        }
        Kind::Response(_) => {}
    }
}

/// When a session is over if nothing more comes; none for one that only ends otherwise.
fn idle_end(session: &Session) -> Option<UnixNs> {
    if session.transport == Transport::Stdio || session.ended {
        return None;
    }
    let client = session.client.filter(|client| !client.is_nobody());
    let idle_ns = match (session.era, client) {
        (Era::Modern, _) => MODERN_IDLE_NS,
        (_, None) => LEGACY_IDLE_NS,
        (_, Some(_)) => return None,
    };
    Some(session.last_seen.saturating_add(idle_ns))
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
