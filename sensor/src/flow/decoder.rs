//! What a flow carries: lines, HTTP/1, or something that is neither.
//!
//! Nothing is decided by a first byte: a flow is HTTP when a side begins with a request or status line,
//! otherwise its bytes are read as lines, and whether those are MCP is not this module's business. A connection that
//! we met in the middle of a body is HTTP from the next head on.

mod http;

use super::{FlowId, Lane, Side};
use crate::event::{Channel, UnixNs};
use crate::protocol::http1::{Connection, Guess, HttpEvent};
use crate::protocol::lines::{Line, LineDecoder};
use http::HttpFlow;

/// Bytes that may be needed to tell a request line from text: the longest method, a target, a version.
pub(crate) const UNDECIDED_BYTES_MAX: usize = 2048;
/// What a proxy puts before the bytes that it forwards, to say whose they are: both versions of the PROXY protocol.
pub(crate) const PROXY_TEXT: &[u8] = b"PROXY ";
pub(crate) const PROXY_BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

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

/// Bytes of one lane, in order.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Which lane.
    pub lane: Lane,
    /// Bytes before these that never arrived.
    pub lost: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Decodes one flow, both directions.
#[derive(Default)]
pub struct Decoder {
    state: State,
    /// Of a unix socket that is read as HTTP while one side alone has spoken.
    beside: Option<Box<Beside>>,
}

/// The standard output of a server may begin with what looks like a head of HTTP, and then no other side ever speaks
/// on its socket: its lines of JSON are read beside.
struct Beside {
    from: Side,
    lines: LineDecoder,
}

#[derive(Default)]
enum State {
    /// Too few bytes to say, by sending side.
    #[default]
    Fresh,
    Undecided(Box<[Vec<u8>; 2]>),
    Lines(Box<LinesFlow>),
    Http(Box<HttpFlow>),
    /// Was judged; bytes that are still under way are dropped.
    Closed,
}

