//! What is worth somebody's decision.

use gnomon_policy::finding::Severity;
use serde::{Serialize, Serializer};

use super::time::rfc3339;
use crate::event::UnixNs;

/// A finding of a sensor that stands alone; never sent to a collector, which has its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Made of class and subject alone, the same in sensor and collector.
    pub id: String,
    /// Of what kind.
    pub class: &'static str,
    /// How soon somebody should look.
    #[serde(serialize_with = "word")]
    pub severity: Severity,
    /// Whom it is about.
    pub subject: String,
    /// What it is, why it matters, what to decide.
    pub text: String,
    /// What is true of this case.
    pub tags: Vec<String>,
    /// Start of its first session.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: UnixNs,
    /// Latest message of its sessions.
    #[serde(serialize_with = "rfc3339")]
    pub last_seen: UnixNs,
    /// Closed: what was said is taken back.
    pub state: FindingState,
    /// What the subject is.
    pub subject_kind: &'static str,
}

/// Does it hold?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// It does.
    Open,
    /// Not any more.
    Closed,
}

fn word<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.as_str())
}
