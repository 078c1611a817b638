//! One value as ClickHouse gave it, for people.

use maud::{Markup, html};
use serde_json::Value;

use super::super::{answered::Head, story::thousands};
use crate::html::text_up_to;

/// Characters of somebody's text in a cell.
const TEXT_CHARS_MAX: usize = 160;
/// What a finding says of itself is longer.
const PROSE_CHARS_MAX: usize = 700;
/// Digits of a server's digest: enough to show it by.
const DIGEST_CHARS: usize = 12;
/// Items of a list in a cell.
const ITEMS_MAX: usize = 6;
/// Numbers that name something rather than count it.
const NAMES: [&str; 5] = ["port", "version", "pid", "policy_version", "weekday"];

/// Whether a column holds numbers.
pub(super) fn is_number(kind: &str) -> bool {
    let inner = inner(kind);
    ["UInt", "Int", "Float", "Decimal"]
        .iter()
        .any(|number| inner.starts_with(number))
}

fn inner(kind: &str) -> &str {
    ["Nullable(", "LowCardinality("]
        .iter()
        .find_map(|wrap| kind.strip_prefix(wrap))
        .map_or(kind, inner)
}

/// A value in a table.
pub(super) fn cell(value: &Value, head: &Head) -> Markup {
    match (head.name.as_str(), value) {
        ("verdict" | "was" | "became" | "severity" | "state" | "exposure", Value::String(word)) => {
            html! { span class={ "word " (known(word)) } { (text_up_to(word, 40)) } }
        }
        // Null is an answer here: it has not fallen silent, was not closed, has none.
        ("silent_since" | "sensor" | "leg" | "host_owners" | "known_as", Value::Null) => {
            html! { span.unknown { "–" } }
        }
        ("server" | "subject", Value::String(key)) => text_up_to(&shortened(key), TEXT_CHARS_MAX),
        ("reason" | "rhythm" | "proposal" | "class", Value::String(words)) => {
            html! { span.plain { (text_up_to(words, TEXT_CHARS_MAX)) } }
        }
        ("text", Value::String(text)) => text_up_to(text, PROSE_CHARS_MAX),
        ("digest" | "previous" | "id", Value::String(digest)) => {
            html! { code { (text_up_to(digest, 12)) } }
        }
        (name, Value::Number(number)) if NAMES.contains(&name) => html! { (number.to_string()) },
        _ => self::value(value, &head.kind),
    }
}

/// `bin:0123456789ab…`; what is no digest stays.
fn shortened(key: &str) -> String {
    match key.strip_prefix("bin:") {
        Some(digest)
            if digest.len() > DIGEST_CHARS && digest.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            format!("bin:{}…", &digest[..DIGEST_CHARS])
        }
        _ => key.to_owned(),
    }
}

/// Words that have a colour; those of hosts do not become class names.
fn known(word: &str) -> &'static str {
    const WORDS: [&str; 14] = [
        "shadow",
        "unknown",
        "sanctioned",
        "approved",
        "critical",
        "high",
        "medium",
        "low",
        "opaque",
        "detached",
        "shed",
        "any",
        "public",
        "private",
    ];
    WORDS
        .iter()
        .find(|known| **known == word)
        .copied()
        .unwrap_or("")
}

/// A value of a column of this type.
pub(super) fn value(value: &Value, kind: &str) -> Markup {
    match value {
        Value::Null => html! { span.unknown { "unknown" } },
        Value::Bool(value) => html! { (if *value { "yes" } else { "no" }) },
        Value::Number(number) => {
            html! { (number.as_u64().map_or_else(|| number.to_string(), thousands)) }
        }
        Value::String(text) if inner(kind).starts_with("DateTime") => {
            html! { time { (time(text)) } }
        }
        Value::String(text) if inner(kind).starts_with("Date") => html! { time { (text) } },
        Value::String(text) => text_up_to(text, TEXT_CHARS_MAX),
        Value::Array(items) => list(items),
        Value::Object(fields) => html! {
            @for (at, field) in fields.values().rev().enumerate() { @if at > 0 { " " } (self::value(field, "")) }
        },
    }
}

fn list(items: &[Value]) -> Markup {
    let left = items.len().saturating_sub(ITEMS_MAX);
    html! {
        @if items.is_empty() { span.unknown { "–" } }
        @for (at, item) in items.iter().take(ITEMS_MAX).enumerate() {
            @if at > 0 { ", " }
            (value(item, ""))
        }
        @if left > 0 { span.cut { ", … " (left) " more" } }
    }
}

/// RFC 3339 in UTC, without its T and Z and parts of seconds.
pub(super) fn time(text: &str) -> String {
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => text.to_owned(),
    }
}
