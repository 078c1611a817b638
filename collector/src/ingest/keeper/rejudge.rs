//! Judges all stored sessions again, page by page.
//!
//! After a new policy, and at start, in two passes: first learn which servers stand behind gateways,
//! then judge, so that a bypass is found whichever session came first. After a newly learned front
//! the second pass alone; so too every quarter of the retention, to renew verdicts before they expire.

use std::{collections::HashMap, time::Duration};

use clickhouse::Row;
use tokio::time::Instant;

use crate::{
    clock,
    store::{
        Store, StoreError,
        row::{Micros, SessionRow, VerdictRow},
    },
    verdict::{Judge, same},
};

/// Sessions in a page: some megabytes, a few tens of milliseconds.
const PAGE_SESSIONS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Learn,
    Judge,
}

/// The longest wait for the next pass that renews: timers have a bound.
const RENEW_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Where the work stands.
#[derive(Debug)]
pub(super) struct Rejudge {
    pass: Option<Pass>,
    /// A pass of judging has to follow the one under way.
    again: bool,
    /// Host and id of the last session done in this pass.
    after: (String, String),
    /// Verdicts that changed or were renewed in this pass so far.
    changed: usize,
    /// How long ClickHouse keeps a verdict.
    retention: Duration,
    renew_at: Instant,
}

impl Rejudge {
    /// Both passes from the start.
    pub(super) fn new(retention: Duration) -> Self {
        Self {
            pass: Some(Pass::Learn),
            again: false,
            after: Default::default(),
            changed: 0,
            retention,
            renew_at: Instant::now(),
        }
    }

    /// Both passes from the start: all that was learned is forgotten.
    pub(super) fn learn_and_judge(&mut self) {
        self.begin(Some(Pass::Learn));
        self.again = false;
    }

