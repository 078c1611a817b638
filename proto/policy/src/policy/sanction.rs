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
        (self.fits_server(facts, facts.server_key.as_deref())
            || self.fits_server(facts, facts.endpoint.as_deref()))
            && (self.hosts.is_empty() || any(&self.hosts, Some(&facts.host)))
            && (self.users.is_empty() || any(&self.users, facts.user.as_deref()))
    }

    /// A URL is what the session says: of several names none counts, of several paths all must fit.
    fn fits_server(&self, facts: &Facts, server: Option<&str>) -> bool {
        let fits = |text: &str| self.servers.iter().any(|p| p.fits(text));
        let Some(server) = server else {
            return false;
        };
        let Some((scheme, rest)) = server.split_once("://") else {
            return fits(server);
        };
        if facts.has_several_names() {
            return false;
        }
        if !facts.has_several_paths() {
            return fits(server);
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let paths = facts.paths();
        !paths.is_empty()
            && paths
                .iter()
                .all(|path| fits(&format!("{scheme}://{authority}{path}")))
    }

    /// Whether it had ended at that time.
    pub(crate) const fn has_ended(&self, time_unix_ns: u64) -> bool {
        time_unix_ns >= self.end_unix_ns
    }
}
