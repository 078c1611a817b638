//! Hostile text made harmless.
//!
//! The sensor's printer has the same rule; the two programs share no crate that would fit it.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

/// Accents in a row that stay; more of them would cover the lines around, and take no room in a column.
const MARKS_MAX: usize = 3;

/// Characters that steer a terminal, reorder or hide text: controls, bidi marks, zero-width and other
/// invisible ones.
const fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn replaced(
    text: &str,
    keep: fn(char) -> bool,
    mut write: impl FnMut(&mut String, char),
) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let (mut safe, mut marks) = (String::with_capacity(text.len() + 8), 0);
    for c in text.chars() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if (is_hostile(c) && !keep(c)) || marks > MARKS_MAX {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_stay_and_heaps_of_them_do_not() {
        assert_eq!(
            line("Zürich, e\u{301}te\u{301}"),
            "Zürich, e\u{301}te\u{301}"
        );
        let heap = format!("Z{}", "\u{301}".repeat(500));
        let shown = line(&heap);
        assert!(
            shown.starts_with("Z\u{301}\u{301}\u{301}\\u{301}"),
            "{shown}"
        );
        assert_eq!(shown.matches('\u{301}').count(), MARKS_MAX);
        assert_eq!(json("\"a\u{301}\"\n"), "\"a\u{301}\"\n");
        assert_eq!(line("a\u{3164}b\u{2800}c"), "a\\u{3164}b\\u{2800}c");
    }
}
