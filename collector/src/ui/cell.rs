//! How single values look: unknown as unknown, times with how long ago, words in their tone.

use maud::{Markup, html};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{link, row::Row};
use crate::html::{plain, text, text_up_to};

/// Characters of an identity in a list.
const IDENTITY_CHARS_MAX: usize = 120;
/// Characters of a digest that is shown for a name.
const DIGEST_CHARS: usize = 12;
/// Items of a list within a table.
const ITEMS_MAX: usize = 3;

/// What nobody knows.
pub(super) fn unknown() -> Markup {
    html! { span.unknown title="not known" { "unknown" } }
}

/// Nothing, where that is known.
pub(super) fn none() -> Markup {
    html! { span.none { "none" } }
}

/// A text, or that it is unknown.
pub(super) fn maybe(value: Option<&str>) -> Markup {
    match value {
        Some(value) => text_up_to(value, IDENTITY_CHARS_MAX),
        None => unknown(),
    }
}

/// A number, in groups of three.
pub(super) fn number(value: u64) -> Markup {
    html! { data value=(value) { (grouped(value)) } }
}

/// A number, or that it is unknown.
pub(super) fn maybe_number(value: Option<u64>) -> Markup {
    value.map_or_else(unknown, number)
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A whole number and its name: `1 server`, `2 servers`.
pub(super) fn count(value: u64, one: &str, many: &str) -> Markup {
    html! { (number(value)) " " (if value == 1 { one } else { many }) }
}

/// Bytes in the unit that fits, exact in the title.
pub(super) fn bytes(value: Option<u64>) -> Markup {
    let Some(value) = value else { return unknown() };
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let shown = units
        .iter()
        .find(|(_, shift)| value >> shift > 0)
        .map_or_else(
            || format!("{value} B"),
            |(unit, shift)| {
                let tenths = (u128::from(value) * 10) >> shift;
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            },
        );
    html! { data.num value=(value) title={ (value) " bytes" } { (shown) } }
}

/// Microseconds as milliseconds or seconds, exact in the title.
pub(super) fn duration(us: Option<u64>) -> Markup {
    let Some(us) = us else { return unknown() };
    let shown = if us < 1_000_000 {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    } else {
        format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000)
    };
    html! { data.num value=(us) title={ (us) " µs" } { (shown) } }
}

/// A time in RFC 3339, UTC, and how long ago it was.
pub(super) fn time(value: Option<&str>, now: OffsetDateTime) -> Markup {
    let Some(value) = value else { return unknown() };
    let Ok(at) = OffsetDateTime::parse(value, &Rfc3339) else {
        return text(value);
    };
    let seconds = at.replace_nanosecond(0).unwrap_or(at);
    let short = seconds.format(&Rfc3339).unwrap_or_default();
    html! {
        time datetime=(plain(value, 40)) title=(plain(value, 40)) { (short) }
        " "
        span.ago { (ago(at, now)) }
    }
}

/// `3 min ago`; `in 2 h` for clocks that run ahead.
fn ago(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (now - at).whole_seconds();
    let (span, size) = match seconds.unsigned_abs() {
        s if s < 1 => return "just now".to_owned(),
        s if s < 100 => (s, "s"),
        s if s < 100 * 60 => (s / 60, "min"),
        s if s < 48 * 3600 => (s / 3600, "h"),
        s => (s / 86_400, "d"),
    };
    if seconds < 0 {
        format!("in {span} {size}")
    } else {
        format!("{span} {size} ago")
    }
}

/// A word with a tone: verdicts, states, severities.
pub(super) fn word(value: Option<&str>) -> Markup {
    let Some(value) = value else { return unknown() };
    html! { span class={ "word " (tone(value)) } { (text_up_to(value, 40)) } }
}

/// How much a word wants somebody.
pub(super) fn tone(word: &str) -> &'static str {
    match word {
        "shadow" | "critical" | "detached" => "bad",
        "high" | "error" | "tool_error" | "shed" => "poor",
        "unknown" | "medium" | "opaque" | "late" | "unanswered" | "cancelled" | "silent" => "doubt",
        "approved" | "ok" | "decoded" => "good",
        "sanctioned" => "fair",
        _ => "plain",
    }
}

/// A server by its key, with the name it gives itself beneath: never before it, or the name could pose as a key.
pub(super) fn server(key: Option<&str>, name: Option<&str>) -> Markup {
    let Some(key) = key else { return unknown() };
    let short = match key.strip_prefix("bin:") {
        Some(digest) => format!("bin:{}", shortened(digest)),
        None => key.to_owned(),
    };
    html! {
        a.id href=(link::server(key)) title=(plain(key, 400)) { (text_up_to(&short, IDENTITY_CHARS_MAX)) }
        @if let Some(name) = name.filter(|name| *name != key) {
            " " span.sub { "calls itself " (text_up_to(name, 60)) }
        }
    }
}

