//! Tokens in disguise: broken at the end of a line, with letters escaped, cut in groups, spelled letter by letter.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::value::regex;
use super::{REDACTED, formats, percent, place, words};

/// An escaped character: of JSON, C, HTML, quoted-printable. Backslashes double in each JSON that a text is put into.
const ESCAPE: &str = r"\\+u\{?([0-9A-Fa-f]{4})\}?|\\+x([0-9A-Fa-f]{2})|\\+([0-3][0-7]{2})|&(?:amp;)*#([0-9]{1,7});?|&(?:amp;)*#[Xx]([0-9A-Fa-f]{1,6});?|=([2-7][0-9A-Fa-f])";
/// The bases of the groups of [`ESCAPE`].
const BASES: [u32; 6] = [16, 16, 8, 10, 16, 16];

static ESCAPED_CHAR: LazyLock<Regex> = LazyLock::new(|| regex(ESCAPE));
/// A word with escaped characters in it.
static ESCAPED_WORD: LazyLock<Regex> = LazyLock::new(|| {
    let plain = "[A-Za-z0-9+/_.~%$=:-]*";
    regex(&format!("{plain}(?:(?:{ESCAPE}){plain})+"))
});

/// A blank, the end of a line, or the joint of two literals.
static JOINT: LazyLock<Regex> = LazyLock::new(|| regex(r#"\s{1,8}|["']\s{0,8}[+.]?\s{0,8}["']"#));
/// Longest two parts joined for a look, in bytes.
const PARTS_BYTES_MAX: usize = 600;
/// Shortest, in bytes.
const PARTS_BYTES_MIN: usize = 16;

/// Longest group of a token cut in groups, in bytes.
const GROUP_BYTES_MAX: usize = 10;
/// Least groups that are joined for a look at their form.
const GROUPS_MIN: usize = 3;
/// Least that are random together: a time and a telephone number have fewer.
const RANDOM_GROUPS_MIN: usize = 4;
/// Least hexadecimal digits of groups that are a key: a hardware address has 12 or 16.
const HEX_MIN: usize = 24;
/// Least letters by themselves that spell something.
const LETTERS_MIN: usize = 20;

/// Replaces known forms of which a part stands on the next line. To be asked before the rules take a part.
pub(super) fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for joint in JOINT.find_iter(text) {
        let word = |b: u8| is_word_byte(b);
        let bytes = text.as_bytes();
        let before = bytes[from..joint.start()]
            .iter()
            .rev()
            .take_while(|b| word(**b))
            .count();
        let after = bytes[joint.end()..]
            .iter()
            .take(PARTS_BYTES_MAX)
            .take_while(|b| word(**b))
            .count();
        if before == 0
            || after == 0
            || !(PARTS_BYTES_MIN..=PARTS_BYTES_MAX).contains(&(before + after))
        {
            continue;
        }
        let start = joint.start() - before;
        let whole = format!(
            "{}{}",
            &text[start..joint.start()],
            &text[joint.end()..joint.end() + after]
        );
        let uuid = words::is_uuid(&whole).then_some(0);
        if let Some(at) = uuid.or_else(|| formats::across(&whole, before)) {
            out.push_str(&text[from..start + at]);
            out.push_str(REDACTED);
            from = joint.end() + after;
        }
    }
    out.push_str(&text[from..]);
    out
}

/// Replaces what the other rules would know without its disguise.
pub(super) fn pass(text: &str) -> String {
    let mut text = grouped(text);
    if text.contains(['\\', '=']) || text.contains('&') {
        text = ESCAPED_WORD
            .replace_all(&text, |found: &Captures<'_>| {
                if reveals(&decoded(&found[0], true)) || announces(&decoded(&found[0], false)) {
                    REDACTED.to_owned()
                } else {
                    found[0].to_owned()
                }
            })
            .into_owned();
    }
    text
}

fn reveals(text: &str) -> bool {
    formats::pass(text) != text || words::pass(text) != text
}

fn announces(text: &str) -> bool {
    place::pass(text) != text
}

/// With its escapes undone; without `equals` not those that could be the value of a name: `size=4096`.
fn decoded(word: &str, equals: bool) -> String {
    ESCAPED_CHAR
        .replace_all(word, |found: &Captures<'_>| {
            if !equals && found[0].starts_with('=') {
                return found[0].to_owned();
            }
            let digits = (1..).zip(BASES).find_map(|(group, base)| {
                let code = u32::from_str_radix(found.get(group)?.as_str(), base).ok()?;
                char::from_u32(code)
            });
            digits.map_or_else(String::new, String::from)
        })
        .into_owned()
}

const fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'+' | b'/' | b'_' | b'-' | b'.' | b'~' | b'%' | b'$' | b'='
        )
}

