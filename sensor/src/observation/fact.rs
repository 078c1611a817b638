//! The smaller observations: call, listener, tools, coverage, stats.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::time::{rfc3339, rfc3339_option};
use super::{Channel, Evidence, Process, ServerKey, SessionId};
use crate::event::UnixNs;

/// Every client request but `ping`, `initialize` and `server/discover`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// In which session.
    pub session: SessionId,
    /// JSON-RPC method.
    pub method: String,
    /// Tool, prompt, or redacted resource.
    pub name: Option<String>,
    /// How it ended.
    pub status: CallStatus,
    /// From the end of the request to the end of the answer.
    pub duration_us: Option<u64>,
    /// Length of the request's JSON text, without framing.
    pub request_bytes: u64,
    /// Length of the answer's JSON text.
    pub response_bytes: Option<u64>,
    /// Position in its session, from 1: (session, number) is the call's identity.
    pub number: u64,
    /// The answer's error message, redacted; of an unanswered call, why it may have been answered all the same.
    pub error_text: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// With a result.
    Ok,
    /// With a JSON-RPC error.
    Error,
    /// With a result that says `isError`.
    ToolError,
    /// The client took it back.
    Cancelled,
    /// Not before the session ended.
    Unanswered,
}

impl CallStatus {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::ToolError => "tool_error",
            Self::Cancelled => "cancelled",
            Self::Unanswered => "unanswered",
        }
    }
}

/// A listening socket and its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// IP address without port; the path of a unix socket, or its abstract name after `@`, redacted.
    pub address: String,
    /// TCP port.
    pub port: Option<u16>,
    /// HTTP path on which MCP was seen first, redacted.
    pub path: Option<String>,
    /// TCP or unix.
    pub channel: Channel,
    /// Who serves there; where nobody was seen to, who holds the socket.
    pub process: Option<Process>,
    /// Is it MCP?
    pub mcp: ListenerMcp,
    /// TLS library.
    pub tls: Option<String>,
    /// Who can reach it.
    pub exposure: Option<Exposure>,
    /// Whether it listens now.
    pub state: ListenerState,
    /// All HTTP paths on which MCP was seen, redacted. At most 16.
    pub paths: Vec<String>,
    /// Inode number of its network namespace, where that is not the host's own.
    pub namespace: Option<u32>,
    /// Who may connect to a unix socket: mode, owner and group of its file, or `abstract`: everybody.
    pub access: Option<String>,
    /// Since when it listens; none: since before the sensor.
    #[serde(serialize_with = "rfc3339_option")]
    pub opened: Option<UnixNs>,
    /// What this rests on: who opened it, where it was seen.
    pub evidence: Vec<Evidence>,
}

/// Whether a listener still listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerState {
    /// It does.
    Open,
    /// It does no more; the last statement about it.
    Closed,
}

impl ListenerState {
    /// The printed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// Whether a listener speaks MCP, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerMcp {
    /// MCP was observed on it.
    Seen,
    /// It answered a probe.
    Probed,
    /// Nothing was seen either way.
    Unknown,
}

impl ListenerMcp {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Probed => "probed",
            Self::Unknown => "unknown",
        }
    }
}

/// Who can reach a listener, by its address alone: a firewall may still say otherwise. From the few to the many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// A unix socket: processes of this host that may open it, see [`Listener::access`].
    Unix,
    /// Processes of this host, or of this network namespace.
    Loopback,
    /// A network namespace other than the host's, such as a container's: whoever has a way into it. From beyond
    /// the host only where its port is published, and then another listener or a firewall rule does that.
    Host,
    /// An address for private networks (RFC 1918, RFC 6598, link-local, unique local): hosts on those.
    Private,
    /// An address that is valid everywhere.
    Public,
    /// Every address that the host has.
    Any,
}

impl Exposure {
    /// The printed word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Loopback => "loopback",
            Self::Host => "host",
            Self::Private => "private",
            Self::Public => "public",
            Self::Any => "any",
        }
    }

    /// Whether other hosts can reach it.
    #[must_use]
    pub const fn is_beyond_host(self) -> bool {
        matches!(self, Self::Private | Self::Public | Self::Any)
    }
}

/// One version of one tool's definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tools {
    /// Whose tool.
    pub server: ServerKey,
    /// Its name.
    pub tool: String,
    /// Canonical digest of the definition, SHA-256 in hex.
    pub digest: String,
    /// When this version was first seen by this sensor.
    #[serde(serialize_with = "rfc3339")]
    pub first: UnixNs,
    /// Digest of the version it replaces.
    pub previous: Option<String>,
}

/// What a sensor can and cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Of which process; none: of the host.
    pub process: Option<Process>,
    /// What is meant: a hook, a TLS library, a flow.
    pub what: String,
    /// How it stands.
    pub state: CoverageState,
    /// Why.
    pub reason: Option<String>,
}

/// How well something is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageState {
    /// Read and understood.
    Decoded,
    /// Seen, not readable.
    Opaque,
    /// Seen from the middle on only.
    Late,
    /// A probe that should be attached is not.
    Detached,
    /// Left out to stay within the budget.
    Shed,
}

impl CoverageState {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Opaque => "opaque",
            Self::Late => "late",
            Self::Detached => "detached",
            Self::Shed => "shed",
        }
    }
}

/// The sensor's own work, since its start. One a minute and one at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Hook → tier number, or why it is off (printed as null).
    #[serde(serialize_with = "tiers")]
    pub tier: BTreeMap<String, String>,
    /// MCP messages understood.
    pub messages: u64,
    /// Payload bytes looked at.
    pub bytes: u64,
    /// Losses by reason.
    pub lost: BTreeMap<String, u64>,
    /// Size of the ring buffer.
    pub ring_bytes: u64,
    /// Size of all BPF maps.
    pub map_bytes: u64,
    /// CPU time used.
    pub cpu_ms: u64,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// A hook's tier is a number; one that is off has none, and its reason is coverage.
fn tiers<S: Serializer>(tier: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        tier.iter()
            .map(|(hook, tier)| (hook, tier.parse::<u8>().ok())),
    )
}
