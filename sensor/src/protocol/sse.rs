//! Server-sent events: the framing of answers over HTTP (WHATWG HTML, 9.2.6).

use memchr::memchr2;

use super::excerpt::{Excerpt, HEAD_BYTES_KEPT};

/// Longest event that is kept, in bytes of its data; the same as a line of stdio.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest event type and id that are kept, in bytes; more is cut off.
const NAME_BYTES_MAX: usize = 256;

/// One event.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// The `event` field; none means `message`.
    pub event: Option<String>,
    /// The `id` field.
    pub id: Option<String>,
    /// The `data` fields, joined by line feeds; only the first of it when `too_long`.
    pub data: Vec<u8>,
    /// The last bytes of the line that made it `too_long`.
    pub tail: Vec<u8>,
    /// The event had more bytes than the decoder keeps.
    pub too_long: bool,
    /// Bytes on the wire, from the first line of the event to the blank line, line ends left out.
    pub bytes: u64,
}

/// Cuts a `text/event-stream` body into events.
pub struct SseDecoder {
    limit_bytes: usize,
    line: Vec<u8>,
    /// The unfinished line is over the limit, or follows a loss; its bytes are counted and dropped.
    line_over: bool,
    /// What is kept of the line that made the event too long.
    excerpt: Option<Excerpt>,
    event: SseEvent,
    /// A field of interest was seen since the last blank line.
    started: bool,
    /// A `data` field was seen since the last blank line.
    has_data: bool,
    /// The last byte was CR: a LF right after it belongs to the same line end.
    after_cr: bool,
    /// Bytes were lost: everything up to the next blank line is dropped.
    lost: bool,
    /// Nothing but a possible byte-order mark was seen yet.
    at_start: bool,
}

impl SseDecoder {
    /// A decoder with the usual limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(EVENT_BYTES_MAX)
    }

    /// A decoder that keeps events of at most `limit_bytes` of data.
    #[must_use]
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            line: Vec::new(),
            line_over: false,
            excerpt: None,
            event: SseEvent::default(),
            started: false,
            has_data: false,
            after_cr: false,
            lost: false,
            at_start: true,
        }
    }

    /// Takes the next bytes of the body and appends the events they finish to `out`.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<SseEvent>) {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            if bytes.first() == Some(&b'\n') {
                bytes = bytes.get(1..).unwrap_or_default();
            }
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let (part, rest) = bytes.split_at(end);
            self.keep(part);
            self.line_end(out);
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.keep(bytes);
    }

    /// Bytes were lost here: the unfinished event is dropped, the next one is read again.
    pub fn gap(&mut self) {
        self.line = Vec::new();
        self.line_over = false;
        self.excerpt = None;
        self.event = SseEvent::default();
        self.started = false;
        self.has_data = false;
        self.after_cr = false;
        self.at_start = false;
        self.lost = true;
    }

    /// Bytes held of the unfinished event.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.line.len() + self.event.data.len() + self.excerpt.as_ref().map_or(0, Excerpt::len)
    }

    fn keep(&mut self, part: &[u8]) {
        self.event.bytes += part.len() as u64;
        if self.lost || self.line_over {
            // A lost line is told from a blank one by its length alone.
            self.line_over |= !part.is_empty();
            if let Some(excerpt) = &mut self.excerpt {
                excerpt.push(part);
            }
        } else if self.pending_bytes() + part.len() > self.limit_bytes {
            let mut excerpt = Excerpt::of(std::mem::take(&mut self.line), self.limit_bytes);
            excerpt.push(part);
            self.line_over = true;
            self.event.data.truncate(HEAD_BYTES_KEPT);
            self.event.data.shrink_to_fit();
            if !self.event.too_long {
                self.event.too_long = true;
                self.excerpt = Some(excerpt);
            }
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn line_end(&mut self, out: &mut Vec<SseEvent>) {
        let mut line = std::mem::take(&mut self.line);
        let over = std::mem::take(&mut self.line_over);
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if over {
            self.started = true;
            self.end_of_long_line();
        } else if line.is_empty() {
            self.dispatch(out);
        } else if !self.lost {
            self.field(&line);
        }
        // Keep the allocation for the next line, unless it was a giant.
        if line.capacity() <= 64 * 1024 {
            line.clear();
            self.line = line;
        }
    }

    fn dispatch(&mut self, out: &mut Vec<SseEvent>) {
        let mut event = std::mem::take(&mut self.event);
        let (started, has_data) = (
            std::mem::take(&mut self.started),
            std::mem::take(&mut self.has_data),
        );
        if std::mem::take(&mut self.lost) || !started {
            return;
        }
        if has_data {
            event.data.pop(); // the line feed after the last data line
        }
        out.push(event);
    }

    /// Of the line that made the event too long, what its data begins and ends with.
    fn end_of_long_line(&mut self) {
        let Some((head, tail)) = self.excerpt.take().map(Excerpt::into_parts) else {
            return;
        };
        if let Some(value) = head.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            self.event.data.extend_from_slice(value);
        }
        self.event.data.truncate(HEAD_BYTES_KEPT);
        self.event.tail = tail;
        self.has_data = false;
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(0) => return, // a comment
            Some(colon) => (
                line.get(..colon).unwrap_or_default(),
                line.get(colon + 1..).unwrap_or_default(),
            ),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if !self.event.too_long {
                    self.event.data.extend_from_slice(value);
                    self.event.data.push(b'\n');
                    self.has_data = true;
                }
            }
            b"event" => self.event.event = Some(short_text(value)),
            b"id" => self.event.id = Some(short_text(value)),
            _ => return,
        }
        self.started = true;
    }
}

