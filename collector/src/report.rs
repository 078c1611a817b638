//! The report: what a period brought, for whoever has to decide.
//!
//! The model is data: each [`figure`] is SQL on the documented views with the period written into it, run by the
//! read-only user in the same way as `gnomon sql`. [`story`] makes sentences of figures, and computes none. JSON is the
//! model itself; [`html`] draws it.
//!
//! The period's end is fixed, whole seconds, and never ahead of now, so that the same report made twice counts the same
//! facts. What can still move: facts of the period that arrive later (a laptop that was asleep), verdicts (a new policy
//! judges kept sessions again), and the asset list. What comes in while a report is made is noticed ([`figure::SNAPSHOT`]).

pub mod answered;
pub mod figure;
pub mod html;
pub mod period;
pub mod story;

use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    inventory::sql::{self, SqlError},
    store::{Store, StoreError},
};
use answered::{Answered, AnsweredSection, Report, SCHEMA, Table};
use figure::{Figure, SECTIONS, SNAPSHOT};
use period::Period;

/// Questions asked at a time: the analysts' user may ask eight, and analysts want theirs answered too.
const AT_A_TIME: usize = 3;
/// A report is given up after this long; what was not answered by then says so.
pub const SECONDS_MAX: u64 = 240;
/// What this version cannot see: the README's own words, so that the two cannot differ.
const README: &str = include_str!("../../README.md");

/// Why no report could be made at all.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The store has no user for analysts' SQL, or is away.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// Makes a report. A figure that ClickHouse refuses, or that comes too late, says so in its place.
///
/// # Errors
/// ClickHouse is away, or has no read-only user.
pub async fn make(
    store: &Store,
    period: &Period,
    retention_days: u32,
) -> Result<Report, ReportError> {
    let end = Instant::now() + Duration::from_secs(SECONDS_MAX);
    let before = first(store, period).await?;
    let sections = answer_all(store, period, end).await;
    let after = answer(store, SNAPSHOT, period, end).await;
    let snapshot = |answered: &Answered| answered.outcome.as_ref().ok().map(|t| t.cells.clone());
    let complete = (sections.iter().flat_map(|s| &s.figures)).all(|f| f.outcome.is_ok());
    let moved = snapshot(&before) != snapshot(&after);
    let policy = before.outcome.as_ref().ok().and_then(|table| {
        let at = table.column("policy_version")?;
        table.cells.first()?.get(at)?.as_u64()
    });
    let mut report = Report {
        schema: SCHEMA,
        kind: "report",
        made: period::text(OffsetDateTime::now_utc().truncate_to_second()),
        version: env!("CARGO_PKG_VERSION"),
        from: period::text(period.from),
        to: period::text(period.to),
        period: period.length(),
        policy_version: policy.unwrap_or(0),
        retention_days,
        complete,
        moved,
        notes: Vec::new(),
        unseen: unseen(README),
        answers: Vec::new(),
        sections,
    };
    report.notes = story::notes(&report, period, OffsetDateTime::now_utc());
    report.answers = story::answers(&report);
    Ok(report)
}

/// The first question tells whether there is anybody to answer.
async fn first(store: &Store, period: &Period) -> Result<Answered, ReportError> {
    let sql = SNAPSHOT.sql(period);
    let answer = sql::query(store, &sql).await?;
    Ok(Answered {
        figure: SNAPSHOT,
        outcome: Table::read(answer).map_err(|error| error.to_string()),
        sql,
    })
}

async fn answer_all(store: &Store, period: &Period, end: Instant) -> Vec<AnsweredSection> {
    let mut waiting: Vec<(usize, usize, Figure)> = Vec::new();
    for (section, of) in SECTIONS.iter().enumerate() {
        for (place, figure) in of.figures.iter().enumerate() {
            waiting.push((section, place, *figure));
        }
    }
    waiting.reverse();
    let mut running = JoinSet::new();
    let mut done: Vec<(usize, usize, Answered)> = Vec::new();
    loop {
        while running.len() < AT_A_TIME
            && let Some((section, place, figure)) = waiting.pop()
        {
            let (store, period) = (store.clone(), *period);
            running
                .spawn(async move { (section, place, answer(&store, figure, &period, end).await) });
        }
        match running.join_next().await {
            Some(Ok(answered)) => done.push(answered),
            // The task has no way to panic; were there one, its figure would be missing, not wrong.
            Some(Err(_)) => {}
            None => break,
        }
    }
    done.sort_by_key(|(section, place, _)| (*section, *place));
    let mut sections: Vec<AnsweredSection> = SECTIONS
        .iter()
        .map(|section| AnsweredSection::new(section, Vec::new()))
        .collect();
    for (section, _, answered) in done {
        if let Some(section) = sections.get_mut(section) {
            section.figures.push(answered);
        }
    }
    sections
}

async fn answer(store: &Store, figure: Figure, period: &Period, end: Instant) -> Answered {
    let sql = figure.sql(period);
    let outcome = match tokio::time::timeout_at(end, sql::query(store, &sql)).await {
        Ok(Ok(answer)) => Table::read(answer).map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(told(&error)),
        Err(_) => Err(format!("the report took longer than {SECONDS_MAX} s")),
    };
    Answered {
        figure,
        sql,
        outcome,
    }
}

/// ClickHouse's own words, without the statement, which stands beside them.
fn told(error: &SqlError) -> String {
    match error {
        SqlError::Store(StoreError::ClickHouse(clickhouse::error::Error::BadResponse(text))) => {
            text.chars().take(500).collect()
        }
        _ => error.to_string(),
    }
}

/// The points under the README's heading on what cannot be seen, each as one line.
fn unseen(readme: &str) -> Vec<String> {
    let (_, rest) = readme
        .split_once("## What it cannot see\n")
        .unwrap_or_default();
    let part = rest.split_once("\n## ").map_or(rest, |(part, _)| part);
    let mut points: Vec<String> = Vec::new();
    for line in part.lines() {
        match (line.strip_prefix("- "), points.last_mut()) {
            (Some(point), _) => points.push(point.trim().to_owned()),
            (None, Some(last)) if !line.trim().is_empty() => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => {}
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_what_is_not_seen() {
        let points = unseen(README);
        assert!(points.len() >= 3, "{points:?}");
        assert!(points.iter().any(|p| p.contains("macOS")), "{points:?}");
        assert!(points.iter().any(|p| p.contains("TLS")), "{points:?}");
    }

    #[test]
    fn points_may_run_over_lines() {
        let text = "x\n## What it cannot see\n- a\n  b\n- c\n\n## More\n- d\n";
        assert_eq!(unseen(text), ["a b", "c"]);
        assert!(unseen("nothing").is_empty());
    }
}
