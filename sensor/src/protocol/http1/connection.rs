//! Both directions of one connection, and which response answers which request.

use super::chunked::{Chunks, chunk_start};
use super::collect::{self, Collected, HeadCollector};
use super::exchanges::{Exchanges, Method, Waiting};
use super::framing::Framing;
use super::head::{self, Guess, Headers, ResponseHead, Version};
use super::{HttpEvent, Side};

/// Decodes one connection.
#[derive(Default)]
pub struct Connection {
    client: Stream,
    server: Stream,
    exchanges: Exchanges,
    /// The connection speaks something else from here on (upgrade, tunnel).
    opaque: bool,
}

/// One direction.
#[derive(Default)]
struct Stream {
    state: State,
    /// A head or nothing was guessed at a segment start; if the guess is wrong, nobody is told.
    guessing: bool,
    /// The open message's head was not seen.
    assumed: bool,
}

enum State {
    Head(HeadCollector),
    Body { exchange: u64, framing: Framing },
    Lost,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(HeadCollector::default())
    }
}

impl Connection {
    /// A connection of which nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes that `side` wrote and appends what they tell to `out`.
    pub fn push(&mut self, side: Side, bytes: &[u8], out: &mut Vec<HttpEvent>) {
        if self.opaque || bytes.is_empty() {
            return;
        }
        self.find_feet(side, bytes, out);
        let mut rest = bytes;
        while !rest.is_empty() && !self.opaque {
            rest = match &mut self.stream(side).state {
                State::Head(collector) => match collector.push(side, rest) {
                    Collected::More => return,
                    Collected::Whole(text, rest) => {
                        self.head(side, &text, out);
                        rest
                    }
                    Collected::Bad(reason) => return self.broken(side, reason, out),
                },
                State::Body { .. } => self.body(side, rest, out),
                State::Lost => return,
            };
        }
    }

    /// `lost` bytes that `side` wrote did not get here. Inside a body of known length, or inside one
    /// chunk, the stream stays in step; between chunks it goes on at the next segment that starts with
    /// one; elsewhere the side is broken.
    pub fn gap(&mut self, side: Side, lost: u64, out: &mut Vec<HttpEvent>) {
        if self.opaque || lost == 0 {
            return;
        }
        let State::Body { exchange, framing } = &mut self.stream(side).state else {
            return self.broken(side, "gap", out);
        };
        let exchange = *exchange;
        match framing {
            Framing::Length(left) if *left < lost => {
                let lost = *left;
                out.push(gap_event(side, exchange, lost));
                self.end(side, exchange, out);
                self.broken(side, "gap", out);
            }
            Framing::Length(left) => {
                *left -= lost;
                let end = *left == 0;
                out.push(gap_event(side, exchange, lost));
                if end {
                    self.end(side, exchange, out);
                }
            }
            Framing::Chunked(chunks) => {
                chunks.gap(lost);
                out.push(gap_event(side, exchange, lost));
            }
            Framing::UntilClose => out.push(gap_event(side, exchange, lost)),
        }
    }

    /// `side` will write no more.
    pub fn close(&mut self, side: Side, out: &mut Vec<HttpEvent>) {
        if self.opaque {
            return;
        }
        match &self.stream(side).state {
            State::Head(collector) if collector.len() == 0 => {}
            State::Body {
                exchange,
                framing: Framing::UntilClose,
            } => {
                let exchange = *exchange;
                self.end(side, exchange, out);
            }
            State::Lost => {}
            State::Head(_) | State::Body { .. } => self.broken(side, "cut_short", out),
        }
        self.stream(side).state = State::Lost;
    }

