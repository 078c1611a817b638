//! An MCP conversation as it is known now.

use std::net::{IpAddr, SocketAddr};

use gnomon_policy::{BaseRoute, Judgement};
use serde::{Serialize, Serializer};

use super::time::rfc3339;
use super::{Process, ServerKey, SessionId};
use crate::event;
use crate::event::UnixNs;

/// An MCP conversation of one client with one server, on one or more flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Stays the same over all `rev`s.
    pub id: SessionId,
    /// From 1; counts the times that what is known has changed.
    pub rev: u32,
    /// Open or ended.
    pub state: SessionState,
    /// How MCP is carried.
    pub transport: Transport,
    /// On what kind of kernel object.
    pub channel: Channel,
    /// Name of the TLS library whose plaintext was read; none: no TLS.
    pub tls: Option<String>,
    /// MCP revision spoken, such as `2025-06-18`.
    pub revision: Option<String>,
    /// The route as far as the host itself can tell.
    pub base_route: BaseRoute,
    /// What the session passes through on its way: a proxy, a bridge.
    pub via: Option<String>,
    /// Route, leg and verdict by the policy that the sensor has.
    pub judgement: Judgement,
    /// Who opened it.
    pub client: Client,
    /// Who answers.
    pub server: Server,
    /// What a verdict needs beside the policy.
    pub facts: Facts,
    /// What all this rests on. At most a few dozen entries.
    pub evidence: Vec<Evidence>,
    /// Time of its first message.
    pub started: UnixNs,
    /// Time of its latest message.
    pub last_seen: UnixNs,
    /// Calls so far.
    pub calls: u64,
}

/// Does the session go on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It does.
    Open,
    /// No more messages will come; the last statement about it.
    Ended,
}

impl SessionState {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
        }
    }
}

/// How MCP is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Lines on pipes or sockets between two processes.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl Transport {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Sse => "sse",
        }
    }
}

/// What kind of kernel object the bytes go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A pair of pipes.
    Pipe,
    /// A unix stream socket pair.
    Unix,
    /// TCP.
    Tcp,
    /// A pseudo-terminal.
    Pty,
}

impl Channel {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Pty => "pty",
        }
    }
}

impl From<event::Channel> for Channel {
    fn from(channel: event::Channel) -> Self {
        match channel {
            event::Channel::Pipe => Self::Pipe,
            event::Channel::Unix => Self::Unix,
            event::Channel::Tcp => Self::Tcp,
            event::Channel::Pty => Self::Pty,
        }
    }
}

/// The AI application that opened the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// What `clientInfo` says of itself.
    pub name: Option<String>,
    /// Its version, by its own word.
    pub version: Option<String>,
    /// Named from the process, not from what it says.
    pub application: Option<String>,
    /// Its process, where it is on this host.
    pub process: Option<Process>,
}

/// The server that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// The logical server in the inventory.
    pub key: Option<ServerKey>,
    /// How well the key is founded.
    pub strength: Option<Strength>,
    /// What `serverInfo` says of itself.
    pub name: Option<String>,
    /// Its version, by its own word.
    pub version: Option<String>,
    /// Canonical URL, redacted.
    pub endpoint: Option<String>,
    /// Its process, where it is on this host.
    pub process: Option<Process>,
}

/// How well a server's identity is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Something that the user could write says so.
    Claimed,
    /// An image digest, a root-owned file, a lock-file hash.
    Verified,
}

impl Strength {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Verified => "verified",
        }
    }
}

/// What a verdict needs beside the policy. Unknown is none, an empty list where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// What the kernel says was connected to.
    pub server_address: Option<SocketAddr>,
    /// Where the kernel says the connection came from.
    pub client_address: Option<SocketAddr>,
    /// Host header or `:authority`, as the client wrote it.
    pub authority: Option<String>,
    /// Path of the request, redacted; none: not seen.
    pub path: Option<String>,
    /// Server name in the TLS hello.
    pub sni: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Listening addresses of the client's process; of several, those that all have.
    pub client_serves: Vec<SocketAddr>,
    /// Listening addresses of the server's process.
    pub server_serves: Vec<SocketAddr>,
    /// SHA-256 of the server certificate's public key.
    pub certificate_key: Option<String>,
    /// Addresses of the host's own interfaces: what a listener on `0.0.0.0` stands for. At most 64.
    pub host_addresses: Vec<IpAddr>,
    /// Other addresses that its requests went to; none: one that is not known, or more than were kept.
    pub other_server_addresses: Vec<Option<SocketAddr>>,
    /// Other addresses that its connections came from; none as above.
    pub other_client_addresses: Vec<Option<IpAddr>>,
    /// Users of other processes that answered, where they differ from the server's; none: unknown.
    pub other_server_users: Vec<Option<String>>,
    /// Where other processes listen on the ports of `client_serves`; none: on more than were kept.
    pub others_serve: Vec<Option<SocketAddr>>,
}

