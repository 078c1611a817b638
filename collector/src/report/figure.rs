//! Every figure of the report: an id that stays, a title, and the SQL on the documented views that gives it.
//!
//! The period stands in the SQL as text, so that what is shown beside a figure can be pasted into
//! `gnomon sql` and gives the same. A figure is one value, or a table; nothing else computes numbers.

mod audit;
mod blind;
mod cadence;
mod changes;
mod decide;
mod exposure;
mod findings;
mod hosts;
mod owners;
mod shadow;
mod third_parties;
mod totals;
mod usage;

use time::OffsetDateTime;

use super::period::Period;

/// Rows of a table, at most. A table with as many may have been cut, and says so.
pub const ROWS_MAX: usize = 1000;

/// One figure. Ids are stable: `section.name`.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Stable.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// How to read it; empty: the title says it.
    pub note: &'static str,
    /// How it is shown.
    pub shape: Shape,
    /// Statement with places for the period, see [`Figure::sql`].
    sql: &'static str,
}

/// What a figure is, and how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One number; the text behind it, such as `%`.
    Value(&'static str),
    /// Rows.
    Table,
    /// Rows with a `day`, drawn as bars; the other columns are parts of a bar.
    Days,
    /// Rows with `weekday` (1 to 7), `hour` and a count, drawn as a map of the week.
    Week,
}

/// Figures about one thing.
#[derive(Debug)]
pub struct Section {
    /// Stable; the part of the figures' ids before the point.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What it answers, how to read it, what to decide.
    pub text: &'static str,
    /// In the order of the page.
    pub figures: &'static [Figure],
}

/// All of them, in the order of the page.
pub const SECTIONS: [&Section; 13] = [
    &totals::SECTION,
    &decide::SECTION,
    &shadow::SECTION,
    &owners::SECTION,
    &third_parties::SECTION,
    &cadence::SECTION,
    &exposure::SECTION,
    &findings::SECTION,
    &audit::SECTION,
    &changes::SECTION,
    &usage::SECTION,
    &blind::SECTION,
    &hosts::SECTION,
];

/// What a report may miss while it is made: asked first and last, the same both times where nothing came in between.
pub const SNAPSHOT: Figure = Figure {
    id: "snapshot",
    title: "Sessions of the period, and revisions of what is known of them",
    note: "",
    shape: Shape::Table,
    sql: "SELECT count() AS sessions, sum(s.rev) AS revisions, max(s.policy_version) AS policy_version\n\
          FROM sessions AS s WHERE {in_period}",
};

/// A session counts where it overlaps the period.
const IN_PERIOD: &str = "s.started < {to} AND s.last_seen >= {from}";
/// A listener counts where it was open at some time of the period.
const LISTENED: &str = "l.first_seen < {to} AND (l.state = 'open' OR l.last_seen >= {from})";
/// A call counts where it was made within the period.
const CALLED: &str = "c.time >= {from} AND c.time < {to}";
/// The program of a session's server, or the script where that is an interpreter: as in the view `findings`.
const PROGRAM: &str = "if(match(ifNull(s.server_exe, ''), '/(node|bun|deno|python[0-9.]*)$'), \
    coalesce(nullIf(arrayFirst((word, at) -> at > 1 AND word != 'run' AND NOT startsWith(word, '-'), \
    s.server_argv, arrayEnumerate(s.server_argv)), ''), s.server_exe), s.server_exe)";

impl Figure {
    const fn value(
        id: &'static str,
        title: &'static str,
        unit: &'static str,
        note: &'static str,
        sql: &'static str,
    ) -> Self {
        Self {
            id,
            title,
            note,
            shape: Shape::Value(unit),
            sql,
        }
    }

    const fn rows(
        id: &'static str,
        title: &'static str,
        shape: Shape,
        note: &'static str,
        sql: &'static str,
    ) -> Self {
        Self {
            id,
            title,
            note,
            shape,
            sql,
        }
    }

    /// The statement for a period, as it is run and shown.
    ///
    /// `{from}` and `{to}` are its ends, `{before}` the beginning of the period of the same length before it,
    /// `{heard}` the instant that silence is counted from, `{limit}` the most rows of a table; `{in_period}` holds
    /// for sessions `s`, `{called}` for calls `c`, `{listened}` for listeners `l`; `{program}` is what serves session `s`.
    #[must_use]
    pub fn sql(&self, period: &Period) -> String {
        self.sql
            .replace("{in_period}", IN_PERIOD)
            .replace("{called}", CALLED)
            .replace("{listened}", LISTENED)
            .replace("{program}", PROGRAM)
            .replace("{from}", &literal(period.from))
            .replace("{to}", &literal(period.to))
            .replace("{before}", &literal(period.before()))
            .replace("{heard}", &literal(period.heard()))
            .replace("{limit}", &ROWS_MAX.to_string())
    }
}

/// A time as ClickHouse reads it beside a column of times.
fn literal(at: OffsetDateTime) -> String {
    let (hour, minute, second) = at.to_hms();
    format!(
        "toDateTime('{} {hour:02}:{minute:02}:{second:02}', 'UTC')",
        at.date()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period() -> Period {
        Period::parse(
            Some("30d"),
            None,
            None,
            OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000),
        )
        .expect("a period")
    }

    #[test]
    fn ids_are_unique_and_named_after_their_section() {
        let mut seen = std::collections::HashSet::new();
        for section in SECTIONS {
            assert!(
                !section.figures.is_empty() && !section.text.is_empty(),
                "{}",
                section.id
            );
            for figure in section.figures {
                assert_eq!(
                    figure.id.split('.').next(),
                    Some(section.id),
                    "{}",
                    figure.id
                );
                assert!(seen.insert(figure.id), "{} twice", figure.id);
                assert!(!figure.title.is_empty(), "{}", figure.id);
            }
        }
    }

    #[test]
    fn every_place_is_filled_and_tables_are_bounded() {
        let period = period();
        for figure in SECTIONS.iter().flat_map(|s| s.figures).chain([&SNAPSHOT]) {
            let sql = figure.sql(&period);
            assert!(
                !sql.contains('{') && !sql.contains('}'),
                "{}: {sql}",
                figure.id
            );
            assert!(!sql.contains(';'), "{}", figure.id);
            if figure.shape == Shape::Table && figure.id != "snapshot" {
                let bounded = sql.ends_with("LIMIT 1000") || sql.ends_with("LIMIT 20");
                assert!(bounded, "{}", figure.id);
                assert!(sql.contains("ORDER BY"), "{}: rows in any order", figure.id);
            }
        }
    }

    #[test]
    fn times_are_written_as_clickhouse_reads_them() {
        assert_eq!(
            literal(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(3661)),
            "toDateTime('1970-01-01 01:01:01', 'UTC')"
        );
    }
}
