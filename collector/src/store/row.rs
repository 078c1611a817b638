//! Rows as ClickHouse holds them: one type per table, fields named as its columns.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, UTC: `DateTime64(6, 'UTC')`.
pub type Micros = i64;

/// `batch_ledger`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Host of the certificate.
    pub host: String,
    /// Spool id, hex.
    pub spool: String,
    /// Number within the spool, from 1.
    pub sequence: u64,
    /// Observations in it.
    pub observations: u32,
    /// The collector's clock.
    pub received: Micros,
}

/// `sensor_hello`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct HelloRow {
    pub host: String,
    pub host_name: String,
    pub sensor_version: String,
    pub kernel_release: String,
    pub operating_system: String,
    pub machine: String,
    pub spool: String,
    /// Run of the sensor, hex; empty: the sensor tells none.
    pub run: String,
    pub received: Micros,
}

/// `session_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SessionRow {
    pub host: String,
    pub id: String,
    pub rev: u32,
    pub state: String,
    pub transport: Option<String>,
    pub channel: Option<String>,
    pub tls: Option<String>,
    pub revision: Option<String>,
    pub base_route: String,
    pub via: Option<String>,
    pub client_name: Option<String>,
    pub client_version: Option<String>,
    pub client_application: Option<String>,
    pub client_pid: Option<u32>,
    pub client_exe: Option<String>,
    pub client_argv: Vec<String>,
    pub client_user: Option<String>,
    pub client_uid: Option<u32>,
    pub client_container: Option<String>,
    pub client_started: Option<Micros>,
    pub server: String,
    pub server_key: Option<String>,
    pub server_strength: Option<String>,
    pub server_name: Option<String>,
    pub server_version: Option<String>,
    pub server_endpoint: Option<String>,
    pub server_pid: Option<u32>,
    pub server_exe: Option<String>,
    pub server_argv: Vec<String>,
    pub server_user: Option<String>,
    pub server_uid: Option<u32>,
    pub server_container: Option<String>,
    pub server_started: Option<Micros>,
    pub server_address: Option<String>,
    pub client_address: Option<String>,
    pub authority: Option<String>,
    pub path: Option<String>,
    pub sni: Option<String>,
    pub scheme: Option<String>,
    /// Other addresses that it went to and came from, other users that answered, listening sockets of others; empty text:
    /// not known.
    pub other_server_addresses: Vec<String>,
    pub other_client_addresses: Vec<String>,
    pub other_server_users: Vec<String>,
    pub others_serve: Vec<String>,
    pub client_serves: Vec<String>,
    pub server_serves: Vec<String>,
    /// Addresses of the host's own interfaces.
    pub host_addresses: Vec<String>,
    pub certificate_key: Option<String>,
    /// Source, fact, quality.
    pub evidence: Vec<(String, String, String)>,
    pub started: Micros,
    pub last_seen: Micros,
    pub calls: u64,
    pub sensor_verdict: Option<String>,
    /// Run of the sensor that saw it, hex; empty: the sensor tells none.
    pub run: String,
    pub received: Micros,
}

/// `call_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CallRow {
    pub host: String,
    pub session: String,
    pub number: u64,
    pub time: Micros,
    pub method: String,
    pub name: Option<String>,
    pub status: String,
    pub duration_us: Option<u64>,
    pub request_bytes: u64,
    pub response_bytes: Option<u64>,
    pub error_text: Option<String>,
    pub received: Micros,
}

/// `stats_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StatsRow {
    pub host: String,
    pub time: Micros,
    pub spool: String,
    pub sequence: u64,
    pub position: u32,
    pub tier: Vec<(String, String)>,
    pub messages: u64,
    pub bytes: u64,
    pub lost: Vec<(String, u64)>,
    pub ring_bytes: u64,
    pub map_bytes: u64,
    pub cpu_ms: u64,
    pub rss_bytes: u64,
    pub received: Micros,
}

/// `coverage_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CoverageRow {
    pub host: String,
    pub time: Micros,
    pub spool: String,
    pub sequence: u64,
    pub position: u32,
    pub pid: Option<u32>,
    pub exe: Option<String>,
    pub argv: Vec<String>,
    pub user: Option<String>,
    pub container: Option<String>,
    pub what: String,
    pub state: String,
    pub reason: Option<String>,
    pub run: String,
    pub received: Micros,
}

/// `listener_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ListenerRow {
    pub host: String,
    pub time: Micros,
    pub spool: String,
    pub sequence: u64,
    pub position: u32,
    pub address: String,
    pub port: Option<u32>,
    pub path: Option<String>,
    pub channel: Option<String>,
    pub pid: Option<u32>,
    pub exe: Option<String>,
    pub argv: Vec<String>,
    pub user: Option<String>,
    pub container: Option<String>,
    pub mcp: String,
    pub tls: Option<String>,
    pub exposure: Option<String>,
    pub received: Micros,
    /// Run of the sensor that saw it, hex; empty: the sensor tells none.
    pub run: String,
    pub state: String,
    pub paths: Vec<String>,
    /// Inode of its network namespace; 0: the host's own.
    pub namespace: u32,
    pub access: Option<String>,
    pub opened: Option<Micros>,
    pub uid: Option<u32>,
    /// When its process started.
    pub started: Option<Micros>,
    /// Source, fact, quality.
    pub evidence: Vec<(String, String, String)>,
}

/// `tool_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ToolRow {
    pub host: String,
    pub server: String,
    pub tool: String,
    pub digest: String,
    pub first: Micros,
    pub previous: Option<String>,
    pub time: Micros,
    pub received: Micros,
}

/// `verdict_fact`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct VerdictRow {
    pub host: String,
    pub session: String,
    pub decided: Micros,
    pub rev: u32,
    pub policy_version: u64,
    pub status: String,
    pub route: String,
    pub leg: Option<String>,
    pub gateway: Option<String>,
    /// Code and text, the decisive one first.
    pub reasons: Vec<(String, String)>,
}

/// `policy_version`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PolicyRow {
    pub version: u64,
    pub applied: Micros,
    pub author: String,
    pub digest: String,
    pub toml: String,
}

/// `finding_fact`
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct FindingRow {
    pub id: String,
    /// Position in the finding's history, from 1: (id, number) is the row's identity.
    pub number: u32,
    /// `opened`, `changed`, `closed` or `reopened`.
    pub event: String,
    /// When that happened.
    pub time: Micros,
    /// When its figures were last brought up to date; the last one counts.
    pub refreshed: Micros,
    pub class: String,
    pub severity: String,
    pub subject_kind: String,
    pub subject: String,
    pub text: String,
    pub tags: Vec<String>,
    pub hosts: Vec<String>,
    pub users: Vec<String>,
    pub sessions: u64,
    pub first_seen: Micros,
    pub last_seen: Micros,
    /// Since when it is, or was, open.
    pub opened: Micros,
    pub closed: Option<Micros>,
    /// Why it was closed.
    pub reason: Option<String>,
    /// Digest of what its rule found: another one is looked at.
    pub digest: u64,
}

/// `probe_order`
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ProbeOrderRow {
    /// Empty: all.
    pub host: String,
    /// Rises with every order.
    pub ordered: Micros,
    pub author: String,
    /// 1: probes off.
    pub off: u8,
    pub reason: String,
}

/// `asset_list`
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AssetRow {
    /// Empty: the heading of a list.
    pub name: String,
    pub address: Option<String>,
    pub owner: Option<String>,
    pub host_group: Option<String>,
    /// SHA-256 of the file, in the heading only.
    pub digest: String,
    /// When the list was read: the same for all of it.
    pub loaded: Micros,
}
