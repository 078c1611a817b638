//! Secrets that a sentence or a markup element announces.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::value::{PACKAGE_KINDS, is_secret_value, looks_made_up, regex};
use super::{REDACTED, names};

/// `login failed for bob:…`.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(\b(?:log-?[io]n|log in|sign-?in|auth|authenticat[a-z]{1,4}|credentials?|password|denied|rejected)\b[^:]{0,48}?\b(?:for|as|with|user|of|from)\s+["'`]?)([A-Za-z0-9._+-]{1,64}:[^\s"'`]+)"#,
    )
});

/// `credentials (bob, …)`.
static TUPLE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(\b(?:credentials?|creds|login|logon|user\s?/\s?pass(?:word)?)\s{0,3}[:=]?\s{0,3}\(\s{0,3}[^,()]{1,64},\s{0,3})([^)]+)"#,
    )
});

/// `PIN 161682`, `verification code is 161682`. Three digits and fewer are pins of a chip.
static CODE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(\b(?:pin|otp|totp|passcode|cvv|(?:verification|security|one-time|access|2fa|mfa|sms)\s+code)(?:\s+(?:code|number))?(?:\s+(?:is|was|of|for))?[\s:=#]{1,4})([0-9](?:[ -]?[0-9]){3,11})\b",
    )
});

/// `user bob / …`.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(\b(?:user(?:[\s_-]?name)?|login|logon|account|creds?|credentials?)\s{0,3}[:=]?\s{0,3}["'`]?[A-Za-z0-9._@+-]{1,64}["'`]?\s{1,3}/\s{1,3}["'`]?)([^\s"'`]+)"#,
    )
});
/// What makes a pair one of name and password even where the second could be a word.
static REFUSED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)\b(?:log-?[io]n|log in|sign-?in|auth|authenticat[a-z]{1,4}|credentials?|password|denied|rejected|invalid|wrong|bad)\b",
    )
});

/// The beginning of an element, also escaped.
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?:<|&lt;|\\u003c)([A-Za-z][A-Za-z0-9_.:-]{0,127})(?:\s[^<>&\\]{0,256})?(?:>|&gt;|\\u003e)\s{0,8}(?:<!\[CDATA\[)?",
    )
});
/// `key="pw" value="…"`, attributes of an element.
static ATTRIBUTES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)(\b(?:key|name)\s{0,8}=\s{0,8}\\*["']([^"'<>\\]{1,128})\\*["']\s{1,8}value\s{0,8}=\s{0,8}\\*["'])([^"'\\]+)"#,
    )
});
static ELEMENT_END: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:<|&lt;|\\u003c)/?|\]\]>"));

/// Replaces what phrases and elements announce.
pub(super) fn pass(text: &str) -> String {
    let mut text = elements(text);
    if text.contains('=') {
        text = ATTRIBUTES.replace_all(&text, attribute).into_owned();
    }
    if text.contains(':') {
        text = LOGIN.replace_all(&text, login).into_owned();
    }
    if text.contains('(') {
        text = replace_last(&TUPLE, &text);
    }
    if text.contains(" /") {
        text = pairs(&text);
    }
    if text.bytes().any(|b| b.is_ascii_digit()) {
        text = replace_last(&CODE, &text);
    }
    text
}

fn replace_last(rule: &Regex, text: &str) -> String {
    rule.replace_all(text, |found: &Captures<'_>| {
        format!("{}{REDACTED}", &found[1])
    })
    .into_owned()
}

/// `Account settings / Billing` are words; `user bob / hunter2` is none, and neither is what a refusal is about.
fn pairs(text: &str) -> String {
    let replace = |found: &Captures<'_>| {
        let at = found.get(0).map_or(0, |all| all.start());
        let value = &found[2];
        let refused = || REFUSED.is_match(&text[..at]);
        let secret = is_secret_value(value) && (looks_made_up(value) || refused());
        if secret {
            format!("{}{REDACTED}", &found[1])
        } else {
            found[0].to_owned()
        }
    };
    PAIR.replace_all(text, replace).into_owned()
}

fn attribute(found: &Captures<'_>) -> String {
    if names::is_secret(&found[2]) && is_secret_value(&found[3]) {
        format!("{}{REDACTED}", &found[1])
    } else {
        found[0].to_owned()
    }
}

/// A host and its port, a URL and a package are no login.
fn login(found: &Captures<'_>) -> String {
    let pair = &found[2];
    let (name, password) = pair.split_once(':').unwrap_or((pair, ""));
    let digits = password.bytes().take_while(u8::is_ascii_digit).count();
    let port = (2..=5).contains(&digits)
        && !password[digits..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let other = port
        || password.starts_with("//")
        || PACKAGE_KINDS.contains(&name)
        || !is_secret_value(password);
    if other {
        found[0].to_owned()
    } else {
        format!("{}{name}:{REDACTED}", &found[1])
    }
}

/// `<password>…</password>`, to the next sign of markup or the end. `<token> is missing` is a sentence.
fn elements(text: &str) -> String {
    if !text.contains(['<', '&', '\\']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = ELEMENT.captures(rest) {
        let end = found.get(0).map_or(0, |m| m.end());
        let (before, after) = rest.split_at(end);
        out.push_str(before);
        rest = after;
        if names::is_secret(&found[1]) {
            let stop = ELEMENT_END.find(after);
            let value = &after[..stop.map_or(after.len(), |m| m.start())];
            let closed = stop.is_some_and(|m| m.as_str().ends_with(['/', '>']));
            let sentence = before.ends_with(char::is_whitespace) && !closed;
            if !sentence && is_secret_value(value.trim()) {
                out.push_str(REDACTED);
                rest = &after[value.len()..];
            }
        }
    }
    out.push_str(rest);
    out
}
