//! One sanctioned exception: who may use which server outside the gateway, why, and until when.

use crate::facts::Facts;
use crate::pattern::Pattern;

/// A `[[sanction]]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Sanction {
    /// Against the server's key and its endpoint; one must fit.
    pub(crate) servers: Vec<Pattern>,
    /// Empty: every host.
    pub(crate) hosts: Vec<Pattern>,
    /// Empty: every user, also an unknown one.
    pub(crate) users: Vec<Pattern>,
    pub(crate) reason: String,
    pub(crate) author: String,
    /// The first nanosecond that is not covered any more, since the Unix epoch.
    pub(crate) end_unix_ns: u64,
    /// As the author wrote it.
    pub(crate) until: String,
    /// Covers going round a gateway as well.
    pub(crate) bypass: bool,
}

impl Sanction {
    /// Whether the session is one that this exception is about, ended or not.
    pub(crate) fn fits(&self, facts: &Facts) -> bool {
        let any = |patterns: &[Pattern], subject: Option<&str>| {
            subject.is_some_and(|s| patterns.iter().any(|p| p.fits(s)))
        };
        (any(&self.servers, facts.server_key.as_deref())
            || any(&self.servers, facts.endpoint.as_deref()))
            && (self.hosts.is_empty() || any(&self.hosts, Some(&facts.host)))
            && (self.users.is_empty() || any(&self.users, facts.user.as_deref()))
    }

    /// Whether it had ended at that time.
    pub(crate) const fn has_ended(&self, time_unix_ns: u64) -> bool {
        time_unix_ns >= self.end_unix_ns
    }
}
