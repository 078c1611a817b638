use std::net::SocketAddr;

use time::OffsetDateTime;

use super::*;
use crate::facts::{BaseRoute, Transport};
use crate::{Policy, Status, code, judge};

const POLICY: &str = r#"
[[gateway]]
name = "lab"
names = ["127.0.0.1:9100"]
addresses = ["127.0.0.1:9100"]
hosts = ["*", "h", "gw"]

[[gateway]]
name = "main"
names = ["gw.corp.example"]
addresses = ["10.0.0.5:443"]
hosts = ["gw"]
"#;

fn policy() -> Policy {
    Policy::parse(POLICY, "p", OffsetDateTime::UNIX_EPOCH)
        .unwrap()
        .0
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A session to `to`, as a client writes it.
fn session(host: &str, route: BaseRoute, to: &str) -> Facts {
    Facts {
        host: host.to_owned(),
        time_unix_ns: 1_000,
        base_route: route,
        transport: Some(Transport::Http),
        authority: Some(to.to_owned()),
        path: Some("/mcp".to_owned()),
        scheme: Some("http".to_owned()),
        server_address: Some(socket(to)),
        ..Facts::default()
    }
}

/// The same from the gateway's own process.
fn from_gateway(facts: &Facts) -> Facts {
    let own = if facts.base_route == BaseRoute::Local {
        "127.0.0.1:9100"
    } else {
        "10.0.0.5:443"
    };
    Facts {
        client_serves: vec![socket(own)],
        client_address: Some(SocketAddr::new(socket(own).ip(), 50_000)),
        ..facts.clone()
    }
}

fn learned(from: &Facts) -> Fronts {
    let mut fronts = Fronts::new();
    let upstream = from_gateway(from);
    let judgement = judge(&upstream, &policy());
    assert_eq!(judgement.leg, Some(Leg::Upstream), "{upstream:?}");
    assert!(fronts.learn(&upstream, &judgement));
    assert!(
        !fronts.learn(&upstream, &judgement),
        "nothing new the second time"
    );
    fronts
}

#[test]
fn to_the_backend_is_bypass() {
    let backend = session("lab-1", BaseRoute::Local, "127.0.0.1:9102");
    let fronts = learned(&backend);
    let mut direct = backend.clone();
    direct.fronted_by = fronts.gateway_of(&direct).map(str::to_owned);
    let judgement = judge(&direct, &policy());
    assert_eq!(judgement.verdict.status, Status::Shadow);
    assert_eq!(judgement.verdict.reasons[0].code, code::BYPASS);
    assert_eq!(judgement.gateway.as_deref(), Some("lab"));
    // The gateway's own leg stays approved though its server is known as fronted.
    let own = Facts {
        fronted_by: direct.fronted_by,
        ..from_gateway(&backend)
    };
    assert_eq!(judge(&own, &policy()).verdict.status, Status::Approved);
}

#[test]
fn one_listener_by_many_addresses() {
    use BaseRoute::{Direct, Inbound, Local};
    let with = |mut facts: Facts, serves: &[&str], own: &[&str]| {
        facts.server_serves = serves.iter().map(|t| socket(t)).collect();
        facts.host_addresses = own.iter().map(|t| t.parse().unwrap()).collect();
        facts
    };
    let loopback = session("h", Local, "127.0.0.1:9102");
    let wild = with(
        loopback.clone(),
        &["0.0.0.0:9102"],
        &["10.0.0.7", "127.0.0.1"],
    );
    let narrow = with(loopback.clone(), &["127.0.0.1:9102"], &[]);
    for (what, from, to, expect) in [
        (
            "same",
            &loopback,
            session("h", Local, "127.0.0.1:9102"),
            true,
        ),
        (
            "other loopback",
            &loopback,
            session("h", Local, "[::1]:9102"),
            true,
        ),
        (
            "mapped",
            &loopback,
            session("h", Local, "[::ffff:127.0.0.1]:9102"),
            true,
        ),
        (
            "other port",
            &loopback,
            session("h", Local, "127.0.0.1:9103"),
            false,
        ),
        (
            "another host's loopback",
            &loopback,
            session("h2", Local, "127.0.0.1:9102"),
            false,
        ),
        (
            "own address",
            &loopback,
            session("h", Local, "10.0.0.7:9102"),
            true,
        ),
        (
            "arriving, wildcard",
            &wild,
            session("h", Inbound, "10.0.0.7:9102"),
            true,
        ),
        (
            "from another host",
            &wild,
            session("h2", Direct, "10.0.0.7:9102"),
            true,
        ),
        (
            "same port of another host",
            &wild,
            session("h2", Direct, "10.0.0.8:9102"),
            false,
        ),
        (
            "two listeners on one port",
            &narrow,
            with(
                session("h", Inbound, "10.0.0.7:9102"),
                &["10.0.0.7:9102"],
                &[],
            ),
            false,
        ),
        (
            "remote",
            &session("gw", Direct, "10.0.0.9:9000"),
            session("h2", Direct, "10.0.0.9:9000"),
            true,
        ),
        (
            "remote, seen there",
            &session("gw", Direct, "10.0.0.9:9000"),
            session("b", Inbound, "10.0.0.9:9000"),
            true,
        ),
    ] {
        assert_eq!(learned(from).gateway_of(&to).is_some(), expect, "{what}");
    }
}

#[test]
fn public_addresses_go_by_name() {
    let named = |host: &str, to: &str| Facts {
        authority: Some(host.to_owned()),
        sni: Some(host.to_owned()),
        scheme: Some("https".to_owned()),
        ..session("h", BaseRoute::Direct, to)
    };
    let fronts = learned(&named("api.example", "203.0.113.9:443"));
    assert!(
        fronts
            .gateway_of(&named("api.example", "203.0.113.10:443"))
            .is_some()
    );
    assert!(
        fronts
            .gateway_of(&named("API.example.", "203.0.113.10:443"))
            .is_some()
    );
    assert!(
        fronts
            .gateway_of(&named("other.example", "203.0.113.9:443"))
            .is_none()
    );
    let elsewhere = Facts {
        path: Some("/other".to_owned()),
        ..named("api.example", "203.0.113.9:443")
    };
    assert!(fronts.gateway_of(&elsewhere).is_none());
    let unread = Facts {
        path: None,
        authority: None,
        ..named("api.example", "203.0.113.9:443")
    };
    assert!(fronts.gateway_of(&unread).is_some());
}

#[test]
fn the_same_package_elsewhere_is_no_bypass() {
    let child = Facts {
        host: "lab-1".to_owned(),
        base_route: BaseRoute::Local,
        transport: Some(Transport::Stdio),
        server_key: Some("npm:x".to_owned()),
        ..Facts::default()
    };
    let mut fronts = Fronts::new();
    let upstream = from_gateway(&child);
    assert!(!fronts.learn(&upstream, &judge(&upstream, &policy())));
    assert_eq!(fronts.gateway_of(&child), None);
}

#[test]
fn only_gateways_teach() {
    let facts = session("h", BaseRoute::Local, "127.0.0.1:9102");
    let mut fronts = Fronts::new();
    assert!(!fronts.learn(&facts, &judge(&facts, &policy())));
    assert_eq!(fronts.gateway_of(&facts), None);
}

#[test]
fn bounded_and_forgetful() {
    let facts = session("h", BaseRoute::Local, "127.0.0.1:9102");
    let mut fronts = learned(&facts);
    let late = Facts {
        time_unix_ns: facts.time_unix_ns + IDLE_NS + 1,
        ..facts.clone()
    };
    assert_eq!(fronts.gateway_of(&late), None);
    for n in 0..PLACES_MAX {
        let facts = from_gateway(&session(
            &format!("h{n}"),
            BaseRoute::Local,
            "127.0.0.1:9102",
        ));
        fronts.learn(&facts, &judge(&facts, &policy()));
    }
    assert_eq!(fronts.places, PLACES_MAX);
    assert_eq!(fronts.evicted(), 1);
    assert_eq!(fronts.gateway_of(&facts), None);
    for n in 0..=PATHS_MAX {
        let facts = Facts {
            path: Some(format!("/{n}")),
            ..session("h1", BaseRoute::Local, "127.0.0.1:9102")
        };
        let facts = from_gateway(&facts);
        fronts.learn(&facts, &judge(&facts, &policy()));
    }
    let any = Facts {
        path: Some("/never".to_owned()),
        ..session("h1", BaseRoute::Local, "127.0.0.1:9102")
    };
    assert!(fronts.gateway_of(&any).is_some());
}

#[test]
fn a_host_speaks_for_itself_only() {
    use BaseRoute::{Direct, Inbound};
    let backend = |host: &str, route: BaseRoute| session(host, route, "10.0.0.9:9000");
    let named = |host: &str, authority: &str| Facts {
        authority: Some(authority.to_owned()),
        ..session(host, Direct, "203.0.113.9:443")
    };
    // By the process: a listener on the gateway's address is that host's own word.
    for facts in [backend("evil", Direct), named("evil", "api.example")] {
        let fronts = learned(&facts);
        assert!(fronts.gateway_of(&facts).is_some(), "{facts:?}");
        let elsewhere = Facts {
            host: "victim".to_owned(),
            ..facts
        };
        assert_eq!(fronts.gateway_of(&elsewhere), None, "{elsewhere:?}");
    }
    // By where it arrives from.
    let arriving = Facts {
        client_address: Some(socket("10.0.0.5:40000")),
        server_serves: vec![socket("0.0.0.0:9000")],
        host_addresses: vec!["10.0.0.77".parse().unwrap()],
        authority: Some("api.example:9000".to_owned()),
        ..backend("evil", Inbound)
    };
    let judgement = judge(&arriving, &policy());
    assert_eq!(judgement.verdict.reasons[0].code, code::GATEWAY_SOURCE);
    let mut fronts = Fronts::new();
    assert!(fronts.learn(&arriving, &judgement));
    assert!(fronts.gateway_of(&arriving).is_some());
    for to in ["10.0.0.9:9000", "10.0.0.77:9000", "203.0.113.9:9000"] {
        let victim = Facts {
            authority: Some("api.example:9000".to_owned()),
            ..session("victim", Direct, to)
        };
        assert_eq!(fronts.gateway_of(&victim), None, "{to}");
    }
    // A host that the policy names in full speaks for all; a pattern names nobody.
    let fronts = learned(&backend("gw", Direct));
    assert_eq!(fronts.gateway_of(&backend("victim", Direct)), Some("main"));
    let local = session("lab-7", BaseRoute::Local, "127.0.0.1:9102");
    let local = Facts {
        authority: Some("api.example:9102".to_owned()),
        ..local
    };
    let fronts = learned(&local);
    let victim = Facts {
        authority: Some("api.example:9102".to_owned()),
        ..session("victim", Direct, "203.0.113.9:9102")
    };
    assert!(fronts.gateway_of(&local).is_some());
    assert_eq!(fronts.gateway_of(&victim), None);
}

#[test]
fn a_host_that_makes_up_places_pushes_out_its_own() {
    let honest = session("h2", BaseRoute::Direct, "10.0.0.9:9000");
    let mut fronts = learned(&honest);
    for n in 0..PLACES_MAX + 10 {
        let made_up = Facts {
            authority: Some(format!("x{n}.example")),
            ..session("evil", BaseRoute::Direct, "203.0.113.9:443")
        };
        let made_up = from_gateway(&made_up);
        fronts.learn(&made_up, &judge(&made_up, &policy()));
    }
    assert_eq!(fronts.places, PLACES_MAX);
    assert_eq!(fronts.evicted(), 11);
    assert!(fronts.gateway_of(&honest).is_some());
}

#[test]
fn several_names_and_paths() {
    let one = session("gw", BaseRoute::Direct, "10.0.0.9:9000");
    let fronts = learned(&one);
    let with_path = |path: &str| Facts {
        path: Some(path.to_owned()),
        ..one.clone()
    };
    assert!(fronts.gateway_of(&with_path("/x")).is_none());
    for path in ["several: /x /mcp", "several: /x, /mcp", "several: /mcp /x"] {
        assert!(fronts.gateway_of(&with_path(path)).is_some(), "{path}");
        let both = learned(&with_path(path));
        assert!(both.gateway_of(&with_path("/x")).is_some(), "{path}");
        assert!(both.gateway_of(&with_path("/y")).is_none(), "{path}");
    }
    // A second name hides no server that is behind a gateway, and teaches none.
    let named = |authority: &str| Facts {
        authority: Some(authority.to_owned()),
        ..session("gw", BaseRoute::Direct, "203.0.113.9:80")
    };
    let fronts = learned(&named("api.example"));
    let hidden = named("x.example, api.example");
    assert!(fronts.gateway_of(&hidden).is_some());
    let upstream = from_gateway(&hidden);
    assert!(!Fronts::new().learn(&upstream, &judge(&upstream, &policy())));
}
