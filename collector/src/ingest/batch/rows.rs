//! Observations into rows.

use gnomon_policy::server_identity;
use gnomon_proto::v1::{self, observation::Body};

use super::{
    BatchKey, Refused, Rows,
    bounds::{ID_BYTES_MAX, LIST_MAX, TEXT_BYTES_MAX, believed, count, cut, text, texts},
    words::{base_route, channel, transport},
};
use crate::store::row::{CallRow, CoverageRow, ListenerRow, Micros, SessionRow, StatsRow, ToolRow};

/// Makes the rows of one batch.
pub(super) struct Maker<'a> {
    key: &'a BatchKey,
    run: String,
    received: Micros,
    rows: Rows,
    position: usize,
}

impl<'a> Maker<'a> {
    pub(super) fn new(key: &'a BatchKey, run: String, received: Micros) -> Self {
        Self {
            key,
            run,
            received,
            rows: Rows::default(),
            position: 0,
        }
    }

    pub(super) fn finish(self) -> Rows {
        self.rows
    }

    /// Takes the observation at `position` of the batch.
    pub(super) fn take(
        &mut self,
        position: usize,
        observation: v1::Observation,
    ) -> Result<(), Refused> {
        self.position = position;
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
        let identity = server_identity(
            &host,
            server.key.as_deref(),
            server.endpoint.as_deref(),
            server.name.as_deref(),
            on_server.exe.as_deref(),
        );
        self.rows.sessions.push(SessionRow {
            id,
            run: self.run.clone(),
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
            other_server_addresses: texts(facts.other_server_addresses),
            other_client_addresses: texts(facts.other_client_addresses),
            other_server_users: texts(facts.other_server_users),
            others_serve: texts(facts.others_serve),
            client_serves: texts(facts.client_serves),
            server_serves: texts(facts.server_serves),
            host_addresses: texts(facts.host_addresses),
            certificate_key: text(facts.certificate_key),
            evidence: evidence(session.evidence),
            started,
            last_seen,
            calls: count(session.calls),
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
            duration_us: call.duration_us.map(count),
            request_bytes: count(call.request_bytes),
            response_bytes: call.response_bytes.map(count),
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
        // The wire's maps have no order; the same batch must give the same rows.
        let mut tier: Vec<_> = stats.tier.into_iter().collect();
        let mut lost: Vec<_> = stats.lost.into_iter().collect();
        tier.sort();
        lost.sort();
        let tier = (tier.into_iter().take(LIST_MAX))
            .map(|(k, v)| (cut(k, ID_BYTES_MAX), cut(v, ID_BYTES_MAX)))
            .collect();
        let lost = (lost.into_iter().take(LIST_MAX))
            .map(|(k, v)| (cut(k, ID_BYTES_MAX), count(v)))
            .collect();
        self.rows.stats.push(StatsRow {
            host: self.host(),
            time,
            spool: self.key.spool.clone(),
            sequence: self.key.sequence,
            position: self.number(),
            tier,
            messages: count(stats.messages),
            bytes: count(stats.bytes),
            lost,
            ring_bytes: count(stats.ring_bytes),
            map_bytes: count(stats.map_bytes),
            cpu_ms: count(stats.cpu_ms),
            rss_bytes: count(stats.rss_bytes),
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
            run: self.run.clone(),
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
            run: self.run.clone(),
            state: if listener.state.as_deref() == Some("closed") {
                "closed".to_owned()
            } else {
                "open".to_owned()
            },
            paths: texts(listener.paths),
            namespace: listener.namespace.unwrap_or(0),
            access: text(listener.access),
            opened: listener
                .opened_unix_ns
                .and_then(|ns| believed(ns, self.received)),
            uid: seen.uid,
            started: seen.started,
            evidence: evidence(listener.evidence),
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
