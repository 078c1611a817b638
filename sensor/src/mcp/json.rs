//! A reader that walks over one JSON text and stops where it is told to.
//!
//! Made for hostile and for large texts: one pass, no tree, no recursion of its own, so a text may
//! nest as deep as it is long. It takes what one peer or another takes: NaN and infinities (Python),
//! bytes that are no UTF-8 and lone surrogates (JavaScript). Whoever is stricter than the peer is blind
//! to what the peer reads.

use std::borrow::Cow;

use memchr::memchr2;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    Array,
    Text,
    Number,
    Bool,
    Null,
}

/// A place in a text.
pub(super) struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    /// Open brackets of `skip`, kept for its next call.
    open: Vec<u8>,
}

impl<'t> Reader<'t> {
    pub(super) const fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            open: Vec::new(),
        }
    }

    /// Nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// What the next value is.
    pub(super) fn shape(&mut self) -> Result<Shape, NotJson> {
        Ok(match self.peek().ok_or(NotJson)? {
            b'{' => Shape::Object,
            b'[' => Shape::Array,
            b'"' => Shape::Text,
            b't' | b'f' => Shape::Bool,
            b'n' => Shape::Null,
            b'-' | b'0'..=b'9' | b'N' | b'I' => Shape::Number,
            _ => return Err(NotJson),
        })
    }

    /// Walks over an object: `member` is called with each key, in front of the value, and has to
    /// take or skip it. Anything else than an object is skipped; false then.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), NotJson>,
    ) -> Result<bool, NotJson> {
        if self.shape()? != Shape::Object {
            self.skip()?;
            return Ok(false);
        }
        self.at += 1;
        if self.took(b'}') {
            return Ok(true);
        }
        loop {
            let key = self.key()?;
            member(self, &key)?;
            if !self.took(b',') {
                return self.expect(b'}').map(|()| true);
            }
        }
    }

    /// Walks over an array: `element` is called in front of each value, and has to take or skip it.
    /// Anything else than an array is skipped; false then.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<bool, NotJson> {
        if self.shape()? != Shape::Array {
            self.skip()?;
            return Ok(false);
        }
        self.at += 1;
        if self.took(b']') {
            return Ok(true);
        }
        loop {
            element(self)?;
            if !self.took(b',') {
                return self.expect(b']').map(|()| true);
            }
        }
    }

    /// A string, decoded: escapes are replaced; a lone surrogate becomes the three bytes that UTF-8
    /// would have for it. Anything else is skipped; none then.
    pub(super) fn string(&mut self) -> Result<Option<Cow<'t, [u8]>>, NotJson> {
        if self.shape()? != Shape::Text {
            self.skip()?;
            return Ok(None);
        }
        self.quoted().map(|raw| Some(decode(raw)))
    }

    /// The text of a number. Anything else is skipped; none then.
    pub(super) fn number(&mut self) -> Result<Option<&'t [u8]>, NotJson> {
        let is_number = self.shape()? == Shape::Number;
        let raw = self.raw()?;
        Ok(is_number.then_some(raw))
    }

    /// `true` or `false`. Anything else is skipped; none then.
    pub(super) fn boolean(&mut self) -> Result<Option<bool>, NotJson> {
        let is_bool = self.shape()? == Shape::Bool;
        let raw = self.raw()?;
        Ok(is_bool.then_some(raw == b"true"))
    }

    /// The text of the next value, whatever it is.
    pub(super) fn raw(&mut self) -> Result<&'t [u8], NotJson> {
        self.peek();
        let from = self.at;
        self.skip()?;
        self.text.get(from..self.at).ok_or(NotJson)
    }

    /// Where the reader is, in bytes from the start of the text.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    /// The text between an offset and here.
    pub(super) fn since(&self, offset: usize) -> &'t [u8] {
        self.text.get(offset..self.at).unwrap_or_default()
    }

    /// Steps over the next value.
    pub(super) fn skip(&mut self) -> Result<(), NotJson> {
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        let result = self.skip_with(&mut open);
        self.open = open;
        result
    }

    fn skip_with(&mut self, open: &mut Vec<u8>) -> Result<(), NotJson> {
        loop {
            match self.peek().ok_or(NotJson)? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    if !self.took(closing(bracket)) {
                        open.push(bracket);
                        if bracket == b'{' {
                            self.key_over()?;
                        }
                        continue;
                    }
                }
                b'"' => drop(self.quoted()?),
                _ => self.scalar()?,
            }
            // A value is complete: step over what closes behind it, up to the next value.
            loop {
                let Some(&bracket) = open.last() else {
                    return Ok(());
                };
                if self.took(b',') {
                    if bracket == b'{' {
                        self.key_over()?;
                    }
                    break;
                }
                self.expect(closing(bracket))?;
                open.pop();
            }
        }
    }

    fn key(&mut self) -> Result<Cow<'t, [u8]>, NotJson> {
        self.peek();
        let raw = self.quoted()?;
        self.expect(b':')?;
        Ok(decode(raw))
    }

    fn key_over(&mut self) -> Result<(), NotJson> {
        self.peek();
        self.quoted()?;
        self.expect(b':')
    }

    /// What is between the quotes of the string here, not decoded.
    fn quoted(&mut self) -> Result<&'t [u8], NotJson> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(NotJson);
        }
        let from = self.at + 1;
        let mut at = from;
        loop {
            let rest = self.text.get(at..).ok_or(NotJson)?;
            at += memchr2(b'"', b'\\', rest).ok_or(NotJson)?;
            if self.text.get(at) == Some(&b'"') {
                self.at = at + 1;
                return self.text.get(from..at).ok_or(NotJson);
            }
            at += 2;
        }
    }

    fn scalar(&mut self) -> Result<(), NotJson> {
        const LITERALS: [&[u8]; 6] = [
            b"true",
            b"false",
            b"null",
            b"NaN",
            b"Infinity",
            b"-Infinity",
        ];
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(literal) = LITERALS.iter().find(|literal| rest.starts_with(literal)) {
            self.at += literal.len();
            return Ok(());
        }
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(is_part).count();
        if !rest.iter().take(length).any(u8::is_ascii_digit) {
            return Err(NotJson);
        }
        self.at += length;
        Ok(())
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn took(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.took(byte) {
            Ok(())
        } else {
            Err(NotJson)
        }
    }
}

const fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

/// Replaces the escapes of a string.
fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let (code, length) = match rest {
            [_, b'u', ..] => code_point(rest),
            [_, b'b', ..] => (0x08, 2),
            [_, b'f', ..] => (0x0c, 2),
            [_, b'n', ..] => (0x0a, 2),
            [_, b'r', ..] => (0x0d, 2),
            [_, b't', ..] => (0x09, 2),
            [_, other, ..] => {
                out.push(*other);
                rest = rest.get(2..).unwrap_or_default();
                continue;
            }
            _ => break,
        };
        push_code_point(&mut out, code);
        rest = rest.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The code point of a `\u` escape, or of two that are a surrogate pair, and its length in the text.
fn code_point(rest: &[u8]) -> (u32, usize) {
    let Some(first) = rest.get(2..6).and_then(hex4) else {
        return (0xfffd, 2);
    };
    if (0xd800..0xdc00).contains(&first)
        && rest.get(6..8) == Some(b"\\u")
        && let Some(second) = rest.get(8..12).and_then(hex4)
        && (0xdc00..0xe000).contains(&second)
    {
        return (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12);
    }
    (first, 6)
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

fn push_code_point(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        // A lone surrogate: no char, but peers tell one from another.
        None => out.extend([
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}

#[cfg(test)]
mod tests;
