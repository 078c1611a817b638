//! What each view shows in a table, and by what it can be narrowed.

pub(crate) mod calls;
pub(crate) mod coverage;
pub(crate) mod findings;
pub(crate) mod listeners;
pub(crate) mod sensors;
pub(crate) mod servers;
pub(crate) mod sessions;
pub(crate) mod tools;

use serde_json::Value;

use crate::answer::Row;
use crate::escape;

/// A view of the inventory.
#[derive(Debug)]
pub(crate) struct View {
    /// Its name in the API.
    pub(crate) name: &'static str,
    /// Columns of its table, left to right; none: the answer's own.
    pub(crate) columns: fn() -> Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) header: String,
    /// The view's columns it is made from: the first that is not null.
    from: Vec<String>,
    /// How it is written.
    pub(crate) kind: Kind,
    /// It is never cut below this.
    pub(crate) min: usize,
    /// 0 is always there; 1 and up come in that order, as far as they fit.
    pub(crate) rank: u8,
    /// It is always there where its rows differ.
    pub(crate) parts: bool,
}

/// Of a digest, so much is shown in a table.
const DIGEST_CHARS: usize = 8;
/// Columns that hold a path; others beside an identity hold a name that a program gives itself.
const FILES: [&str; 2] = ["server_exe", "program"];
/// Of an id or a digest, so much is shown in a table.
const START_CHARS: usize = 12;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it is.
    Text,
    /// As it is, cut in the middle.
    Identity,
    /// On the right.
    Number,
    /// The time of today, date and time of other days, the date of other years (UTC).
    Time,
    /// A long id: its start, where there is no room for all of it.
    Id,
    /// The last part of a path.
    File,
    /// Microseconds as milliseconds.
    Duration,
    /// A verdict or a status, in its colour.
    Word,
    /// The code of the first of several reasons.
    Reason,
    /// The text of the first of several reasons.
    Reasons,
    /// The start of an id or a digest: enough to name it by.
    Start,
    /// A command line.
    Command,
}

/// A value as it is printed.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Harmless text of one line.
    pub(crate) text: String,
    /// ANSI foreground.
    pub(crate) colour: Option<u8>,
}

impl Column {
    /// A column that is always there. `from`: the view's columns, the first that is not null.
    pub(crate) fn new(header: &str, from: &[&str], kind: Kind) -> Self {
        let from = from.iter().map(ToString::to_string).collect();
        Self {
            header: escape::line(header).to_uppercase(),
            from,
            kind,
            min: 5,
            rank: 0,
            parts: false,
        }
    }

    /// Never cut below `min`.
    pub(crate) fn min(self, min: usize) -> Self {
        Self { min, ..self }
    }

    /// Only where it fits, after all of a lower rank.
    pub(crate) fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// Where its rows differ it is always there, whatever its rank.
    pub(crate) fn parting(self) -> Self {
        Self {
            parts: true,
            ..self
        }
    }

    /// Whether it is made from one of these of the view's columns.
    pub(crate) fn is_of(&self, columns: &[&str]) -> bool {
        self.from
            .iter()
            .any(|name| columns.contains(&name.as_str()))
    }

    /// The column's cell of a row.
    pub(crate) fn cell(&self, row: &Row) -> Cell {
        let values = self.from.iter().map(|name| row.value(name));
        let value = values
            .into_iter()
            .find(|value| !is_nothing(value))
            .unwrap_or(Value::Null);
        let text = match (self.kind, &value) {
            (Kind::Identity, Value::String(key)) => self.identity(key, row),
            _ => text(&value, self.kind),
        };
        let colour = (self.kind == Kind::Word).then(|| colour(&text)).flatten();
        Cell {
            text: escape::line(&text).into_owned(),
            colour,
        }
    }
}

