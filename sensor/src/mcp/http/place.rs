//! Where an HTTP request goes and whom it comes from: how its session is found again.

use std::net::{IpAddr, SocketAddr};

use sha2::{Digest as _, Sha256};

use crate::event::{Channel, ProcessKey};
use crate::flow::{FlowId, FlowTable, Side};
use crate::mcp::session::{HttpPlace, Session};
use crate::mcp::value::is_date;
use crate::observation::Transport;
use crate::protocol::http1::{Headers, RequestHead};

/// Longest request target that a session is found by, in bytes.
pub(super) const TARGET_BYTES_MAX: usize = 4096;
/// Digest of an `Mcp-Session-Id`. Who has the id can speak in the session, so it is not kept itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionIdDigest([u8; 32]);

impl SessionIdDigest {
    pub(super) fn of(headers: &Headers) -> Option<Self> {
        headers
            .get("mcp-session-id")
            .map(|id| Self(Sha256::digest(id).into()))
    }

    /// The id in the query of an address, as HTTP+SSE has it.
    pub(super) fn of_query(target: &str) -> Option<Self> {
        let (_, query) = target.split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        let id = query
            .split('&')
            .filter_map(|field| field.split_once('='))
            .find(|(name, id)| is_session_field(name) && !id.is_empty());
        id.map(|(_, id)| Self(Sha256::digest(id).into()))
    }
}

/// `session_id`, `sessionId`, `session-id`.
fn is_session_field(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    letters
        .map(|byte| byte.to_ascii_lowercase())
        .eq(*b"sessionid")
}

/// Who sends the request, as well as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum From {
    Process(ProcessKey),
    Address(IpAddr),
    Flow(FlowId),
}

/// Where a server is, as the kernel says. The socket that a unix connection was accepted on is not known:
/// ids and clients tell its sessions apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum To {
    Address(SocketAddr),
    Unix,
}

/// Everything about a request that tells which session it belongs to.
pub(super) struct Place {
    pub(super) method: String,
    pub(super) transport: Transport,
    pub(super) channel: Channel,
    pub(super) session_id: Option<SessionIdDigest>,
    /// The id in its query.
    pub(super) stream_id: Option<SessionIdDigest>,
    /// The headers say 2026-07-28 or later.
    pub(super) modern: bool,
    pub(super) flow: FlowId,
    pub(super) from: From,
    pub(super) to: To,
    pub(super) target: String,
    pub(super) path: String,
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
            stream_id: SessionIdDigest::of_query(&head.target),
            modern: is_modern(&head.headers),
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
        session.meet(self.client, self.server, self.addresses);
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

/// The first revision of the modern era; revisions are dates.
const MODERN: &str = "2026-07-28";

fn is_modern(headers: &Headers) -> bool {
    let revision = headers.text("mcp-protocol-version");
    headers.get("mcp-method").is_some()
        || revision.is_some_and(|revision| is_date(revision) && revision >= MODERN)
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
