//! The policy in force: versions kept in the store, each with author and time.

use std::sync::Arc;

use gnomon_policy::Policy;
use time::OffsetDateTime;

use crate::store::{Store, StoreError, row::PolicyRow};

/// Longest policy text, bytes.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// What is in force, as everybody else sees it.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// Counts up from 1; 0: there is no policy yet.
    pub version: u64,
    /// Who applied it.
    pub author: String,
    /// When, microseconds since the Unix epoch.
    pub applied: i64,
    /// SHA-256 of the text.
    pub digest: String,
    /// The text.
    pub toml: String,
}

/// Shared, replaced as a whole.
pub type Shared = Arc<InForce>;

impl From<PolicyRow> for InForce {
    fn from(row: PolicyRow) -> Self {
        Self {
            version: row.version,
            author: row.author,
            applied: row.applied,
            digest: row.digest,
            toml: row.toml,
        }
    }
}

/// One fault or warning of a policy text.
#[derive(Clone, Debug, serde::Serialize)]
#[allow(missing_docs)]
pub struct Remark {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub what: String,
    pub fix: String,
}

/// Reads and checks a text.
///
/// # Errors
/// Every fault, with its line.
pub fn parse(toml: &str, file: &str) -> Result<(Policy, Vec<Remark>), Vec<Remark>> {
    let (policy, warnings) =
        Policy::parse(toml, file, OffsetDateTime::now_utc()).map_err(|faults| {
            faults
                .into_iter()
                .map(|f| Remark {
                    file: f.file,
                    line: f.line,
                    column: f.column,
                    what: f.what,
                    fix: f.fix,
                })
                .collect::<Vec<_>>()
        })?;
    let warnings = warnings
        .into_iter()
        .map(|w| Remark {
            file: w.file,
            line: w.line,
            column: w.column,
            what: w.what,
            fix: w.fix,
        })
        .collect();
    Ok((policy, warnings))
}

/// The last version stored.
///
/// # Errors
/// ClickHouse is away or refuses.
pub async fn last(store: &Store) -> Result<Option<PolicyRow>, StoreError> {
    let sql = "SELECT version, applied, author, digest, toml FROM policy_version FINAL ORDER BY version DESC LIMIT 1";
    Ok(store.rows::<PolicyRow>(sql, &[]).await?.pop())
}
