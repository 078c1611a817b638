//! Observations as `gnomon.v1` has them. Nothing before this knows of protobuf.

use gnomon_policy::BaseRoute;
use gnomon_proto::v1;
use gnomon_proto::v1::observation::Body as Wire;

use crate::observation::{
    Body, Call, CallStatus, Channel, Client, Coverage, Evidence, Facts, Listener, Observation,
    Process, Server, Session, SessionState, Stats, Tools, Transport,
};

/// The message of one observation.
pub(super) fn observation(observation: &Observation) -> v1::Observation {
    let body = match &observation.body {
        // The collector finds its own, over all hosts.
        Body::Finding(_) => None,
        Body::Session(body) => Some(Wire::Session(session(body))),
        Body::Call(body) => Some(Wire::Call(call(body))),
        Body::Listener(body) => Some(Wire::Listener(listener(body))),
        Body::Tools(body) => Some(Wire::Tools(tools(body))),
        Body::Coverage(body) => Some(Wire::Coverage(coverage(body))),
        Body::Stats(body) => Some(Wire::Stats(stats(body))),
    };
    v1::Observation {
        time_unix_ns: observation.time,
        body,
    }
}

fn session(session: &Session) -> v1::Session {
    v1::Session {
        id: session.id.as_str().to_owned(),
        rev: session.rev,
        state: match session.state {
            SessionState::Open => v1::SessionState::Open,
            SessionState::Ended => v1::SessionState::Ended,
        }
        .into(),
        transport: match session.transport {
            Transport::Stdio => v1::Transport::Stdio,
            Transport::Http => v1::Transport::Http,
            Transport::Sse => v1::Transport::Sse,
        }
        .into(),
        channel: channel(session.channel).into(),
        tls: session.tls.clone(),
        revision: session.revision.clone(),
        base_route: match session.base_route {
            BaseRoute::Local => v1::BaseRoute::Local,
            BaseRoute::Direct => v1::BaseRoute::Direct,
            BaseRoute::Inbound => v1::BaseRoute::Inbound,
            BaseRoute::Bridge => v1::BaseRoute::Bridge,
            BaseRoute::Opaque => v1::BaseRoute::Opaque,
        }
        .into(),
        via: session.via.clone(),
        client: Some(client(&session.client)),
        server: Some(server(&session.server)),
        facts: Some(facts(&session.facts)),
        evidence: session.evidence.iter().map(evidence).collect(),
        started_unix_ns: session.started,
        last_seen_unix_ns: session.last_seen,
        calls: session.calls,
        sensor_verdict: Some(session.judgement.verdict.status.as_str().to_owned()),
    }
}

const fn channel(channel: Channel) -> v1::Channel {
    match channel {
        Channel::Pipe => v1::Channel::Pipe,
        Channel::Unix => v1::Channel::Unix,
        Channel::Tcp => v1::Channel::Tcp,
        Channel::Pty => v1::Channel::Pty,
    }
}

fn client(client: &Client) -> v1::Client {
    v1::Client {
        name: client.name.clone(),
        version: client.version.clone(),
        application: client.application.clone(),
        process: client.process.as_ref().map(process),
    }
}

fn server(server: &Server) -> v1::Server {
    v1::Server {
        key: server.key.as_ref().map(ToString::to_string),
        strength: server.strength.map(|strength| strength.as_str().to_owned()),
        name: server.name.clone(),
        version: server.version.clone(),
        endpoint: server.endpoint.clone(),
        process: server.process.as_ref().map(process),
    }
}

fn process(process: &Process) -> v1::Process {
    v1::Process {
        pid: process.pid,
        exe: process.exe.clone(),
        argv: process.argv.clone(),
        user: process.user.clone(),
        uid: process.uid,
        container: process.container.clone(),
        started_unix_ns: process.started,
    }
}

