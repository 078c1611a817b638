//! What a server answers: heads, bodies, event streams.

use super::Http;
use super::exchange::{Answer, Exchange};
use super::place::{self, Place, SessionIdDigest};
use crate::event::UnixNs;
use crate::flow::{FlowId, FlowTable, Side};
use crate::mcp::message::{Kind, Message, Parsed, parse};
use crate::mcp::session::{ExchangeKey, Session, SessionNumber};
use crate::mcp::signature::{Marks, event_marks, http_marks};
use crate::mcp::table::{self, SessionTable, witness};
use crate::observation::Transport;
use crate::protocol::http1::ResponseHead;
use crate::protocol::sse::SseEvent;

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

    pub(super) fn response_body(
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

fn claim_if_identified(number: SessionNumber, flow: FlowId, sessions: &mut SessionTable) {
    if sessions
        .get(number)
        .is_some_and(|session| session.identified)
    {
        sessions.claim_flow(flow);
    }
}
