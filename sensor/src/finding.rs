//! Shadow servers among what is stated, for a sensor that stands alone. The collector finds its own, over all
//! hosts, with the same classes, words and ids.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use gnomon_policy::finding::{SHADOW_SERVER, id};
use gnomon_policy::{BaseRoute, Status, server_identity};

use crate::event::UnixNs;
use crate::observation::{
    Body, Finding, FindingState, HostName, Observation, Session, SessionId, SessionState, Transport,
};

/// Servers remembered; the one that was quiet for the longest makes way, and is told again when it comes back.
const SERVERS_MAX: usize = 4096;

/// What was found so far.
#[derive(Debug)]
pub struct Findings {
    host: HostName,
    servers: HashMap<String, Server>,
    /// Of open sessions, which server's finding they are part of.
    sessions: HashMap<SessionId, String>,
}

#[derive(Debug)]
struct Server {
    /// Open shadow sessions.
    open: HashSet<SessionId>,
    /// A session has ended that was shadow: that stays true.
    settled: bool,
    marks: BTreeSet<&'static str>,
    first_seen: UnixNs,
    last_seen: UnixNs,
    /// What was last told of it.
    told: Option<Finding>,
}

impl Findings {
    /// Nothing yet. `host` is what loopback servers are named by.
    #[must_use]
    pub fn new(host: HostName) -> Self {
        Self {
            host,
            servers: HashMap::new(),
            sessions: HashMap::new(),
        }
    }

    /// Takes a statement; gives the findings that it opens, changes or takes back.
    pub fn take(&mut self, observation: &Observation) -> Vec<Observation> {
        let Body::Session(session) = &observation.body else {
            return Vec::new();
        };
        let shadow = session.judgement.verdict.status == Status::Shadow;
        let subject = identity(session, &self.host);
        let mut touched = Vec::new();
        // Its server may have got a name, or its verdict may be another by now.
        if let Some(before) = self.sessions.remove(&session.id) {
            if let Some(server) = self.servers.get_mut(&before) {
                server.open.remove(&session.id);
            }
            if !shadow || before != subject {
                touched.push(before);
            }
        }
        if shadow {
            self.note(subject.clone(), session);
            touched.push(subject);
        }
        touched
            .into_iter()
            .filter_map(|subject| self.tell(&subject))
            .map(|finding| Observation {
                time: observation.time,
                body: Body::Finding(finding),
            })
            .collect()
    }

    /// Every finding that is open, in the order of their first sight.
    #[must_use]
    pub fn open(&self) -> Vec<Observation> {
        let told = self
            .servers
            .values()
            .filter_map(|server| server.told.clone());
        let mut open: Vec<Finding> = told
            .filter(|finding| finding.state == FindingState::Open)
            .collect();
        open.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        open.into_iter()
            .map(|finding| Observation {
                time: finding.last_seen,
                body: Body::Finding(finding),
            })
            .collect()
    }

    fn note(&mut self, subject: String, session: &Session) {
        if self.servers.len() >= SERVERS_MAX && !self.servers.contains_key(&subject) {
            let quiet = self
                .servers
                .iter()
                .min_by_key(|(_, server)| server.last_seen);
            if let Some(quiet) = quiet.map(|(subject, _)| subject.clone()) {
                self.servers.remove(&quiet);
                self.sessions.retain(|_, subject| *subject != quiet);
            }
        }
        let server = (self.servers.entry(subject.clone())).or_insert_with(|| Server {
            open: HashSet::new(),
            settled: false,
            marks: BTreeSet::new(),
            first_seen: session.started,
            last_seen: session.last_seen,
            told: None,
        });
        server.first_seen = server.first_seen.min(session.started);
        server.last_seen = server.last_seen.max(session.last_seen);
        server.marks.extend(marks(session));
        match session.state {
            SessionState::Open => {
                server.open.insert(session.id.clone());
                self.sessions.insert(session.id.clone(), subject);
            }
            SessionState::Ended => server.settled = true,
        }
    }

    /// The finding of a server as it is now, if it is another one than was told.
    fn tell(&mut self, subject: &str) -> Option<Finding> {
        let server = self.servers.get_mut(subject)?;
        let holds = server.settled || !server.open.is_empty();
        let opinion = SHADOW_SERVER.opinion(subject, server.marks.iter().copied());
        let finding = Finding {
            id: id(SHADOW_SERVER.class, subject),
            class: SHADOW_SERVER.class,
            severity: opinion.severity,
            subject: subject.to_owned(),
            text: opinion.text,
            tags: opinion.tags,
            first_seen: server.first_seen,
            last_seen: server.last_seen,
            state: if holds {
                FindingState::Open
            } else {
                FindingState::Closed
            },
            subject_kind: SHADOW_SERVER.subject_kind,
        };
        let same = |told: &Finding| {
            (told.severity, &told.tags, told.state)
                == (finding.severity, &finding.tags, finding.state)
        };
        let news = !server.told.as_ref().is_some_and(same);
        if holds {
            server.told = Some(finding.clone());
        } else {
            self.servers.remove(subject);
        }
        news.then_some(finding)
    }
}

