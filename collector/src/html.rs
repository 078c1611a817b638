//! Text of strangers in HTML, for the page and the report: escaped, what is invisible made visible, what is
//! too long cut with a notice.
//!
//! Names, arguments and errors come from programs that anybody may have written. [`maud`] escapes what is
//! markup; this module sees to the rest: controls and ANSI sequences, marks that reorder or hide text, blanks
//! that only look like blanks, heaps of accents that cover the lines around them. Each such character is shown
//! as `\u{…}` in a style of its own, and every text stands in a `bdi`, so that writing from right to left
//! cannot move what is beside it.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

/// Characters of one text that are shown, at most.
pub const TEXT_CHARS_MAX: usize = 400;
/// Accents in a row that are shown as such; further ones are written out.
const MARKS_MAX: usize = 3;

/// A text on one line.
#[must_use]
pub fn text(value: &str) -> Markup {
    text_up_to(value, TEXT_CHARS_MAX)
}

/// A text on one line, of which `chars_max` characters are shown.
#[must_use]
pub fn text_up_to(value: &str, chars_max: usize) -> Markup {
    marked(value, chars_max, |_| false)
}

/// A text of several lines: line feeds and tabs stay. `chars_max` characters are shown.
#[must_use]
pub fn lines(value: &str, chars_max: usize) -> Markup {
    marked(value, chars_max, |c| matches!(c, '\n' | '\t'))
}

/// The same without markup, for attributes such as `title`. What is cut ends with an ellipsis.
#[must_use]
pub fn plain(value: &str, chars_max: usize) -> String {
    let (shown, left) = cut(value, chars_max);
    let mut out = String::with_capacity(shown.len());
    for piece in pieces(shown, |_| false) {
        match piece {
            Piece::Plain(text) => out.push_str(text),
            Piece::Hidden(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
        }
    }
    if left > 0 {
        out.push('…');
    }
    out
}

/// A whole value for an attribute that is sent back, such as a form's: what is hidden as its number, so that
/// the browser has it and no terminal that the page's source is printed to.
#[must_use]
pub fn exact(value: &str) -> Markup {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if is_hidden(c) => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    PreEscaped(out)
}

fn marked(value: &str, chars_max: usize, keep: fn(char) -> bool) -> Markup {
    let (shown, left) = cut(value, chars_max);
    html! {
        bdi.t {
            @for piece in pieces(shown, keep) {
                @match piece {
                    Piece::Plain(text) => (text),
                    Piece::Hidden(c) => span.esc { (c.escape_unicode().to_string()) },
                }
            }
        }
        @if left > 0 { span.cut { "… " (left) " bytes more" } }
    }
}

/// The first `chars_max` characters, and how many bytes are left out.
fn cut(value: &str, chars_max: usize) -> (&str, usize) {
    let end = value
        .char_indices()
        .nth(chars_max)
        .map_or(value.len(), |(at, _)| at);
    (&value[..end], value.len() - end)
}

enum Piece<'a> {
    Plain(&'a str),
    Hidden(char),
}

fn pieces(text: &str, keep: fn(char) -> bool) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut marks) = (0, 0);
    for (at, c) in text.char_indices() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if (is_hidden(c) && !keep(c)) || marks > MARKS_MAX {
            if from < at {
                pieces.push(Piece::Plain(&text[from..at]));
            }
            pieces.push(Piece::Hidden(c));
            from = at + c.len_utf8();
        }
    }
    if from < text.len() {
        pieces.push(Piece::Plain(&text[from..]));
    }
    pieces
}

/// Controls, marks that reorder or hide text, zero-width and other invisible characters, blanks that are not
/// the blank of the keyboard.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{1680}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Accents that are drawn over the character before them.
const fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{6d6}'..='\u{6dc}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
        | '\u{ec8}'..='\u{ece}' | '\u{f71}'..='\u{f84}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        let shown = text("<img src=x onerror=alert(1)>&\"'").into_string();
        assert_eq!(
            shown,
            "<bdi class=\"t\">&lt;img src=x onerror=alert(1)&gt;&amp;&quot;'</bdi>"
        );
    }

    #[test]
    fn what_is_invisible_is_written_out() {
        let shown = text("a\u{1b}[31m\u{202e}b\u{200b}c\nd\u{a0}e").into_string();
        for code in ["1b", "202e", "200b", "a", "a0"] {
            let written = format!("<span class=\"esc\">\\u{{{code}}}</span>");
            assert!(shown.contains(&written), "{code}: {shown}");
        }
        for hidden in ['\u{1b}', '\u{202e}', '\u{200b}', '\n', '\u{a0}'] {
            assert!(!shown.contains(hidden), "{hidden:?}: {shown}");
        }
        assert_eq!(plain("a\u{202e}b", 10), "a\\u{202e}b");
        assert!(lines("a\nb\u{7}", 10).into_string().contains("a\nb<span"));
    }

    #[test]
    fn an_exact_value_stays_within_its_attribute() {
        let shown = exact("\"><script>'&\u{1b}\u{202e}é").into_string();
        assert_eq!(shown, "&quot;&gt;&lt;script&gt;&#39;&amp;&#27;&#8238;é");
    }

    #[test]
    fn accents_do_not_pile_up() {
        let heap = format!("e{}", "\u{301}".repeat(50));
        let shown = text(&heap).into_string();
        assert_eq!(shown.matches('\u{301}').count(), MARKS_MAX);
        let thai = format!("ก{}", "\u{e49}".repeat(50));
        let shown = text(&thai).into_string();
        assert_eq!(shown.matches('\u{e49}').count(), MARKS_MAX);
        assert_eq!(
            text("é e\u{301}").into_string(),
            "<bdi class=\"t\">é e\u{301}</bdi>"
        );
    }

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let long = "ä".repeat(1 << 19);
        let shown = text(&long).into_string();
        assert!(shown.len() < 2 * TEXT_CHARS_MAX + 100);
        assert!(shown.contains(&format!("… {} bytes more", (1 << 20) - 2 * TEXT_CHARS_MAX)));
        assert!(plain(&long, 10).ends_with('…'));
        assert!(!text("short").into_string().contains("more"));
    }
}
