//! Observations as a sensor makes them.

use gnomon_proto::v1::{
    BaseRoute, Call, CallStatus, Channel, Client, Coverage, Evidence, Facts, Listener, Observation,
    Process, Server, Session, SessionState, Stats, Tools, Transport, observation::Body,
};

fn now_ns() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    u64::try_from(since.as_nanos()).expect("in range")
}

fn observed(body: Body) -> Observation {
    Observation {
        time_unix_ns: now_ns(),
        body: Some(body),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn process(pid: u32, exe: &str) -> Process {
    Process {
        pid,
        exe: some(exe),
        argv: vec![exe.to_owned(), "--x".to_owned()],
        user: some("ann"),
        uid: Some(1000),
        container: None,
        started_unix_ns: Some(now_ns()),
    }
}

/// A stdio session between two local processes.
pub(crate) fn stdio(id: &str, rev: u32, calls: u64) -> Session {
    Session {
        id: id.to_owned(),
        rev,
        state: SessionState::Open.into(),
        transport: Transport::Stdio.into(),
        channel: Channel::Pipe.into(),
        revision: some("2025-06-18"),
        base_route: BaseRoute::Local.into(),
        client: Some(Client {
            name: some("claude"),
            version: some("1.0"),
            application: some("Claude Code"),
            process: Some(process(10, "/usr/bin/claude")),
        }),
        server: Some(Server {
            key: some("npm:@scope/server"),
            strength: some("claimed"),
            name: some("everything"),
            version: some("2.0"),
            endpoint: None,
            process: Some(process(11, "/usr/bin/node")),
        }),
        evidence: vec![Evidence {
            source: "wire".to_owned(),
            fact: "initialize".to_owned(),
            quality: "exact".to_owned(),
        }],
        started_unix_ns: now_ns(),
        last_seen_unix_ns: now_ns(),
        calls,
        ..Session::default()
    }
}

/// An HTTP session to an address, under a name.
pub(crate) fn http(id: &str, address: &str, authority: &str) -> Session {
    let mut session = stdio(id, 1, 0);
    session.transport = Transport::Http.into();
    session.channel = Channel::Tcp.into();
    session.base_route = BaseRoute::Local.into();
    session.server = Some(Server {
        endpoint: Some(format!("http://{authority}/mcp")),
        ..Server::default()
    });
    session.facts = Some(Facts {
        server_address: some(address),
        client_address: some("127.0.0.1:50000"),
        authority: some(authority),
        path: some("/mcp"),
        scheme: some("http"),
        ..Facts::default()
    });
    session
}

pub(crate) fn session(session: Session) -> Observation {
    observed(Body::Session(session))
}

pub(crate) fn call(session: &str, number: u64) -> Observation {
    observed(Body::Call(Call {
        session: session.to_owned(),
        method: "tools/call".to_owned(),
        name: some("echo"),
        status: CallStatus::Ok.into(),
        duration_us: Some(1234),
        request_bytes: 100,
        response_bytes: Some(200),
        error_text: None,
        number,
    }))
}

/// What the sensor lost so far, by `ring_full`.
pub(crate) fn stats(lost: u64) -> Observation {
    observed(Body::Stats(Stats {
        tier: [("read".to_owned(), "2".to_owned())].into(),
        messages: 5,
        bytes: 500,
        lost: [("ring_full".to_owned(), lost)].into(),
        ring_bytes: 1 << 20,
        map_bytes: 2 << 20,
        cpu_ms: 7,
        rss_bytes: 9 << 20,
    }))
}

/// How a hook of the host stands.
pub(crate) fn hook(what: &str, state: &str) -> Observation {
    observed(Body::Coverage(Coverage {
        process: None,
        what: what.to_owned(),
        state: state.to_owned(),
        reason: some("as it is"),
    }))
}

/// A listener on which MCP was seen.
pub(crate) fn listener(address: &str, port: u32, exposure: &str) -> Observation {
    observed(Body::Listener(Listener {
        address: address.to_owned(),
        port: Some(port),
        channel: Channel::Tcp.into(),
        process: Some(process(14, "/usr/bin/node")),
        mcp: "seen".to_owned(),
        exposure: some(exposure),
        ..Listener::default()
    }))
}

/// One of each other kind.
pub(crate) fn others() -> Vec<Observation> {
    vec![
        stats(3),
        observed(Body::Coverage(Coverage {
            process: Some(process(12, "/usr/bin/bun")),
            what: "tls".to_owned(),
            state: "opaque".to_owned(),
            reason: some("stripped"),
        })),
        observed(Body::Tools(Tools {
            server: "npm:@scope/server".to_owned(),
            tool: "echo".to_owned(),
            digest: "abc".to_owned(),
            first_unix_ns: now_ns(),
            previous: None,
        })),
        observed(Body::Listener(Listener {
            address: "127.0.0.1".to_owned(),
            port: Some(9000),
            channel: Channel::Tcp.into(),
            process: Some(process(13, "/usr/bin/python3")),
            mcp: "seen".to_owned(),
            exposure: some("loopback"),
            ..Listener::default()
        })),
    ]
}
