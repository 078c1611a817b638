//! What a flow carries: lines, HTTP/1, or something that is neither.
//!
//! Nothing is decided by a first byte: a flow is HTTP when a side begins with a request or status line,
//! otherwise its bytes are read as lines, and whether those are MCP is not this module's business.

use super::{FlowId, Lane, Side};
use crate::event::Channel;
use crate::protocol::http1::{self, Connection, Guess, HttpEvent};
use crate::protocol::lines::{Line, LineDecoder};

/// Bytes that may be needed to tell a request line from text: the longest method, a target, a version.
const UNDECIDED_BYTES_MAX: usize = 2048;

/// A piece of what a flow says.
#[derive(Debug)]
pub enum Frame {
    /// A line, sent by `lane.from`.
    Line(Lane, Line),
    /// Something happened on an HTTP connection whose client is `client`.
    Http {
        /// On which flow.
        flow: FlowId,
        /// Which side sends the requests.
        client: Side,
        /// What.
        event: HttpEvent,
    },
}

/// Decodes one flow, both directions.
#[derive(Default)]
pub struct Decoder {
    state: State,
}

#[derive(Default)]
enum State {
    /// Too few bytes to say, by sending side.
    #[default]
    Fresh,
    Undecided(Box<[Vec<u8>; 2]>),
    Lines(Box<[LineDecoder; 2]>),
    Http { connection: Box<Connection>, client: Side },
    /// Was judged; bytes that are still under way are dropped.
    Closed,
}

/// What a decoder reads a flow as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing decided.
    Undecided,
    /// Lines.
    Lines,
    /// HTTP/1.
    Http,
    /// Not read.
    Closed,
}

impl Decoder {
    /// What the flow is read as.
    #[must_use]
    pub const fn reading(&self) -> Reading {
        match self.state {
            State::Fresh | State::Undecided(_) => Reading::Undecided,
            State::Lines(_) => Reading::Lines,
            State::Http { .. } => Reading::Http,
            State::Closed => Reading::Closed,
        }
    }

    /// Stops reading until bytes arrive that follow a loss: then the flow is looked at afresh.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Takes the next bytes of a lane; `lost` bytes before them never arrived.
    pub fn push(&mut self, channel: Channel, lane: Lane, lost: u64, bytes: &[u8], out: &mut Vec<Frame>) {
        if lost > 0 {
            self.gap(lane, lost, out);
        }
        match &mut self.state {
            State::Closed => {}
            State::Fresh | State::Undecided(_) => self.decide(channel, lane, bytes, out),
            State::Lines(lines) => push_lines(lines, lane, bytes, out),
            State::Http { connection, client } => push_http(connection, *client, lane, bytes, out),
        }
    }

    /// The line that one side has begun and not finished, if lines are read.
    #[must_use]
    pub fn unfinished(&self, from: Side) -> &[u8] {
        match &self.state {
            State::Lines(lines) => lines[from.index()].pending(),
            _ => &[],
        }
    }

    /// One side will send no more.
    pub fn end(&mut self, lane: Lane, out: &mut Vec<Frame>) {
        if let State::Http { connection, client } = &mut self.state {
            let mut events = Vec::new();
            connection.close(role(*client, lane.from), &mut events);
            wrap(lane.flow, *client, events, out);
        }
    }

    fn gap(&mut self, lane: Lane, lost: u64, out: &mut Vec<Frame>) {
        match &mut self.state {
            State::Closed => self.state = State::Fresh,
            State::Fresh => {}
            State::Undecided(heads) => heads[lane.from.index()].clear(),
            State::Lines(lines) => lines[lane.from.index()].gap(),
            State::Http { connection, client } => {
                let mut events = Vec::new();
                connection.gap(role(*client, lane.from), lost, &mut events);
                wrap(lane.flow, *client, events, out);
            }
        }
    }

