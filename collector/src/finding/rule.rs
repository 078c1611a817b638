//! The table of rules.
//!
//! A rule is SQL with these columns, one row for each subject: `subject`; `holds` (1: a finding) and, where
//! it does not, `why` one that is open is closed; the figures `hosts`, `users`, `sessions`, `first_seen`,
//! `last_seen`; and `marks` (see [`gnomon_policy::finding::Mark`]). An open finding whose subject has no row
//! is closed as `gone`. The parameters are in [`Cutoffs`].

use std::time::Duration;

use gnomon_policy::finding::{COVERAGE_LOST, EXPOSED_LISTENER, Kind, SENSOR_SILENT, SHADOW_SERVER};

use super::Settings;
use crate::store::row::Micros;

/// Where a loss was counted so long ago, nothing is lost any more.
const LOST_FOR: Duration = Duration::from_secs(86_400);
/// Sensors have so much time to come back after the collector itself was away.
const RETURN_MAX: Duration = Duration::from_secs(600);

/// What is looked for.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its words, and the class of its findings.
    pub(super) kind: &'static Kind,
    /// The question.
    pub(super) sql: &'static str,
    pub(super) when: When,
}

/// What can change its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// New facts and verdicts: asked as soon as there are some, and at each sweep.
    Facts,
    /// Mostly time: asked at each sweep.
    Sweep,
    /// As `Sweep`, but not before sensors had time to come back to a collector that was away itself.
    SweepLater,
}

pub(super) const RULES: [Rule; 4] = [
    Rule {
        kind: &SHADOW_SERVER,
        sql: include_str!("shadow_server.sql"),
        when: When::Facts,
    },
    Rule {
        kind: &EXPOSED_LISTENER,
        sql: include_str!("exposed_listener.sql"),
        when: When::Sweep,
    },
    Rule {
        kind: &COVERAGE_LOST,
        sql: include_str!("coverage_lost.sql"),
        when: When::Sweep,
    },
    Rule {
        kind: &SENSOR_SILENT,
        sql: include_str!("sensor_silent.sql"),
        when: When::SweepLater,
    },
];

/// From when on something counts: the rules' parameters.
pub(super) struct Cutoffs([(&'static str, String); 3]);

impl Cutoffs {
    /// As of now.
    pub(super) fn of(settings: Settings, now: Micros) -> Self {
        let before = |span: Duration| {
            let span = Micros::try_from(span.as_micros()).unwrap_or(Micros::MAX);
            now.saturating_sub(span).max(0).to_string()
        };
        Self([
            ("seen_after", before(settings.close_after)),
            ("heard_after", before(settings.silent_after)),
            ("lost_after", before(LOST_FOR)),
        ])
    }

    /// Names and values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// How long sensors have to come back.
pub(super) fn grace(settings: Settings) -> Duration {
    RETURN_MAX.min(settings.silent_after)
}
