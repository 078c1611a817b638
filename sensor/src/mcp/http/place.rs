//! Where an HTTP request goes and whom it comes from: how its session is found again.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use sha2::{Digest as _, Sha256};

use crate::event::{Channel, ProcessKey};
use crate::flow::{FlowId, FlowTable, Side};
use crate::mcp::message::Era;
use crate::mcp::session::{HttpPlace, Session, SessionNumber};
use crate::observation::Transport;
use crate::protocol::http1::{Headers, RequestHead};

/// Longest request target that a session is found by, in bytes.
pub(super) const TARGET_BYTES_MAX: usize = 4096;
/// Keys of one session: its id, its endpoint, and its client's path or two.
const OWN_KEYS_MAX: usize = 16;
/// Keys that lead to sessions; more begin anew.
const KEYS_MAX: usize = 65_536;

/// Digest of an `Mcp-Session-Id`. Who has the id can speak in the session, so it is not kept itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionIdDigest([u8; 32]);

impl SessionIdDigest {
    pub(super) fn of(headers: &Headers) -> Option<Self> {
        headers
            .get("mcp-session-id")
            .map(|id| Self(Sha256::digest(id).into()))
    }
}

/// Who sends the request, as well as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum From {
    Process(ProcessKey),
    Address(IpAddr),
    Flow(FlowId),
}

/// Where a server is, as the kernel says. The socket that a unix connection was accepted on is not known:
/// ids and clients tell its sessions apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum To {
    Address(SocketAddr),
    Unix,
}

/// Everything about a request that tells which session it belongs to.
pub(super) struct Place {
    pub(super) method: String,
    pub(super) transport: Transport,
    pub(super) channel: Channel,
    pub(super) session_id: Option<SessionIdDigest>,
    /// The headers say 2026-07-28 or later.
    pub(super) modern: bool,
    flow: FlowId,
    from: From,
    to: To,
    target: String,
    path: String,
    authorities: Vec<String>,
    namespaces: Vec<u32>,
    client: Option<ProcessKey>,
    server: Option<ProcessKey>,
    addresses: Option<(SocketAddr, SocketAddr)>,
}

impl Place {
    /// What is known of a request on this flow; none when the flow is gone.
    pub(super) fn of(
        flows: &FlowTable,
        id: FlowId,
        side: Side,
        head: &RequestHead,
    ) -> Option<Self> {
        let flow = flows.get(id)?;
        let client = flow.process(side);
        let server = flow.process(side.other());
        let addresses = flow.tuple_of(side).map(|tuple| (tuple.local, tuple.remote));
        let from = match (client, addresses) {
            (Some(process), _) => From::Process(process),
            (None, Some((local, _))) => From::Address(local.ip()),
            (None, None) => From::Flow(id),
        };
        let to = addresses.map_or(To::Unix, |(_, remote)| To::Address(remote));
        Some(Self {
            method: head.method.clone(),
            transport: Transport::Http,
            channel: flow.channel,
            session_id: SessionIdDigest::of(&head.headers),
            modern: head.headers.get("mcp-method").is_some(),
            flow: id,
            from,
            to,
            target: head.target.chars().take(TARGET_BYTES_MAX).collect(),
            path: head.path().chars().take(TARGET_BYTES_MAX).collect(),
            authorities: authorities(head),
            namespaces: flow.namespaces.into_iter().flatten().collect(),
            client,
            server,
            addresses,
        })
    }

    /// Writes into a session where it goes.
    pub(super) fn describe(&self, session: &mut Session) {
        session.client = self.client.or(session.client);
        session.server = self.server.or(session.server);
        let http = &mut session.http;
        http.flow = Some(self.flow);
        http.client = self.addresses.map(|(client, _)| client).or(http.client);
        http.server = self.addresses.map(|(_, server)| server).or(http.server);
        for authority in &self.authorities {
            HttpPlace::name(&mut http.authorities, authority.clone());
        }
        for netns in &self.namespaces {
            HttpPlace::name(&mut http.namespaces, *netns);
        }
        // HTTP+SSE has an address for the stream and another, with an id in it, for requests.
        if session.transport != Transport::Sse || http.paths.is_empty() {
            HttpPlace::name(&mut http.paths, self.path.clone());
        }
    }
}

