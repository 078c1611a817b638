//! The body of one HTTP message, put together where it has to be read whole.

use super::http1::Headers;

/// Longest body that is kept, in bytes; the same as a line of stdio.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// One JSON text.
    Json,
    /// Server-sent events.
    EventStream,
    /// JSON or events under a content coding (gzip, …) that is not read yet.
    Coded,
    /// None of these.
    Other,
}

impl BodyKind {
    /// What the headers of a message say of its body.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        let media = headers.text("content-type").unwrap_or_default();
        let media = media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let kind = match media.as_str() {
            "application/json" => Self::Json,
            "text/event-stream" => Self::EventStream,
            other if other.ends_with("+json") => Self::Json,
            _ => return Self::Other,
        };
        // The place for content decoding: a coded body is told apart here and nowhere else.
        match headers.text("content-encoding").map(str::trim) {
            None | Some("" | "identity") => kind,
            Some(_) => Self::Coded,
        }
    }
}

/// A finished body.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The bytes; empty when they are not all here.
    pub text: Vec<u8>,
    /// Bytes on the wire, framing left out.
    pub length: u64,
    /// All bytes are in `text`.
    pub complete: bool,
}

impl std::fmt::Debug for Body {
    /// Sizes only: the text is somebody's payload.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

/// Collects a body up to a limit, and counts it past that.
pub struct BodyCollector {
    limit_bytes: usize,
    text: Vec<u8>,
    length: u64,
    complete: bool,
}

impl BodyCollector {
    /// A collector that keeps at most `limit_bytes`.
    #[must_use]
    pub const fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            text: Vec::new(),
            length: 0,
            complete: true,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.complete {
            return;
        }
        if self.text.len() + bytes.len() > self.limit_bytes {
            self.complete = false;
            self.text = Vec::new();
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    /// `bytes` bytes of the body were lost here.
    pub fn gap(&mut self, bytes: u64) {
        self.length += bytes;
        self.complete = false;
        self.text = Vec::new();
    }

    /// Bytes held.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.text.len()
    }

    /// The body as far as it came; the collector is empty afterwards.
    pub fn finish(&mut self) -> Body {
        let limit_bytes = self.limit_bytes;
        let done = std::mem::replace(self, Self::new(limit_bytes));
        Body {
            text: done.text,
            length: done.length,
            complete: done.complete,
        }
    }
}

impl Default for BodyCollector {
    fn default() -> Self {
        Self::new(BODY_BYTES_MAX)
    }
}
