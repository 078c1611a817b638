//! A process as it is stated.

use serde::{Serialize, Serializer};

use super::time::rfc3339_option;
use crate::event::UnixNs;

/// One process at one side of something. Texts are redacted and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Thread-group id in the initial pid namespace.
    pub pid: u32,
    /// Path of the executable.
    pub exe: Option<String>,
    /// Arguments; empty where unknown, printed as `null`.
    #[serde(serialize_with = "null_if_empty")]
    pub argv: Vec<String>,
    /// Name of the user.
    pub user: Option<String>,
    /// Real user id.
    pub uid: Option<u32>,
    /// Container or pod.
    pub container: Option<String>,
    /// When it started.
    #[serde(serialize_with = "rfc3339_option")]
    pub started: Option<UnixNs>,
}

fn null_if_empty<S: Serializer>(argv: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    if argv.is_empty() {
        serializer.serialize_none()
    } else {
        argv.serialize(serializer)
    }
}