impl Default for SseDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SseEvent {
    /// The data are somebody's payload: its size only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseEvent")
            .field("event", &self.event)
            .field("data_bytes", &self.data.len())
            .field("too_long", &self.too_long)
            .finish_non_exhaustive()
    }
}

fn short_text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.get(..NAME_BYTES_MAX).unwrap_or(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(limit_bytes: usize, pieces: &[&[u8]]) -> Vec<SseEvent> {
        let (mut decoder, mut out) = (SseDecoder::with_limit(limit_bytes), Vec::new());
        pieces
            .iter()
            .for_each(|piece| decoder.push(piece, &mut out));
        out
    }

    fn data(bytes: &[u8]) -> Vec<String> {
        let events = decode(EVENT_BYTES_MAX, &[bytes]);
        events
            .iter()
            .map(|event| String::from_utf8_lossy(&event.data).into_owned())
            .collect()
    }

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(
            data(b"data: YHOO\ndata: +2\ndata: 10\n\n"),
            ["YHOO\n+2\n10"]
        );
        assert_eq!(
            data(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"),
            ["first event", "second event"]
        );
        assert_eq!(data(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(
            data(b"data:test\n\ndata: test\n\ndata:  test\n\n"),
            ["test", "test", " test"]
        );
    }

    #[test]
    fn every_line_end_counts_and_a_byte_order_mark_does_not() {
        assert_eq!(
            data(b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\rdata: c\n\n"),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn names_and_ids_are_kept() {
        let events = decode(99, &[b"event: endpoint\nid: 7\ndata: /m?session_id=1\n\n"]);
        assert_eq!(events[0].event.as_deref(), Some("endpoint"));
        assert_eq!(events[0].id.as_deref(), Some("7"));
    }

    #[test]
    fn an_over_long_event_is_told_and_the_next_is_read() {
        let events = decode(
            16,
            &[b"data: 0123456789", b"0123456789\ndata: x\n\ndata: y\n\n"],
        );
        assert_eq!(
            (events[0].too_long, events[0].data.as_slice()),
            (true, &b"0123456789"[..])
        );
        assert_eq!(events[0].tail, b"0123456789");
        assert_eq!(
            (events[1].too_long, events[1].data.as_slice()),
            (false, &b"y"[..])
        );
    }

    #[test]
    fn a_gap_drops_up_to_the_next_blank_line() {
        let (mut decoder, mut out) = (SseDecoder::new(), Vec::new());
        decoder.push(b"data: a", &mut out);
        decoder.gap();
        decoder.push(b"tail\ndata: more\n\ndata: b\n\n", &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].data, b"b");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(
            parts in proptest::collection::vec(prop_oneof![
                Just("data: x"), Just("data"), Just("\n"), Just("\r"), Just("\r\n"), Just("event: e"), Just(":"),
                Just("\u{feff}"), Just("id:1"), Just("data:yyyyyyyyyyyy"),
            ], 0..40),
            limit_bytes in 1_usize..30,
            size in 1_usize..9,
        ) {
            let bytes = parts.concat().into_bytes();
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(decode(limit_bytes, &pieces), decode(limit_bytes, &[&bytes]));
        }
    }
}
