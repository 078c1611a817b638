//! Where a session says that it goes, against where it goes: what contradicts itself is never approved.

use std::net::Ipv4Addr;

use gnomon_policy::{Policy, Status};
use gnomon_sensor::observation::Session;
use time::OffsetDateTime;

use crate::recording::{
    CLIENT, Recording, call, chunk, event, initialize, initialized, ok, result, status, stream,
};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
/// Another address of the gateway.
const BESIDE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 6);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
const NAME: &str = "gw.corp.example:8080";

fn policy() -> Policy {
    let text = format!(
        "[[gateway]]\nname = \"main\"\nnames = [\"{NAME}\"]\naddresses = [\"{GATEWAY}:8080\", \"10.1.0.0/16:8080\"]\npaths = [\"/mcp\"]\n"
    );
    let now = OffsetDateTime::from_unix_timestamp(1_767_225_600).expect("a time");
    Policy::parse(&text, "policy.toml", now)
        .expect("a policy")
        .0
}

/// A target and Host headers.
type Request<'a> = (&'a str, &'a [&'a str]);

/// A POST whose request line and Host headers are given.
fn post(target: &str, hosts: &[&str], body: &str) -> String {
    let hosts: String = hosts
        .iter()
        .map(|host| format!("Host: {host}\r\n"))
        .collect();
    format!(
        "POST {target} HTTP/1.1\r\n{hosts}Content-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// How a session is judged whose requests are these, in turns: target and Host headers.
fn judged(server: Ipv4Addr, requests: &[Request<'_>]) -> (Status, Option<String>) {
    let mut recording = Recording::default();
    let to = recording.connect_out(CLIENT, server, 8080);
    let (target, hosts) = requests[0];
    recording.send(to, post(target, hosts, &initialize(0, "c")));
    recording.reply(to, ok("Mcp-Session-Id: one\r\n", initialized(0)));
    for (id, (target, hosts)) in (1..).zip(requests) {
        let request = post(target, hosts, &call(id, "a"));
        let request = request.replacen("Accept", "Mcp-Session-Id: one\r\nAccept", 1);
        recording.send(to, request);
        recording.reply(to, ok("", result(id)));
    }
    let told = recording.told_under(policy());
    let session = told.session();
    assert_eq!(session.calls, requests.len() as u64);
    (
        session.judgement.verdict.status,
        session.facts.authority.clone(),
    )
}

#[test]
fn the_gateway_by_name_and_address_is_approved() {
    for target in [
        "/mcp",
        "http://gw.corp.example:8080/mcp",
        "HTTP://GW.CORP.EXAMPLE:8080/mcp",
    ] {
        let (status, authority) = judged(GATEWAY, &[(target, &[NAME])]);
        assert_eq!(status, Status::Approved, "{target} {authority:?}");
    }
}

#[test]
fn whatever_contradicts_it_is_not() {
    let other = "evil.example:8080";
    let cases: [(Ipv4Addr, &[Request<'_>]); 14] = [
        (ELSEWHERE, &[("/mcp", &[NAME])]),
        (GATEWAY, &[("/mcp", &[other])]),
        (GATEWAY, &[("/mcp", &[])]),
        (GATEWAY, &[("/mcp", &[""])]),
        // Two Host headers, in either order, also twice the same with another between.
        (GATEWAY, &[("/mcp", &[NAME, other])]),
        (GATEWAY, &[("/mcp", &[other, NAME])]),
        (GATEWAY, &[("/mcp", &[NAME, other, NAME])]),
        // A Host header that changes.
        (GATEWAY, &[("/mcp", &[NAME]), ("/mcp", &[other])]),
        (
            GATEWAY,
            &[("/mcp", &[NAME]), ("/mcp", &[other]), ("/mcp", &[NAME])],
        ),
        // A target that names another server than the Host header.
        (GATEWAY, &[("http://evil.example:8080/mcp", &[NAME])]),
        (GATEWAY, &[("http://gw.corp.example:8080/mcp", &[other])]),
        (
            GATEWAY,
            &[("http://gw.corp.example:8080@evil.example:8080/mcp", &[NAME])],
        ),
        // A path that is not the gateway's, alone or beside one that is.
        (GATEWAY, &[("/other", &[NAME])]),
        (GATEWAY, &[("/mcp", &[NAME]), ("/other", &[NAME])]),
    ];
    for (server, requests) in cases {
        let (status, authority) = judged(server, requests);
        assert_ne!(
            status,
            Status::Approved,
            "{server} {requests:?}: {authority:?}"
        );
    }
}

#[test]
fn names_of_more_requests_than_are_kept_stay_a_contradiction() {
    let hosts: Vec<String> = (0..20).map(|n| format!("host-{n}.example")).collect();
    let hosts: Vec<[&str; 1]> = hosts.iter().map(|host| [host.as_str()]).collect();
    let mut requests: Vec<Request<'_>> = vec![("/mcp", &[NAME])];
    requests.extend(hosts.iter().map(|host| ("/mcp", host.as_slice())));
    requests.push(("/mcp", &[NAME]));
    assert_ne!(judged(GATEWAY, &requests).0, Status::Approved);
}

/// A session over HTTP+SSE on its way to `servers`, one request to each in turns, the stream to the first. Its requests hold
/// nothing of MCP but at the first.
fn judged_over_sse(servers: &[Ipv4Addr]) -> Session {
    let target = "/messages?session_id=one";
    let mut recording = Recording::default();
    let stream_of = recording.connect_out(CLIENT, servers[0], 8080);
    let head = format!("GET /mcp HTTP/1.1\r\nHost: {NAME}\r\nAccept: text/event-stream\r\n\r\n");
    recording.send(stream_of, head);
    recording.reply(stream_of, stream(""));
    let endpoint = format!("event: endpoint\r\ndata: {target}\r\n\r\n");
    recording.reply(stream_of, chunk(endpoint));
    let messages = [
        (initialize(0, "c"), initialized(0)),
        (call(1, "a"), result(1)),
    ];
    for (message, answer) in messages {
        let to = recording.connect_out(CLIENT, servers[0], 8080);
        recording.send(to, post(target, &[NAME], &message));
        recording.reply(to, status("202 Accepted"));
        recording.reply(stream_of, chunk(event(&answer)));
    }
    for server in &servers[1..] {
        let to = recording.connect_out(CLIENT, *server, 8080);
        recording.send(to, post(target, &[NAME], "x"));
        recording.reply(to, status("404 Not Found"));
    }
    let told = recording.told_under(policy());
    assert_eq!(told.calls(), ["tools/call a ok"]);
    told.session().clone()
}

#[test]
fn one_request_elsewhere_does_not_move_a_session() {
    let codes = |session: &Session| {
        let reasons = session.judgement.verdict.reasons.iter();
        reasons.map(|reason| reason.code).collect::<Vec<_>>()
    };
    for servers in [
        &[ELSEWHERE, GATEWAY][..],
        &[GATEWAY, ELSEWHERE],
        &[ELSEWHERE, GATEWAY, ELSEWHERE],
        &[GATEWAY, ELSEWHERE, GATEWAY],
    ] {
        let session = judged_over_sse(servers);
        let status = session.judgement.verdict.status;
        assert_eq!(status, Status::Unknown, "{servers:?}");
        assert_eq!(codes(&session), ["several_addresses"], "{servers:?}");
    }
    assert_eq!(
        codes(&judged_over_sse(&[ELSEWHERE])),
        ["name_without_address"]
    );
    assert_eq!(codes(&judged_over_sse(&[GATEWAY])), ["gateway"]);
}

#[test]
fn a_gateway_of_several_addresses_is_approved_by_all_of_them() {
    for servers in [&[GATEWAY, BESIDE][..], &[BESIDE, GATEWAY, BESIDE]] {
        let session = judged_over_sse(servers);
        let status = session.judgement.verdict.status;
        assert_eq!(status, Status::Approved, "{servers:?}");
    }
}

#[test]
fn addresses_of_more_requests_than_are_kept_stay_a_contradiction() {
    let mut servers = vec![GATEWAY];
    servers.extend((0..100).map(|n| Ipv4Addr::new(10, 1, 0, n)));
    servers.extend([ELSEWHERE, GATEWAY]);
    assert_eq!(
        judged_over_sse(&servers).judgement.verdict.status,
        Status::Unknown
    );
}

#[test]
fn a_session_id_means_nothing_at_another_address() {
    let mut recording = Recording::default();
    let request = |id, name: &str| {
        let request = post("/mcp", &[NAME], &call(id, name));
        request.replacen("Accept", "Mcp-Session-Id: one\r\nAccept", 1)
    };
    let elsewhere = recording.connect_out(CLIENT, ELSEWHERE, 8080);
    recording.send(elsewhere, post("/mcp", &[NAME], &initialize(0, "c")));
    recording.reply(elsewhere, ok("Mcp-Session-Id: one\r\n", initialized(0)));
    recording.send(elsewhere, request(1, "a"));
    recording.reply(elsewhere, ok("", result(1)));
    let gateway = recording.connect_out(CLIENT, GATEWAY, 8080);
    recording.send(gateway, request(2, "b"));
    recording.reply(gateway, ok("", result(2)));
    recording.send(elsewhere, request(3, "c"));
    recording.reply(elsewhere, ok("", result(3)));
    let told = recording.told_under(policy());
    let first = &told.sessions[0];
    assert_eq!(told.calls_of(first), ["tools/call a ok", "tools/call c ok"]);
    assert_eq!(first.judgement.verdict.status, Status::Unknown);
}