/// The start of a digest, which tells it from others; what is no digest stays.
pub(super) fn shortened(digest: &str) -> String {
    let is_digest = digest.len() > DIGEST_CHARS && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if is_digest {
        format!("{}…", &digest[..DIGEST_CHARS])
    } else {
        digest.to_owned()
    }
}

/// A host.
pub(super) fn host(name: Option<&str>) -> Markup {
    let Some(name) = name else { return unknown() };
    html! { a href=(link::host(name)) { (text_up_to(name, IDENTITY_CHARS_MAX)) } }
}

/// A session by its id, cut to what tells sessions of a list apart.
pub(super) fn session(host: Option<&str>, id: Option<&str>) -> Markup {
    let (Some(host), Some(id)) = (host, id) else {
        return unknown();
    };
    html! { a.id href=(link::session(host, id)) title=(plain(id, 300)) { (text_up_to(&shortened(id), 24)) } }
}

/// The client of a session: the application the process was recognised as, else the name it gives itself, said so.
pub(super) fn client(row: &Row) -> Markup {
    let application = row.text("client_application");
    let name = row.text("client_name");
    let exe = row.text("client_exe");
    let file = exe.map(|exe| exe.rsplit('/').next().unwrap_or(exe));
    html! {
        @match (application, file) {
            (Some(application), _) => (text_up_to(application, 60)),
            (None, Some(file)) => span title=(plain(exe.unwrap_or(file), 400)) { (text_up_to(file, 60)) },
            (None, None) => (unknown()),
        }
        @if let Some(name) = name.filter(|name| Some(*name) != application) {
            " " span.sub { "calls itself " (text_up_to(name, 60)) }
        }
    }
}

/// The first items of a list and how many more there are.
pub(super) fn items(values: &[&str], show: fn(&str) -> Markup) -> Markup {
    items_up_to(values, ITEMS_MAX, show)
}

/// The same with another bound.
pub(super) fn items_up_to(values: &[&str], most: usize, show: fn(&str) -> Markup) -> Markup {
    if values.is_empty() {
        return unknown();
    }
    let more = values.len().saturating_sub(most);
    html! {
        @for (at, value) in values.iter().take(most).enumerate() {
            @if at > 0 { ", " }
            (show(value))
        }
        @if more > 0 { " " span.sub { "and " (more) " more" } }
    }
}

/// An item that is a text.
pub(super) fn item(value: &str) -> Markup {
    text_up_to(value, 60)
}

/// An item that is a host.
pub(super) fn host_item(value: &str) -> Markup {
    host(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_a_guess() {
        let unknown = unknown().into_string();
        for shown in [
            maybe(None),
            maybe_number(None),
            bytes(None),
            duration(None),
            time(None, OffsetDateTime::UNIX_EPOCH),
            word(None),
            server(None, Some("x")),
            host(None),
            session(Some("h"), None),
            items(&[], item),
        ] {
            assert_eq!(shown.into_string(), unknown);
        }
    }

    #[test]
    fn numbers_and_sizes_are_readable_and_exact() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert!(
            number(u64::MAX)
                .into_string()
                .contains("value=\"18446744073709551615\"")
        );
        assert!(bytes(Some(1536)).into_string().contains(">1.5 KiB<"));
        assert!(bytes(Some(u64::MAX)).into_string().contains("GiB"));
        assert!(duration(Some(1234)).into_string().contains(">1.2 ms<"));
        assert!(
            duration(Some(61_500_000))
                .into_string()
                .contains(">61.5 s<")
        );
    }

    #[test]
    fn times_are_rfc_3339_and_relative() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000_000).expect("a time");
        let shown = time(Some("2001-09-09T01:43:40.123456Z"), now).into_string();
        assert!(shown.contains(">2001-09-09T01:43:40Z<"), "{shown}");
        assert!(
            shown.contains("datetime=\"2001-09-09T01:43:40.123456Z\""),
            "{shown}"
        );
        assert!(shown.contains("2 min ago"), "{shown}");
        assert!(
            time(Some("2001-09-09T02:46:40Z"), now)
                .into_string()
                .contains("in 60 min")
        );
        assert!(time(Some("<b>"), now).into_string().contains("&lt;b&gt;"));
    }

    #[test]
    fn a_name_cannot_pose_as_a_key() {
        let shown =
            server(Some("bin:0123456789abcdef0123"), Some("npm:@good/server")).into_string();
        let key = shown.find("bin:0123456789ab…").expect("the key");
        let name = shown.find("calls itself").expect("the name");
        assert!(key < name);
    }
}