fn facts(facts: &Facts) -> v1::Facts {
    let texts =
        |addresses: &[std::net::SocketAddr]| addresses.iter().map(ToString::to_string).collect();
    v1::Facts {
        server_address: facts.server_address.map(|address| address.to_string()),
        client_address: facts.client_address.map(|address| address.to_string()),
        authority: facts.authority.clone(),
        path: facts.path.clone(),
        sni: facts.sni.clone(),
        scheme: facts.scheme.clone(),
        client_serves: texts(&facts.client_serves),
        server_serves: texts(&facts.server_serves),
        certificate_key: facts.certificate_key.clone(),
        host_addresses: facts
            .host_addresses
            .iter()
            .map(ToString::to_string)
            .collect(),
        other_server_addresses: facts.other_server_addresses.iter().map(known).collect(),
        other_client_addresses: facts.other_client_addresses.iter().map(known).collect(),
        other_server_users: facts
            .other_server_users
            .iter()
            .map(|user| user.clone().unwrap_or_default())
            .collect(),
        others_serve: facts.others_serve.iter().map(known).collect(),
    }
}

/// One of several; what is not known is told as empty, for it counts.
fn known<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn evidence(evidence: &Evidence) -> v1::Evidence {
    v1::Evidence {
        source: evidence.source.as_str().to_owned(),
        fact: evidence.fact.clone(),
        quality: evidence.quality.as_str().to_owned(),
    }
}

fn call(call: &Call) -> v1::Call {
    v1::Call {
        session: call.session.as_str().to_owned(),
        method: call.method.clone(),
        name: call.name.clone(),
        status: match call.status {
            CallStatus::Ok => v1::CallStatus::Ok,
            CallStatus::Error => v1::CallStatus::Error,
            CallStatus::ToolError => v1::CallStatus::ToolError,
            CallStatus::Cancelled => v1::CallStatus::Cancelled,
            CallStatus::Unanswered => v1::CallStatus::Unanswered,
        }
        .into(),
        duration_us: call.duration_us,
        request_bytes: call.request_bytes,
        response_bytes: call.response_bytes,
        error_text: call.error_text.clone(),
        number: call.number,
    }
}

fn listener(listener: &Listener) -> v1::Listener {
    v1::Listener {
        address: listener.address.clone(),
        port: listener.port.map(u32::from),
        path: listener.path.clone(),
        channel: channel(listener.channel).into(),
        process: listener.process.as_ref().map(process),
        mcp: listener.mcp.as_str().to_owned(),
        tls: listener.tls.clone(),
        exposure: listener
            .exposure
            .map(|exposure| exposure.as_str().to_owned()),
        state: Some(listener.state.as_str().to_owned()),
        paths: listener.paths.clone(),
        namespace: listener.namespace,
        access: listener.access.clone(),
        opened_unix_ns: listener.opened,
        evidence: listener.evidence.iter().map(evidence).collect(),
    }
}

fn tools(tools: &Tools) -> v1::Tools {
    v1::Tools {
        server: tools.server.as_str().to_owned(),
        tool: tools.tool.clone(),
        digest: tools.digest.clone(),
        first_unix_ns: tools.first,
        previous: tools.previous.clone(),
    }
}

fn coverage(coverage: &Coverage) -> v1::Coverage {
    v1::Coverage {
        process: coverage.process.as_ref().map(process),
        what: coverage.what.clone(),
        state: coverage.state.as_str().to_owned(),
        reason: coverage.reason.clone(),
    }
}

fn stats(stats: &Stats) -> v1::Stats {
    v1::Stats {
        tier: stats.tier.clone().into_iter().collect(),
        messages: stats.messages,
        bytes: stats.bytes,
        lost: stats.lost.clone().into_iter().collect(),
        ring_bytes: stats.ring_bytes,
        map_bytes: stats.map_bytes,
        cpu_ms: stats.cpu_ms,
        rss_bytes: stats.rss_bytes,
    }
}
