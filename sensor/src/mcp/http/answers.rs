//! What a server answers: heads, bodies, event streams.

use super::Http;
use super::content::{Content, Hope};
use super::exchange::Exchange;
use super::place::{self, Place, SessionIdDigest};
use crate::event::{LossReason, UnixNs};
use crate::flow::{FlowId, FlowTable, Side};
use crate::mcp::message::{Kind, Message, Parsed, excerpt, parse};
use crate::mcp::session::{ExchangeKey, Session, SessionNumber};
use crate::mcp::signature::{Marks, event_marks, http_marks};
use crate::mcp::table::{self, SessionTable, witness};
use crate::observation::Transport;
use crate::protocol::http1::ResponseHead;
use crate::protocol::sse::SseEvent;

/// Events without a message after which a stream that nothing else says is MCP's is taken for something else.
const STRANGE_EVENTS_MAX: u32 = 16;

impl Http {
    pub(super) fn response(
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
        let hope = if exchange.session.is_some() {
            Hope::Some
        } else {
            Hope::None
        };
        if !exchange.foreign {
            exchange.answer = Content::of_response(&head.headers, hope);
        }
        let marks = http_marks(&exchange.head, Some(&head));
        exchange.marks.merge(marks);
        let Some(number) = exchange.session else {
            return;
        };
        if let Some(id) = SessionIdDigest::of(&head.headers)
            && let Some(place) = Place::of(flows, key.0, exchange.client, &exchange.head)
        {
            self.index.learn_id(&place, id, number);
            if let Some(session) = sessions.change(number) {
                session.http.has_id = true;
            }
        }
        let accepted = matches!(head.status, 200..=299);
        if let Some(session) = sessions.change(number) {
            session.last_seen = session.last_seen.max(time);
            if let Some(flow) = flows.get(key.0) {
                let tuple = flow.tuple_of(exchange.client);
                session.meet(
                    flow.process(exchange.client),
                    flow.process(exchange.client.other()),
                    tuple.map(|tuple| (tuple.local, tuple.remote)),
                );
            }
            if accepted {
                witness(session, marks);
            }
            // Only HTTP+SSE answers requests elsewhere.
            if head.status == 202 && exchange.has_requests {
                session.transport = Transport::Sse;
            }
        }
        if accepted {
            // The heads are an answer too: a 202 to messages, or the opening of an event stream. Any other
            // server may well answer a request whose headers only look like MCP.
            let speaks =
                exchange.answer.is_events() || (head.status == 202 && exchange.has_messages);
            if speaks && marks.is_decisive() {
                sessions.answered(number, "", marks);
            }
        }
        // Who does not know it has ended it, too.
        if exchange.ends_session && (accepted || head.status == 404) {
            sessions.end(time, number);
        }
        claim_if_identified(number, key.0, sessions);
    }

