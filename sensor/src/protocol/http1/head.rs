//! Request and response heads.

use std::fmt;

/// Longest head, in bytes; servers refuse at 8 to 64 KiB.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most header fields of one head; servers refuse at 100 to 200.
pub(super) const HEADERS_MAX: usize = 256;

/// What the first bytes of a stream look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It is one.
    Yes,
    /// It cannot be one.
    No,
    /// It may be one: too few bytes to say.
    More,
}

/// Version of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Header fields in the order of the wire, names in lower case, values as they were.
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
        Self(fields.into_iter().take(HEADERS_MAX).map(own).collect())
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
    /// Method, as written.
    pub method: String,
    /// Request target, as written. NOT redacted.
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

/// Reads a request head that `end_of_head` found whole.
pub(super) fn request(bytes: &[u8]) -> Result<RequestHead, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err("head_unfinished"),
        Err(error) => return Err(head_error(error)),
    }
    Ok(RequestHead {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        version: version(parsed.version),
        headers: parsed
            .headers
            .iter()
            .map(|field| (field.name, field.value))
            .collect(),
    })
}

/// Reads a response head that `end_of_head` found whole.
pub(super) fn response(bytes: &[u8]) -> Result<ResponseHead, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err("head_unfinished"),
        Err(error) => return Err(head_error(error)),
    }
    Ok(ResponseHead {
        status: parsed.code.unwrap_or_default(),
        version: version(parsed.version),
        headers: parsed
            .headers
            .iter()
            .map(|field| (field.name, field.value))
            .collect(),
        assumed: false,
    })
}

const fn version(minor: Option<u8>) -> Version {
    match minor {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    }
}

const fn head_error(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::TooManyHeaders => "too_many_headers",
        httparse::Error::Version => "http_version",
        _ => "bad_head",
    }
}

/// Do these bytes start with a request line?
pub(super) fn looks_like_request(bytes: &[u8]) -> Guess {
    const METHODS: [&[u8]; 9] = [
        b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE",
    ];
    let method_end = bytes.iter().position(|&byte| byte == b' ');
    let method = method_end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    if method_end.is_none() {
        return if METHODS.iter().any(|known| known.starts_with(method)) {
            Guess::More
        } else {
            Guess::No
        };
    }
    if !METHODS.contains(&method) {
        return Guess::No;
    }
    let rest = bytes.get(method.len() + 1..).unwrap_or_default();
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let target = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    match target.first() {
        None if rest.is_empty() => return Guess::More,
        Some(b'/' | b'*') => {}
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'[' => {}
        _ => return Guess::No,
    }
    if target.iter().any(|byte| !(0x21..0x7f).contains(byte)) {
        return Guess::No;
    }
    let version = line.get(target.len()..).unwrap_or_default();
    prefix_guess(version, &[b" HTTP/1.1", b" HTTP/1.0"])
}

/// Do these bytes start with a status line?
pub(super) fn looks_like_response(bytes: &[u8]) -> Guess {
    match prefix_guess(bytes, &[b"HTTP/1.1 ", b"HTTP/1.0 "]) {
        Guess::Yes => {}
        other => return other,
    }
    let status = bytes.get(9..).unwrap_or_default();
    match status.get(..3) {
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => Guess::Yes,
        None if status.iter().all(u8::is_ascii_digit) => Guess::More,
        _ => Guess::No,
    }
}

fn prefix_guess(bytes: &[u8], wanted: &[&[u8]]) -> Guess {
    if wanted.iter().any(|text| bytes.starts_with(text)) {
        Guess::Yes
    } else if wanted.iter().any(|text| text.starts_with(bytes)) {
        Guess::More
    } else {
        Guess::No
    }
}