/// Lines of both sides.
#[derive(Default)]
struct LinesFlow {
    sides: [LineDecoder; 2],
    /// One of them began like JSON: it is no body of HTTP that we met in its middle.
    json: bool,
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
            State::Http(_) => Reading::Http,
            State::Closed => Reading::Closed,
        }
    }

    /// Stops reading until bytes arrive that follow a loss: then the flow is looked at afresh.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Looks afresh at a flow that was closed.
    pub fn reopen(&mut self) {
        if matches!(self.state, State::Closed) {
            self.state = State::Fresh;
        }
    }

    /// Takes the next bytes of a lane.
    pub fn push(&mut self, time: UnixNs, channel: Channel, chunk: Chunk<'_>, out: &mut Vec<Frame>) {
        let Chunk { lane, lost, bytes } = chunk;
        let ended;
        let bytes = if channel == Channel::Pty && bytes.contains(&b'\r') {
            ended = line_ends(bytes);
            ended.as_slice()
        } else {
            bytes
        };
        if let State::Http(http) = &mut self.state {
            http.push(time, lane, lost, bytes, out);
            return self.read_beside(lane, lost, bytes, out);
        }
        if lost > 0 {
            self.gap(lane, out);
        }
        match &mut self.state {
            State::Closed | State::Http(_) => {}
            State::Fresh | State::Undecided(_) => self.decide(time, channel, lane, bytes, out),
            State::Lines(lines) => {
                let late = client_of_late_head(channel, lane, bytes).filter(|_| !lines.json);
                let Some(client) = late else {
                    return lines.push(lane, bytes, out);
                };
                self.state = State::Http(Box::new(HttpFlow::new(client)));
                self.beside = Beside::on(channel, lane.from);
                self.push(time, channel, Chunk { lost: 0, ..chunk }, out);
            }
        }
    }

    /// Lets go of what waited too long for something that should have come before it.
    pub fn tick(&mut self, now: UnixNs, flow: FlowId, out: &mut Vec<Frame>) {
        if let State::Http(http) = &mut self.state {
            http.tick(now, flow, out);
        }
    }

    /// Whether [`Self::tick`] has something to wait for.
    #[must_use]
    pub const fn waits(&self) -> bool {
        match &self.state {
            State::Http(http) => http.holds(),
            _ => false,
        }
    }

    /// Bytes that are kept of what is not finished.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        match &self.state {
            State::Fresh | State::Closed => 0,
            State::Undecided(heads) => heads.iter().map(Vec::len).sum(),
            State::Lines(lines) => lines.sides.iter().map(LineDecoder::pending_bytes).sum(),
            State::Http(http) => {
                let beside = self.beside.as_ref();
                http.pending_bytes() + beside.map_or(0, |beside| beside.lines.pending_bytes())
            }
        }
    }

    /// Lets go of what is not finished: the bytes are as good as lost.
    pub fn shed(&mut self) {
        match &mut self.state {
            State::Fresh | State::Closed => {}
            State::Undecided(heads) => heads.iter_mut().for_each(|head| *head = Vec::new()),
            State::Lines(lines) => lines.sides.iter_mut().for_each(LineDecoder::shed),
            State::Http(http) => {
                http.shed();
                if let Some(beside) = &mut self.beside {
                    beside.lines.shed();
                }
            }
        }
    }

    /// The line that one side has begun and not finished, if lines are read.
    #[must_use]
    pub fn unfinished(&self, from: Side) -> &[u8] {
        match &self.state {
            State::Lines(lines) => lines.sides[from.index()].pending(),
            _ => &[],
        }
    }

    /// One side will send no more.
    pub fn end(&mut self, lane: Lane, out: &mut Vec<Frame>) {
        if let State::Http(http) = &mut self.state {
            http.end(lane, out);
        }
    }

    fn read_beside(&mut self, lane: Lane, lost: u64, bytes: &[u8], out: &mut Vec<Frame>) {
        let Some(beside) = self.beside.as_deref_mut() else {
            return;
        };
        if lane.from != beside.from {
            self.beside = None;
            return;
        }
        if lost > 0 {
            beside.lines.shed();
        }
        let mut lines = Vec::new();
        beside.lines.push(bytes, &mut lines);
        let lines = lines.into_iter().filter(is_json);
        out.extend(lines.map(|line| Frame::Line(lane, line)));
    }

    fn gap(&mut self, lane: Lane, out: &mut Vec<Frame>) {
        match &mut self.state {
            State::Closed => self.state = State::Fresh,
            State::Fresh => {}
            State::Undecided(heads) => heads[lane.from.index()].clear(),
            State::Lines(lines) => {
                let mut cut = Vec::new();
                lines.sides[lane.from.index()].gap(&mut cut);
                out.extend(cut.into_iter().map(|line| Frame::Line(lane, line)));
            }
            State::Http(_) => {}
        }
    }

    fn decide(
        &mut self,
        time: UnixNs,
        channel: Channel,
        lane: Lane,
        bytes: &[u8],
        out: &mut Vec<Frame>,
    ) {
        if matches!(self.state, State::Fresh) {
            self.state = State::Undecided(Box::default());
        }
        let State::Undecided(heads) = &mut self.state else {
            return;
        };
        let head = &mut heads[lane.from.index()];
        head.extend_from_slice(bytes);
        if channel == Channel::Tcp
            && let Some(length) = proxy_header(head)
        {
            head.drain(..length);
        }
        let request = Connection::looks_like_request(head);
        let response = Connection::looks_like_response(head);
        let response = if response == Guess::No {
            events_in_the_middle(head)
        } else {
            response
        };
        // A pipe goes one way: no exchange of requests and responses can be on it. A terminal is for lines.
        let can_be_http = !matches!(channel, Channel::Pipe | Channel::Pty);
        let next = if can_be_http && request == Guess::Yes {
            State::Http(Box::new(HttpFlow::new(lane.from)))
        } else if can_be_http && response == Guess::Yes {
            State::Http(Box::new(HttpFlow::new(lane.from.other())))
        } else if can_be_http
            && (request == Guess::More || response == Guess::More)
            && head.len() < UNDECIDED_BYTES_MAX
        {
            return;
        } else {
            State::Lines(Box::default())
        };
        let State::Undecided(heads) = std::mem::replace(&mut self.state, next) else {
            return;
        };
        let alone = heads[lane.from.other().index()].is_empty();
        self.beside = Beside::on(channel, lane.from).filter(|_| alone);
        for (side, head) in [Side::A, Side::B].into_iter().zip(*heads) {
            if !head.is_empty() {
                let lane = Lane {
                    flow: lane.flow,
                    from: side,
                };
                self.push(
                    time,
                    channel,
                    Chunk {
                        lane,
                        lost: 0,
                        bytes: &head,
                    },
                    out,
                );
            }
        }
    }
}

