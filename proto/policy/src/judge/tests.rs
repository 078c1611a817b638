use std::net::SocketAddr;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;

const POLICY: &str = r#"
[[gateway]]
name = "main"
names = ["gw.corp.example", "gw.corp.example:8443"]
addresses = ["10.0.0.5:443", "10.0.0.5:8443", "10.1.0.0/16", "[2001:db8::5]:443"]
paths = ["/mcp", "/mcp/*"]
certificate_keys = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
upstreams = ["10.9.0.7:9000", "https://declared.example/mcp"]

[[gateway]]
name = "lab"
names = ["127.0.0.1:9100"]
addresses = ["127.0.0.1:9100"]
hosts = ["lab-*"]

[[gateway]]
name = "guarded"
names = ["127.0.0.1:9200"]
addresses = ["127.0.0.1:9200"]
hosts = ["lab-*"]
users = ["gateway-*", "root"]

[[sanction]]
servers = ["npm:@acme/*", "https://ok.example/*"]
reason = "pilot"
author = "kim"
until = 2026-12-31

[[sanction]]
servers = ["https://old.example/*"]
reason = "was needed"
author = "kim"
until = "2026-01-31"

[[sanction]]
servers = ["pypi:mcp-server-time"]
users = ["ann"]
hosts = ["ANN-*"]
reason = "calendar"
author = "kim"
until = "2026-12-31T00:00:00Z"

[[sanction]]
servers = ["http://10.9.0.8:9000/*"]
bypass = true
reason = "migration"
author = "kim"
until = 2026-12-31
"#;

/// 2026-11-22.
const NOW: u64 = 1_795_305_600_000_000_000;

