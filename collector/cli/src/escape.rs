//! Hostile text made harmless.
//!
//! The sensor's printer has the same rule; the two programs share no crate that would fit it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that steer a terminal, reorder or hide text: controls, bidi marks, zero-width and other
/// invisible ones.
const fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn replaced(
    text: &str,
    keep: fn(char) -> bool,
    mut write: impl FnMut(&mut String, char),
) -> Cow<'_, str> {
    let hostile = |c| is_hostile(c) && !keep(c);
    if !text.contains(hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hostile(c) {
            write(&mut safe, c)
        } else {
            safe.push(c)
        }
    }
    Cow::Owned(safe)
}

/// Text within one line: hostile characters as `\u{…}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |_| false,
        |safe, c| {
            let _ = write!(safe, "{}", c.escape_unicode());
        },
    )
}

/// Text of several lines: the same, but line feeds and tabs stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |c| matches!(c, '\n' | '\t'),
        |safe, c| {
            let _ = write!(safe, "{}", c.escape_unicode());
        },
    )
}

/// JSON text: hostile characters, which can only be within its strings, as `\uXXXX`; white space
/// between its tokens stays.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |c| matches!(c, '\n' | '\r' | '\t'),
        |safe, c| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        },
    )
}
