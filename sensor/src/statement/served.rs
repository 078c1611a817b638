//! Where a session's client listens, and who else does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::event::ProcessKey;
use crate::mcp::session::Session;
use crate::process::listeners::Listeners;

/// Listening addresses stated of one process, and of others beside it.
const SERVES_MAX: usize = 64;

/// What was seen of it while the session went on: a client may stop listening before its session ends. Its processes are as
/// many as the session keeps, and their addresses bounded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    by: BTreeMap<ProcessKey, BTreeSet<SocketAddr>>,
    others: BTreeSet<SocketAddr>,
    /// Others had addresses that found no room.
    more: bool,
}

impl Served {
    /// Takes note of where the client and others listen now.
    pub(super) fn note(&mut self, session: &Session, listeners: &Listeners) {
        let own = processes(session);
        for process in &own {
            let now = listeners.of(*process);
            let before = self.by.entry(*process).or_default();
            let room = SERVES_MAX.saturating_sub(before.len());
            before.extend(now.iter().take(room));
            for other in listeners.others(&own, &now) {
                match other {
                    Some(other) if self.others.len() < SERVES_MAX => {
                        self.others.insert(other);
                    }
                    Some(other) => self.more |= !self.others.contains(&other),
                    None => self.more = true,
                }
            }
        }
    }

    /// Where the client listens. Where it is several processes, as a gateway's workers are, what all of them have: who
    /// listens nowhere may be in the session by its id alone.
    pub(super) fn serves(&self, session: &Session) -> Vec<SocketAddr> {
        let clients = &session.http.clients;
        let unknown = clients.more() || clients.iter().any(|party| party.process.is_none());
        let own = processes(session);
        let mut all = own.iter().map(|process| self.by.get(process));
        let Some(Some(first)) = all.next().filter(|_| !unknown) else {
            return Vec::new();
        };
        let mut common = first.clone();
        for serves in all {
            common.retain(|address| serves.is_some_and(|serves| serves.contains(address)));
        }
        common.into_iter().collect()
    }

    /// Where others listen beside it; none: on more than were kept.
    pub(super) fn others(&self) -> Vec<Option<SocketAddr>> {
        let more = self.more.then_some(None);
        self.others.iter().copied().map(Some).chain(more).collect()
    }
}

/// The processes that the session's client is.
fn processes(session: &Session) -> BTreeSet<ProcessKey> {
    let parties = session.http.clients.iter();
    parties
        .filter_map(|party| party.process)
        .chain(session.client)
        .filter(|process| !process.is_nobody())
        .collect()
}
