//! One request and its response, while they are under way.

use crate::event::UnixNs;
use crate::flow::Side;
use crate::mcp::message::{Message, Parsed, parse};
use crate::mcp::session::SessionNumber;
use crate::mcp::signature::Marks;
use crate::protocol::body::{BodyCollector, BodyKind};
use crate::protocol::http1::{RequestHead, ResponseHead};
use crate::protocol::sse::{SseDecoder, SseEvent};

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
        }
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
        self.request.take().map_or_else(Vec::new, |mut body| messages(&body.finish().text))
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