/// On a terminal a carriage return is what the key for a line's end sends (`ICRNL`); in JSON none is left over.
fn line_ends(bytes: &[u8]) -> Vec<u8> {
    let end = |byte: &u8| if *byte == b'\r' { b'\n' } else { *byte };
    bytes.iter().map(end).collect()
}

/// Length of what a proxy puts before the bytes that it forwards, once all of it is there.
fn proxy_header(head: &[u8]) -> Option<usize> {
    const TEXT_BYTES_MAX: usize = 107;
    if head.starts_with(PROXY_TEXT) {
        let line = head.iter().take(TEXT_BYTES_MAX);
        return line
            .into_iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1);
    }
    let [_, _, high, low, ..] = head.strip_prefix(PROXY_BINARY)? else {
        return None;
    };
    let length = PROXY_BINARY.len() + 4 + usize::from(u16::from_be_bytes([*high, *low]));
    (length <= head.len()).then_some(length)
}

/// Whether bytes look like server-sent events, with or without a chunk's size before them: the answer of a
/// request that was made before us.
fn events_in_the_middle(bytes: &[u8]) -> Guess {
    const FIELDS: [&[u8]; 5] = [b"event:", b"data:", b"id:", b"retry:", b": "];
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let body = match bytes.get(digits..) {
        Some([]) if (1..=8).contains(&digits) => return Guess::More,
        Some([b'\r']) if (1..=8).contains(&digits) => return Guess::More,
        Some([b'\r', b'\n', rest @ ..]) if (1..=8).contains(&digits) => rest,
        _ => bytes,
    };
    if FIELDS.iter().any(|field| body.starts_with(field)) {
        Guess::Yes
    } else if FIELDS.iter().any(|field| field.starts_with(body)) {
        Guess::More
    } else {
        Guess::No
    }
}

/// Who sends the requests, where a call begins like a head of HTTP on a flow that was read as lines.
fn client_of_late_head(channel: Channel, lane: Lane, bytes: &[u8]) -> Option<Side> {
    if channel == Channel::Pipe {
        None
    } else if Connection::looks_like_known_request(bytes) == Guess::Yes {
        Some(lane.from)
    } else if Connection::looks_like_response(bytes) == Guess::Yes {
        Some(lane.from.other())
    } else {
        None
    }
}

impl Beside {
    fn on(channel: Channel, from: Side) -> Option<Box<Self>> {
        let lines = LineDecoder::default();
        (channel == Channel::Unix).then(|| Box::new(Self { from, lines }))
    }
}

/// It begins like JSON.
fn is_json(line: &Line) -> bool {
    matches!(line.text.trim_ascii_start(), [b'{' | b'[', ..])
}

