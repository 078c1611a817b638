//! Bounds, and nothing that a terminal would obey.

use super::{CUT, TEXT_BYTES_MAX};

/// What is looked at of a text: more than is kept, so that a secret across the cut is seen whole.
const WINDOW_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;

/// The part of a text that is looked at, without control characters, escape sequences and invisible characters.
pub(super) fn window(text: &str) -> String {
    if text.len() <= WINDOW_BYTES_MAX {
        return printable(text);
    }
    let end = text.floor_char_boundary(WINDOW_BYTES_MAX);
    let mut part = printable(&text[..end]);
    // The last word may be the beginning of a secret that would not be known by its beginning.
    part.truncate(part.rfind(' ').unwrap_or(0));
    if !part.ends_with(CUT) {
        part.push_str(CUT);
    }
    part
}

/// The part of a text that is kept.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX - CUT.len());
    format!("{}{CUT}", &text[..end])
}

/// Line ends and tabs become blanks, everything else that does not print goes. Joining what it separated is
/// meant: `ghp_\0abc…` shall be known for what it is.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            // No-break, thin, ideographic and other blanks.
            c if c.is_whitespace() && !c.is_control() && !is_invisible(c) => out.push(' '),
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            c if c.is_control() || is_invisible(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Longest escape sequence skipped, in characters: an unfinished one shall not swallow the text.
const ESCAPE_CHARS_MAX: usize = 64;

fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        // Operating system command: up to BEL or ST. Its text (a window title, a link) is not shown.
        Some(']') => {
            for _ in 0..ESCAPE_CHARS_MAX {
                match chars.next() {
                    None | Some('\x07' | '\x1b') => break,
                    Some(_) => {}
                }
            }
        }
        Some(c) if ('@'..='_').contains(c) => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for _ in 0..ESCAPE_CHARS_MAX {
        match chars.peek() {
            Some(' '..='?') => {
                chars.next();
            }
            Some('@'..='~') => {
                chars.next();
                return;
            }
            _ => return,
        }
    }
}

/// Zero-width, direction-changing and tag characters, and letters that fill a place without being seen.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{1d173}'..='\u{1d17a}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_for_a_terminal_is_left() {
        for (text, expect) in [
            ("a\x1b[31mred\x1b[0m b", "ared b"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\nb\tc\0d", "a b cd"),
            ("\u{9b}31mx\u{202e}y\u{200b}z", "xyz"),
            ("a\u{a0}b\u{2003}c\u{3000}d\u{3164}e\u{2800}f", "a b c def"),
            ("\x1b[", ""),
            ("\x1b", ""),
        ] {
            assert_eq!(window(text), expect, "{text:?}");
        }
    }

    #[test]
    fn bounded() {
        assert!(window(&"x ".repeat(100_000)).len() <= WINDOW_BYTES_MAX + CUT.len());
        assert_eq!(window(&"x".repeat(100_000)), CUT);
        assert!(cut(&"é".repeat(10_000)).len() <= TEXT_BYTES_MAX);
    }
}