    /// Bytes held of unfinished heads.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.client.pending_bytes() + self.server.pending_bytes()
    }

    /// Do the first bytes of a stream start a request?
    #[must_use]
    pub fn looks_like_request(bytes: &[u8]) -> Guess {
        head::looks_like_request(bytes)
    }

    /// The same of the middle of a stream: there only a well-known method is one.
    #[must_use]
    pub fn looks_like_known_request(bytes: &[u8]) -> Guess {
        head::looks_like_known_request(bytes)
    }

    /// Do the first bytes of a stream start a response?
    #[must_use]
    pub fn looks_like_response(bytes: &[u8]) -> Guess {
        head::looks_like_response(bytes)
    }

    const fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// At the start of a segment: a stream that is out of step looks for something it knows.
    fn find_feet(&mut self, side: Side, bytes: &[u8], out: &mut Vec<HttpEvent>) {
        let guess = collect::look_again(side, bytes);
        let is_head = guess != Guess::No;
        let stream = self.stream(side);
        match &mut stream.state {
            State::Body {
                framing: Framing::Chunked(chunks @ Chunks::Seek),
                ..
            } => {
                if chunk_start(bytes).is_some() {
                    *chunks = Chunks::START;
                } else if is_head {
                    self.broken(side, "gap", out);
                    self.restart(side);
                }
            }
            State::Body { .. } if stream.assumed && is_head => {
                self.broken(side, "no_end", out);
                self.restart(side);
            }
            State::Lost if is_head => self.restart(side),
            // Bytes that any method may start with, and then a request: they were something else.
            State::Head(collector)
                if side == Side::Client && guess == Guess::Yes && collector.doubts() =>
            {
                self.broken(side, "not_http", out);
                self.restart(side);
            }
            State::Lost => self.assume_events(side, bytes, out),
            State::Head(collector) if collector.len() == 0 && !is_head => {
                self.assume_events(side, bytes, out)
            }
            State::Head(_) | State::Body { .. } => {}
        }
    }

    fn restart(&mut self, side: Side) {
        let stream = self.stream(side);
        *stream = Stream {
            guessing: true,
            ..Stream::default()
        };
        if side == Side::Server {
            self.exchanges.doubt();
        }
    }

    /// A stream of events can outlive the day: where its head was written before we came, the body is
    /// known by what it looks like.
    fn assume_events(&mut self, side: Side, bytes: &[u8], out: &mut Vec<HttpEvent>) {
        const FIELDS: [&[u8]; 5] = [b"event:", b"data:", b"id:", b"retry:", b": "];
        let starts_event = |bytes: &[u8]| FIELDS.iter().any(|field| bytes.starts_with(field));
        let (framing, coding) = match chunk_start(bytes) {
            Some(data) if starts_event(data) => (Framing::Chunked(Chunks::START), "chunked"),
            None if starts_event(bytes) => (Framing::UntilClose, "identity"),
            _ => return,
        };
        if side == Side::Client {
            return;
        }
        self.exchanges.doubt();
        let exchange = self.exchanges.answer().exchange;
        let headers = [
            ("content-type", "text/event-stream"),
            ("transfer-encoding", coding),
        ];
        let headers: Headers = headers.into_iter().collect();
        let head = ResponseHead {
            status: 200,
            version: Version::Http11,
            headers,
            assumed: true,
        };
        out.push(HttpEvent::Response { exchange, head });
        self.server = Stream {
            state: State::Body { exchange, framing },
            guessing: false,
            assumed: true,
        };
    }

    fn head(&mut self, side: Side, text: &[u8], out: &mut Vec<HttpEvent>) {
        let result = match side {
            Side::Client => self.request(text, out),
            Side::Server => self.response(text, out),
        };
        match result {
            Ok(()) => self.stream(side).guessing = false,
            Err(reason) => self.broken(side, reason, out),
        }
    }

    fn request(&mut self, text: &[u8], out: &mut Vec<HttpEvent>) -> Result<(), &'static str> {
        let head = head::request(text)?;
        let framing = Framing::of_request(&head.headers, head.version)?;
        let exchange = self.exchanges.ask(Method::of(&head.method));
        out.push(HttpEvent::Request { exchange, head });
        self.open(Side::Client, exchange, framing, out);
        Ok(())
    }

    fn response(&mut self, text: &[u8], out: &mut Vec<HttpEvent>) -> Result<(), &'static str> {
        let head = head::response(text)?;
        if (100..200).contains(&head.status) && head.status != 101 {
            return Ok(());
        }
        let framing = Framing::of_response(&head.headers, head.version)?;
        let Waiting { exchange, method } = self.exchanges.answer();
        let tunnel = method == Method::Connect && (200..300).contains(&head.status);
        self.opaque = head.status == 101 || tunnel;
        let bodiless = self.opaque || method == Method::Head || matches!(head.status, 204 | 304);
        out.push(HttpEvent::Response { exchange, head });
        self.open(
            Side::Server,
            exchange,
            if bodiless {
                Framing::Length(0)
            } else {
                framing
            },
            out,
        );
        Ok(())
    }

    fn open(&mut self, side: Side, exchange: u64, framing: Framing, out: &mut Vec<HttpEvent>) {
        if framing == Framing::Length(0) {
            self.end(side, exchange, out);
        } else {
            self.stream(side).state = State::Body { exchange, framing };
        }
    }

    fn body<'b>(&mut self, side: Side, bytes: &'b [u8], out: &mut Vec<HttpEvent>) -> &'b [u8] {
        let State::Body { exchange, framing } = &mut self.stream(side).state else {
            return &[];
        };
        let exchange = *exchange;
        match framing.step(bytes) {
            Ok(step) => {
                if !step.data.is_empty() {
                    out.push(body_event(side, exchange, step.data.to_vec()));
                }
                if step.end {
                    self.end(side, exchange, out);
                }
                step.rest
            }
            Err(reason) => {
                self.broken(side, reason, out);
                &[]
            }
        }
    }

    fn end(&mut self, side: Side, exchange: u64, out: &mut Vec<HttpEvent>) {
        *self.stream(side) = Stream::default();
        out.push(match side {
            Side::Client => HttpEvent::RequestEnd { exchange },
            Side::Server => HttpEvent::ResponseEnd { exchange },
        });
    }

    fn broken(&mut self, side: Side, reason: &'static str, out: &mut Vec<HttpEvent>) {
        let stream = std::mem::replace(
            self.stream(side),
            Stream {
                state: State::Lost,
                ..Stream::default()
            },
        );
        let exchange = match stream.state {
            State::Body { exchange, .. } => Some(exchange),
            State::Lost => return,
            State::Head(_) if stream.guessing => return,
            State::Head(_) => None,
        };
        out.push(HttpEvent::Broken {
            side,
            exchange,
            reason,
        });
    }
}

impl Stream {
    fn pending_bytes(&self) -> usize {
        match &self.state {
            State::Head(collector) => collector.len(),
            State::Body { .. } | State::Lost => 0,
        }
    }
}

fn body_event(side: Side, exchange: u64, bytes: Vec<u8>) -> HttpEvent {
    match side {
        Side::Client => HttpEvent::RequestBody { exchange, bytes },
        Side::Server => HttpEvent::ResponseBody { exchange, bytes },
    }
}

const fn gap_event(side: Side, exchange: u64, lost: u64) -> HttpEvent {
    match side {
        Side::Client => HttpEvent::RequestGap { exchange, lost },
        Side::Server => HttpEvent::ResponseGap { exchange, lost },
    }
}
