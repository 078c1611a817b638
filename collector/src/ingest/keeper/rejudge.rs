//! Judges all stored sessions again, page by page.
//!
//! After a new policy, and at start, in two passes: first learn which servers stand behind gateways,
//! then judge, so that a bypass is found whichever session came first. After a newly learned front
//! the second pass alone.

use std::collections::HashMap;

use clickhouse::Row;

use crate::{
    clock,
    store::{
        Store, StoreError,
        row::{SessionRow, VerdictRow},
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

/// Where the work stands.
#[derive(Debug)]
pub(super) struct Rejudge {
    pass: Option<Pass>,
    /// Host and id of the last session done in this pass.
    after: (String, String),
    /// Verdicts that changed in this pass so far.
    changed: usize,
}

impl Rejudge {
    /// Both passes from the start.
    pub(super) fn learn_and_judge() -> Self {
        Self {
            pass: Some(Pass::Learn),
            after: Default::default(),
            changed: 0,
        }
    }

    /// The second pass from its start; a first pass under way goes on and leads there.
    pub(super) fn restart_judging(&mut self) {
        if self.pass != Some(Pass::Learn) {
            *self = Self {
                pass: Some(Pass::Judge),
                after: Default::default(),
                changed: 0,
            };
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.pass.is_some()
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
            self.pass = (pass == Pass::Learn).then_some(Pass::Judge);
            self.after = Default::default();
            return Ok((pass == Pass::Judge).then_some(self.changed));
        };
        match pass {
            Pass::Learn => sessions.iter().for_each(|session| judge.learn(session)),
            Pass::Judge => {
                self.changed += judge_page(store, judge, &sessions, &self.after, &last).await?;
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

async fn judge_page(
    store: &Store,
    judge: &mut Judge,
    sessions: &[SessionRow],
    after: &(String, String),
    last: &(String, String),
) -> Result<usize, StoreError> {
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
    let stand: HashMap<(String, String), VerdictRow> = store
        .rows::<VerdictRow>(&sql, &parameters)
        .await?
        .into_iter()
        .map(|v| ((v.host.clone(), v.session.clone()), v))
        .collect();
    let now = clock::now();
    let changed: Vec<VerdictRow> = sessions
        .iter()
        .map(|session| judge.judge(session, now).row)
        .filter(|row| {
            stand
                .get(&(row.host.clone(), row.session.clone()))
                .is_none_or(|old| !same(old, row))
        })
        .collect();
    // No token: an insert that is made twice repeats a line of history and changes no verdict.
    let token = format!("rejudge-{now}-{}-{}", last.0, last.1);
    store.insert("verdict_fact", &changed, &token).await?;
    Ok(changed.len())
}