/// Replaces words spelled letter by letter, and runs of groups that are one token together.
fn grouped(text: &str) -> String {
    let groups = spans(text);
    let mut out = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    while at < groups.len() {
        let run = run_length(text, &groups[at..]);
        let last = groups[at + run - 1];
        let parts = &groups[at..at + run];
        if is_token(text, parts) {
            out.push_str(&text[from..groups[at].0]);
            out.push_str(REDACTED);
            from = last.1;
            at += run;
        } else {
            // The shorter last group may begin another run.
            at += (run - 1).max(1);
        }
    }
    out.push_str(&text[from..]);
    out
}

/// Where words begin and end.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut start = None;
    for (i, b) in bytes.iter().enumerate() {
        match (is_word_byte(*b), start) {
            (true, None) => start = Some(i),
            (false, Some(begin)) => {
                spans.push((begin, i));
                start = None;
            }
            _ => {}
        }
    }
    spans.extend(start.map(|begin| (begin, bytes.len())));
    spans
}

/// How many groups of one length the same separator joins; the last may be shorter.
fn run_length(text: &str, groups: &[(usize, usize)]) -> usize {
    let [first, second, ..] = groups else {
        return 1;
    };
    let length = first.1 - first.0;
    let separator = &text[first.1..second.0];
    if length > GROUP_BYTES_MAX || !matches!(separator, " " | ":" | "," | ", ") {
        return 1;
    }
    // Bytes in hexadecimal end where a word of two letters begins.
    let byte = |group: (usize, usize)| {
        let group = &text.as_bytes()[group.0..group.1];
        group.len() == 2 && group.iter().all(u8::is_ascii_hexdigit)
    };
    let goes_on = |pair: &&[(usize, usize)]| {
        let (before, after) = (pair[0], pair[1]);
        before.1 - before.0 == length
            && after.1 - after.0 <= length
            && &text[before.1..after.0] == separator
            && byte(after) == byte(before)
    };
    1 + groups.windows(2).take_while(goes_on).count()
}

fn is_token(text: &str, parts: &[(usize, usize)]) -> bool {
    let parts: Vec<&str> = parts.iter().map(|part| &text[part.0..part.1]).collect();
    let first = parts.first().map_or("", |part| part);
    match (parts.len(), first.len()) {
        (1, _) => is_spelled(first),
        (LETTERS_MIN.., 1) => {
            let letter = |part: &&&str| part.bytes().all(|b| b.is_ascii_alphanumeric());
            2 * parts.iter().filter(letter).count() >= parts.len()
        }
        (GROUPS_MIN.., 2..) => {
            let whole = parts.concat();
            let has = |f: fn(&u8) -> bool| whole.as_bytes().iter().any(f);
            let hex = whole.bytes().all(|b| b.is_ascii_hexdigit());
            let binary = first.len() == 8 && whole.bytes().all(|b| matches!(b, b'0' | b'1'));
            if !has(u8::is_ascii_alphabetic) {
                return binary
                    || (first.len() == 2
                        && reveals(&percent::decode(&format!("%{}", parts.join("%")))));
            }
            if hex {
                // Eight groups of four are an address, too.
                let address = text.contains(':') && first.len() == 4 && parts.len() <= 8;
                return has(u8::is_ascii_digit) && whole.len() >= HEX_MIN && !address;
            }
            let strange = parts.iter().filter(|part| is_strange(part)).count();
            let plain = parts.iter().filter(|part| is_plain(part)).count();
            let many = parts.len() >= RANDOM_GROUPS_MIN && strange >= 2 && 2 * plain <= parts.len();
            (has(u8::is_ascii_digit) && formats::pass(&whole) != whole)
                || (many && words::pass(&whole) != whole)
        }
        _ => false,
    }
}

/// Not a word: a digit beside letters, or a capital after a small letter.
fn is_strange(part: &str) -> bool {
    let bytes = part.as_bytes();
    let has = |f: fn(&u8) -> bool| bytes.iter().any(f);
    let inner = bytes
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    inner || (has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic))
}

/// A word, or a part of one.
fn is_plain(part: &str) -> bool {
    let lower = part.bytes().any(|b| b.is_ascii_lowercase());
    lower && !is_strange(part)
}

/// `g-h-p-1-a`: the same sign after each letter.
fn is_spelled(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.len() < 2 * LETTERS_MIN - 1 {
        return false;
    }
    // Separators, and letters among what they part; of even and of odd places.
    let mut runs = [(0_usize, 0_usize); 2];
    for at in 1..bytes.len() {
        let run = &mut runs[at % 2];
        let separator = bytes[at];
        let goes_on = at < 3 || run.0 == 0 || bytes[at - 2] == separator;
        if separator.is_ascii_alphanumeric() {
            *run = (0, 0);
            continue;
        }
        if !goes_on {
            *run = (0, 0);
        }
        run.0 += 1;
        run.1 += usize::from(bytes[at - 1].is_ascii_alphanumeric());
        if run.0 >= LETTERS_MIN - 1 && 4 * run.1 >= 3 * run.0 {
            return true;
        }
    }
    false
}
