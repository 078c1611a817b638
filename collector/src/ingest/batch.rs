//! A batch from the wire becomes rows, or is refused with a reason. Pure.
//!
//! The sender may be hostile: ids, texts and lists are bounded, times that cannot be are replaced by
//! the collector's own, and what a newer sensor says that this collector does not know is counted and
//! left out.

use std::fmt::Write as _;

use gnomon_proto::v1::{self, observation::Body};
use thiserror::Error;

use super::{OBSERVATIONS_MAX, host::HostId};
use crate::store::row::{CallRow, CoverageRow, ListenerRow, Micros, SessionRow, StatsRow, ToolRow};

/// Longest id, name or address, bytes; longer ones refuse the batch where they are a key.
const ID_BYTES_MAX: usize = 256;
/// Longest text, bytes; longer ones are cut.
const TEXT_BYTES_MAX: usize = 8192;
/// Longest list (argv, addresses, evidence), items; the rest is left out.
const LIST_MAX: usize = 256;
/// Times are believed from 2000-01-01 …
const TIME_MIN: Micros = 946_684_800_000_000;
/// … to a day after now.
const AHEAD_MAX: Micros = 86_400_000_000;

/// What makes a batch the same when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey {
    /// Whose.
    pub host: HostId,
    /// Spool id, 32 hex digits.
    pub spool: String,
    /// Number within the spool, from 1.
    pub sequence: u64,
}

/// The rows of one batch, by table.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Rows {
    pub sessions: Vec<SessionRow>,
    pub calls: Vec<CallRow>,
    pub stats: Vec<StatsRow>,
    pub coverage: Vec<CoverageRow>,
    pub listeners: Vec<ListenerRow>,
    pub tools: Vec<ToolRow>,
    /// Observations of a kind that this collector does not know.
    pub unknown: usize,
    /// Times replaced by the collector's clock.
    pub wrong_times: usize,
}

/// A batch that is fit to be stored.
#[derive(Debug)]
pub struct Checked {
    /// Its key.
    pub key: BatchKey,
    /// How many observations it came with.
    pub observations: u32,
    /// What goes into the tables.
    pub rows: Rows,
}

/// Why a batch can never be stored.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Refused {
    #[error("spool_id has {0} bytes, not 16")]
    SpoolId(usize),
    #[error("sequence 0: batches are numbered from 1")]
    Sequence,
    #[error("{0} observations, at most {OBSERVATIONS_MAX} are taken")]
    TooMany(usize),
    #[error("observation {position}: {field} is empty or longer than {ID_BYTES_MAX} bytes")]
    Id {
        position: usize,
        field: &'static str,
    },
}

