//! From a session in the tables to what is stated of it: who, what, where, by which route, how sure.
//!
//! Everything textual passes the redactor here.

mod known;
mod served;

use std::net::IpAddr;

pub(crate) use known::Known;
pub(crate) use served::Served;

use gnomon_policy::{BaseRoute, Fronts, Policy, judge};

use crate::event::ProcessKey;
use crate::flow::FlowTable;
use crate::host::Host;
use crate::mcp::message::Peer;
use crate::mcp::session::Session;
use crate::observation::{
    self, Client, Evidence, Facts, HostName, Process, Quality, Server, ServerKey, SessionId,
    SessionState, Source, Strength, Transport,
};
use crate::process::application::{Named, application};
use crate::process::listeners::Listeners;
use crate::process::table::ProcessTable;
use crate::redact;
use crate::timeline::Timeline;

/// What a statement is made from.
pub(crate) struct Sources<'a> {
    pub(crate) processes: &'a ProcessTable,
    pub(crate) flows: &'a FlowTable,
    pub(crate) listeners: &'a Listeners,
    pub(crate) fronts: &'a Fronts,
    pub(crate) policy: &'a Policy,
    pub(crate) host: &'a mut dyn Host,
    pub(crate) host_name: &'a HostName,
    pub(crate) known: &'a mut Known,
    /// What times are on the wall clock.
    pub(crate) timeline: &'a Timeline,
    /// Where the client was seen to listen while its session went on.
    pub(crate) served: Served,
}