fn policy() -> Policy {
    let now = OffsetDateTime::from_unix_timestamp_nanos(NOW.into()).unwrap();
    Policy::parse(POLICY, "policy.toml", now).unwrap().0
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

/// A session that goes through the gateway over TLS that is read.
fn through_gateway() -> Facts {
    Facts {
        host: "ann-laptop".to_owned(),
        time_unix_ns: NOW,
        base_route: BaseRoute::Direct,
        transport: Some(Transport::Http),
        user: Some("ann".to_owned()),
        authority: Some("gw.corp.example".to_owned()),
        sni: Some("gw.corp.example".to_owned()),
        tls: Some("openssl".to_owned()),
        scheme: Some("https".to_owned()),
        path: Some("/mcp".to_owned()),
        endpoint: Some("https://gw.corp.example/mcp".to_owned()),
        certificate_key: Some("A".repeat(64)),
        server_address: address("10.0.0.5:443"),
        client_address: address("192.168.1.7:50000"),
        ..Facts::default()
    }
}

fn stdio(key: &str) -> Facts {
    Facts {
        host: "ann-laptop".to_owned(),
        time_unix_ns: NOW,
        base_route: BaseRoute::Local,
        transport: Some(Transport::Stdio),
        user: Some("ann".to_owned()),
        server_key: Some(key.to_owned()),
        ..Facts::default()
    }
}

fn direct(authority: &str, to: &str) -> Facts {
    Facts {
        authority: Some(authority.to_owned()),
        server_address: address(to),
        endpoint: Some(format!("http://{authority}/mcp")),
        certificate_key: None,
        sni: None,
        tls: None,
        scheme: Some("http".to_owned()),
        ..through_gateway()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn check(what: &str, facts: &Facts, expect: &str) {
    let j = judge(facts, &policy());
    let codes: Vec<&str> = j.verdict.reasons.iter().map(|r| r.code).collect();
    let got = format!(
        "{} {} {}",
        j.route.as_str(),
        j.verdict.status.as_str(),
        codes.join("+")
    );
    assert_eq!(got, expect, "{what}: {j:?}");
}

#[test]
fn name_and_address_must_agree() {
    let base = through_gateway;
    check("all agrees", &base(), "gateway approved gateway");
    for authority in [
        "GW.Corp.Example",
        "gw.corp.example.",
        "gw.corp.example:443",
        "GW.corp.example.:443",
    ] {
        let facts = Facts {
            authority: some(authority),
            ..base()
        };
        check(authority, &facts, "gateway approved gateway");
    }
    for to in [
        "[::ffff:10.0.0.5]:443",
        "10.1.200.3:443",
        "[2001:db8::5]:443",
        "10.1.0.1:8443",
    ] {
        let facts = Facts {
            server_address: address(to),
            ..base()
        };
        check(to, &facts, "gateway approved gateway");
    }
    let other = Facts {
        server_address: address("203.0.113.9:443"),
        ..base()
    };
    check(
        "other address",
        &other,
        "direct unknown name_without_address",
    );
    let other = Facts {
        server_address: address("10.0.0.5:444"),
        ..base()
    };
    check("other port", &other, "direct unknown name_without_address");
    let other = Facts {
        authority: some("evil.example"),
        sni: some("evil.example"),
        ..base()
    };
    check("other name", &other, "direct unknown address_without_name");
    let other = Facts {
        authority: some("evil.example"),
        ..base()
    };
    check(
        "names disagree",
        &other,
        "direct unknown address_without_name",
    );
    let other = Facts {
        sni: some("evil.example"),
        server_address: address("203.0.113.9:443"),
        ..base()
    };
    check("fronting", &other, "direct unknown name_without_address");
}

#[test]
fn forged_hosts_are_never_approved() {
    for authority in [
        "gw.corp.example",
        "gw.corp.example:8443",
        "gw.corp.example:9999",
        "gw.corp.example:80",
    ] {
        let facts = direct(authority, "203.0.113.9:80");
        check(authority, &facts, "direct unknown name_without_address");
    }
    for authority in [
        "user@gw.corp.example",
        "gw.corp.example@evil",
        "gw.corp.example/x",
        "",
    ] {
        let facts = direct(authority, "203.0.113.9:80");
        check(authority, &facts, "direct shadow no_gateway");
    }
    check(
        "another port of the gateway's machine",
        &direct("gw.corp.example:9999", "10.0.0.5:9999"),
        "direct shadow no_gateway",
    );
    check(
        "another server",
        &direct("other.example", "203.0.113.9:80"),
        "direct shadow no_gateway",
    );
}

#[test]
fn what_is_missing_is_named() {
    let base = through_gateway;
    let unread = Facts {
        authority: None,
        path: None,
        tls: None,
        scheme: None,
        certificate_key: None,
        endpoint: None,
        ..base()
    };
    check(
        "unread TLS",
        &unread,
        "gateway approved gateway+path_not_seen+certificate_not_seen",
    );
    let nameless = Facts {
        sni: None,
        ..unread.clone()
    };
    check(
        "unread TLS without SNI",
        &nameless,
        "direct unknown name_not_seen",
    );
    let placeless = Facts {
        server_address: None,
        ..base()
    };
    check("no address", &placeless, "direct unknown address_not_seen");
    let proxied = Facts {
        server_address: address("10.3.0.1:3128"),
        via: some("connect 10.3.0.1:3128"),
        ..base()
    };
    check(
        "through a proxy",
        &proxied,
        "direct unknown address_not_seen",
    );
    let nothing = Facts {
        server_address: None,
        authority: None,
        sni: None,
        endpoint: None,
        ..base()
    };
    check("nothing", &nothing, "direct unknown destination_not_seen");
    let opaque = Facts {
        base_route: BaseRoute::Opaque,
        sni: some("x.example"),
        server_address: address("203.0.113.9:443"),
        ..unread.clone()
    };
    check("opaque", &opaque, "opaque unknown opaque");
    let opaque = Facts {
        base_route: BaseRoute::Opaque,
        ..unread
    };
    check(
        "opaque to the gateway",
        &opaque,
        "gateway approved gateway+path_not_seen+certificate_not_seen",
    );
    let wrong = Facts {
        certificate_key: Some("b".repeat(64)),
        ..base()
    };
    check(
        "other certificate",
        &wrong,
        "direct unknown certificate_mismatch",
    );
}

#[test]
fn who_answers_on_a_gateways_own_host_is_checked() {
    let guarded = |user: Option<&str>| Facts {
        host: "lab-1".to_owned(),
        base_route: BaseRoute::Local,
        server_user: user.map(str::to_owned),
        client_address: address("127.0.0.1:50000"),
        ..direct("127.0.0.1:9200", "127.0.0.1:9200")
    };
    for (user, expect) in [
        (Some("gateway-svc"), "gateway approved gateway"),
        (Some("root"), "gateway approved gateway"),
        (
            Some("mallory"),
            "local unknown gateway_process_not_expected",
        ),
        (None, "local unknown gateway_process_not_expected"),
    ] {
        check(&format!("{user:?}"), &guarded(user), expect);
    }
    // An exception for the address does not cover whoever took it.
    let squatted = judge(&guarded(Some("mallory")), &policy());
    let text = &squatted.verdict.reasons[0].text;
    assert!(
        !text.contains("mallory") && text.contains("127.0.0.1:9200"),
        "{text}"
    );
    let elsewhere = Facts {
        path: some("/other"),
        ..guarded(Some("mallory"))
    };
    check(
        "any path",
        &elsewhere,
        "local unknown gateway_process_not_expected",
    );
    // Without `users` nobody is expected.
    let free = Facts {
        host: "lab-1".to_owned(),
        base_route: BaseRoute::Local,
        ..direct("127.0.0.1:9100", "127.0.0.1:9100")
    };
    check("no users", &free, "gateway approved gateway");
    // On another host its process cannot be seen.
    let own: std::net::IpAddr = "10.0.0.9".parse().unwrap();
    let text = POLICY.replace("\"127.0.0.1:9200\"", "\"10.0.0.9:9200\"");
    let now = OffsetDateTime::from_unix_timestamp_nanos(NOW.into()).unwrap();
    let policy = Policy::parse(&text, "policy.toml", now).unwrap().0;
    for (addresses, status) in [(vec![], "approved"), (vec![own], "unknown")] {
        let facts = Facts {
            host_addresses: addresses,
            ..direct("10.0.0.9:9200", "10.0.0.9:9200")
        };
        assert_eq!(judge(&facts, &policy).verdict.status.as_str(), status);
    }
}

#[test]
fn only_listed_paths() {
    for (path, expect) in [
        ("/mcp/tools", "gateway approved gateway"),
        ("/mcp?x=/y", "gateway approved gateway"),
        ("/other", "direct shadow path_not_listed"),
        ("/mcp/../other", "direct shadow path_not_listed"),
        ("/mcp/%2E%2e/other", "direct shadow path_not_listed"),
        ("/MCP", "direct shadow path_not_listed"),
    ] {
        let facts = Facts {
            path: some(path),
            ..through_gateway()
        };
        check(path, &facts, expect);
    }
}

#[test]
fn stdio_has_passed_nothing() {
    let liar = Facts {
        base_route: BaseRoute::Local,
        transport: Some(Transport::Stdio),
        ..through_gateway()
    };
    check(
        "stdio with a gateway's facts",
        &liar,
        "local shadow no_gateway",
    );
    check("stdio", &stdio("npm:x"), "local shadow no_gateway");
    let shim = Facts {
        base_route: BaseRoute::Bridge,
        transport: Some(Transport::Stdio),
        authority: None,
        sni: None,
        ..through_gateway()
    };
    check("the gateway's shim", &shim, "gateway approved gateway");
    let shim = Facts {
        server_address: address("203.0.113.9:443"),
        ..shim
    };
    check(
        "a shim that says so",
        &shim,
        "bridge unknown name_without_address",
    );
    let bridge = Facts {
        endpoint: some("https://x.example/mcp"),
        ..shim
    };
    check("a bridge elsewhere", &bridge, "bridge shadow no_gateway");
}

#[test]
fn the_gateways_own_sessions() {
    let gateway = |serves: &str| Facts {
        client_serves: vec![serves.parse().unwrap()],
        ..direct("backend:9000", "10.9.0.7:9000")
    };
    let on = |own: &str, serves: &str| Facts {
        host_addresses: vec![own.parse().unwrap()],
        ..gateway(serves)
    };
    check(
        "its process",
        &on("10.0.0.5", "10.0.0.5:443"),
        "direct approved gateway_process",
    );
    check(
        "its process, in the network",
        &on("10.1.7.7", "10.1.7.7:8443"),
        "direct approved gateway_process",
    );
    check(
        "another port in the network",
        &on("10.1.7.7", "10.1.7.7:5000"),
        "direct shadow bypass",
    );
    for own in ["10.0.0.6", "127.0.0.1", "::1"] {
        let expect = "direct shadow bypass";
        check(
            "an address of another host",
            &on(own, "10.0.0.5:443"),
            expect,
        );
    }
    check(
        "an address of nobody knows whom",
        &gateway("10.0.0.5:443"),
        "direct shadow bypass",
    );
    check(
        "wildcard elsewhere",
        &gateway("0.0.0.0:443"),
        "direct shadow bypass",
    );
    let here = Facts {
        client_address: address("10.0.0.5:40000"),
        ..gateway("0.0.0.0:443")
    };
    check(
        "wildcard, here by the connection",
        &here,
        "direct approved gateway_process",
    );
    let here = Facts {
        host_addresses: vec!["10.0.0.5".parse().unwrap()],
        ..gateway("[::]:443")
    };
    check(
        "wildcard, here by the interfaces",
        &here,
        "direct approved gateway_process",
    );
    let child = Facts {
        client_serves: vec!["127.0.0.1:9100".parse().unwrap()],
        host: "lab-1".to_owned(),
        ..stdio("npm:x")
    };
    check(
        "a child of the gateway",
        &child,
        "local approved gateway_process",
    );
    let child = Facts {
        client_serves: vec!["0.0.0.0:9100".parse().unwrap()],
        ..child
    };
    check(
        "a child of the gateway on the wildcard",
        &child,
        "local approved gateway_process",
    );
    let child = Facts {
        host: "ann-laptop".to_owned(),
        ..child
    };
    check(
        "the same on another host",
        &child,
        "local shadow no_gateway",
    );
}

/// A gateway on loopback of both families, and one on an address of this host.
const BOTH: &str = r#"
[[gateway]]
name = "both"
names = ["localhost:9000"]
addresses = ["127.0.0.1:9000", "[::1]:9000", "10.0.0.5:9000"]

[[gateway]]
name = "four"
names = ["localhost:9001"]
addresses = ["127.0.0.1:9001", "10.0.0.5:9001"]

[[gateway]]
name = "guarded"
names = ["localhost:9002"]
addresses = ["127.0.0.1:9002", "[::1]:9002"]
users = ["gw"]
"#;

#[test]
fn who_listens_beside_the_gateway_is_not_taken_for_it() {
    let (policy, _) = Policy::parse(BOTH, "p", OffsetDateTime::UNIX_EPOCH).unwrap();
    let socket = |text: &&str| text.parse::<SocketAddr>().unwrap();
    let judged = |own: &[&str], others: &[&str], user: &str| {
        let facts = Facts {
            host_addresses: vec!["10.0.0.5".parse().unwrap()],
            client_serves: own.iter().map(socket).collect(),
            others_serve: others.iter().map(|o| Some(socket(o))).collect(),
            user: some(user),
            ..direct("backend:9000", "10.9.0.7:9000")
        };
        let j = judge(&facts, &policy);
        (j.verdict.status, j.verdict.reasons[0].code, j.leg)
    };
    let approved = (Status::Approved, code::GATEWAY_PROCESS, Some(Leg::Upstream));
    let shadow = (Status::Shadow, code::NO_GATEWAY, None);
    let contested = (Status::Unknown, code::SEVERAL_LISTENERS, None);
    for (own, others, expect) in [
        // Nobody else; somebody on another port; workers that share what they listen on.
        (&["[::]:9000"][..], &[][..], approved),
        (&["[::]:9001"], &[], approved),
        (&["127.0.0.1:9001"], &["127.0.0.1:9000"], approved),
        (&["127.0.0.1:9000"], &["127.0.0.1:9000"], approved),
        (&["[::]:9000"], &["[::]:9000"], approved),
        // All of IPv6 while the gateway has IPv4: the socket can only be of IPv6 alone.
        (&["[::]:9001"], &["127.0.0.1:9001", "10.0.0.5:9001"], shadow),
        (&["[::]:9001"], &["0.0.0.0:9001"], shadow),
        (&["[::]:9001"], &["[::ffff:0.0.0.0]:9001"], shadow),
        // The gateway, while somebody has all of IPv6.
        (&["127.0.0.1:9001"], &["[::]:9001"], approved),
        (&["0.0.0.0:9001"], &["[::]:9001"], approved),
        (&["10.0.0.5:9001"], &["[::]:9001"], approved),
        // An address that is no gateway's, beside it.
        (&["127.0.0.1:9001"], &["127.0.0.2:9001"], approved),
        // Two who could both be it.
        (&["127.0.0.1:9000"], &["[::1]:9000"], contested),
        (&["[::1]:9000"], &["127.0.0.1:9000"], contested),
        (&["[::]:9000"], &["127.0.0.1:9000"], contested),
        (&["127.0.0.1:9000"], &["[::]:9000"], contested),
        (&["127.0.0.1:9001"], &["10.0.0.5:9001"], contested),
    ] {
        let what = format!("{own:?} beside {others:?}");
        assert_eq!(judged(own, others, "bob"), expect, "{what}");
    }
    // The policy tells them apart by their users.
    let (own, others) = (["[::1]:9002"], ["127.0.0.1:9002"]);
    assert_eq!(judged(&own, &others, "gw"), approved);
    assert_eq!(judged(&own, &others, "bob").0, Status::Shadow);
    // More than were kept may be anything.
    let facts = Facts {
        client_serves: vec![socket(&"127.0.0.1:9001")],
        others_serve: vec![None],
        ..direct("backend:9000", "10.9.0.7:9000")
    };
    let j = judge(&facts, &policy);
    assert_eq!(j.verdict.reasons[0].code, code::SEVERAL_LISTENERS);
}

#[test]
fn every_address_of_a_session_must_be_the_gateways() {
    let to = |others: &[Option<&str>]| Facts {
        other_server_addresses: others.iter().map(|o| o.and_then(address)).collect(),
        ..through_gateway()
    };
    for (others, expect) in [
        (&[Some("10.1.0.9:443")][..], "gateway approved gateway"),
        (
            &[Some("[2001:db8::5]:443"), Some("10.1.0.9:8443")],
            "gateway approved gateway",
        ),
        (
            &[Some("203.0.113.9:443")],
            "direct unknown several_addresses",
        ),
        (
            &[Some("10.1.0.9:443"), Some("203.0.113.9:443")],
            "direct unknown several_addresses",
        ),
        (&[None], "direct unknown several_addresses"),
        (
            &[Some("10.1.0.9:443"), None],
            "direct unknown several_addresses",
        ),
    ] {
        check(&format!("{others:?}"), &to(others), expect);
    }
    let last = Facts {
        server_address: address("203.0.113.9:443"),
        ..to(&[Some("10.0.0.5:443")])
    };
    check(
        "the gateway first, then elsewhere",
        &last,
        "direct unknown several_addresses",
    );
    let text = &judge(&last, &policy()).verdict.reasons[0].text;
    assert!(text.contains("203.0.113.9:443, 10.0.0.5:443"), "{text}");
    check(
        "another name, once at the gateway's address",
        &Facts {
            authority: some("evil.example"),
            sni: some("evil.example"),
            ..last.clone()
        },
        "direct shadow no_gateway",
    );
    check(
        "no exception either",
        &Facts {
            endpoint: some("https://ok.example/mcp"),
            ..last.clone()
        },
        "direct unknown several_addresses",
    );
    check(
        "through a proxy and beside it",
        &Facts {
            via: some("proxy"),
            ..last
        },
        "direct unknown several_addresses",
    );
    check(
        "one of them a fronted server",
        &to(&[Some("10.9.0.7:9000")]),
        "direct shadow bypass+several_addresses",
    );
}

#[test]
fn every_connection_that_arrives_must_be_the_gateways() {
    let inbound = |others: &[Option<&str>]| Facts {
        base_route: BaseRoute::Inbound,
        client_address: address("10.0.0.5:33333"),
        other_client_addresses: others
            .iter()
            .map(|other| other.map(|text| text.parse().unwrap()))
            .collect(),
        ..direct("backend:9000", "10.7.0.1:9000")
    };
    for (others, expect) in [
        (&[Some("10.1.0.9")][..], "inbound approved gateway_source"),
        (&[Some("192.168.1.9")], "inbound shadow no_gateway"),
        (&[None], "inbound shadow no_gateway"),
    ] {
        check(&format!("{others:?}"), &inbound(others), expect);
    }
    check(
        "from an address of this very host, by nobody knows whom",
        &Facts {
            host_addresses: vec!["10.0.0.5".parse().unwrap()],
            ..inbound(&[])
        },
        "inbound shadow no_gateway",
    );
}

#[test]
fn every_process_that_answers_must_be_the_gateways() {
    let answered = |others: &[Option<&str>]| Facts {
        host: "lab-1".to_owned(),
        base_route: BaseRoute::Local,
        server_user: some("gateway-svc"),
        other_server_users: others.iter().map(|user| user.and_then(some)).collect(),
        path: some("/mcp"),
        ..direct("127.0.0.1:9200", "127.0.0.1:9200")
    };
    let unexpected = "local unknown gateway_process_not_expected";
    for (others, expect) in [
        (&[][..], "gateway approved gateway"),
        (&[Some("root")], "gateway approved gateway"),
        (&[Some("mallory")], unexpected),
        (&[Some("root"), None], unexpected),
    ] {
        check(&format!("{others:?}"), &answered(others), expect);
    }
}

#[test]
fn a_listed_user_guards_the_port() {
    let as_user = |user: Option<&str>| Facts {
        host: "lab-1".to_owned(),
        user: user.map(str::to_owned),
        client_serves: vec!["127.0.0.1:9200".parse().unwrap()],
        ..stdio("npm:x")
    };
    for user in ["gateway-svc", "root"] {
        check(user, &as_user(Some(user)), "local approved gateway_process");
    }
    for user in [Some("mallory"), Some("Root"), Some("a-gateway-svc"), None] {
        let facts = as_user(user);
        let expect = "local shadow no_gateway+gateway_user";
        check(&format!("{user:?}"), &facts, expect);
        assert_eq!(judge(&facts, &policy()).leg, None);
    }
    let remote = Facts {
        base_route: BaseRoute::Direct,
        transport: Some(Transport::Http),
        fronted_by: some("guarded"),
        server_address: address("10.9.0.99:9000"),
        ..as_user(Some("mallory"))
    };
    check(
        "a squatter's session",
        &remote,
        "direct shadow bypass+gateway_user",
    );
}

#[test]
fn sessions_that_arrive() {
    let inbound = |from: &str| Facts {
        base_route: BaseRoute::Inbound,
        client_address: address(from),
        ..direct("backend:9000", "10.7.0.1:9000")
    };
    check(
        "from the gateway",
        &inbound("10.0.0.5:33333"),
        "inbound approved gateway_source",
    );
    check(
        "mapped",
        &inbound("[::ffff:10.1.0.9]:33333"),
        "inbound approved gateway_source",
    );
    check(
        "from elsewhere",
        &inbound("192.168.1.9:33333"),
        "inbound shadow no_gateway",
    );
    check(
        "from loopback",
        &inbound("127.0.0.1:9100"),
        "inbound shadow no_gateway",
    );
    let direct = Facts {
        base_route: BaseRoute::Direct,
        ..inbound("10.0.0.5:33333")
    };
    check(
        "a user on the gateway's host",
        &direct,
        "direct shadow no_gateway",
    );
    let at_gateway = Facts {
        base_route: BaseRoute::Inbound,
        ..through_gateway()
    };
    check(
        "at the gateway itself",
        &at_gateway,
        "gateway approved gateway",
    );
}

#[test]
fn exceptions() {
    check(
        "by key",
        &stdio("npm:@acme/x"),
        "local sanctioned exception",
    );
    check(
        "ended",
        &Facts {
            time_unix_ns: NOW + 40 * 86_400_000_000_000,
            ..stdio("npm:@acme/x")
        },
        "local shadow exception_expired+no_gateway",
    );
    check(
        "user and host",
        &stdio("pypi:mcp-server-time"),
        "local sanctioned exception",
    );
    check(
        "other user",
        &Facts {
            user: some("bob"),
            ..stdio("pypi:mcp-server-time")
        },
        "local shadow no_gateway",
    );
    check(
        "no user",
        &Facts {
            user: None,
            ..stdio("pypi:mcp-server-time")
        },
        "local shadow no_gateway",
    );
    check(
        "other host",
        &Facts {
            host: "bob-laptop".to_owned(),
            ..stdio("pypi:mcp-server-time")
        },
        "local shadow no_gateway",
    );
    let ended = Facts {
        endpoint: some("https://old.example/mcp"),
        ..direct("old.example", "203.0.113.9:80")
    };
    check(
        "ended long ago",
        &ended,
        "direct shadow exception_expired+no_gateway",
    );
    let shared = Facts {
        endpoint: some("https://ok.example/mcp"),
        authority: some("ok.example"),
        sni: some("ok.example"),
        ..through_gateway()
    };
    check(
        "at an address shared with the gateway",
        &shared,
        "direct sanctioned exception",
    );
    let forged = Facts {
        endpoint: some("https://ok.example/mcp"),
        server_address: address("203.0.113.9:443"),
        ..through_gateway()
    };
    check(
        "with a forged gateway name",
        &forged,
        "direct unknown name_without_address",
    );
}

#[test]
fn round_the_gateway() {
    check(
        "declared address",
        &direct("x", "10.9.0.7:9000"),
        "direct shadow bypass",
    );
    let url = Facts {
        sni: some("declared.example"),
        scheme: some("https"),
        ..direct("declared.example", "203.0.113.9:443")
    };
    check("declared URL", &url, "direct shadow bypass");
    check(
        "another path of it",
        &Facts {
            path: some("/else"),
            ..url
        },
        "direct shadow no_gateway",
    );
    let seen = Facts {
        fronted_by: some("main"),
        ..direct("x", "10.9.0.8:9000")
    };
    check("seen", &seen, "direct shadow bypass");
    let forged = Facts {
        fronted_by: some("main"),
        ..direct("gw.corp.example", "10.9.0.8:9000")
    };
    check(
        "with a forged name",
        &forged,
        "direct shadow bypass+name_without_address",
    );
    let plain = Facts {
        endpoint: some("https://ok.example/mcp"),
        ..seen.clone()
    };
    check(
        "an exception that says nothing of it",
        &plain,
        "direct shadow bypass",
    );
    let allowed = Facts {
        endpoint: some("http://10.9.0.8:9000/mcp"),
        ..seen
    };
    check(
        "an exception that allows it",
        &allowed,
        "direct sanctioned exception+bypass",
    );
}

#[test]
fn no_gateway_at_all() {
    let j = judge(&through_gateway(), &Policy::empty());
    assert_eq!(j.verdict.status, Status::Shadow);
    assert_eq!(j.verdict.reasons[0].code, code::NO_GATEWAY_CONFIGURED);
    let opaque = Facts::default();
    assert_eq!(
        judge(&opaque, &Policy::empty()).verdict.status,
        Status::Unknown
    );
}

#[test]
fn reasons_hold_no_text_of_the_wire() {
    let facts = Facts {
        authority: some("user:hunter2secret@gw.corp.example\x1b[31m"),
        ..through_gateway()
    };
    let text = format!("{:?}", judge(&facts, &policy()));
    assert!(
        !text.contains("hunter2") && !text.contains("\\u{1b}"),
        "{text}"
    );
}

#[test]
fn several_names_are_never_approved() {
    let base = through_gateway;
    let plain = |authority: &str, to: &str| direct(authority, to);
    for authority in [
        "gw.corp.example, evil.example",
        "evil.example, gw.corp.example",
        "gw.corp.example,gw.corp.example:443",
        "gw.corp.example,",
        ", ",
        "a, b",
    ] {
        let facts = Facts {
            authority: some(authority),
            ..base()
        };
        check(authority, &facts, "direct unknown several_names");
        let text = &judge(&facts, &policy()).verdict.reasons[0].text;
        assert!(
            text.starts_with("the session used several names ("),
            "{text}"
        );
    }
    check(
        "a gateway's name among them, elsewhere",
        &plain("gw.corp.example, evil.example", "203.0.113.9:80"),
        "direct unknown several_names",
    );
    check(
        "nothing to do with a gateway",
        &plain("a.example, b.example", "203.0.113.9:80"),
        "direct shadow no_gateway+several_names",
    );
    let excepted = Facts {
        endpoint: some("https://ok.example/mcp"),
        server_key: some("https://ok.example/mcp"),
        ..plain("ok.example, evil.example", "203.0.113.9:80")
    };
    check(
        "an exception for one of them",
        &excepted,
        "direct shadow no_gateway+several_names",
    );
    let fronted = Facts {
        sni: None,
        ..plain("x.example:9000, declared.example:443", "203.0.113.9:443")
    };
    check(
        "a fronted server among them",
        &fronted,
        "direct shadow bypass+several_names",
    );
}

#[test]
fn several_paths_are_never_approved() {
    for (path, expect) in [
        ("several: /mcp /mcp/x", "direct unknown several_paths"),
        ("several: /mcp, /mcp/x", "direct unknown several_paths"),
        ("several: /mcp /other", "direct shadow path_not_listed"),
        ("several: ", "direct unknown several_paths"),
        ("mcp", "direct unknown several_paths"),
        ("*", "direct unknown several_paths"),
        ("", "direct unknown several_paths"),
        ("http://gw.corp.example/mcp", "direct unknown several_paths"),
    ] {
        let facts = Facts {
            path: some(path),
            ..through_gateway()
        };
        check(path, &facts, expect);
    }
    let facts = Facts {
        path: some("several: /mcp /mcp/x"),
        ..through_gateway()
    };
    let text = &judge(&facts, &policy()).verdict.reasons[0].text;
    assert!(text.contains("the session used several paths"), "{text}");
    // A gateway that lists no paths is no different.
    let open = "[[gateway]]\nname = \"g\"\nnames = [\"gw.corp.example\"]\naddresses = [\"10.0.0.5:443\"]\n";
    let (open, _) = Policy::parse(open, "p", OffsetDateTime::UNIX_EPOCH).unwrap();
    let j = judge(&facts, &open);
    assert_eq!(j.verdict.status, Status::Unknown);
    assert_eq!(j.verdict.reasons[0].code, code::SEVERAL_PATHS);
    // Of a fronted server, one path is enough; of an exception, all must fit.
    let declared = Facts {
        path: some("several: /else /mcp"),
        scheme: some("https"),
        ..direct("declared.example:443", "203.0.113.9:443")
    };
    check(
        "one of them fronted",
        &declared,
        "direct shadow bypass+several_paths",
    );
    for (path, expect) in [
        ("several: /a /b", "direct sanctioned exception"),
        ("several: ", "direct shadow no_gateway+several_paths"),
    ] {
        let facts = Facts {
            path: some(path),
            endpoint: some("https://ok.example/a"),
            ..direct("ok.example", "203.0.113.9:80")
        };
        check(path, &facts, expect);
    }
}

/// Few values, so that many of the combinations come close to a match.
fn any_facts() -> impl Strategy<Value = Facts> {
    let names = prop::option::of(prop_oneof![
        Just("gw.corp.example".to_owned()),
        Just("GW.corp.example.:8443".to_owned()),
        Just("127.0.0.1:9100".to_owned()),
        Just("evil.example".to_owned()),
        Just("gw.corp.example, gw.corp.example:443".to_owned()),
        any::<String>(),
    ]);
    let sockets = || {
        prop_oneof![
            Just("10.0.0.5:443"),
            Just("10.1.2.3:8443"),
            Just("127.0.0.1:9100"),
            Just("0.0.0.0:9100"),
            Just("[::]:443"),
            Just("203.0.113.9:443"),
            Just("[::ffff:10.0.0.5]:443"),
            Just("10.9.0.7:9000"),
        ]
        .prop_map(|t| t.parse::<SocketAddr>().unwrap())
    };
    let route = prop_oneof![
        Just(BaseRoute::Local),
        Just(BaseRoute::Direct),
        Just(BaseRoute::Inbound),
        Just(BaseRoute::Bridge),
        Just(BaseRoute::Opaque),
    ];
    let transport = prop::option::of(prop_oneof![
        Just(Transport::Stdio),
        Just(Transport::Http),
        Just(Transport::Sse),
    ]);
    let path = prop::option::of(prop_oneof![
        Just("/mcp".to_owned()),
        Just("/x".to_owned()),
        Just("several: /mcp /mcp/x".to_owned()),
        any::<String>()
    ]);
    let host = prop_oneof![Just("lab-1".to_owned()), any::<String>()];
    let words = (
        names.clone(),
        names,
        path,
        host,
        prop::option::of(any::<String>()),
    );
    let places = (
        prop::option::of(sockets()),
        prop::option::of(sockets()),
        prop::collection::vec(sockets(), 0..3),
        prop::collection::vec(sockets(), 0..3),
        prop::collection::vec(prop::option::of(sockets()), 0..3),
    );
    (route, transport, words, places, any::<u64>()).prop_map(
        |(base_route, transport, words, places, time_unix_ns)| {
            let (authority, sni, path, host, endpoint) = words;
            let (server_address, client_address, client_serves, server_serves, others) = places;
            Facts {
                host,
                time_unix_ns,
                base_route,
                transport,
                authority,
                sni,
                path,
                server_address,
                client_address,
                client_serves,
                server_serves,
                other_server_addresses: others.clone(),
                others_serve: others,
                server_key: endpoint.clone(),
                endpoint,
                ..Facts::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn approved_means_both_agreed_or_the_gateways_own(facts in any_facts()) {
        let policy = policy();
        let j = judge(&facts, &policy);
        prop_assert!(!j.verdict.reasons.is_empty());
        prop_assert_eq!(&j, &judge(&facts, &policy));
        if j.verdict.status != Status::Approved {
            prop_assert!(j.route != Route::Gateway);
            return Ok(());
        }
        if j.leg == Some(Leg::Upstream) {
            prop_assert!(!facts.client_serves.is_empty() || facts.base_route == BaseRoute::Inbound);
            return Ok(());
        }
        let ips: Vec<String> = facts
            .server_addresses()
            .map(|a| a.map(|a| a.ip().to_string()).unwrap_or_default())
            .collect();
        let names: Vec<_> = facts.authority.iter().chain(&facts.sni).collect();
        prop_assert!(facts.authority.as_deref().is_none_or(|a| !a.contains(',')));
        prop_assert!(facts.path.as_deref().is_none_or(|p| p.starts_with('/')));
        match j.gateway.as_deref() {
            Some("main") => {
                prop_assert!(ips.iter().all(|ip| ip == "10.0.0.5" || ip.starts_with("10.1.")));
                prop_assert!(!names.is_empty());
                prop_assert!(names.iter().all(|n| n.to_lowercase().starts_with("gw.corp.example")));
            }
            Some("lab") => {
                prop_assert_eq!(facts.server_address, address("127.0.0.1:9100"));
                prop_assert_eq!(facts.authority.as_deref(), Some("127.0.0.1:9100"));
                prop_assert!(facts.host.starts_with("lab-"));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
