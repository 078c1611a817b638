//! The collector's verdict on a session: stored facts, held against the policy in force.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
};

use gnomon_policy::{BaseRoute, Facts, Fronts, Judgement, Policy, Transport, judge};

use crate::store::row::{Micros, SessionRow, VerdictRow};

/// Sessions whose last verdict is remembered, so that only changes are written. Beyond it all are
/// forgotten at once, and a few verdicts are written again.
const REMEMBERED_MAX: usize = 200_000;

/// Policy, learned fronts, and what was said last. One task owns it.
#[derive(Debug)]
pub struct Judge {
    policy: Policy,
    version: u64,
    fronts: Fronts,
    last: HashMap<u64, u64>,
    hasher: RandomState,
    decided: Micros,
}

/// What judging one session gave.
#[derive(Debug)]
pub struct Judged {
    /// The verdict, as its row.
    pub row: VerdictRow,
    /// It differs from what was last said of this session, as far as is remembered.
    pub changed: bool,
    /// A server was learned to be behind a gateway: earlier verdicts may be wrong now.
    pub learned: bool,
}

impl Judge {
    /// Under a policy, with nothing learned yet.
    #[must_use]
    pub fn new(policy: Policy, version: u64) -> Self {
        Self {
            policy,
            version,
            fronts: Fronts::new(),
            last: HashMap::new(),
            hasher: RandomState::new(),
            decided: 0,
        }
    }

    /// Takes another policy into force. What was learned under the old one is forgotten.
    pub fn replace(&mut self, policy: Policy, version: u64) {
        self.policy = policy;
        self.version = version;
        self.fronts = Fronts::new();
    }

    /// Judges a session as known now. `now` is the collector's clock.
    pub fn judge(&mut self, session: &SessionRow, now: Micros) -> Judged {
        let mut facts = facts(session);
        let mut judgement = judge(&facts, &self.policy);
        let learned = self.fronts.learn(&facts, &judgement);
        if let Some(gateway) = self.fronts.gateway_of(&facts) {
            facts.fronted_by = Some(gateway.to_owned());
            judgement = judge(&facts, &self.policy);
        }
        // Never twice the same instant: the last verdict is the one with the greatest time.
        self.decided = now.max(self.decided + 1);
        let row = row(session, &judgement, self.version, self.decided);
        let changed = self.remember(&row);
        Judged {
            row,
            changed,
            learned,
        }
    }

    /// Only learns which servers stand behind gateways.
    pub fn learn(&mut self, session: &SessionRow) {
        let facts = facts(session);
        let judgement = judge(&facts, &self.policy);
        self.fronts.learn(&facts, &judgement);
    }

    fn remember(&mut self, row: &VerdictRow) -> bool {
        let key = self.hasher.hash_one((&row.host, &row.session));
        let said = self.hasher.hash_one((
            row.policy_version,
            &row.status,
            &row.route,
            &row.leg,
            &row.gateway,
            &row.reasons,
        ));
        if self.last.len() >= REMEMBERED_MAX && !self.last.contains_key(&key) {
            self.last.clear();
        }
        self.last.insert(key, said) != Some(said)
    }
}

/// Whether two verdicts say the same.
#[must_use]
pub fn same(one: &VerdictRow, other: &VerdictRow) -> bool {
    (
        &one.status,
        &one.route,
        &one.leg,
        &one.gateway,
        &one.reasons,
    ) == (
        &other.status,
        &other.route,
        &other.leg,
        &other.gateway,
        &other.reasons,
    )
}

fn row(session: &SessionRow, judgement: &Judgement, version: u64, decided: Micros) -> VerdictRow {
    VerdictRow {
        host: session.host.clone(),
        session: session.id.clone(),
        decided,
        rev: session.rev,
        policy_version: version,
        status: judgement.verdict.status.as_str().to_owned(),
        route: judgement.route.as_str().to_owned(),
        leg: judgement.leg.map(|leg| leg.as_str().to_owned()),
        gateway: judgement.gateway.clone(),
        reasons: judgement
            .verdict
            .reasons
            .iter()
            .map(|r| (r.code.to_owned(), r.text.clone()))
            .collect(),
    }
}

/// Each of several; what cannot be read is not known, and counts.
fn several<T: std::str::FromStr>(texts: &[String]) -> Vec<Option<T>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// A stored session as the policy sees it.
fn facts(session: &SessionRow) -> Facts {
    let address = |text: &Option<String>| text.as_deref().and_then(|t| t.parse().ok());
    let addresses = |texts: &[String]| {
        texts
            .iter()
            .filter_map(|t| t.parse().ok())
            .collect::<Vec<SocketAddr>>()
    };
    let inbound = session.base_route == "inbound";
    Facts {
        host: session.host.clone(),
        time_unix_ns: u64::try_from(session.last_seen)
            .unwrap_or_default()
            .saturating_mul(1000),
        base_route: match session.base_route.as_str() {
            "local" => BaseRoute::Local,
            "direct" => BaseRoute::Direct,
            "inbound" => BaseRoute::Inbound,
            "bridge" => BaseRoute::Bridge,
            _ => BaseRoute::Opaque,
        },
        user: if inbound {
            session.server_user.clone()
        } else {
            session.client_user.clone()
        },
        server_user: session.server_user.clone(),
        application: session.client_application.clone(),
        transport: match session.transport.as_deref() {
            Some("stdio") => Some(Transport::Stdio),
            Some("http") => Some(Transport::Http),
            Some("sse") => Some(Transport::Sse),
            _ => None,
        },
        server_key: session.server_key.clone(),
        server_name: session.server_name.clone(),
        endpoint: session.server_endpoint.clone(),
        authority: session.authority.clone(),
        path: session.path.clone(),
        scheme: session.scheme.clone(),
        sni: session.sni.clone(),
        tls: session.tls.clone(),
        certificate_key: session.certificate_key.clone(),
        server_address: address(&session.server_address),
        client_address: address(&session.client_address),
        other_server_addresses: several(&session.other_server_addresses),
        other_client_addresses: several(&session.other_client_addresses),
        other_server_users: session
            .other_server_users
            .iter()
            .map(|user| Some(user.clone()).filter(|user| !user.is_empty()))
            .collect(),
        others_serve: several(&session.others_serve),
        client_serves: addresses(&session.client_serves),
        server_serves: addresses(&session.server_serves),
        host_addresses: session
            .host_addresses
            .iter()
            .filter_map(|t| t.parse().ok())
            .collect(),
        via: session.via.clone(),
        // Filled in by who asks: what gateways front is learned from all sessions.
        fronted_by: None,
    }
}
