//! The time a report is about: whole seconds, UTC, 1 hour to 400 days, its end never ahead of now.

use std::fmt::Write as _;

use thiserror::Error;
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Shortest period, hours.
pub const HOURS_MIN: i64 = 1;
/// Longest period, days: a year and a month, as long as facts are kept by default.
pub const DAYS_MAX: i64 = 400;
/// Facts of a sensor may be this far ahead; the end of a period may not.
const FORM: &str = "write a number of hours or days, such as 24h, 7d or 30d: 1h to 400d";

/// From `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First second.
    pub from: OffsetDateTime,
    /// First second that is not in it any more.
    pub to: OffsetDateTime,
}

/// What was asked for, and what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{what}")]
pub struct PeriodError {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub advice: &'static str,
}

fn wrong<T>(what: String, advice: &'static str) -> Result<T, PeriodError> {
    Err(PeriodError { what, advice })
}

impl Period {
    /// From what was asked for: a length back from `to` (default: now), or `from` and `to`.
    ///
    /// # Errors
    /// It cannot be read, is out of bounds, or ends after `now`.
    pub fn parse(
        length: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Self, PeriodError> {
        let now = whole(now);
        let to = to.map_or(Ok(now), |text| instant("to", text))?;
        if to > now {
            return wrong(
                format!("to {} is not over yet", text(to)),
                "end the period now or earlier; without --to it ends now",
            );
        }
        let from = match (length, from) {
            (Some(_), Some(_)) => {
                return wrong(
                    "period and from are both given".to_owned(),
                    "give --period, or --from and --to",
                );
            }
            (None, Some(from)) => instant("from", from)?,
            (length, None) => span(length.unwrap_or("30d"))?
                .and_then(|span| to.checked_sub(span))
                .map_or_else(
                    || wrong("the period begins before all time".to_owned(), FORM),
                    Ok,
                )?,
        };
        if from > to {
            return wrong(
                format!("from {} lies after to {}", text(from), text(to)),
                "--from lies 1 hour to 400 days before --to, which is now where it is not given",
            );
        }
        let length = to - from;
        if length < Duration::hours(HOURS_MIN) || length > Duration::days(DAYS_MAX) {
            return wrong(
                format!("{} to {} is not 1 hour to 400 days", text(from), text(to)),
                "--from lies 1 hour to 400 days before --to",
            );
        }
        Ok(Self { from, to })
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        (self.to - self.from).whole_seconds()
    }

    /// The instant from which on a server that was used is still heard: a quarter of the period, at least an hour,
    /// before its end.
    #[must_use]
    pub fn heard(&self) -> OffsetDateTime {
        self.to - Duration::seconds((self.seconds() / 4).max(3600))
    }

    /// The beginning of the period of the same length before it.
    #[must_use]
    pub fn before(&self) -> OffsetDateTime {
        self.from - (self.to - self.from)
    }

    /// Its length, for people: `30 days`, `36 hours`.
    #[must_use]
    pub fn length(&self) -> String {
        let seconds = self.seconds();
        let plural = |n: i64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
        match seconds {
            s if s % 86_400 == 0 => plural(s / 86_400, "day"),
            s if s % 3600 == 0 => plural(s / 3600, "hour"),
            s => {
                let mut out = plural(s / 86_400, "day");
                let _ = write!(out, " {}", plural(s % 86_400 / 3600, "hour"));
                out
            }
        }
    }
}

/// RFC 3339, UTC.
#[must_use]
pub fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn whole(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(UtcOffset::UTC);
    at.replace_nanosecond(0).unwrap_or(at)
}

fn instant(name: &str, value: &str) -> Result<OffsetDateTime, PeriodError> {
    let years = 1970..=2200;
    OffsetDateTime::parse(value, &Rfc3339)
        .ok()
        .map(whole)
        .filter(|at| years.contains(&at.year()))
        .map_or_else(
            || {
                wrong(
                    format!("{name} {value:?} is not a time"),
                    "write it as 2026-01-31T00:00:00Z",
                )
            },
            Ok,
        )
}

/// `24h`, `30d`. The inner option is empty where the number is beyond any calendar.
fn span(value: &str) -> Result<Option<Duration>, PeriodError> {
    let hours = |unit| match unit {
        'h' => Some(1),
        'd' => Some(24),
        _ => None,
    };
    let read = || -> Option<i64> {
        let unit = value.chars().next_back()?;
        let digits = value.strip_suffix(unit)?;
        let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let count: i64 = digits.parse().ok().filter(|_| plain)?;
        count.checked_mul(hours(unit)?)
    };
    match read().filter(|h| (HOURS_MIN..=DAYS_MAX * 24).contains(h)) {
        Some(hours) => Ok(Some(Duration::hours(hours))),
        None => wrong(format!("period {value:?} is not a period"), FORM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::parse("2026-11-22T12:00:00.5Z", &Rfc3339).expect("a time")
    }

    fn parse(length: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<String, String> {
        Period::parse(length, from, to, now())
            .map(|p| format!("{} {} {}", text(p.from), text(p.to), p.length()))
            .map_err(|e| e.what)
    }

    #[test]
    fn a_length_counts_back_from_now_or_from_its_end() {
        assert_eq!(
            parse(None, None, None).as_deref(),
            Ok("2026-10-23T12:00:00Z 2026-11-22T12:00:00Z 30 days")
        );
        assert_eq!(
            parse(Some("24h"), None, Some("2026-11-01T02:00:00+02:00")).as_deref(),
            Ok("2026-10-31T00:00:00Z 2026-11-01T00:00:00Z 1 day")
        );
        assert_eq!(
            parse(
                None,
                Some("2026-11-20T00:00:00Z"),
                Some("2026-11-21T07:00:00Z")
            )
            .as_deref(),
            Ok("2026-11-20T00:00:00Z 2026-11-21T07:00:00Z 31 hours")
        );
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for length in [
            "", "d", "0h", "0d", "401d", "9601h", "1w", "-1d", "1.5d", "+1d", "٣d", "99999d",
            "999999d", "1é", "30 d",
        ] {
            assert!(parse(Some(length), None, None).is_err(), "{length}");
        }
        for length in ["1h", "400d", "9600h", "030d"] {
            assert!(parse(Some(length), None, None).is_ok(), "{length}");
        }
        for (from, to) in [
            ("2026-11-22T11:30:00Z", None),
            ("2024-11-22T11:30:00Z", None),
            ("yesterday", None),
            ("2026-11-22", None),
            ("2026-11-22T13:00:00Z", Some("2026-11-22T11:00:00Z")),
            ("2026-11-01T00:00:00Z", Some("2026-11-23T00:00:00Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-02T00:00:00Z")),
        ] {
            assert!(parse(None, Some(from), to).is_err(), "{from} {to:?}");
        }
        assert!(parse(Some("30d"), Some("2026-11-01T00:00:00Z"), None).is_err());
        assert_eq!(
            parse(None, Some("2026-12-01T00:00:00Z"), None),
            Err("from 2026-12-01T00:00:00Z lies after to 2026-11-22T12:00:00Z".to_owned())
        );
    }

    #[test]
    fn a_quarter_of_silence_is_at_least_an_hour() {
        let heard = |length| {
            let period = Period::parse(Some(length), None, None, now()).expect("a period");
            (period.to - period.heard()).whole_minutes()
        };
        assert_eq!(heard("1h"), 60);
        assert_eq!(heard("8d"), 2 * 24 * 60);
    }
}