/// Checks a batch and makes its rows. `received` is the collector's clock.
///
/// # Errors
/// The batch is malformed or over a bound, and always will be.
pub fn check(host: &HostId, batch: v1::Batch, received: Micros) -> Result<Checked, Refused> {
    if batch.spool_id.len() != 16 {
        return Err(Refused::SpoolId(batch.spool_id.len()));
    }
    if batch.sequence == 0 {
        return Err(Refused::Sequence);
    }
    let count = batch.observations.len();
    if count > OBSERVATIONS_MAX {
        return Err(Refused::TooMany(count));
    }
    let key = BatchKey {
        host: host.clone(),
        spool: hex(&batch.spool_id),
        sequence: batch.sequence,
    };
    let mut maker = Maker {
        key: &key,
        received,
        rows: Rows::default(),
        position: 0,
    };
    for (position, observation) in batch.observations.into_iter().enumerate() {
        maker.position = position;
        maker.take(observation)?;
    }
    let rows = maker.rows;
    Ok(Checked {
        key,
        observations: u32::try_from(count).unwrap_or(u32::MAX),
        rows,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct Maker<'a> {
    key: &'a BatchKey,
    received: Micros,
    rows: Rows,
    position: usize,
}

impl Maker<'_> {
    fn take(&mut self, observation: v1::Observation) -> Result<(), Refused> {
        let time = self.time(observation.time_unix_ns);
        match observation.body {
            Some(Body::Session(session)) => self.session(session, time),
            Some(Body::Call(call)) => self.call(call, time),
            Some(Body::Tools(tools)) => self.tools(tools, time),
            Some(Body::Stats(stats)) => {
                self.stats(stats, time);
                Ok(())
            }
            Some(Body::Coverage(coverage)) => {
                self.coverage(coverage, time);
                Ok(())
            }
            Some(Body::Listener(listener)) => {
                self.listener(listener, time);
                Ok(())
            }
            None => {
                self.rows.unknown += 1;
                Ok(())
            }
        }
    }

    fn host(&self) -> String {
        self.key.host.as_str().to_owned()
    }

    fn number(&self) -> u32 {
        u32::try_from(self.position).unwrap_or(u32::MAX)
    }

    fn id(&self, field: &'static str, value: String) -> Result<String, Refused> {
        if value.is_empty() || value.len() > ID_BYTES_MAX {
            return Err(Refused::Id {
                position: self.position,
                field,
            });
        }
        Ok(value)
    }

    fn time(&mut self, unix_ns: u64) -> Micros {
        match believed(unix_ns, self.received) {
            Some(time) => time,
            None => {
                self.rows.wrong_times += 1;
                self.received
            }
        }
    }

    fn session(&mut self, session: v1::Session, time: Micros) -> Result<(), Refused> {
        let host = self.host();
        let id = self.id("session.id", session.id.clone())?;
        let started = believed(session.started_unix_ns, self.received).unwrap_or(time);
        let last_seen = believed(session.last_seen_unix_ns, self.received)
            .unwrap_or(time)
            .max(started);
        let state = if session.state() == v1::SessionState::Ended {
            "ended"
        } else {
            "open"
        };
        let (transport, channel) = (transport(session.transport()), channel(session.channel()));
        let base_route = base_route(session.base_route());
        let client = session.client.unwrap_or_default();
        let server = session.server.unwrap_or_default();
        let facts = session.facts.unwrap_or_default();
        let (on_client, on_server) = (
            Seen::of(client.process, self.received),
            Seen::of(server.process, self.received),
        );
        let identity = identity(
            &host,
            &server.key,
            &server.endpoint,
            &server.name,
            &on_server.exe,
        );
        self.rows.sessions.push(SessionRow {
            id,
            rev: session.rev,
            state: state.to_owned(),
            transport: transport.map(str::to_owned),
            channel: channel.map(str::to_owned),
            tls: text(session.tls),
            revision: text(session.revision),
            base_route: base_route.to_owned(),
            via: text(session.via),
            client_name: text(client.name),
            client_version: text(client.version),
            client_application: text(client.application),
            client_pid: on_client.pid,
            client_exe: on_client.exe,
            client_argv: on_client.argv,
            client_user: on_client.user,
            client_uid: on_client.uid,
            client_container: on_client.container,
            client_started: on_client.started,
            server: identity,
            server_key: text(server.key),
            server_strength: text(server.strength),
            server_name: text(server.name),
            server_version: text(server.version),
            server_endpoint: text(server.endpoint),
            server_pid: on_server.pid,
            server_exe: on_server.exe,
            server_argv: on_server.argv,
            server_user: on_server.user,
            server_uid: on_server.uid,
            server_container: on_server.container,
            server_started: on_server.started,
            server_address: text(facts.server_address),
            client_address: text(facts.client_address),
            authority: text(facts.authority),
            path: text(facts.path),
            sni: text(facts.sni),
            scheme: text(facts.scheme),
            client_serves: texts(facts.client_serves),
            server_serves: texts(facts.server_serves),
            certificate_key: text(facts.certificate_key),
            evidence: evidence(session.evidence),
            started,
            last_seen,
            calls: session.calls,
            sensor_verdict: text(session.sensor_verdict),
            received: self.received,
            host,
        });
        Ok(())
    }

    fn call(&mut self, call: v1::Call, time: Micros) -> Result<(), Refused> {
        let status = match call.status() {
            v1::CallStatus::Ok => "ok",
            v1::CallStatus::Error => "error",
            v1::CallStatus::ToolError => "tool_error",
            v1::CallStatus::Cancelled => "cancelled",
            v1::CallStatus::Unanswered | v1::CallStatus::Unspecified => "unanswered",
        };
        let row = CallRow {
            host: self.host(),
            session: self.id("call.session", call.session)?,
            number: call.number,
            time,
            method: cut(call.method, ID_BYTES_MAX),
            name: text(call.name),
            status: status.to_owned(),
            duration_us: call.duration_us,
            request_bytes: call.request_bytes,
            response_bytes: call.response_bytes,
            error_text: text(call.error_text),
            received: self.received,
        };
        self.rows.calls.push(row);
        Ok(())
    }

    fn tools(&mut self, tools: v1::Tools, time: Micros) -> Result<(), Refused> {
        let row = ToolRow {
            host: self.host(),
            server: self.id("tools.server", cut(tools.server, ID_BYTES_MAX))?,
            tool: self.id("tools.tool", cut(tools.tool, ID_BYTES_MAX))?,
            digest: self.id("tools.digest", tools.digest)?,
            first: believed(tools.first_unix_ns, self.received).unwrap_or(time),
            previous: text(tools.previous),
            time,
            received: self.received,
        };
        self.rows.tools.push(row);
        Ok(())
    }

    fn stats(&mut self, stats: v1::Stats, time: Micros) {
        let mut tier: Vec<_> = stats
            .tier
            .into_iter()
            .take(LIST_MAX)
            .map(|(k, v)| (cut(k, ID_BYTES_MAX), cut(v, ID_BYTES_MAX)))
            .collect();
        let mut lost: Vec<_> = stats
            .lost
            .into_iter()
            .take(LIST_MAX)
            .map(|(k, v)| (cut(k, ID_BYTES_MAX), v))
            .collect();
        // The wire's maps have no order; the same batch must give the same rows.
        tier.sort();
        lost.sort();
        self.rows.stats.push(StatsRow {
            host: self.host(),
            time,
            spool: self.key.spool.clone(),
            sequence: self.key.sequence,
            position: self.number(),
            tier,
            messages: stats.messages,
            bytes: stats.bytes,
            lost,
            ring_bytes: stats.ring_bytes,
            map_bytes: stats.map_bytes,
            cpu_ms: stats.cpu_ms,
            rss_bytes: stats.rss_bytes,
            received: self.received,
        });
    }

    fn coverage(&mut self, coverage: v1::Coverage, time: Micros) {
        let seen = Seen::of(coverage.process, self.received);
        self.rows.coverage.push(CoverageRow {
            host: self.host(),
            time,
            spool: self.key.spool.clone(),
            sequence: self.key.sequence,
            position: self.number(),
            pid: seen.pid,
            exe: seen.exe,
            argv: seen.argv,
            user: seen.user,
            container: seen.container,
            what: cut(coverage.what, TEXT_BYTES_MAX),
            state: cut(coverage.state, ID_BYTES_MAX),
            reason: text(coverage.reason),
            received: self.received,
        });
    }

    fn listener(&mut self, listener: v1::Listener, time: Micros) {
        let channel = channel(listener.channel());
        let seen = Seen::of(listener.process, self.received);
        self.rows.listeners.push(ListenerRow {
            host: self.host(),
            time,
            spool: self.key.spool.clone(),
            sequence: self.key.sequence,
            position: self.number(),
            address: cut(listener.address, TEXT_BYTES_MAX),
            port: listener.port,
            path: text(listener.path),
            channel: channel.map(str::to_owned),
            pid: seen.pid,
            exe: seen.exe,
            argv: seen.argv,
            user: seen.user,
            container: seen.container,
            mcp: cut(listener.mcp, ID_BYTES_MAX),
            tls: text(listener.tls),
            exposure: text(listener.exposure),
            received: self.received,
        });
    }
}

/// A process, with unknown as `None`.
#[derive(Default)]
struct Seen {
    pid: Option<u32>,
    exe: Option<String>,
    argv: Vec<String>,
    user: Option<String>,
    uid: Option<u32>,
    container: Option<String>,
    started: Option<Micros>,
}

impl Seen {
    fn of(process: Option<v1::Process>, received: Micros) -> Self {
        let Some(process) = process else {
            return Self::default();
        };
        Self {
            pid: (process.pid != 0).then_some(process.pid),
            exe: text(process.exe),
            argv: texts(process.argv),
            user: text(process.user),
            uid: process.uid,
            container: text(process.container),
            started: process
                .started_unix_ns
                .and_then(|ns| believed(ns, received)),
        }
    }
}

/// Identity of the server in the inventory: its key; else its endpoint, which on loopback means this
/// host's; else what is known of it on this host.
fn identity(
    host: &str,
    key: &Option<String>,
    endpoint: &Option<String>,
    name: &Option<String>,
    exe: &Option<String>,
) -> String {
    let known = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
    let identity = match (known(key), known(endpoint)) {
        (Some(key), _) if loopback(&key) => format!("{key} on {host}"),
        (Some(key), _) => key,
        (None, Some(endpoint)) if loopback(&endpoint) => format!("{endpoint} on {host}"),
        (None, Some(endpoint)) => endpoint,
        (None, None) => {
            let what = known(name)
                .or_else(|| known(exe))
                .unwrap_or_else(|| "?".to_owned());
            format!("unidentified:{what} on {host}")
        }
    };
    cut(identity, 2 * ID_BYTES_MAX)
}

/// Whether a URL names this very host.
fn loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = match host_port.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host_port.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

fn transport(value: v1::Transport) -> Option<&'static str> {
    match value {
        v1::Transport::Unspecified => None,
        v1::Transport::Stdio => Some("stdio"),
        v1::Transport::Http => Some("http"),
        v1::Transport::Sse => Some("sse"),
    }
}