impl LinesFlow {
    fn push(&mut self, lane: Lane, bytes: &[u8], out: &mut Vec<Frame>) {
        let mut finished = Vec::new();
        self.sides[lane.from.index()].push(bytes, &mut finished);
        self.json |= finished.iter().any(is_json);
        out.extend(finished.into_iter().map(|line| Frame::Line(lane, line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane {
        flow: FlowId(1),
        from: Side::A,
    };

    fn reading(channel: Channel, pushes: &[(Side, &[u8])]) -> Reading {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for (from, bytes) in pushes {
            decoder.push(
                0,
                channel,
                Chunk {
                    lane: Lane {
                        from: *from,
                        ..LANE
                    },
                    lost: 0,
                    bytes,
                },
                &mut out,
            );
        }
        decoder.reading()
    }

    fn push(decoder: &mut Decoder, lost: u64, bytes: &[u8], out: &mut Vec<Frame>) {
        decoder.push(
            0,
            Channel::Pipe,
            Chunk {
                lane: LANE,
                lost,
                bytes,
            },
            out,
        );
    }

    #[test]
    fn http_is_told_by_either_side_and_in_pieces() {
        assert_eq!(
            reading(Channel::Tcp, &[(Side::A, b"POST /mcp HTTP/1.1\r\nacce")]),
            Reading::Http
        );
        assert_eq!(
            reading(Channel::Unix, &[(Side::B, b"HTTP/1.1 200 OK\r\n")]),
            Reading::Http
        );
        let bytes: Vec<(Side, &[u8])> = b"GET / HTTP/1.1\r\n"
            .chunks(1)
            .map(|byte| (Side::A, byte))
            .collect();
        assert_eq!(reading(Channel::Tcp, &bytes), Reading::Http);
    }

    #[test]
    fn what_a_proxy_puts_before_a_request_is_passed_over() {
        let text = b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n".as_slice();
        let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0".as_slice();
        let request = b"POST /mcp HTTP/1.1\r\n".as_slice();
        for header in [text, binary] {
            let both = [header, request].concat();
            for pieces in [&[both.as_slice()][..], &[header, request][..]] {
                let pushes: Vec<(Side, &[u8])> =
                    pieces.iter().map(|piece| (Side::A, *piece)).collect();
                assert_eq!(reading(Channel::Tcp, &pushes), Reading::Http, "{pieces:?}");
            }
        }
    }

    #[test]
    fn events_in_the_middle_are_an_answer() {
        assert_eq!(
            reading(Channel::Tcp, &[(Side::B, b"1a2\r\nevent: message\r\n")]),
            Reading::Http
        );
        assert_eq!(
            reading(Channel::Tcp, &[(Side::B, b"data: {}\n\n")]),
            Reading::Http
        );
        assert_eq!(
            reading(Channel::Tcp, &[(Side::B, b"dead beef\n")]),
            Reading::Lines
        );
    }

    #[test]
    fn anything_else_is_lines() {
        assert_eq!(
            reading(Channel::Tcp, &[(Side::A, b"{\"jsonrpc\"")]),
            Reading::Lines
        );
        assert_eq!(
            reading(Channel::Pipe, &[(Side::A, b"GET / HTTP/1.1\r\n")]),
            Reading::Lines
        );
        assert_eq!(
            reading(Channel::Tcp, &[(Side::A, b"PO")]),
            Reading::Undecided
        );
    }

    #[test]
    fn a_head_after_the_middle_of_a_body_is_http() {
        let body = b"ue\":[1,2,3]}";
        let head = b"HTTP/1.1 200 OK\r\n";
        let request = b"POST /mcp HTTP/1.1\r\n";
        for channel in [Channel::Tcp, Channel::Unix] {
            assert_eq!(
                reading(channel, &[(Side::A, body), (Side::B, head)]),
                Reading::Http
            );
            assert_eq!(
                reading(channel, &[(Side::A, body), (Side::A, request)]),
                Reading::Http
            );
        }
        let line = b"{\"text\":1}\n{\"text\":\"";
        assert_eq!(
            reading(Channel::Unix, &[(Side::A, line), (Side::A, request)]),
            Reading::Lines,
            "a message may quote a request"
        );
        assert_eq!(
            reading(Channel::Pipe, &[(Side::A, body), (Side::A, request)]),
            Reading::Lines
        );
    }

    #[test]
    fn a_terminals_lines_may_end_with_carriage_returns() {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for bytes in [b"{\"a\":1}\r{}".as_slice(), b"\r\n[]\n"] {
            let chunk = Chunk {
                lane: LANE,
                lost: 0,
                bytes,
            };
            decoder.push(0, Channel::Pty, chunk, &mut out);
        }
        let lines: Vec<&[u8]> = out
            .iter()
            .filter_map(|frame| match frame {
                Frame::Line(_, line) => Some(line.text.as_slice()),
                Frame::Http { .. } => None,
            })
            .collect();
        assert_eq!(lines, [b"{\"a\":1}".as_slice(), b"{}", b"[]"]);
    }

    #[test]
    fn a_closed_decoder_opens_after_a_loss() {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        push(&mut decoder, 0, b"banner\n", &mut out);
        decoder.close();
        push(&mut decoder, 0, b"under way\n", &mut out);
        assert_eq!(out.len(), 1);
        push(&mut decoder, 9000, b"{}\n", &mut out);
        assert_eq!(out.len(), 2);
    }
}
