use std::collections::BTreeMap;

use gnomon_policy::{BaseRoute, Judgement, Reason, Route, Status, Verdict, code};

use super::*;

/// 2026-11-22T09:00:00Z.
const NINE: UnixNs = 1_795_338_000_000_000_000;

fn client() -> Client {
    Client {
        name: Some("mcp".into()),
        version: Some("0.1.0".into()),
        application: None,
        process: Some(Process {
            pid: 4711,
            exe: Some("/usr/bin/python3".into()),
            argv: vec!["python3".into(), "client.py".into()],
            user: Some("ann".into()),
            uid: Some(1000),
            container: None,
            started: Some(NINE - 1_000_000_001),
        }),
    }
}

pub(crate) fn session() -> Session {
    Session {
        id: SessionId::new("s1"),
        rev: 2,
        state: SessionState::Open,
        transport: Transport::Http,
        channel: Channel::Tcp,
        tls: None,
        revision: Some("2025-06-18".into()),
        base_route: BaseRoute::Direct,
        via: None,
        judgement: Judgement {
            route: Route::Direct,
            leg: None,
            gateway: None,
            verdict: Verdict {
                status: Status::Shadow,
                reasons: vec![Reason {
                    code: code::NO_GATEWAY,
                    text: "no gateway on the way".into(),
                }],
            },
        },
        client: client(),
        server: Server {
            key: Some(ServerKey::new("http://10.0.0.9:8000/mcp")),
            strength: Some(Strength::Claimed),
            endpoint: Some("http://10.0.0.9:8000/mcp".into()),
            ..Server::default()
        },
        facts: Facts {
            server_address: Some(([10, 0, 0, 9], 8000).into()),
            authority: Some("10.0.0.9:8000".into()),
            ..Facts::default()
        },
        evidence: vec![Evidence {
            source: Source::Wire,
            fact: "initialize request".into(),
            quality: Quality::Exact,
        }],
        started: NINE,
        last_seen: NINE + 5,
        calls: 3,
    }
}

fn printed(body: Body) -> String {
    let host = HostName::new("laptop");
    serde_json::to_string(&Observation { time: NINE, body }.printed(&host)).unwrap()
}

#[test]
fn session_prints_the_contract_in_its_order() {
    let text = printed(Body::Session(Box::new(session())));
    insta::assert_snapshot!(text.replace(",\"", ",\n\""));
}

#[test]
fn call_prints_null_for_unknown() {
    let text = printed(Body::Call(Call {
        session: SessionId::new("s1"),
        method: "tools/call".into(),
        name: Some("get_time".into()),
        status: CallStatus::Unanswered,
        duration_us: None,
        request_bytes: 120,
        response_bytes: None,
        number: 1,
        error_text: None,
    }));
    insta::assert_snapshot!(text);
}

#[test]
fn stats_print_tiers_as_numbers() {
    let text = printed(Body::Stats(Stats {
        tier: BTreeMap::from([
            ("sys_exit".into(), "2".into()),
            ("fentry".into(), "off: EPERM".into()),
        ]),
        lost: BTreeMap::from([("ring_full".into(), 7)]),
        messages: 10,
        ..Stats::default()
    }));
    insta::assert_snapshot!(text);
}

#[test]
fn the_others_print() {
    let listener = printed(Body::Listener(Listener {
        address: "127.0.0.1".into(),
        port: Some(8000),
        path: None,
        channel: Channel::Tcp,
        process: None,
        mcp: ListenerMcp::Seen,
        tls: None,
        exposure: Some(Exposure::Loopback),
        state: ListenerState::Open,
        paths: vec![],
        namespace: None,
        access: None,
        opened: None,
        evidence: vec![],
    }));
    let tools = printed(Body::Tools(Tools {
        server: ServerKey::new("npm:x"),
        tool: "t".into(),
        digest: "ab".into(),
        first: NINE,
        previous: None,
    }));
    let coverage = printed(Body::Coverage(Coverage {
        process: None,
        what: "fentry".into(),
        state: CoverageState::Detached,
        reason: Some("EPERM".into()),
    }));
    insta::assert_snapshot!([listener, tools, coverage].join("\n"));
}

#[test]
fn the_last_time_there_is() {
    assert_eq!(
        Rfc3339(UnixNs::MAX).to_string(),
        "2554-07-21T23:34:33.709551615Z"
    );
    assert_eq!(Rfc3339(0).to_string(), "1970-01-01T00:00:00.000000000Z");
}