fn channel(value: v1::Channel) -> Option<&'static str> {
    match value {
        v1::Channel::Unspecified => None,
        v1::Channel::Pipe => Some("pipe"),
        v1::Channel::Unix => Some("unix"),
        v1::Channel::Tcp => Some("tcp"),
        v1::Channel::Pty => Some("pty"),
    }
}

fn base_route(value: v1::BaseRoute) -> &'static str {
    match value {
        v1::BaseRoute::Local => "local",
        v1::BaseRoute::Direct => "direct",
        v1::BaseRoute::Inbound => "inbound",
        v1::BaseRoute::Bridge => "bridge",
        v1::BaseRoute::Opaque | v1::BaseRoute::Unspecified => "opaque",
    }
}

fn evidence(items: Vec<v1::Evidence>) -> Vec<(String, String, String)> {
    items
        .into_iter()
        .take(LIST_MAX)
        .map(|e| {
            (
                cut(e.source, ID_BYTES_MAX),
                cut(e.fact, TEXT_BYTES_MAX),
                cut(e.quality, ID_BYTES_MAX),
            )
        })
        .collect()
}

/// Absent stays absent, and so does empty: unknown is never an empty text.
fn text(value: Option<String>) -> Option<String> {
    value
        .filter(|v| !v.is_empty())
        .map(|v| cut(v, TEXT_BYTES_MAX))
}