/// As the collector names it, but for the host: there it is the name in the sensor's certificate.
fn identity(session: &Session, host: &HostName) -> String {
    let server = &session.server;
    let exe = (server.process.as_ref()).and_then(|process| process.exe.as_deref());
    server_identity(
        host.as_str(),
        server.key.as_ref().map(|key| key.as_str()),
        server.endpoint.as_deref(),
        server.name.as_deref(),
        exe,
    )
}

/// What is true of a shadow session: see [`SHADOW_SERVER`]. The collector asks the same of its rows.
fn marks(session: &Session) -> impl Iterator<Item = &'static str> {
    let codes: Vec<&'static str> = (session.judgement.verdict.reasons.iter())
        .map(|reason| reason.code)
        .collect();
    let remote = matches!(session.base_route, BaseRoute::Direct | BaseRoute::Bridge);
    let beyond = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
    let serves =
        session.transport != Transport::Stdio && session.facts.server_serves.iter().any(beyond);
    let exposed = session.base_route == BaseRoute::Inbound || serves;
    codes
        .into_iter()
        .chain(remote.then_some("remote"))
        .chain(exposed.then_some("exposed"))
}

#[cfg(test)]
mod tests {
    use gnomon_policy::finding::Severity;
    use gnomon_policy::{Reason, code};

    use super::*;
    use crate::observation::tests::session;

    fn stated(change: impl FnOnce(&mut Session)) -> Observation {
        let mut session = session();
        change(&mut session);
        Observation {
            time: session.last_seen,
            body: Body::Session(Box::new(session)),
        }
    }

    fn found(findings: &mut Findings, change: impl FnOnce(&mut Session)) -> Vec<Finding> {
        let told = findings.take(&stated(change)).into_iter();
        told.map(|observation| match observation.body {
            Body::Finding(finding) => finding,
            other => panic!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn a_shadow_server_is_told_once_and_again_when_it_gets_worse() {
        let mut findings = Findings::new(HostName::new("laptop"));
        let first = found(&mut findings, |_| {});
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].id, id("shadow_server", "http://10.0.0.9:8000/mcp"));
        assert_eq!(first[0].tags, ["no_gateway", "remote"]);
        assert_eq!(first[0].severity, Severity::High);
        assert!(found(&mut findings, |s| s.id = SessionId::new("s2")).is_empty());
        let worse = found(&mut findings, |s| {
            let text = "round it".into();
            let code = code::BYPASS;
            s.judgement.verdict.reasons.insert(0, Reason { code, text });
        });
        assert_eq!(worse[0].severity, Severity::Critical);
        assert_eq!(findings.open().len(), 1);
    }

    #[test]
    fn a_verdict_that_turns_takes_it_back_unless_a_session_ended_so() {
        let mut findings = Findings::new(HostName::new("laptop"));
        found(&mut findings, |_| {});
        let approved = |s: &mut Session| s.judgement.verdict.status = Status::Approved;
        let closed = found(&mut findings, approved);
        assert_eq!(closed[0].state, FindingState::Closed);
        assert!(found(&mut findings, approved).is_empty());
        assert!(findings.open().is_empty());
        found(&mut findings, |s| s.state = SessionState::Ended);
        assert!(found(&mut findings, approved).is_empty());
        assert_eq!(findings.open().len(), 1);
    }

    #[test]
    fn a_server_that_gets_a_name_is_one_finding() {
        let mut findings = Findings::new(HostName::new("laptop"));
        let unnamed = found(&mut findings, |s| {
            s.server.key = None;
            s.server.endpoint = None;
        });
        assert_eq!(unnamed[0].subject, "unidentified:? on laptop");
        let both = found(&mut findings, |_| {});
        let states: Vec<_> = both.iter().map(|f| (f.subject.as_str(), f.state)).collect();
        assert_eq!(
            states,
            [
                ("unidentified:? on laptop", FindingState::Closed),
                ("http://10.0.0.9:8000/mcp", FindingState::Open)
            ]
        );
    }

    #[test]
    fn it_is_bounded() {
        let mut findings = Findings::new(HostName::new("laptop"));
        for number in 0..SERVERS_MAX + 10 {
            found(&mut findings, |s| {
                s.id = SessionId::new(&number.to_string());
                s.server.key = Some(crate::observation::ServerKey::new(&format!("npm:{number}")));
            });
        }
        assert_eq!(findings.servers.len(), SERVERS_MAX);
        assert_eq!(findings.sessions.len(), SERVERS_MAX);
    }
}
