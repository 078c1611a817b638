//! An HTTP connection whose calls may be reported out of order.
//!
//! A call is reported when it returns. A client that is preempted inside its last write is reported after
//! the server's answer. So bytes of the server that answer nothing wait until a request is complete, or
//! until it is clear that there was none.

use super::Frame;
use crate::event::UnixNs;
use crate::flow::{FlowId, Lane, Side};
use crate::protocol::http1::{self, Connection, HttpEvent};

/// How long an answer waits for its request: far longer than a call takes to return.
const HELD_NS: u64 = 2_000_000_000;
/// How many bytes of it: more than a first answer has while its request is still under way.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// What keeping a piece costs beside its bytes.
const PIECE_BYTES: usize = 64;

/// The connection and what waits.
pub(super) struct HttpFlow {
    connection: Connection,
    client: Side,
    /// Complete requests without a complete answer.
    outstanding: u64,
    /// The server is in the middle of an answer.
    answering: bool,
    held: Vec<(u64, Vec<u8>)>,
    held_bytes: usize,
    held_since: UnixNs,
}

impl HttpFlow {
    pub(super) fn new(client: Side) -> Self {
        Self {
            connection: Connection::new(),
            client,
            outstanding: 0,
            answering: false,
            held: Vec::new(),
            held_bytes: 0,
            held_since: 0,
        }
    }

    pub(super) const fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn pending_bytes(&self) -> usize {
        // What is held in many small pieces costs more than its bytes.
        self.connection.pending_bytes() + self.held_bytes + self.held.len() * PIECE_BYTES
    }

    /// Forgets what is held, and where in a message each side was.
    pub(super) fn shed(&mut self) {
        *self = Self::new(self.client);
    }

    pub(super) fn push(
        &mut self,
        time: UnixNs,
        lane: Lane,
        lost: u64,
        bytes: &[u8],
        out: &mut Vec<Frame>,
    ) {
        if lane.from == self.client {
            if lost > 0 {
                // What waits answers what was lost, not the request that comes now.
                self.release(lane.flow, out);
            }
            self.feed(lane.flow, http1::Side::Client, lost, bytes, out);
            if self.outstanding > 0 {
                self.release(lane.flow, out);
            }
        } else if self.held.is_empty() && (self.outstanding > 0 || self.answering) {
            self.feed(lane.flow, http1::Side::Server, lost, bytes, out);
        } else {
            if self.held.is_empty() {
                self.held_since = time;
            }
            self.held_bytes += bytes.len();
            self.held.push((lost, bytes.to_vec()));
            if self.held_bytes + self.held.len() * PIECE_BYTES > HELD_BYTES_MAX {
                self.release(lane.flow, out);
            }
        }
    }

    pub(super) fn tick(&mut self, now: UnixNs, flow: FlowId, out: &mut Vec<Frame>) {
        if self.holds() && self.held_since.saturating_add(HELD_NS) <= now {
            self.release(flow, out);
        }
    }

    pub(super) fn end(&mut self, lane: Lane, out: &mut Vec<Frame>) {
        self.release(lane.flow, out);
        let mut events = Vec::new();
        self.connection.close(self.role(lane.from), &mut events);
        self.tell(lane.flow, events, out);
    }

    fn release(&mut self, flow: FlowId, out: &mut Vec<Frame>) {
        self.held_bytes = 0;
        for (lost, bytes) in std::mem::take(&mut self.held) {
            self.feed(flow, http1::Side::Server, lost, &bytes, out);
        }
    }

    fn feed(
        &mut self,
        flow: FlowId,
        side: http1::Side,
        lost: u64,
        bytes: &[u8],
        out: &mut Vec<Frame>,
    ) {
        let mut events = Vec::new();
        if lost > 0 {
            self.connection.gap(side, lost, &mut events);
        }
        self.connection.push(side, bytes, &mut events);
        self.tell(flow, events, out);
    }

    fn tell(&mut self, flow: FlowId, events: Vec<HttpEvent>, out: &mut Vec<Frame>) {
        for event in events {
            match &event {
                HttpEvent::RequestEnd { .. } => self.outstanding += 1,
                HttpEvent::Response { .. } => self.answering = true,
                HttpEvent::ResponseEnd { .. } => {
                    self.answering = false;
                    self.outstanding = self.outstanding.saturating_sub(1);
                }
                HttpEvent::Broken {
                    side: http1::Side::Server,
                    ..
                } => self.answering = false,
                _ => {}
            }
            out.push(Frame::Http {
                flow,
                client: self.client,
                event,
            });
        }
    }

    fn role(&self, from: Side) -> http1::Side {
        if from == self.client {
            http1::Side::Client
        } else {
            http1::Side::Server
        }
    }
}