    /// The second pass, whole. A first pass under way leads there; a second one under way ends first, so
    /// that whoever shows new fronts all the time does not keep it at its start.
    pub(super) fn judge_again(&mut self) {
        match self.pass {
            None => self.begin(Some(Pass::Judge)),
            Some(Pass::Judge) => self.again = true,
            Some(Pass::Learn) => {}
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.pass.is_some()
    }

    /// When verdicts are due to be renewed, if nothing else makes them anew before.
    pub(super) fn renew_at(&self) -> Instant {
        self.renew_at
    }

    fn begin(&mut self, pass: Option<Pass>) {
        self.pass = pass;
        self.after = Default::default();
        self.changed = 0;
    }

    /// At the end of the second pass: how many verdicts changed in it.
    fn end(&mut self, pass: Pass) -> Option<usize> {
        let changed = self.changed;
        match pass {
            Pass::Learn => {
                self.begin(Some(Pass::Judge));
                return None;
            }
            Pass::Judge if self.again => self.begin(Some(Pass::Judge)),
            Pass::Judge => {
                self.begin(None);
                self.renew_at = Instant::now() + (self.retention / 4).min(RENEW_MAX);
            }
        }
        self.again = false;
        Some(changed)
    }

    /// Verdicts decided before this are written again though they say the same: they would expire while
    /// their session goes on. Half the retention old now, three quarters of it at the next pass.
    fn stale_before(&self, now: Micros) -> Micros {
        now - Micros::try_from((self.retention / 2).as_micros()).unwrap_or(Micros::MAX)
    }

    /// Does the next page. At the end of the second pass it says how many verdicts changed. After an
    /// error the same page comes again.
    pub(super) async fn page(
        &mut self,
        store: &Store,
        judge: &mut Judge,
    ) -> Result<Option<usize>, StoreError> {
        let Some(pass) = self.pass else {
            return Ok(None);
        };
        let sessions = sessions_after(store, &self.after).await?;
        let Some(last) = sessions.last().map(|s| (s.host.clone(), s.id.clone())) else {
            return Ok(self.end(pass));
        };
        match pass {
            Pass::Learn => sessions.iter().for_each(|session| judge.learn(session)),
            Pass::Judge => {
                let now = clock::now();
                let stale = self.stale_before(now);
                let stand = verdicts_between(store, &self.after, &last).await?;
                let anew = judge_page(judge, &sessions, &stand, now, stale);
                // Not the page's own token: an insert that is made twice repeats a line of history and
                // changes no verdict.
                let token = format!("rejudge-{now}-{}-{}", last.0, last.1);
                store.insert("verdict_fact", &anew, &token).await?;
                self.changed += anew.len();
            }
        }
        self.after = last;
        Ok(None)
    }
}

async fn sessions_after(
    store: &Store,
    after: &(String, String),
) -> Result<Vec<SessionRow>, StoreError> {
    let sql = format!(
        "SELECT {} FROM session_fact FINAL WHERE (host, id) > ({{host:String}}, {{id:String}}) \
         ORDER BY host, id LIMIT {PAGE_SESSIONS}",
        SessionRow::COLUMN_NAMES.join(", ")
    );
    store
        .rows(&sql, &[("host", &after.0), ("id", &after.1)])
        .await
}

type Stand = HashMap<(String, String), VerdictRow>;

async fn verdicts_between(
    store: &Store,
    after: &(String, String),
    last: &(String, String),
) -> Result<Stand, StoreError> {
    let sql = format!(
        "SELECT {} FROM verdict_now FINAL WHERE (host, session) > ({{host:String}}, {{id:String}}) \
         AND (host, session) <= ({{last_host:String}}, {{last_id:String}})",
        VerdictRow::COLUMN_NAMES.join(", ")
    );
    let parameters = [
        ("host", after.0.as_str()),
        ("id", &after.1),
        ("last_host", &last.0),
        ("last_id", &last.1),
    ];
    Ok(store
        .rows::<VerdictRow>(&sql, &parameters)
        .await?
        .into_iter()
        .map(|v| ((v.host.clone(), v.session.clone()), v))
        .collect())
}

/// Verdicts that differ from those that stand, or whose time is nearly over.
fn judge_page(
    judge: &mut Judge,
    sessions: &[SessionRow],
    stand: &Stand,
    now: Micros,
    stale_before: Micros,
) -> Vec<VerdictRow> {
    sessions
        .iter()
        .map(|session| judge.judge(session, now).row)
        .filter(|row| {
            stand
                .get(&(row.host.clone(), row.session.clone()))
                .is_none_or(|old| !same(old, row) || old.decided < stale_before)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn judging() -> Rejudge {
        let mut work = Rejudge::new(DAY);
        assert_eq!(work.end(Pass::Learn), None);
        assert_eq!(work.pass, Some(Pass::Judge));
        work
    }

    #[test]
    fn a_pass_ends_however_often_something_is_learned_in_it() {
        let mut work = judging();
        work.after = ("h".to_owned(), "s".to_owned());
        work.changed = 3;
        for _ in 0..5 {
            work.judge_again();
        }
        assert_eq!(work.after.0, "h", "it stays where it is");
        assert_eq!(work.end(Pass::Judge), Some(3));
        assert_eq!(
            (work.pass, work.changed, work.again),
            (Some(Pass::Judge), 0, false)
        );
        assert_eq!(work.end(Pass::Judge), Some(0));
        assert!(!work.pending());
        work.judge_again();
        assert!(work.pending());
    }

    #[test]
    fn verdicts_are_renewed_before_they_expire() {
        let mut work = judging();
        let begun = Instant::now();
        work.end(Pass::Judge);
        assert!(work.renew_at() > begun && work.renew_at() <= Instant::now() + DAY / 4);
        let half_day = 43_200_000_000;
        let now = 1_800_000_000_000_000;
        assert_eq!(work.stale_before(now), now - half_day);
        // The oldest that is left alone lives until the pass after next at least.
        assert!(DAY / 2 + 2 * (DAY / 4) <= DAY);
    }
}