fn texts(values: Vec<String>) -> Vec<String> {
    values
        .into_iter()
        .take(LIST_MAX)
        .map(|v| cut(v, TEXT_BYTES_MAX))
        .collect()
}

fn cut(mut value: String, bytes_max: usize) -> String {
    if value.len() > bytes_max {
        value.truncate(value.floor_char_boundary(bytes_max));
    }
    value
}

/// The sensor's time in microseconds, if it can be.
fn believed(unix_ns: u64, received: Micros) -> Option<Micros> {
    let time = Micros::try_from(unix_ns / 1000).ok()?;
    (TIME_MIN..=received.saturating_add(AHEAD_MAX))
        .contains(&time)
        .then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_800_000_000_000_000;

    fn batch(bodies: Vec<Body>) -> v1::Batch {
        let observations = bodies
            .into_iter()
            .map(|body| v1::Observation {
                time_unix_ns: 1_799_999_999_000_000_000,
                body: Some(body),
            })
            .collect();
        v1::Batch {
            spool_id: vec![0xab; 16],
            sequence: 7,
            observations,
        }
    }

    fn checked(batch: v1::Batch) -> Result<Checked, Refused> {
        check(&HostId::new("h1").expect("name"), batch, NOW)
    }

    #[test]
    fn malformed_batches_are_refused_with_a_reason() {
        let mut bad = batch(vec![]);
        bad.spool_id.pop();
        assert_eq!(checked(bad).expect_err("refused"), Refused::SpoolId(15));
        let mut bad = batch(vec![]);
        bad.sequence = 0;
        assert_eq!(checked(bad).expect_err("refused"), Refused::Sequence);
        let many = vec![
            Body::Call(v1::Call {
                session: "s".to_owned(),
                ..Default::default()
            });
            OBSERVATIONS_MAX + 1
        ];
        assert_eq!(
            checked(batch(many)).expect_err("refused"),
            Refused::TooMany(OBSERVATIONS_MAX + 1)
        );
        let nameless = batch(vec![Body::Session(v1::Session::default())]);
        assert_eq!(
            checked(nameless).expect_err("refused"),
            Refused::Id {
                position: 0,
                field: "session.id"
            }
        );
    }

    #[test]
    fn what_cannot_be_is_replaced_and_counted() {
        let mut odd = batch(vec![Body::Call(v1::Call {
            session: "s".to_owned(),
            status: 99,
            ..Default::default()
        })]);
        odd.observations[0].time_unix_ns = u64::MAX;
        odd.observations.push(v1::Observation::default());
        let rows = checked(odd).expect("taken").rows;
        assert_eq!(
            (rows.calls[0].time, rows.wrong_times, rows.unknown),
            (NOW, 2, 1)
        );
        assert_eq!(rows.calls[0].status, "unanswered");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let session = v1::Session {
            id: "s".to_owned(),
            client: Some(v1::Client {
                name: Some("ä".repeat(TEXT_BYTES_MAX)),
                version: Some(String::new()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let rows = checked(batch(vec![Body::Session(session)]))
            .expect("taken")
            .rows;
        assert_eq!(
            rows.sessions[0].client_name.as_ref().map(String::len),
            Some(TEXT_BYTES_MAX)
        );
        assert_eq!(rows.sessions[0].client_version, None);
    }

    #[test]
    fn a_server_on_loopback_is_this_hosts_own() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            identity(
                "h",
                &some("npm:a"),
                &some("http://127.0.0.1:1/"),
                &None,
                &None
            ),
            "npm:a"
        );
        assert_eq!(
            identity("h", &None, &some("https://x.example/mcp"), &None, &None),
            "https://x.example/mcp"
        );
        assert_eq!(
            identity("h", &None, &some("http://localhost:1/mcp"), &None, &None),
            "http://localhost:1/mcp on h"
        );
        assert_eq!(
            identity("h", &None, &None, &some("n"), &some("/bin/x")),
            "unidentified:n on h"
        );
        assert!(!loopback("https://localhost.evil.example/"));
        assert!(!loopback("http://127.evil.example/"));
        assert!(loopback("http://[::1]:8080/mcp"));
    }
}
