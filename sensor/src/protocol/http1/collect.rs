//! Bytes → one whole head, however they were cut.

use super::Side;
use super::head::{self, Guess, HEAD_BYTES_MAX};

/// Once this much looked like a head, its end is waited for without another look.
const LOOK_BYTES_MAX: usize = 256;

/// Collects one head.
#[derive(Default)]
pub(super) struct HeadCollector {
    buffer: Vec<u8>,
    recognised: bool,
}

/// What came of the bytes.
pub(super) enum Collected<'b> {
    /// They are part of a head.
    More,
    /// The head is whole; the bytes behind it.
    Whole(Vec<u8>, &'b [u8]),
    /// They are no head, by this reason.
    Bad(&'static str),
}

impl HeadCollector {
    pub(super) fn push<'b>(&mut self, side: Side, mut bytes: &'b [u8]) -> Collected<'b> {
        if self.buffer.is_empty() {
            bytes = head::skip_empty_lines(bytes);
        }
        let before = self.buffer.len();
        let room = HEAD_BYTES_MAX.saturating_sub(before);
        self.buffer
            .extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        if !self.recognised {
            match look(side, &self.buffer) {
                Guess::Yes => self.recognised = true,
                Guess::More => self.recognised = self.buffer.len() > LOOK_BYTES_MAX,
                Guess::No => return Collected::Bad(foreign(side, &self.buffer)),
            }
        }
        match head::end_of_head(&self.buffer, before) {
            Some(end) => {
                let mut whole = std::mem::take(&mut self.buffer);
                whole.truncate(end);
                self.recognised = false;
                Collected::Whole(
                    whole,
                    bytes.get(end.saturating_sub(before)..).unwrap_or_default(),
                )
            }
            None if self.buffer.len() >= HEAD_BYTES_MAX => Collected::Bad("head_too_long"),
            None => Collected::More,
        }
    }

    /// Something is held that may yet turn out not to be a head.
    pub(super) fn doubts(&self) -> bool {
        !self.buffer.is_empty() && !self.recognised
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }
}

/// Do these bytes start a head of this side?
fn look(side: Side, bytes: &[u8]) -> Guess {
    match side {
        Side::Client => head::looks_like_request(bytes),
        Side::Server => head::looks_like_response(bytes),
    }
}

/// The same for a side that is out of step, at the start of a segment.
pub(super) fn look_again(side: Side, bytes: &[u8]) -> Guess {
    match side {
        Side::Client => head::looks_like_known_request(bytes),
        Side::Server if head::skip_empty_lines(bytes).is_empty() => Guess::No,
        Side::Server => head::looks_like_response(bytes),
    }
}

/// The name of what is no HTTP/1.
fn foreign(side: Side, bytes: &[u8]) -> &'static str {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0";
    match bytes {
        [0x16, 0x03, ..] | [0x16] => "tls",
        _ if side == Side::Client && (bytes.starts_with(PREFACE) || PREFACE.starts_with(bytes)) => {
            "http2"
        }
        _ => "not_http",
    }
}
