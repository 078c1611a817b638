//! The body of one HTTP message, put together where it has to be read whole.

use super::excerpt::Excerpt;
use super::http1::Headers;

/// Longest body that is kept, in bytes; the same as a line of stdio.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a body is to be read, once its codings are undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// One JSON text.
    Json,
    /// Server-sent events.
    EventStream,
    /// Nothing that says so: its first bytes tell.
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
        match media.as_str() {
            "application/json" => Self::Json,
            "text/event-stream" => Self::EventStream,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }

    /// What the first bytes of a body say: servers take JSON under any name, or none. `Other` for blanks alone.
    #[must_use]
    pub fn look(bytes: &[u8]) -> Self {
        const FIELDS: [&[u8]; 5] = [b"event:", b"data:", b"id:", b"retry:", b":"];
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match bytes.trim_ascii_start() {
            [b'{' | b'[', ..] => Self::Json,
            text if FIELDS.iter().any(|field| text.starts_with(field)) => Self::EventStream,
            _ => Self::Other,
        }
    }
}

/// A finished body.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The bytes; the first of them when they are not all here.
    pub text: Vec<u8>,
    /// The last bytes, when they are not all here.
    pub tail: Vec<u8>,
    /// Bytes of the body, framing and codings left out.
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

/// Collects a body up to a limit; past that its beginning and its end.
pub struct BodyCollector {
    limit_bytes: usize,
    text: Vec<u8>,
    length: u64,
    /// What is kept once it is not complete.
    excerpt: Option<Excerpt>,
}

impl BodyCollector {
    /// A collector that keeps at most `limit_bytes`.
    #[must_use]
    pub const fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            text: Vec::new(),
            length: 0,
            excerpt: None,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Some(excerpt) = &mut self.excerpt {
            excerpt.push(bytes);
        } else if self.text.len() + bytes.len() > self.limit_bytes {
            self.shorten().push(bytes);
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    /// `bytes` bytes of the body were lost here.
    pub fn gap(&mut self, bytes: u64) {
        self.length += bytes;
        self.shorten().cut();
    }

    /// Bytes held.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.text.len() + self.excerpt.as_ref().map_or(0, Excerpt::len)
    }

    /// A word of JSON-RPC is in what is held: the name of its version, or of a method.
    #[must_use]
    pub fn begins_with_rpc(&self) -> bool {
        let has = |word: &[u8]| memchr::memmem::find(&self.text, word).is_some();
        has(b"\"jsonrpc\"") || has(b"\"method\"")
    }

    /// More came than is kept.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.length > self.limit_bytes as u64
    }

    /// So much more that its end is not waited for.
    #[must_use]
    pub const fn is_far_over(&self) -> bool {
        self.length > 2 * self.limit_bytes as u64
    }

    /// The body as far as it came; the collector is empty afterwards.
    pub fn finish(&mut self) -> Body {
        let limit_bytes = self.limit_bytes;
        let done = std::mem::replace(self, Self::new(limit_bytes));
        let complete = done.excerpt.is_none();
        let (text, tail) = done
            .excerpt
            .map_or((done.text, Vec::new()), Excerpt::into_parts);
        Body {
            text,
            tail,
            length: done.length,
            complete,
        }
    }

    fn shorten(&mut self) -> &mut Excerpt {
        let text = std::mem::take(&mut self.text);
        self.excerpt
            .get_or_insert_with(|| Excerpt::of(text, self.limit_bytes))
    }
}

impl Default for BodyCollector {
    fn default() -> Self {
        Self::new(BODY_BYTES_MAX)
    }
}