impl Sources<'_> {
    /// States a session as it is known now.
    pub(crate) fn session(
        &mut self,
        session: &Session,
        id: SessionId,
        rev: u32,
    ) -> observation::Session {
        let client = self.client(session);
        let facts = self.facts(session);
        let base_route = self.base_route(session);
        let server = self.server(session, base_route, &facts);
        let mut stated = observation::Session {
            id,
            rev,
            state: if session.ended {
                SessionState::Ended
            } else {
                SessionState::Open
            },
            transport: session.transport,
            channel: session.channel.into(),
            tls: None,
            revision: session.revision.as_deref().map(redact::text),
            base_route,
            via: None,
            judgement: judge(&gnomon_policy::Facts::default(), self.policy),
            client,
            server,
            facts,
            evidence: self.evidence(session),
            started: self.timeline.wall(session.started),
            last_seen: self.timeline.wall(session.last_seen),
            calls: session.calls,
        };
        let mut facts = policy_facts(&stated, self.host_name);
        facts.fronted_by = self.fronts.gateway_of(&facts).map(str::to_owned);
        stated.judgement = judge(&facts, self.policy);
        stated
    }

    fn process(&mut self, key: ProcessKey) -> Process {
        self.known.process(key, self.processes, self.host)
    }

    fn stated(&mut self, process: Option<ProcessKey>) -> Option<Process> {
        let process = process.filter(|process| !process.is_nobody())?;
        Some(self.process(process))
    }

    fn client(&mut self, session: &Session) -> Client {
        let Peer { name, version } = session.client_peer.clone().unwrap_or_default();
        Client {
            name: name.as_deref().map(redact::text),
            version: version.as_deref().map(redact::text),
            application: session
                .client
                .and_then(|process| self.application(process))
                .map(|named| named.name.to_owned()),
            process: self.stated(session.client),
        }
    }

    /// The AI application that a process is, or is a part of.
    fn application(&self, process: ProcessKey) -> Option<Named> {
        self.processes.lineage(process).find_map(|process| {
            let image = self.processes.image(process)?;
            application(image.exe.as_deref(), &image.argv)
        })
    }

    /// What the session rests on, and by what its application is known: that is easily forged by whoever owns it.
    fn evidence(&self, session: &Session) -> Vec<Evidence> {
        let mut evidence = session.evidence.clone();
        let named = session.client.and_then(|process| self.application(process));
        evidence.extend(named.map(|named| Evidence {
            source: Source::Kernel,
            fact: format!("{} is known by {}", named.name, named.by.as_str()),
            quality: Quality::Claimed,
        }));
        for (side, process) in [("client", session.client), ("server", session.server)] {
            if process.is_some_and(ProcessKey::is_nobody) {
                evidence.push(Evidence {
                    source: Source::Snapshot,
                    fact: format!("the {side}'s process was not found: its socket was gone, or not this namespace's"),
                    quality: Quality::Exact,
                });
            }
        }
        evidence
    }

    fn server(&mut self, session: &Session, route: BaseRoute, facts: &Facts) -> Server {
        let Peer { name, version } = session.server_peer.clone().unwrap_or_default();
        let endpoint = endpoint(session, facts);
        let local = self.local_identity(session);
        let remote = || {
            let remote = matches!(route, BaseRoute::Direct) || session.server.is_none();
            let url = endpoint.as_deref().filter(|_| remote)?;
            Some((ServerKey::new(url), Strength::Claimed))
        };
        // A server of this host that nothing names is still told apart by where it listens.
        let place = || {
            endpoint
                .as_deref()
                .map(|url| (ServerKey::new(url), Strength::Claimed))
        };
        let identity = local.or_else(remote).or_else(place);
        Server {
            key: identity.as_ref().map(|(key, _)| key.clone()),
            strength: identity.map(|(_, strength)| strength),
            name: name.as_deref().map(redact::text),
            version: version.as_deref().map(redact::text),
            endpoint,
            process: self.stated(session.server),
        }
    }

    fn facts(&mut self, session: &Session) -> Facts {
        self.served.note(session, self.listeners);
        let server_serves = session
            .server
            .map(|process| self.listeners.of(process))
            .unwrap_or_default();
        let foreign = self.in_foreign_namespace(session);
        let http = &session.http;
        // In a network namespace of its own anybody can give itself any address.
        let (other_servers, other_clients) = if foreign {
            (Vec::new(), Vec::new())
        } else {
            let from = http.client.map(|client| client.ip());
            let servers = http.servers.addresses_but(http.server);
            (servers, http.clients.addresses_but(from))
        };
        Facts {
            server_address: http.server.filter(|_| !foreign),
            client_address: http.client.filter(|_| !foreign),
            other_server_addresses: other_servers,
            other_client_addresses: other_clients,
            other_server_users: self.other_server_users(session),
            authority: joined(&session.http.authorities, redact::text),
            path: several(&session.http.paths),
            sni: None,
            scheme: (session.transport != Transport::Stdio).then(|| "http".to_owned()),
            client_serves: self.served.serves(session),
            others_serve: self.served.others(),
            server_serves,
            certificate_key: None,
            host_addresses: self.host.addresses(),
        }
    }

    /// Users of processes that answered beside the one that is stated, where they differ from its own. One that is not known
    /// is told where the process would have been seen: on this host.
    fn other_server_users(&mut self, session: &Session) -> Vec<Option<String>> {
        let own = session.server.filter(|server| !server.is_nobody());
        let Some(user) = own.map(|server| self.process(server).user) else {
            return Vec::new();
        };
        let addresses = self.host.addresses();
        let here = |ip: IpAddr| ip.to_canonical().is_loopback() || addresses.contains(&ip);
        let mut others = Vec::new();
        for party in session.http.servers.iter() {
            let other = match (party.process, party.address) {
                (Some(process), _) => self.process(process).user,
                (None, Some(address)) if here(address.ip()) => None,
                (None, _) => continue,
            };
            others.push(other);
        }
        others.extend(session.http.servers.more().then_some(None));
        others.retain(|other| *other != user);
        others.sort_unstable();
        others.dedup();
        others
    }

    /// What the server is, by its process. Of several that answered, what all of them are: one request reaches another server
    /// as easily.
    fn local_identity(&mut self, session: &Session) -> Option<(ServerKey, Strength)> {
        let identity = self.identity(session.server?)?;
        let servers = &session.http.servers;
        let (mut its, mut unnamed) = (Vec::new(), Vec::new());
        for party in servers.iter() {
            match party.process.and_then(|process| self.identity(process)) {
                Some((key, _)) if key == identity.0 => its.push(party.address),
                Some(_) => return None,
                None => unnamed.push(party.address),
            }
        }
        // A worker may be gone before anything of it is known; where nothing is, it is another server.
        let is_same = !servers.more() && unnamed.iter().all(|address| its.contains(address));
        is_same.then_some(identity)
    }

    fn identity(&mut self, process: ProcessKey) -> Option<(ServerKey, Strength)> {
        self.known.identity(process, self.processes, self.host)
    }

    fn in_foreign_namespace(&mut self, session: &Session) -> bool {
        let own = self.host.netns();
        own.is_some_and(|own| session.http.namespaces.iter().any(|netns| *netns != own))
    }

    fn base_route(&self, session: &Session) -> BaseRoute {
        let (Some(client), Some(server)) = (session.http.client, session.http.server) else {
            return BaseRoute::Local;
        };
        let one_host = server.ip().to_canonical().is_loopback() || client.ip() == server.ip();
        let both_here = session.client.is_some() && session.server.is_some();
        if one_host || both_here {
            BaseRoute::Local
        } else if session.client.is_some() {
            BaseRoute::Direct
        } else if session.server.is_some() {
            BaseRoute::Inbound
        } else {
            self.route_by_flow(session)
        }
    }

    /// A recording names no process; the side that was recorded is the one that is here.
    fn route_by_flow(&self, session: &Session) -> BaseRoute {
        let flow = session.http.flow.and_then(|flow| self.flows.get(flow));
        match flow.and_then(|flow| flow.tuple) {
            Some(tuple) if Some(tuple.local) == session.http.server => BaseRoute::Inbound,
            _ => BaseRoute::Direct,
        }
    }
}