/// One fact that a statement rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Evidence {
    /// Where it was learned.
    pub source: Source,
    /// What it is, in plain words; redacted.
    pub fact: String,
    /// How well it matches what it is evidence for.
    pub quality: Quality,
}

/// Where a fact was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Said by the kernel: processes, inodes, addresses.
    Kernel,
    /// Read in the bytes of the flow.
    Wire,
    /// Read in /proc or by an iterator, about what was there before.
    Snapshot,
    /// Read in a file, such as a package description.
    File,
    /// Taken from a recording.
    Recording,
}

impl Source {
    /// The printed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Wire => "wire",
            Self::Snapshot => "snapshot",
            Self::File => "file",
            Self::Recording => "recording",
        }
    }
}

/// How well a fact matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Beyond doubt.
    Exact,
    /// By thread, time or content only; decides no verdict.
    Likely,
    /// By the word of what is being described.
    Claimed,
}

impl Quality {
    /// The printed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Likely => "likely",
            Self::Claimed => "claimed",
        }
    }
}

/// The printed session: the contract's fields in the contract's order, then ours.
#[derive(Serialize)]
struct SessionShape<'a> {
    id: &'a SessionId,
    rev: u32,
    state: SessionState,
    transport: Transport,
    channel: Channel,
    tls: Option<&'a str>,
    revision: Option<&'a str>,
    route: &'static str,
    via: Option<&'a str>,
    leg: Option<&'static str>,
    client: &'a Client,
    server: &'a Server,
    verdict: VerdictShape<'a>,
    evidence: &'a [Evidence],
    /// Fingerprints of the credentials in use; the stage that finds them comes later.
    credentials: [&'a str; 0],
    base_route: &'static str,
    gateway: Option<&'a str>,
    facts: &'a Facts,
    #[serde(serialize_with = "rfc3339")]
    started: UnixNs,
    #[serde(serialize_with = "rfc3339")]
    last_seen: UnixNs,
    calls: u64,
}

const fn base_route_word(route: BaseRoute) -> &'static str {
    match route {
        BaseRoute::Local => "local",
        BaseRoute::Direct => "direct",
        BaseRoute::Inbound => "inbound",
        BaseRoute::Bridge => "bridge",
        BaseRoute::Opaque => "opaque",
    }
}

#[derive(Serialize)]
struct VerdictShape<'a> {
    status: &'static str,
    reasons: Vec<ReasonShape<'a>>,
}

#[derive(Serialize)]
struct ReasonShape<'a> {
    code: &'static str,
    text: &'a str,
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Judgement {
            route,
            leg,
            gateway,
            verdict,
        } = &self.judgement;
        let reasons = verdict
            .reasons
            .iter()
            .map(|reason| ReasonShape {
                code: reason.code,
                text: &reason.text,
            })
            .collect();
        SessionShape {
            id: &self.id,
            rev: self.rev,
            state: self.state,
            transport: self.transport,
            channel: self.channel,
            tls: self.tls.as_deref(),
            revision: self.revision.as_deref(),
            route: route.as_str(),
            via: self.via.as_deref(),
            leg: leg.map(|leg| leg.as_str()),
            client: &self.client,
            server: &self.server,
            verdict: VerdictShape {
                status: verdict.status.as_str(),
                reasons,
            },
            evidence: &self.evidence,
            credentials: [],
            base_route: base_route_word(self.base_route),
            gateway: gateway.as_deref(),
            facts: &self.facts,
            started: self.started,
            last_seen: self.last_seen,
            calls: self.calls,
        }
        .serialize(serializer)
    }
}
