//! A body on its way to messages: codings undone, put together as JSON or cut into events.

use crate::event::LossReason;
use crate::mcp::message::{Message, Parsed, excerpt, parse};
use crate::protocol::body::{Body, BodyCollector, BodyKind};
use crate::protocol::coding::{ContentDecoder, Refusal};
use crate::protocol::http1::Headers;
use crate::protocol::sse::{SseDecoder, SseEvent};

/// What is unpacked of a coded body that nothing else says is MCP's, in bytes: enough to see the words of JSON-RPC.
const PEEK_BYTES: usize = 4 * 1024;

/// How much the head says for MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hope {
    /// Nothing.
    None,
    /// A path, a header, a session that it belongs to.
    Some,
}

/// The body of one request or response.
#[derive(Default)]
pub(super) struct Content {
    coding: ContentDecoder,
    form: Form,
    /// It is given up when its first bytes have no word of JSON-RPC.
    peeks: bool,
    refused: Option<Refusal>,
    /// Not all of it could be read.
    unread: bool,
    /// Messages that were longer than is kept.
    too_long: u64,
}

#[derive(Default)]
enum Form {
    /// It is not read.
    #[default]
    Nothing,
    /// Its first bytes tell.
    Unknown,
    Json(BodyCollector),
    Events(Box<SseDecoder>),
}

impl Content {
    /// Of a request with these headers.
    pub(super) fn of_request(method: &str, headers: &Headers, hope: Hope) -> Self {
        let form = match BodyKind::of(headers) {
            _ if method != "POST" => return Self::default(),
            BodyKind::Json => Form::Json(BodyCollector::default()),
            // Servers take JSON under other names.
            BodyKind::Other => Form::Unknown,
            BodyKind::EventStream => return Self::default(),
        };
        let mut content = Self::coded(headers, form);
        content.peeks = hope == Hope::None && !content.coding.is_plain();
        content
    }

    /// Of a response with these headers.
    pub(super) fn of_response(headers: &Headers, hope: Hope) -> Self {
        let form = match BodyKind::of(headers) {
            BodyKind::Json => Form::Json(BodyCollector::default()),
            BodyKind::EventStream => Form::Events(Box::default()),
            BodyKind::Other if hope == Hope::Some => Form::Unknown,
            BodyKind::Other => return Self::default(),
        };
        Self::coded(headers, form)
    }

    fn coded(headers: &Headers, form: Form) -> Self {
        match ContentDecoder::of(headers) {
            Ok(coding) => Self {
                coding,
                form,
                ..Self::default()
            },
            Err(refusal) => Self {
                refused: Some(refusal),
                unread: true,
                ..Self::default()
            },
        }
    }

    /// Not all of it could be read.
    pub(super) const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Events are read.
    pub(super) const fn is_events(&self) -> bool {
        matches!(self.form, Form::Events(_))
    }

    /// Takes the next bytes; gives the events that they finish.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        let (form, peeks) = (&mut self.form, &mut self.peeks);
        let coded = !self.coding.is_plain();
        let result = self.coding.push(bytes, &mut |piece| {
            form.push(piece, &mut events) && (!coded || form.is_worth_it(peeks))
        });
        if let Err(refusal) = result {
            self.refused = Some(refusal);
            self.unread = true;
        }
        self.too_long += events.iter().filter(|event| event.too_long).count() as u64;
        events
    }

    /// Bytes of the wire were lost here.
    pub(super) fn gap(&mut self, lost: u64) {
        if matches!(self.form, Form::Nothing) {
            return;
        }
        self.unread = true;
        if let Err(refusal) = self.coding.gap() {
            self.refused = Some(refusal);
        }
        match &mut self.form {
            Form::Nothing | Form::Unknown => {}
            Form::Json(body) => body.gap(lost),
            Form::Events(decoder) => decoder.gap(),
        }
    }

    /// Lets go of what is held: it is as good as lost.
    pub(super) fn shed(&mut self) {
        self.gap(1);
    }

    /// Is not to be read any further.
    pub(super) fn close(&mut self) {
        *self = Self {
            refused: self.refused,
            unread: self.unread,
            too_long: self.too_long,
            ..Self::default()
        };
    }

    /// Bytes held, windows of codings included.
    pub(super) fn pending_bytes(&self) -> usize {
        let form = match &self.form {
            Form::Nothing | Form::Unknown => 0,
            Form::Json(body) => body.pending_bytes(),
            Form::Events(decoder) => decoder.pending_bytes(),
        };
        form + self.coding.pending_bytes()
    }

    /// The messages of a finished JSON body; elements of a batch that were too many are counted.
    pub(super) fn finish(&mut self) -> (Vec<Message>, u64) {
        let Form::Json(body) = &mut self.form else {
            return (Vec::new(), 0);
        };
        let over = body.is_over();
        self.too_long += u64::from(over);
        self.unread |= over;
        let told = messages(&body.finish());
        if told.0.is_empty() && !self.coding.is_plain() && !self.unread {
            // It ended before its coding did, or was never what its head says.
            self.unread = true;
            self.refused = Some(Refusal::Broken);
        }
        told
    }

    /// What could not be read since the last call.
    pub(super) fn take_losses(&mut self) -> impl Iterator<Item = (LossReason, u64)> + use<> {
        let refused = self.refused.take().map(|refusal| (refusal.reason(), 1));
        let too_long = std::mem::take(&mut self.too_long);
        let too_long = (too_long > 0).then_some((LossReason::MessageTooLong, too_long));
        refused.into_iter().chain(too_long)
    }
}