    /// Gives false when the stream turns out to be none of MCP's.
    pub(super) fn response_body(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        bytes: &[u8],
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return true;
        };
        for event in exchange.answer.push(bytes) {
            self.stream_event(time, key, &event, flows, sessions);
        }
        self.count_losses(key, sessions);
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return true;
        };
        let strange = exchange.session.is_none() && exchange.strange_events >= STRANGE_EVENTS_MAX;
        if strange {
            exchange.foreign = true;
            exchange.answer.close();
        }
        !strange
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
            return self.endpoint(time, key, event, flows, sessions);
        }
        let messages = if event.too_long {
            let told = excerpt(&event.data, &event.tail, event.bytes);
            told.into_iter().collect()
        } else {
            match parse(&event.data) {
                Parsed::Rpc { messages, dropped } => {
                    sessions.lose(LossReason::BatchTooLong, dropped);
                    messages
                }
                Parsed::NotJson | Parsed::NotRpc(_) => Vec::new(),
            }
        };
        if messages.is_empty() {
            if let Some(exchange) = self.exchanges.get_mut(key) {
                exchange.strange_events += 1;
            }
            return;
        }
        self.server_messages(time, key, &messages, marks, flows, sessions);
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
        session.http.stream = Some(key);
        witness(session, event_marks(event));
        exchange.session = Some(number);
        self.index.learn_endpoint(&place, &event.data, number);
    }

    pub(super) fn response_end(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        let Some(mut exchange) = self.exchanges.remove(key) else {
            return;
        };
        let (messages, dropped) = exchange.answer.finish();
        let (session, status) = (exchange.session, exchange.status);
        let unread = exchange.answer.is_unread() && messages.is_empty();
        let is_stream = exchange.answer.is_events();
        let unknown_id = status == 404 && exchange.head.headers.get("mcp-session-id").is_some();
        sessions.count_dropped(self.exchanges.insert(key, exchange));
        self.count_losses(key, sessions);
        if session.is_some() {
            sessions.lose(LossReason::BatchTooLong, dropped);
        }
        self.server_messages(time, key, &messages, Marks::default(), flows, sessions);
        self.stream_ended(time, key, sessions);
        self.exchanges.remove(key);
        let Some(number) = session else { return };
        if status >= 400
            && let Some(session) = sessions.change(number)
        {
            session.exchange_failed(time, key, &format!("HTTP status {status}"));
        }
        if unread {
            sessions.gap(number, true, Some(key));
            // What a stream did not bring may come on another one.
            if !is_stream && let Some(session) = sessions.change(number) {
                session.exchange_unread(time, key);
            }
        }
        let nothing = sessions
            .get(number)
            .is_some_and(|session| !session.identified && !session.decisive);
        if nothing || (status >= 400 && sessions.get(number).is_some_and(|s| !s.identified)) {
            self.forget(number);
            sessions.forget(number);
        } else if unknown_id {
            // The server has forgotten it; its client begins anew (2025-03-26, session management).
            sessions.end(time, number);
        }
    }

    /// The stream of a session over HTTP+SSE is over, and so is the session.
    pub(super) fn stream_ended(
        &mut self,
        time: UnixNs,
        key: ExchangeKey,
        sessions: &mut SessionTable,
    ) {
        if let Some(number) = self.stream_of(key, sessions) {
            sessions.end(time, number);
        }
    }

    /// The stream can no longer be followed; if it goes on, its answers tell whose it is.
    pub(super) fn stream_lost(&mut self, key: ExchangeKey, sessions: &mut SessionTable) {
        if let Some(number) = self.stream_of(key, sessions)
            && let Some(session) = sessions.change(number)
        {
            session.http.stream = None;
        }
    }

    /// The session that an exchange is the stream of.
    fn stream_of(&self, key: ExchangeKey, sessions: &SessionTable) -> Option<SessionNumber> {
        let number = self.exchanges.get(key)?.session?;
        let session = sessions.get(number)?;
        let is_stream = session.transport == Transport::Sse && session.http.stream == Some(key);
        is_stream.then_some(number)
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
        let tuple = flow.tuple_of(exchange.client);
        let server = tuple.map(|tuple| tuple.remote);
        let from = tuple.map(|tuple| tuple.local.ip());
        let waits = |session: &&Session| {
            session.transport != Transport::Stdio
                && !session.ended
                && session.client == client
                && session.http.server == server
                && session.http.client.map(|client| client.ip()) == from
                && session.http.stream.is_none()
                && messages.iter().any(|message| {
                    matches!(&message.kind, Kind::Response(r) if r.id.as_ref().is_some_and(|id| session.awaits(id)))
                })
        };
        // Of several, the one that asked last.
        let number = sessions
            .iter()
            .filter(waits)
            .max_by_key(|session| (session.last_seen, session.number))?
            .number;
        exchange.session = Some(number);
        if let Some(session) = sessions.change(number)
            && (!session.initialized || session.transport == Transport::Sse)
        {
            session.transport = Transport::Sse;
            session.http.stream = Some(key);
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
            let of_mcp = flows.get(key.0).is_some_and(|flow| flow.pinned);
            let unread = |exchange: &Exchange| exchange.orphan || exchange.request.is_unread();
            if of_mcp && self.exchanges.get(key).is_some_and(unread) {
                sessions.lose(LossReason::RequestUnread, messages.len() as u64);
            }
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

fn claim_if_identified(number: SessionNumber, flow: FlowId, sessions: &mut SessionTable) {
    if sessions
        .get(number)
        .is_some_and(|session| session.identified)
    {
        sessions.claim_flow(flow);
    }
}