impl Column {
    /// The digest of an executable says little, so the name that the server gives itself follows, in quotes, for it
    /// is its own word, or its file; not before it, or the name could pose as a key.
    fn identity(&self, key: &str, row: &Row) -> String {
        let Some(digest) = key.strip_prefix("bin:") else {
            return key.to_owned();
        };
        let digest = digest.get(..DIGEST_CHARS).unwrap_or(digest);
        let others = self.from.iter().skip(1);
        let mut others = others.map(|column| (column.as_str(), row.value(column)));
        match others.find(|(_, value)| !is_nothing(value)) {
            Some((column, Value::String(value))) if FILES.contains(&column) => {
                format!(
                    "bin:{digest} {}",
                    value.rsplit('/').next().unwrap_or(&value)
                )
            }
            Some((_, Value::String(name))) => format!("bin:{digest} \"{name}\""),
            _ => format!("bin:{digest}"),
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

/// A value in words, all of it.
pub(crate) fn words(value: &Value) -> String {
    text(value, Kind::Text)
}

fn text(value: &Value, kind: Kind) -> String {
    match (kind, value) {
        (_, value) if is_nothing(value) => "-".to_owned(),
        (Kind::Time, Value::String(time)) => time_of(time, &today()),
        (Kind::File, Value::String(path)) => path.rsplit('/').next().unwrap_or(path).to_owned(),
        (Kind::Duration, Value::Number(us)) => us.as_u64().map_or_else(String::new, |us| {
            format!("{}.{} ms", us / 1000, us % 1000 / 100)
        }),
        (Kind::Reason, Value::Array(reasons)) => {
            let code = reasons.first().map(|reason| &reason["code"]);
            code.and_then(Value::as_str).unwrap_or("-").to_owned()
        }
        (Kind::Reasons, Value::Array(reasons)) => {
            let text = reasons.first().map(|reason| &reason["text"]);
            text.and_then(Value::as_str).unwrap_or("-").to_owned()
        }
        (Kind::Start, Value::String(id)) => id.chars().take(START_CHARS).collect(),
        (Kind::Command, Value::Array(words)) => {
            let words = words.iter().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(" ")
        }
        (_, Value::String(text)) => text.clone(),
        (_, Value::Array(items)) => {
            let items = items.iter().filter(|item| !is_nothing(item));
            items
                .map(|item| text(item, Kind::Text))
                .collect::<Vec<_>>()
                .join(", ")
        }
        (_, Value::Object(items)) => {
            let item =
                |(name, value): (&String, &Value)| format!("{name}={}", text(value, Kind::Text));
            items.iter().map(item).collect::<Vec<_>>().join(" ")
        }
        (_, value) => value.to_string(),
    }
}

/// `2026-01-31T09:00:00.123456Z` as `09:00:00` on that day, `01-31 09:00` in that year and `2026-01-31` in others.
fn time_of(time: &str, today: &str) -> String {
    let day = time.get(..10).unwrap_or(time);
    match (time.get(11..19), time.get(11..16)) {
        (Some(clock), _) if day == today => clock.to_owned(),
        (_, Some(minute)) if day.get(..5) == today.get(..5) => {
            format!("{} {minute}", day.get(5..).unwrap_or(day))
        }
        _ => day.to_owned(),
    }
}

/// This day in UTC, by the civil-from-days rule for the proleptic Gregorian calendar.
fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = now.map_or(0, |now| now.as_secs() / 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Green is fine, cyan fine by exception, red wants somebody, yellow is not known.
fn colour(word: &str) -> Option<u8> {
    match word {
        "approved" => Some(32),
        "sanctioned" => Some(36),
        "critical" | "high" | "shadow" | "error" | "tool_error" | "detached" | "any" | "public" => {
            Some(31)
        }
        "medium" | "unknown" | "opaque" | "late" | "shed" | "unanswered" | "cancelled"
        | "private" => Some(33),
        _ => None,
    }
}

/// Filters that were given, as the API takes them.
#[derive(Default)]
pub(crate) struct Pairs(Vec<(&'static str, String)>);

impl Pairs {
    /// With this one, if it was given.
    pub(crate) fn with(mut self, name: &'static str, value: Option<&impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<(&'static str, String)> {
        self.0
    }
}

/// Filters that every view has.
#[derive(clap::Args, Debug)]
pub(crate) struct Range {
    /// Not older than this: a time (2026-01-31T00:00:00Z) or a while back (30m, 24h, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// So many rows at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: Option<u64>,
}

impl Range {
    fn add(&self, pairs: Pairs) -> Pairs {
        pairs
            .with("since", self.since.as_ref())
            .with("limit", self.limit.as_ref())
    }
}

/// Filters on sessions, and on what belongs to them.
#[derive(clap::Args, Debug)]
pub(crate) struct OfSession {
    /// Seen on this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Whose client this user runs
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Of this server: its identity (of bin:… the start is enough) or the name it gives itself
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// Of this session; the start of its id is enough
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// By this AI application or client name
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Judged so
    #[arg(long, value_name = "VERDICT", ignore_case = true,
        value_parser = ["approved", "sanctioned", "shadow", "unknown"])]
    verdict: Option<String>,
    /// By this route
    #[arg(long, value_name = "ROUTE", ignore_case = true,
        value_parser = ["local", "direct", "gateway", "bridge", "inbound", "opaque"])]
    route: Option<String>,
}

impl OfSession {
    fn pairs(&self) -> Pairs {
        Pairs::default()
            .with("host", self.host.as_ref())
            .with("user", self.user.as_ref())
            .with("server", self.server.as_ref())
            .with("session", self.session.as_ref())
            .with("client", self.client.as_ref())
            .with("verdict", self.verdict.as_ref())
            .with("route", self.route.as_ref())
    }
}

/// A time as the API takes it: whether its form is right, before anything is asked.
fn since(text: &str) -> Result<String, &'static str> {
    let span = || {
        let count = text.strip_suffix(['s', 'm', 'h', 'd'])?;
        let count: u32 = count.parse().ok()?;
        (count <= 1_000_000).then_some(())
    };
    if span().is_none() && !is_time(text) {
        return Err("write 2026-01-31T00:00:00Z, or back from now: 90s, 30m, 24h, 7d");
    }
    Ok(text.to_owned())
}

/// Whether it has the form of RFC 3339; what the calendar says of it is the collector's to check.
pub(crate) fn is_time(text: &str) -> bool {
    let form = |text: &str, form: &str| {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(byte, wanted)| match wanted {
                    b'0' => byte.is_ascii_digit(),
                    _ => byte.eq_ignore_ascii_case(&wanted),
                })
    };
    let (Some(start), Some(rest)) = (text.get(..19), text.get(19..)) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    form(start, "0000-00-00T00:00:00")
        && (form(zone, "Z") || form(zone, "+00:00") || form(zone, "-00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_has_a_form() {
        for good in [
            "90s",
            "7d",
            "0m",
            "2026-01-31T00:00:00Z",
            "2026-01-31T00:00:00.123456Z",
            "2026-01-31t00:00:00+01:00",
        ] {
            assert!(since(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "tomorrow",
            "h",
            "-1h",
            "7é",
            "9999999d",
            "2026-01-31",
            "2026-01-31T00:00:00",
            "2026-01-31T00:00:00.Z",
            "2026-01-31T00:00:00ZZ",
        ] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_followed_by_a_claimed_name_in_quotes_or_a_file() {
        let subject = Column::new("s", &["subject", "calls_itself", "program"], Kind::Identity);
        for (row, text) in [
            (
                r#"{"subject":"bin:0123456789","calls_itself":"npm:good","program":"/srv/w.py"}"#,
                "bin:01234567 \"npm:good\"",
            ),
            (
                r#"{"subject":"bin:0123456789","calls_itself":null,"program":"/srv/w.py"}"#,
                "bin:01234567 w.py",
            ),
            (r#"{"subject":"bin:0123456789"}"#, "bin:01234567"),
            (r#"{"subject":"npm:a","calls_itself":null}"#, "npm:a"),
        ] {
            let row: Row = serde_json::from_str(row).expect("a row");
            assert_eq!(subject.cell(&row).text, text);
        }
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            time_of("2026-01-31T09:08:07.123Z", "2026-01-31"),
            "09:08:07"
        );
        assert_eq!(
            time_of("2026-01-31T09:08:07.123Z", "2026-02-01"),
            "01-31 09:08"
        );
        assert_eq!(
            time_of("2025-12-31T09:08:07.123Z", "2026-02-01"),
            "2025-12-31"
        );
        assert_eq!(time_of("nonsense", "2026-02-01"), "nonsense");
        assert_eq!(time_of("", "2026-02-01"), "");
    }
}