impl Form {
    /// Gives false when no more is wanted.
    fn push(&mut self, piece: &[u8], events: &mut Vec<SseEvent>) -> bool {
        if matches!(self, Self::Unknown) && !piece.trim_ascii().is_empty() {
            *self = match BodyKind::look(piece) {
                BodyKind::Json => Self::Json(BodyCollector::default()),
                BodyKind::EventStream => Self::Events(Box::default()),
                BodyKind::Other => Self::Nothing,
            };
        }
        match self {
            Self::Nothing => return false,
            Self::Unknown => {}
            Self::Json(body) => body.push(piece),
            Self::Events(decoder) => decoder.push(piece, events),
        }
        true
    }

    /// Whether unpacking goes on: not far past the longest message, and not when the first bytes are no JSON-RPC's.
    fn is_worth_it(&mut self, peeks: &mut bool) -> bool {
        let Self::Json(body) = self else { return true };
        if *peeks && body.pending_bytes() >= PEEK_BYTES {
            *peeks = false;
            if !body.begins_with_rpc() {
                *self = Self::Nothing;
                return false;
            }
        }
        !body.is_far_over()
    }
}

/// The messages in a body, or what can be said of one that is not all here.
fn messages(body: &Body) -> (Vec<Message>, u64) {
    if !body.complete {
        let told = excerpt(&body.text, &body.tail, body.length);
        return (told.into_iter().collect(), 0);
    }
    match parse(&body.text) {
        Parsed::Rpc { messages, dropped } => (messages, dropped),
        Parsed::NotJson | Parsed::NotRpc(_) => (Vec::new(), 0),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A POST of gzipped JSON, in the pieces of reads; gives how many of its bytes were unpacked.
    fn unpacked(text: &str, hope: Hope) -> u64 {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text.as_bytes()).expect("a vector");
        let body = writer.finish().expect("a vector");
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        let headers: Headers = headers.into_iter().collect();
        let mut content = Content::of_request("POST", &headers, hope);
        for piece in body.chunks(4096) {
            content.push(piece);
        }
        content.coding.made_bytes()
    }

    #[test]
    fn a_body_that_cannot_be_mcps_is_not_unpacked() {
        // Ordinary text, about 4:1.
        let log: String = (0..200_000)
            .map(|n: u32| format!("{{\"n\":{}}},", n.wrapping_mul(2_654_435_761)))
            .collect();
        let log = format!("{{\"logs\":[{log}]}}");
        let (peeked, read) = (unpacked(&log, Hope::None), unpacked(&log, Hope::Some));
        println!(
            "of {} bytes: {peeked} unpacked without a sign of MCP, {read} with one",
            log.len()
        );
        assert!(peeked < 3 * PEEK_BYTES as u64, "{peeked}");
        assert_eq!(read, log.len() as u64);
        let call = format!(
            r#"{{"method":"tools/call","params":{{"name":"a","arguments":"{log}"}},"jsonrpc":"2.0","id":1}}"#
        );
        assert_eq!(
            unpacked(&call, Hope::None),
            call.len() as u64,
            "words of JSON-RPC"
        );
        // Of a bomb, what one look costs.
        assert!(unpacked(&"x".repeat(64 << 20), Hope::None) <= 128 * 1024);
    }
}
