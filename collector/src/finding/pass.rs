//! One pass of one rule: ask, compare, write the difference.
//!
//! The comparison is made in ClickHouse: only subjects of which something changed come here, by the digest
//! of what was found of them, so that a pass costs one grouped question however many findings are open.

use sha2::{Digest as _, Sha256};

use super::{
    change::{self, Found},
    rule::{Cutoffs, Rule},
};
use crate::{
    state::hex,
    store::{Store, StoreError, row::Micros},
};

/// Differences written at a time; what is over comes in the next pass.
pub(super) const DIFFERENCES_MAX: usize = 10_000;
/// Goes into the digest: with another number every finding is looked at anew, for what the words or the
/// severity rules of this version say of it.
const RULES_VERSION: u32 = 1;

/// Brings the findings of a rule up to date. Gives how many rows it wrote; where they are
/// [`DIFFERENCES_MAX`] there may be more.
///
/// # Errors
/// ClickHouse is away or refuses; what was written stays true.
pub(super) async fn pass(
    store: &Store,
    rule: &Rule,
    cutoffs: &Cutoffs,
    now: Micros,
) -> Result<usize, StoreError> {
    let mut parameters: Vec<(&str, &str)> = cutoffs.pairs().collect();
    parameters.push(("class", rule.kind.class));
    let found = store.rows::<Found>(&question(rule), &parameters).await?;
    let rows: Vec<_> = found
        .into_iter()
        .map(|found| change::row(rule.kind, found, now))
        .collect();
    let mut digest = Sha256::new();
    for row in &rows {
        digest.update(format!("{} {} {}\n", row.id, row.number, row.refreshed));
    }
    let token = format!("findings-{}", hex(&digest.finalize()));
    store.insert("finding_fact", &rows, &token).await?;
    Ok(rows.len())
}

/// What the rule finds, beside what is known, where the two differ.
fn question(rule: &Rule) -> String {
    let sql = rule.sql;
    format!(
        "SELECT \
            coalesce(nullIf(c.subject, ''), nullIf(f.subject, ''), '') AS subject, \
            toUInt8(ifNull(c.holds, 0)) AS holds, \
            coalesce(nullIf(c.why, ''), 'gone') AS why, \
            c.hosts AS hosts, c.users AS users, toUInt64(ifNull(c.sessions, 0)) AS sessions, \
            toInt64(ifNull(toUnixTimestamp64Micro(c.first_seen), 0)) AS first_seen, \
            toInt64(ifNull(toUnixTimestamp64Micro(c.last_seen), 0)) AS last_seen, \
            c.marks AS marks, toUInt64(ifNull(c.digest, 0)) AS digest, \
            toUInt32(ifNull(f.number, 0)) AS known_number, \
            toString(ifNull(f.event, '')) AS known_event, \
            toInt64(ifNull(toUnixTimestamp64Micro(f.time), 0)) AS known_time, \
            toInt64(ifNull(toUnixTimestamp64Micro(f.refreshed), 0)) AS known_refreshed, \
            toString(ifNull(f.severity, '')) AS known_severity, \
            toString(ifNull(f.text, '')) AS known_text, \
            f.tags AS known_tags, f.hosts AS known_hosts, f.users AS known_users, \
            toUInt64(ifNull(f.sessions, 0)) AS known_sessions, \
            toInt64(ifNull(toUnixTimestamp64Micro(f.first_seen), 0)) AS known_first_seen, \
            toInt64(ifNull(toUnixTimestamp64Micro(f.last_seen), 0)) AS known_last_seen, \
            toInt64(ifNull(toUnixTimestamp64Micro(f.opened), 0)) AS known_opened, \
            toUInt64(ifNull(f.digest, 0)) AS known_digest \
         FROM \
         ( \
            SELECT toString(r.subject) AS subject, r.holds AS holds, r.why AS why, r.hosts AS hosts, r.users AS users, \
                r.sessions AS sessions, r.first_seen AS first_seen, r.last_seen AS last_seen, \
                arraySort(r.marks) AS marks, \
                cityHash64({RULES_VERSION}, r.hosts, r.users, r.sessions, r.first_seen, r.last_seen, arraySort(r.marks)) AS digest \
            FROM ({sql}) AS r \
         ) AS c \
         FULL JOIN \
         ( \
            SELECT * FROM finding_fact FINAL \
            WHERE class = {{class:String}} AND (id, number) IN (SELECT n.id, max(n.number) FROM finding_fact AS n GROUP BY n.id) \
         ) AS f ON c.subject = f.subject \
         WHERE if(holds = 1, known_number = 0 OR known_event = 'closed' OR known_digest != digest, \
                  known_number > 0 AND known_event != 'closed') \
         LIMIT {DIFFERENCES_MAX} SETTINGS max_threads = 2"
    )
}
