//! Tokens known by their form: data/credentials.json.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Deserialize;

use super::{REDACTED, random};

#[derive(Deserialize)]
struct Table {
    formats: Vec<Format>,
    prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct Format {
    pattern: String,
}

/// Exact forms, and anything random enough after a known beginning: issuers lengthen their tokens.
static RULES: LazyLock<(Regex, Regex)> = LazyLock::new(|| {
    let table: Table = serde_json::from_str(include_str!("../../data/credentials.json"))
        .expect("data/credentials.json is part of the program");
    let exact = table
        .formats
        .iter()
        .map(|f| format!("(?:{})[A-Za-z0-9_=-]*", f.pattern))
        .collect::<Vec<_>>()
        .join("|");
    // Short beginnings count at the beginning of a word only.
    let prefixes = table
        .prefixes
        .iter()
        .map(|p| {
            format!(
                "{}{}",
                if p.len() < 4 { r"\b" } else { "" },
                regex::escape(p)
            )
        })
        .collect::<Vec<_>>()
        .join("|");
    let begun = format!(r"(?:{prefixes})([A-Za-z0-9_.+/=~-]{{6,}})");
    (
        Regex::new(&exact).expect("formats are regular expressions"),
        Regex::new(&begun).expect("prefixes are escaped"),
    )
});

/// JSON Web Tokens and what is left of one: a base64 of `{"…` with parts after it.
static JWT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,4}").expect("a literal")
});

/// Private keys and certificates, also unfinished ones.
static PEM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"-----BEGIN [A-Z0-9 ]{1,64}-----(?s:.*?)(?:-----END [A-Z0-9 ]{1,64}-----|$)")
        .expect("a literal")
});

/// Digits alone after a known beginning that are a part of a token, as of Slack's.
const BEGUN_DIGITS_MIN: usize = 8;

/// The shortest known form. Most text has no word as long, and is not searched.
const FORM_BYTES_MIN: usize = 9;

/// Replaces all known forms.
pub(super) fn pass(text: &str) -> String {
    let part = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let searched = text
        .as_bytes()
        .split(|b| !part(*b))
        .any(|word| word.len() >= FORM_BYTES_MIN);
    if !searched {
        return text.to_owned();
    }
    let mut text = Cow::Borrowed(text);
    if text.contains("-----BEGIN") {
        text = Cow::Owned(PEM.replace_all(&text, REDACTED).into_owned());
    }
    if text.contains("eyJ") {
        text = Cow::Owned(JWT.replace_all(&text, REDACTED).into_owned());
    }
    let (exact, begun) = &*RULES;
    let text = exact.replace_all(&text, REDACTED);
    begun.replace_all(&text, begun_form).into_owned()
}

/// Where a form begins that goes across `at`: an exact one, or something random after a known beginning.
pub(super) fn across(text: &str, at: usize) -> Option<usize> {
    let (exact, begun) = &*RULES;
    // Most words of sentences have neither a digit nor a capital inside.
    let strange = |pair: &[u8]| {
        pair[1].is_ascii_digit() || (pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
    };
    if !text.as_bytes().windows(2).any(strange) {
        return None;
    }
    let found = exact.find_iter(text).find(|found| found.end() > at);
    if let Some(found) = found
        && found.start() < at
    {
        return Some(found.start());
    }
    let found = begun
        .captures_iter(text)
        .find(|found| found.get_match().end() > at)?;
    let body = found.get(1)?;
    (body.start() < at && random::is_random(body.as_str())).then(|| found.get_match().start())
}

fn begun_form(found: &Captures<'_>) -> String {
    let body = &found[1];
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    let letter = body.bytes().any(|b| b.is_ascii_alphabetic());
    if (digits > 0 && letter) || digits >= BEGUN_DIGITS_MIN || random::is_random(body) {
        REDACTED.to_owned()
    } else {
        found[0].to_owned()
    }
}
