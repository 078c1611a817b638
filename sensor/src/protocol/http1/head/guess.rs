//! Does a stream start with a head? Told from as few bytes as will do.

use super::text::{is_blank, is_token, skip_empty_lines};

/// Longest method, in bytes; the longest registered one has 17.
const METHOD_BYTES_MAX: usize = 32;

/// A well-known method and this much of a target, in bytes, need no version to be a request.
const TARGET_BYTES_SURE: usize = 1024;

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

/// Do these bytes start with a request line, of any method? Empty lines before it are passed over.
pub(in super::super) fn looks_like_request(bytes: &[u8]) -> Guess {
    let fits = |method: &[u8], _whole| method.iter().copied().all(is_token) && method != b"PRI";
    request_line(skip_empty_lines(bytes), fits)
}

/// The same of a stream that is out of step: there only a well-known method is one, as the middle of a
/// body may look like any other.
pub(in super::super) fn looks_like_known_request(bytes: &[u8]) -> Guess {
    let bytes = skip_empty_lines(bytes);
    if bytes.is_empty() {
        return Guess::No;
    }
    request_line(bytes, |method, whole| {
        if whole {
            is_known(method)
        } else {
            METHODS.iter().any(|known| known.starts_with(method))
        }
    })
}

/// Do these bytes start with a status line? Empty lines before it are passed over.
pub(in super::super) fn looks_like_response(bytes: &[u8]) -> Guess {
    let bytes = skip_empty_lines(bytes);
    match version(bytes) {
        Guess::Yes => {}
        other => return other,
    }
    let minor = bytes.get(7..).unwrap_or_default();
    let digits = minor
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let rest = minor.get(digits..).unwrap_or_default();
    match rest.first() {
        None => return Guess::More,
        Some(&byte) if is_blank(byte) => {}
        Some(_) => return Guess::No,
    }
    let status = skip_blanks(rest);
    match status.get(..3) {
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => Guess::Yes,
        None if status.iter().all(u8::is_ascii_digit) => Guess::More,
        _ => Guess::No,
    }
}

const METHODS: [&[u8]; 9] = [
    b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE",
];

fn is_known(method: &[u8]) -> bool {
    METHODS.contains(&method)
}

/// `fits` says of a method, or of the beginning of one, whether it will do.
fn request_line(bytes: &[u8], fits: impl Fn(&[u8], bool) -> bool) -> Guess {
    let window = bytes.get(..=METHOD_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.iter().position(|&byte| is_blank(byte)) else {
        let more = window.len() <= METHOD_BYTES_MAX && fits(window, false);
        return if more { Guess::More } else { Guess::No };
    };
    let (method, rest) = bytes.split_at(end);
    if method.is_empty() || !fits(method, true) {
        return Guess::No;
    }
    let target = skip_blanks(rest);
    match target.first() {
        None => return Guess::More,
        Some(b'/' | b'*' | b'[') => {}
        Some(byte) if byte.is_ascii_alphanumeric() => {}
        Some(_) => return Guess::No,
    }
    let Some(end) = target
        .iter()
        .position(|&byte| is_blank(byte) || byte == b'\n')
    else {
        let sure = target.len() >= TARGET_BYTES_SURE && is_known(method);
        return if sure { Guess::Yes } else { Guess::More };
    };
    version(skip_blanks(target.get(end..).unwrap_or_default()))
}

/// Do these bytes start with the version of a message?
fn version(bytes: &[u8]) -> Guess {
    const NAME: &[u8] = b"HTTP/";
    let Some(number) = bytes.strip_prefix(NAME) else {
        return if NAME.starts_with(bytes) {
            Guess::More
        } else {
            Guess::No
        };
    };
    match number {
        [] | [b'0'..=b'2'] | [b'0'..=b'2', b'.'] => Guess::More,
        [b'0'..=b'2', b'.', b'0'..=b'9', ..] => Guess::Yes,
        _ => Guess::No,
    }
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|&&byte| is_blank(byte)).count();
    bytes.get(blanks..).unwrap_or_default()
}
