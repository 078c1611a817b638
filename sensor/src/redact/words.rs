//! Secrets known by nothing but their looks: random, hexadecimal, base64, percent-encoded.

use super::{REDACTED, percent, place, random};

/// Shortest piece inside a longer name that gives it away, in characters.
const PIECE_CHARS_MIN: usize = 12;
/// Shortest run of hexadecimal in a longer word that gives it away, in characters.
const HEX_RUN_MIN: usize = 16;
/// Part of a longer word that is judged by itself, in characters: at this length chance has evened out.
const WINDOW_CHARS: usize = 20;
/// Digest names before a colon or dash: what follows is public.
const DIGEST_NAMES: &[&str] = &["sha1", "sha256", "sha384", "sha512", "md5"];

/// Replaces words that look like secrets; everything between words stays.
pub(super) fn pass(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(is_word_char).unwrap_or(rest.len());
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let mut end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
        // Padding belongs to the word before it.
        while end > 0
            && rest[end..].starts_with('=')
            && rest[..end].ends_with(|c| is_word_char(c) || c == '=')
        {
            end += 1;
        }
        let (word, after) = rest.split_at(end);
        if is_digest(&out, word) {
            out.push_str(word);
        } else {
            push_word(&mut out, word);
        }
        rest = after;
    }
    out
}

/// A word without its neighbours: for path segments and host labels.
pub(super) fn is_secret(word: &str) -> bool {
    word.split('/').any(is_secret_segment)
}

const fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '.' | '~' | '%' | '$')
}

fn is_digest(before: &str, word: &str) -> bool {
    let Some(before) = before.strip_suffix(':') else {
        return false;
    };
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
    hex && word.len() <= 128 && name.is_some_and(|n| DIGEST_NAMES.contains(&n))
}

fn push_word(out: &mut String, word: &str) {
    if hides_secret(word) || is_base64(word) {
        out.push_str(REDACTED);
    } else {
        out.push_str(&segments(word));
    }
}

/// Replaces the secret segments between slashes. Base64 has slashes too: what stands next to a random segment and
/// is no name goes with it.
pub(super) fn segments(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let mut secret: Vec<bool> = parts.iter().map(|s| is_secret_segment(s)).collect();
    for i in 1..parts.len() {
        secret[i] |= secret[i - 1] && is_mixed(parts[i]);
    }
    for i in (1..parts.len()).rev() {
        secret[i - 1] |= secret[i] && is_mixed(parts[i - 1]);
    }
    let mut out = String::with_capacity(path.len());
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            out.push('/');
        }
        out.push_str(if secret[i] { REDACTED } else { part });
    }
    out
}

/// Capitals elsewhere than at the beginning of a word, or digits between letters.
fn is_mixed(segment: &str) -> bool {
    let (stem, extension) = segment.rsplit_once('.').unwrap_or((segment, ""));
    let segment = if extension.len() <= 5 { stem } else { segment };
    let has = |f: fn(char) -> bool| segment.chars().any(f);
    let (upper, lower) = (
        segment.chars().skip(1).any(|c| c.is_ascii_uppercase()),
        has(|c| c.is_ascii_lowercase()),
    );
    let digit = has(|c| c.is_ascii_digit());
    !segment.contains('.') && ((upper && lower) || (digit && (upper || lower)))
}

/// Whether undoing the percent-encoding brings a secret to light.
fn hides_secret(word: &str) -> bool {
    if !word.contains('%') {
        return false;
    }
    let mut decoded = percent::decode(word);
    if decoded == word {
        return false;
    }
    for _ in 1..percent::LAYERS_MAX {
        decoded = percent::decode(&decoded);
    }
    // Nobody has an honest reason to encode deeper.
    let deeper = percent::decode(&decoded) != decoded;
    let looks = || {
        decoded
            .split(|c| !is_word_char(c))
            .any(|w| is_base64(w) || is_secret(w))
    };
    deeper || looks() || place::pass(&decoded) != decoded
}