/// Whom a request names as its server: every Host header, and the target where it has an authority. A
/// request may name several; who may be meant by it is not for us to choose.
fn authorities(head: &RequestHead) -> Vec<String> {
    let hosts = head
        .headers
        .all("host")
        .map(|host| String::from_utf8_lossy(host).into_owned());
    let target = head.target.as_str();
    let named = match target.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next(),
        None => Some(target).filter(|target| !target.starts_with(['/', '*'])),
    };
    let mut authorities = Vec::new();
    for authority in named.map(str::to_owned).into_iter().chain(hosts) {
        let authority: String = authority
            .trim()
            .to_ascii_lowercase()
            .chars()
            .take(300)
            .collect();
        HttpPlace::name(&mut authorities, authority);
    }
    authorities
}

/// From what a request shows to its session.
#[derive(Default)]
pub(super) struct Index {
    keys: HashMap<Key, SessionNumber>,
    /// The other way round, so that a session is forgotten without a search.
    sessions: HashMap<SessionNumber, Vec<Key>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(To, SessionIdDigest),
    Endpoint(To, String),
    Client(From, To, String, bool),
}

impl Index {
    /// The session that goes on with this request, if there is one.
    pub(super) fn find<'a>(
        &self,
        place: &Place,
        initializes: bool,
        modern: bool,
        get: impl Fn(SessionNumber) -> Option<&'a Session>,
    ) -> Option<SessionNumber> {
        let open = |key: Key| {
            let session = get(*self.keys.get(&key)?)?;
            (!session.ended).then_some(session)
        };
        if let Some(session) = open(Key::Endpoint(place.to, place.target.clone())) {
            return Some(session.number);
        }
        if initializes {
            // A probe of the modern era that was refused, and its fallback, are one session.
            return open(client_key(place, true))
                .filter(|session| session.is_probe_only() && session.era == Era::Modern)
                .map(|session| session.number);
        }
        if let Some(id) = place.session_id {
            // A client can only have an id that nobody gave out yet when the report of the answer that
            // gave it is late.
            let late = || open(client_key(place, false)).filter(|session| session.is_handshaking());
            return open(Key::Id(place.to, id))
                .or_else(late)
                .map(|session| session.number);
        }
        if place.method != "POST" {
            return None;
        }
        open(client_key(place, modern)).map(|session| session.number)
    }

    /// A session began with this request.
    pub(super) fn learn(&mut self, place: &Place, number: SessionNumber, modern: bool) {
        self.put(client_key(place, modern), number);
        if let Some(id) = place.session_id {
            self.put(Key::Id(place.to, id), number);
        }
    }

    /// The server gave the session an id.
    pub(super) fn learn_id(&mut self, place: &Place, id: SessionIdDigest, number: SessionNumber) {
        self.put(Key::Id(place.to, id), number);
    }

    /// An event stream gave out an endpoint: a path, or a whole URL.
    pub(super) fn learn_endpoint(&mut self, place: &Place, endpoint: &[u8], number: SessionNumber) {
        let endpoint = String::from_utf8_lossy(endpoint);
        let target = match endpoint.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => endpoint.trim(),
        };
        self.put(Key::Endpoint(place.to, target.to_owned()), number);
    }

    /// Forgets a session.
    pub(super) fn forget(&mut self, number: SessionNumber) {
        for key in self.sessions.remove(&number).unwrap_or_default() {
            if self.keys.get(&key) == Some(&number) {
                self.keys.remove(&key);
            }
        }
    }

    fn put(&mut self, key: Key, number: SessionNumber) {
        let own = self.sessions.entry(number).or_default();
        if self.keys.len() >= KEYS_MAX || own.len() >= OWN_KEYS_MAX {
            return;
        }
        if self.keys.insert(key.clone(), number) != Some(number) {
            own.push(key);
        }
    }
}

fn client_key(place: &Place, modern: bool) -> Key {
    Key::Client(place.from, place.to, place.path.clone(), modern)
}