/// Several names are told as such, and match no gateway.
fn joined(names: &[String], redact: fn(&str) -> String) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| redact(name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The same for paths.
fn several(paths: &[String]) -> Option<String> {
    match paths {
        [path] => Some(redact::url(path)),
        _ => joined(paths, redact::url).map(|paths| format!("several: {paths}")),
    }
}

/// The canonical URL: scheme, authority in lower case without the default port, path.
fn endpoint(session: &Session, facts: &Facts) -> Option<String> {
    if session.transport == Transport::Stdio {
        return None;
    }
    let address = facts.server_address.map(|address| address.to_string());
    let authority = session
        .http
        .authorities
        .first()
        .map(|authority| redact::text(authority));
    let authority = authority.or(address)?.to_ascii_lowercase();
    let authority = authority.strip_suffix(":80").unwrap_or(&authority);
    let path = session.http.paths.first().map_or("", String::as_str);
    Some(redact::url(&format!("http://{authority}{path}")))
}

/// What the policy needs of a stated session.
pub(crate) fn policy_facts(
    session: &observation::Session,
    host: &HostName,
) -> gnomon_policy::Facts {
    let facts = &session.facts;
    let process = match session.base_route {
        BaseRoute::Inbound => &session.server.process,
        _ => &session.client.process,
    };
    gnomon_policy::Facts {
        host: host.as_str().to_owned(),
        time_unix_ns: session.last_seen,
        base_route: session.base_route,
        user: process.as_ref().and_then(|process| process.user.clone()),
        server_user: session
            .server
            .process
            .as_ref()
            .and_then(|process| process.user.clone()),
        application: session.client.application.clone(),
        transport: Some(match session.transport {
            Transport::Stdio => gnomon_policy::Transport::Stdio,
            Transport::Http => gnomon_policy::Transport::Http,
            Transport::Sse => gnomon_policy::Transport::Sse,
        }),
        server_key: session
            .server
            .key
            .as_ref()
            .map(|key| key.as_str().to_owned()),
        server_name: session.server.name.clone(),
        endpoint: session.server.endpoint.clone(),
        authority: facts.authority.clone(),
        path: facts.path.clone(),
        scheme: facts.scheme.clone(),
        sni: facts.sni.clone(),
        tls: session.tls.clone(),
        certificate_key: facts.certificate_key.clone(),
        server_address: facts.server_address,
        client_address: facts.client_address,
        other_server_addresses: facts.other_server_addresses.clone(),
        other_client_addresses: facts.other_client_addresses.clone(),
        other_server_users: facts.other_server_users.clone(),
        client_serves: facts.client_serves.clone(),
        others_serve: facts.others_serve.clone(),
        server_serves: facts.server_serves.clone(),
        host_addresses: facts.host_addresses.clone(),
        via: session.via.clone(),
        fronted_by: None,
    }
}
