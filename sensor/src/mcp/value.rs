//! The values that matter, bounded and cleaned: names, ids, revisions, peers.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::json::{NotJson, Reader, Shape};

/// Longest method, tool, prompt, client or server name that is kept, in bytes. Control characters are
/// replaced, more is cut off.
pub const NAME_BYTES_MAX: usize = 256;

/// Longest id that is kept as it is, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Up to here a double holds every whole number: what JavaScript gives back as it came.
const EXACT_MAX: u64 = 1 << 53;

/// Most revisions that are kept of a list; there have been five in two years.
const REVISIONS_MAX: usize = 32;

/// What ties an answer to its request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number that a double holds, `1` or `1.0`.
    Number(i64),
    /// Any other number, as a double has it.
    Decimal(String),
    /// A string of at most 128 bytes.
    Text(String),
    /// The digest of a longer string.
    Long(Digest),
}

/// What a client or a server says it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Peer {
    /// Name; none when missing or empty.
    pub name: Option<String>,
    /// Version; none when missing or empty.
    pub version: Option<String>,
}

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Digest {
    /// Of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// Keys that were seen in one object. Said of the keys that matter only.
#[derive(Default)]
pub(super) struct Keys {
    seen: u32,
    /// One came twice.
    pub(super) duplicate: bool,
}

impl Keys {
    pub(super) const fn see(&mut self, bit: u32) {
        self.duplicate |= self.seen & 1 << bit != 0;
        self.seen |= 1 << bit;
    }
}

/// A `protocolVersion`.
#[derive(Default, PartialEq, Eq)]
pub(super) enum Revision {
    #[default]
    Missing,
    /// Text, as MCP has it.
    Text(String),
    /// A number, as ACP has it.
    Number,
}

impl Revision {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, NotJson> {
        match reader.shape()? {
            Shape::Number => reader.skip().map(|()| Self::Number),
            _ => Ok(name(reader)?.map_or(Self::Missing, Self::Text)),
        }
    }

    /// Text of the form `2025-11-25`.
    pub(super) fn is_date(&self) -> bool {
        matches!(self, Self::Text(text) if is_date(text))
    }

    pub(super) fn into_text(self) -> Option<String> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }
}

/// An id; none for what cannot be one.
pub(super) fn id(reader: &mut Reader<'_>) -> Result<Option<Id>, NotJson> {
    Ok(match reader.shape()? {
        Shape::Number => reader.number()?.map(|text| {
            let exact = |number: &i64| number.unsigned_abs() < EXACT_MAX;
            whole_number(text)
                .filter(exact)
                .map_or_else(|| decimal(text), Id::Number)
        }),
        Shape::Text => reader
            .string()?
            .map(|text| match std::str::from_utf8(&text) {
                Ok(short) if short.len() <= ID_BYTES_MAX => Id::Text(short.to_owned()),
                _ => Id::Long(Digest::of(&text)),
            }),
        _ => {
            reader.skip()?;
            None
        }
    })
}

/// A number that is not whole or too large for a double: peers may write it back as their doubles have it.
fn decimal(text: &[u8]) -> Id {
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(number) if number.is_finite() => Id::Decimal(format!("{number:e}")),
        _ => Id::Decimal(cut(text, ID_BYTES_MAX)),
    }
}

/// A text of the form `2025-11-25`.
pub(super) fn is_date(text: &str) -> bool {
    let form = |(at, byte): (usize, u8)| {
        if at == 4 || at == 7 {
            byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    };
    text.len() == 10 && text.bytes().enumerate().all(form)
}

/// A name fit for display and storage: valid UTF-8, no control characters, at most
/// [`NAME_BYTES_MAX`] bytes.
pub(super) fn clean(text: &[u8]) -> String {
    let mut text = cut(text, NAME_BYTES_MAX);
    text.retain(|char| !char.is_control());
    text
}

pub(super) fn cut(text: &[u8], bytes_max: usize) -> String {
    // Four bytes more than wanted, so that a character at the edge is not taken for a broken one.
    let head: Cow<'_, str> = String::from_utf8_lossy(text.get(..bytes_max + 4).unwrap_or(text));
    head.get(..head.floor_char_boundary(bytes_max))
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn name(reader: &mut Reader<'_>) -> Result<Option<String>, NotJson> {
    Ok(reader.string()?.map(|text| clean(&text)))
}

pub(super) fn peer(reader: &mut Reader<'_>) -> Result<Option<Peer>, NotJson> {
    let mut peer = Peer::default();
    let is_object = reader.object(|reader, key| {
        match key {
            b"name" => peer.name = name(reader)?.filter(|name| !name.is_empty()),
            b"version" => peer.version = name(reader)?.filter(|version| !version.is_empty()),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(is_object.then_some(peer))
}

pub(super) fn revisions(reader: &mut Reader<'_>) -> Result<Vec<String>, NotJson> {
    let mut revisions = Vec::new();
    reader.array(|reader| {
        let text = name(reader)?;
        if revisions.len() < REVISIONS_MAX {
            revisions.extend(text);
        }
        Ok(())
    })?;
    Ok(revisions)
}

pub(super) fn is_object(reader: &mut Reader<'_>) -> Result<bool, NotJson> {
    let is_object = reader.shape()? == Shape::Object;
    reader.skip()?;
    Ok(is_object)
}

pub(super) fn whole_number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // 1.0 and 1e2 are whole, up to where a double holds every whole number.
    let number: f64 = text.parse().ok()?;
    #[allow(clippy::cast_possible_truncation)] // checked
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}
