//! One request and its response, while they are under way.

use std::collections::BTreeMap;

use crate::event::UnixNs;
use crate::flow::{FlowId, Side};
use crate::mcp::message::{Message, Parsed, parse};
use crate::mcp::session::{ExchangeKey, SessionNumber};
use crate::mcp::signature::Marks;
use crate::protocol::body::{BodyCollector, BodyKind};
use crate::protocol::http1::{Headers, RequestHead, ResponseHead, Version};
use crate::protocol::sse::{SseDecoder, SseEvent};

/// Exchanges that are open at the same time on the whole host; past this the fullest connection loses one.
const EXCHANGES_MAX: usize = 4096;
/// Exchanges of one connection: more requests in a row without an answer are nobody's way of working.
const PIPELINED_MAX: usize = 64;

/// The open exchanges, by flow.
#[derive(Default)]
pub(super) struct Exchanges {
    flows: BTreeMap<FlowId, BTreeMap<u64, Exchange>>,
    count: usize,
}

impl Exchanges {
    /// Gives how many exchanges had to make way.
    pub(super) fn insert(&mut self, (flow, number): ExchangeKey, exchange: Exchange) -> u64 {
        let own = self.flows.entry(flow).or_default();
        if own.insert(number, exchange).is_none() {
            self.count += 1;
        }
        let fullest = if own.len() > PIPELINED_MAX {
            Some(flow)
        } else if self.count > EXCHANGES_MAX {
            self.flows
                .iter()
                .max_by_key(|(_, own)| own.len())
                .map(|(flow, _)| *flow)
        } else {
            None
        };
        let first = fullest.and_then(|flow| Some((flow, *self.flows.get(&flow)?.keys().next()?)));
        u64::from(first.is_some_and(|key| self.remove(key).is_some()))
    }

    pub(super) fn get(&self, (flow, number): ExchangeKey) -> Option<&Exchange> {
        self.flows.get(&flow)?.get(&number)
    }

    pub(super) fn get_mut(&mut self, (flow, number): ExchangeKey) -> Option<&mut Exchange> {
        self.flows.get_mut(&flow)?.get_mut(&number)
    }

    pub(super) fn remove(&mut self, (flow, number): ExchangeKey) -> Option<Exchange> {
        let own = self.flows.get_mut(&flow)?;
        let exchange = own.remove(&number)?;
        if own.is_empty() {
            self.flows.remove(&flow);
        }
        self.count -= 1;
        Some(exchange)
    }

    pub(super) fn remove_flow(&mut self, flow: FlowId) {
        self.count -= self.flows.remove(&flow).map_or(0, |own| own.len());
    }

    pub(super) fn of(&self, flow: FlowId) -> impl Iterator<Item = &Exchange> {
        self.flows.get(&flow).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn shed(&mut self, flow: FlowId) {
        for exchange in self
            .flows
            .get_mut(&flow)
            .into_iter()
            .flat_map(BTreeMap::values_mut)
        {
            exchange.request_gap(1);
            exchange.answer.gap(1);
        }
    }

    pub(super) fn forget(&mut self, number: SessionNumber) {
        for exchange in self.flows.values_mut().flat_map(BTreeMap::values_mut) {
            if exchange.session == Some(number) {
                exchange.session = None;
            }
        }
    }
}

/// An exchange.
pub(super) struct Exchange {
    pub(super) since: UnixNs,
    /// The side that sends the requests.
    pub(super) client: Side,
    pub(super) head: RequestHead,
    pub(super) session: Option<SessionNumber>,
    pub(super) status: u16,
    pub(super) marks: Marks,
    pub(super) answer: Answer,
    /// None of MCP's: its answer is not read.
    pub(super) foreign: bool,
    /// A DELETE that, when it succeeds, ends the session.
    pub(super) ends_session: bool,
    /// Its request held messages.
    pub(super) has_messages: bool,
    /// Its request was not seen.
    pub(super) orphan: bool,
    request: Option<BodyCollector>,
}

impl Exchange {
    pub(super) fn new(since: UnixNs, client: Side, head: RequestHead) -> Self {
        let reads = head.method == "POST" && BodyKind::of(&head.headers) == BodyKind::Json;
        Self {
            since,
            client,
            request: reads.then(BodyCollector::default),
            head,
            session: None,
            status: 0,
            marks: Marks::default(),
            answer: Answer::Nothing,
            foreign: false,
            ends_session: false,
            has_messages: false,
            orphan: false,
        }
    }

    /// An exchange that is first seen by its response.
    pub(super) fn orphan(since: UnixNs, client: Side) -> Self {
        let head = RequestHead {
            method: String::new(),
            target: String::new(),
            version: Version::Http11,
            headers: Headers::default(),
        };
        Self {
            orphan: true,
            ..Self::new(since, client, head)
        }
    }

    pub(super) fn pending_bytes(&self) -> usize {
        let answer = match &self.answer {
            Answer::Nothing => 0,
            Answer::Json(body) => body.pending_bytes(),
            Answer::Events(decoder) => decoder.pending_bytes(),
        };
        answer
            + self
                .request
                .as_ref()
                .map_or(0, BodyCollector::pending_bytes)
    }

    pub(super) fn request_body(&mut self, bytes: &[u8]) {
        if let Some(body) = &mut self.request {
            body.push(bytes);
        }
    }

    pub(super) fn request_gap(&mut self, lost: u64) {
        if let Some(body) = &mut self.request {
            body.gap(lost);
        }
    }

    /// The messages of a complete request; none when it holds something else.
    pub(super) fn take_request_messages(&mut self) -> Vec<Message> {
        self.request
            .take()
            .map_or_else(Vec::new, |mut body| messages(&body.finish().text))
    }
}

/// How a response's body is read.
pub(super) enum Answer {
    Nothing,
    Json(BodyCollector),
    Events(Box<SseDecoder>),
}

impl Answer {
    pub(super) fn of(head: &ResponseHead, foreign: bool) -> Self {
        match BodyKind::of(&head.headers) {
            _ if foreign => Self::Nothing,
            BodyKind::Json => Self::Json(BodyCollector::default()),
            BodyKind::EventStream => Self::Events(Box::default()),
            BodyKind::Coded | BodyKind::Other => Self::Nothing,
        }
    }

    /// Takes the next bytes; gives the events that they finish.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        match self {
            Self::Nothing => {}
            Self::Json(body) => body.push(bytes),
            Self::Events(decoder) => decoder.push(bytes, &mut events),
        }
        events
    }

    pub(super) fn gap(&mut self, lost: u64) {
        match self {
            Self::Nothing => {}
            Self::Json(body) => body.gap(lost),
            Self::Events(decoder) => decoder.gap(),
        }
    }

    /// The messages of a finished JSON body.
    pub(super) fn finish(&mut self) -> Vec<Message> {
        match self {
            Self::Json(body) => messages(&body.finish().text),
            Self::Nothing | Self::Events(_) => Vec::new(),
        }
    }
}

fn messages(text: &[u8]) -> Vec<Message> {
    match parse(text) {
        Parsed::Rpc { messages, .. } => messages,
        Parsed::NotJson | Parsed::NotRpc(_) => Vec::new(),
    }
}