/// Base64 with slashes in it, or with padding at its end.
fn is_base64(word: &str) -> bool {
    let body = word.trim_end_matches('=');
    let padding = word.len() - body.len();
    let alphabet = body
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'));
    if !alphabet {
        return false;
    }
    let has = |f: fn(&u8) -> bool| body.as_bytes().iter().any(f);
    let mixed =
        has(u8::is_ascii_lowercase) && (has(u8::is_ascii_uppercase) || has(u8::is_ascii_digit));
    if matches!(padding, 1 | 2)
        && word.len() >= 8
        && word.len().is_multiple_of(4)
        && mixed
        && !body.starts_with('-')
    {
        return true;
    }
    let slashed = body.contains(['/', '+']);
    slashed && body.len() >= 20 && !body.split('/').any(random::is_word) && random::is_random(body)
}

fn is_secret_segment(segment: &str) -> bool {
    let segment = segment.trim_end_matches(['=', '.']);
    random::is_random(segment)
        || is_grouped(segment)
        || segment
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|piece| piece.len() >= PIECE_CHARS_MIN && is_secret_piece(piece))
}

/// Letters and digits only; a secret may be joined to a word.
fn is_secret_piece(piece: &str) -> bool {
    let hex = |run: &str| run.len() >= HEX_RUN_MIN && random::is_random(run);
    let windows = || {
        (0..=piece.len().saturating_sub(WINDOW_CHARS))
            .step_by(4)
            .any(|at| {
                piece
                    .get(at..at + WINDOW_CHARS)
                    .is_some_and(random::is_random)
            })
    };
    random::is_random(piece)
        || piece.split(|c: char| !c.is_ascii_hexdigit()).any(hex)
        || (piece.len() > WINDOW_CHARS && windows())
}

/// Keys written in groups: UUIDs, `AB12C-3DE4F-GH5IJ-6KL7M`.
fn is_grouped(segment: &str) -> bool {
    let groups: Vec<&str> = segment.split('-').collect();
    if groups.len() < 4 {
        return false;
    }
    let hex = |g: &&str| matches!(g.len(), 4 | 8 | 12) && g.bytes().all(|b| b.is_ascii_hexdigit());
    let code = |g: &&str| {
        (4..=8).contains(&g.len())
            && g.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let joined = groups.windows(5).any(is_uuid_inside);
    let dense = |test: &dyn Fn(&&str) -> bool| groups.iter().filter(|g| test(g)).count() >= 4;
    // Not a date with a time: those are digits only.
    let letters = segment.bytes().any(|b| b.is_ascii_alphabetic());
    let digits = segment.bytes().any(|b| b.is_ascii_digit());
    letters && digits && (dense(&hex) || dense(&code) || joined)
}

/// A UUID and nothing else.
pub(super) fn is_uuid(word: &str) -> bool {
    let groups: Vec<&str> = word.splitn(6, '-').collect();
    word.len() == 36 && groups.len() == 5 && is_uuid_inside(&groups)
}

/// The five groups of a UUID, the outer ones joined to words.
fn is_uuid_inside(groups: &[&str]) -> bool {
    let [first, inner @ .., last] = groups else {
        return false;
    };
    let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let begins = first.len() >= 8 && hex(&first.as_bytes()[first.len() - 8..]);
    let ends = last.len() >= 12 && hex(&last.as_bytes()[..12]);
    begins
        && ends
        && inner
            .iter()
            .all(|group| group.len() == 4 && hex(group.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_words() {
        for (text, expect) in [
            (
                "/home/ann/a8f3k2l9q0z7x1/file.txt",
                "/home/ann/[redacted]/file.txt",
            ),
            ("550e8400-e29b-41d4-a716-446655440000", "[redacted]"),
            ("key=AB12C-3DE4F-GH5IJ-6KL7M.", "key=[redacted]"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[redacted]"),
            (
                "image@sha256:0123456789abcdef0123456789abcdef",
                "image@sha256:0123456789abcdef0123456789abcdef",
            ),
            ("aHVudGVyMg==", "[redacted]"),
            ("LOG_DIR=/var/log", "LOG_DIR=/var/log"),
            ("--debug=1 a==b", "--debug=1 a==b"),
            ("token%3Dhunter2x", "[redacted]"),
            ("token%253Dhunter2x", "[redacted]"),
            ("100%25 of it", "100%25 of it"),
            ("%", "%"),
        ] {
            assert_eq!(pass(text), expect, "{text}");
        }
    }
}
