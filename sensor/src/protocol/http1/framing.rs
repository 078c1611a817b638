//! Where a message's body ends (RFC 9112, section 6.3).

use super::chunked::{Chunks, Step};
use super::head::{self, Headers, Version};

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its length; this many bytes are left.
    Length(u64),
    /// By the last chunk.
    Chunked(Chunks),
    /// By the end of the connection.
    UntilClose,
}

impl Framing {
    /// Of a request with these headers.
    pub(super) fn of_request(headers: &Headers, version: Version) -> Result<Self, &'static str> {
        match transfer_coding(headers, version)? {
            Some(true) => Ok(Self::Chunked(Chunks::START)),
            Some(false) => Err("transfer_coding"),
            None => Ok(Self::Length(content_length(headers)?.unwrap_or(0))),
        }
    }

    /// Of a response with these headers that does have a body.
    pub(super) fn of_response(headers: &Headers, version: Version) -> Result<Self, &'static str> {
        match transfer_coding(headers, version)? {
            Some(true) => Ok(Self::Chunked(Chunks::START)),
            Some(false) => Ok(Self::UntilClose),
            None => Ok(content_length(headers)?.map_or(Self::UntilClose, Self::Length)),
        }
    }

    /// Takes body bytes off the front of `bytes`.
    pub(super) fn step<'b>(&mut self, bytes: &'b [u8]) -> Result<Step<'b>, &'static str> {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let (data, rest) = bytes.split_at(take);
                *left -= take as u64;
                Ok(Step {
                    data,
                    rest,
                    end: *left == 0,
                })
            }
            Self::Chunked(chunks) => chunks.step(bytes),
            Self::UntilClose => Ok(Step {
                data: bytes,
                rest: &[],
                end: false,
            }),
        }
    }
}

/// Some(true): chunked comes last. Some(false): coded, but not chunked. None: not coded.
fn transfer_coding(headers: &Headers, version: Version) -> Result<Option<bool>, &'static str> {
    let mut codings = headers
        .all("transfer-encoding")
        .flat_map(|value| value.split(|&b| b == b','))
        .peekable();
    if codings.peek().is_none() {
        return Ok(None);
    }
    // Peers disagree on which of the two holds: whoever sends both may want us to read other
    // messages than they do.
    if headers.get("content-length").is_some() {
        return Err("length_ambiguous");
    }
    if version == Version::Http10 {
        return Err("transfer_coding");
    }
    let codings: Vec<_> = codings.map(head::trim).collect();
    // Some drop what is no text and then see a coding that others do not.
    if !codings.iter().all(|coding| coding.is_ascii()) {
        return Err("transfer_coding");
    }
    let chunked = codings
        .iter()
        .filter(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        .count();
    let last = codings
        .last()
        .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    match (chunked, last) {
        (0, _) => Ok(Some(false)),
        (1, true) => Ok(Some(true)),
        _ => Err("transfer_coding"),
    }
}

fn content_length(headers: &Headers) -> Result<Option<u64>, &'static str> {
    let mut length = None;
    for value in headers
        .all("content-length")
        .flat_map(|value| value.split(|&b| b == b','))
    {
        let value = head::trim(value);
        if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
            return Err("bad_length");
        }
        let number = value
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        if length.is_some_and(|other| other != number) {
            return Err("length_ambiguous");
        }
        length = Some(number);
    }
    Ok(length)
}
