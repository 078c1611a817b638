//! Request and response heads.

mod guess;
mod text;

use std::fmt;

pub use guess::Guess;
pub(super) use guess::{looks_like_known_request, looks_like_request, looks_like_response};
pub(super) use text::{request, response, skip_empty_lines, trim};

/// Longest head, in bytes; most servers refuse at 8 to 64 KiB, some at 1 MiB.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Version of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, or older
    Http10,
    /// HTTP/1.1, or a number above it
    Http11,
}

/// Header fields in the order of the wire, names in lower case, values as they were but for control
/// bytes, each of which is U+FFFD. Fields that could not be read are left out.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first field of this name (lower case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The first field of this name (lower case), if it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every field of this name (lower case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No field at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(fields: T) -> Self {
        let own =
            |(name, value): (N, V)| (name.as_ref().to_ascii_lowercase(), value.as_ref().to_vec());
        Self(fields.into_iter().take(text::FIELDS_MAX).map(own).collect())
    }
}

impl fmt::Debug for Headers {
    /// Names and sizes: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, value.len())))
            .finish()
    }
}

/// Head of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// Method, as written; any token.
    pub method: String,
    /// Request target, as written; what is no text is U+FFFD. NOT redacted.
    pub target: String,
    /// Version.
    pub version: Version,
    /// Header fields. NOT redacted.
    pub headers: Headers,
}

impl RequestHead {
    /// The target's path, without query and without scheme and authority.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.target.split(['?', '#']).next().unwrap_or_default();
        match target.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => target,
        }
    }
}

impl fmt::Debug for RequestHead {
    /// The query may hold a secret: it stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("version", &self.version)
            .field("headers", &self.headers)
            .finish()
    }
}

/// Head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code.
    pub status: u16,
    /// Version.
    pub version: Version,
    /// Header fields. NOT redacted.
    pub headers: Headers,
    /// The head itself was not seen: the body was recognised in its middle.
    pub assumed: bool,
}

/// Where the head at the start of `bytes` ends, after its blank line. `from` is where to go on
/// looking: bytes before it were looked at in an earlier call. Bare line feeds count as line ends.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    // A line end is two bytes at most, so step back far enough to see one that was cut.
    let mut at = from.saturating_sub(3);
    while let Some(found) = memchr::memchr(b'\n', bytes.get(at..)?) {
        let after = at + found + 1;
        match bytes.get(after..)? {
            [b'\n', ..] => return Some(after + 1),
            [b'\r', b'\n', ..] => return Some(after + 2),
            _ => at = after,
        }
    }
    None
}