    fn decide(&mut self, channel: Channel, lane: Lane, bytes: &[u8], out: &mut Vec<Frame>) {
        if matches!(self.state, State::Fresh) {
            self.state = State::Undecided(Box::default());
        }
        let State::Undecided(heads) = &mut self.state else { return };
        let head = &mut heads[lane.from.index()];
        head.extend_from_slice(bytes);
        let request = Connection::looks_like_request(head);
        let response = Connection::looks_like_response(head);
        // A pipe goes one way: no exchange of requests and responses can be on it.
        let can_be_http = channel != Channel::Pipe;
        let next = if can_be_http && request == Guess::Yes {
            State::Http { connection: Box::default(), client: lane.from }
        } else if can_be_http && response == Guess::Yes {
            State::Http { connection: Box::default(), client: lane.from.other() }
        } else if can_be_http
            && (request == Guess::More || response == Guess::More)
            && head.len() < UNDECIDED_BYTES_MAX
        {
            return;
        } else {
            State::Lines(Box::default())
        };
        let State::Undecided(heads) = std::mem::replace(&mut self.state, next) else { return };
        for (side, head) in [Side::A, Side::B].into_iter().zip(*heads) {
            if !head.is_empty() {
                self.push(channel, Lane { flow: lane.flow, from: side }, 0, &head, out);
            }
        }
    }
}

fn push_lines(lines: &mut [LineDecoder; 2], lane: Lane, bytes: &[u8], out: &mut Vec<Frame>) {
    let mut finished = Vec::new();
    lines[lane.from.index()].push(bytes, &mut finished);
    out.extend(finished.into_iter().map(|line| Frame::Line(lane, line)));
}

fn push_http(connection: &mut Connection, client: Side, lane: Lane, bytes: &[u8], out: &mut Vec<Frame>) {
    let mut events = Vec::new();
    connection.push(role(client, lane.from), bytes, &mut events);
    wrap(lane.flow, client, events, out);
}

fn wrap(flow: FlowId, client: Side, events: Vec<HttpEvent>, out: &mut Vec<Frame>) {
    out.extend(events.into_iter().map(|event| Frame::Http { flow, client, event }));
}

fn role(client: Side, from: Side) -> http1::Side {
    if client == from { http1::Side::Client } else { http1::Side::Server }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane { flow: FlowId(1), from: Side::A };

    fn reading(channel: Channel, pushes: &[(Side, &[u8])]) -> Reading {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for (from, bytes) in pushes {
            decoder.push(channel, Lane { from: *from, ..LANE }, 0, bytes, &mut out);
        }
        decoder.reading()
    }

    #[test]
    fn http_is_told_by_either_side_and_in_pieces() {
        assert_eq!(reading(Channel::Tcp, &[(Side::A, b"POST /mcp HTTP/1.1\r\nacce")]), Reading::Http);
        assert_eq!(reading(Channel::Unix, &[(Side::B, b"HTTP/1.1 200 OK\r\n")]), Reading::Http);
        let bytes: Vec<(Side, &[u8])> =
            b"GET / HTTP/1.1\r\n".chunks(1).map(|byte| (Side::A, byte)).collect();
        assert_eq!(reading(Channel::Tcp, &bytes), Reading::Http);
    }

    #[test]
    fn anything_else_is_lines() {
        assert_eq!(reading(Channel::Tcp, &[(Side::A, b"{\"jsonrpc\"")]), Reading::Lines);
        assert_eq!(reading(Channel::Pipe, &[(Side::A, b"GET / HTTP/1.1\r\n")]), Reading::Lines);
        assert_eq!(reading(Channel::Tcp, &[(Side::A, b"PO")]), Reading::Undecided);
    }

    #[test]
    fn a_closed_decoder_opens_after_a_loss() {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        decoder.push(Channel::Pipe, LANE, 0, b"banner\n", &mut out);
        decoder.close();
        decoder.push(Channel::Pipe, LANE, 0, b"under way\n", &mut out);
        assert_eq!(out.len(), 1);
        decoder.push(Channel::Pipe, LANE, 9000, b"{}\n", &mut out);
        assert_eq!(out.len(), 2);
    }
}
