//! A sensor with a valid key that lies: what it sends is stored as its word, bounded, and harms no one else.

use gnomon_proto::v1::{
    Call, Coverage, Evidence, Listener, Observation, Session, Stats, Tools, observation::Body,
};

use crate::{
    collector::{Collector, poll},
    observations::{call, listener, process, session, stdio},
    sensor::Sensor,
};

const EVIL: &str = "<script>alert(1)</script>'; DROP TABLE x; --\u{1b}[2J\u{202e}\0{key:String}\n";

fn at(time_unix_ns: u64, body: Body) -> Observation {
    Observation {
        time_unix_ns,
        body: Some(body),
    }
}

/// A session of which every number is the largest and every text is hostile.
fn worst(id: &str, time: u64) -> Session {
    let text = || Some(EVIL.repeat(400));
    let mut worst = stdio(id, u32::MAX, u64::MAX);
    let mut one = process(u32::MAX, EVIL);
    one.argv = vec![EVIL.repeat(100); 40];
    one.user = text();
    one.container = text();
    one.uid = Some(u32::MAX);
    one.started_unix_ns = Some(time);
    (
        worst.state,
        worst.transport,
        worst.channel,
        worst.base_route,
    ) = (99, -7, i32::MAX, i32::MIN);
    worst.tls = text();
    worst.revision = text();
    worst.via = text();
    worst.started_unix_ns = time;
    worst.last_seen_unix_ns = time;
    worst.evidence = vec![
        Evidence {
            source: EVIL.to_owned(),
            fact: EVIL.repeat(50),
            quality: EVIL.to_owned(),
        };
        300
    ];
    worst.sensor_verdict = text();
    if let Some(client) = &mut worst.client {
        (client.name, client.version, client.application) = (text(), text(), text());
        client.process = Some(one.clone());
    }
    if let Some(server) = &mut worst.server {
        (server.key, server.strength, server.name) = (text(), text(), text());
        (server.version, server.endpoint) = (text(), text());
        server.process = Some(one);
    }
    let mut facts = gnomon_proto::v1::Facts::default();
    (facts.server_address, facts.client_address, facts.authority) = (text(), text(), text());
    (facts.path, facts.sni, facts.scheme) = (text(), text(), text());
    facts.host_addresses = vec!["::1%lo".to_owned(), EVIL.to_owned(), "256.1.1.1".to_owned()];
    facts.client_serves = vec![EVIL.to_owned(); 300];
    facts.server_serves = vec![EVIL.to_owned(); 300];
    worst.facts = Some(facts);
    worst
}

fn others(time: u64) -> Vec<Observation> {
    let lots: std::collections::HashMap<String, u64> = (0..1000)
        .map(|n| (format!("{EVIL}{n}"), u64::MAX))
        .collect();
    let mut process = process(0, EVIL);
    process.argv = vec![EVIL.to_owned(); 1000];
    let mut ear = Listener {
        address: EVIL.repeat(500),
        port: Some(u32::MAX),
        path: Some(EVIL.repeat(500)),
        channel: 77,
        process: Some(process.clone()),
        mcp: EVIL.to_owned(),
        exposure: Some(EVIL.to_owned()),
        state: Some(EVIL.to_owned()),
        paths: vec![EVIL.to_owned(); 1000],
        namespace: Some(u32::MAX),
        ..Listener::default()
    };
    let strange = ear.clone();
    ear.mcp = "seen".to_owned();
    ear.exposure = Some("any".to_owned());
    let call = Call {
        session: EVIL.chars().take(200).collect(),
        method: EVIL.repeat(100),
        name: Some(EVIL.repeat(1000)),
        status: -1,
        duration_us: Some(u64::MAX),
        request_bytes: u64::MAX,
        response_bytes: Some(u64::MAX),
        error_text: Some(EVIL.repeat(1000)),
        number: u64::MAX,
    };
    let mut of_worst = call.clone();
    of_worst.session = "worst-0".to_owned();
    vec![
        at(time, Body::Call(call)),
        at(time, Body::Call(of_worst)),
        at(time, Body::Listener(strange)),
        at(time, Body::Listener(ear)),
        at(
            time,
            Body::Stats(Stats {
                tier: lots.keys().map(|k| (k.clone(), k.clone())).collect(),
                messages: u64::MAX,
                bytes: u64::MAX,
                lost: lots,
                ring_bytes: u64::MAX,
                map_bytes: u64::MAX,
                cpu_ms: u64::MAX,
                rss_bytes: u64::MAX,
            }),
        ),
        at(
            time,
            Body::Coverage(Coverage {
                process: Some(process),
                what: EVIL.repeat(1000),
                state: EVIL.to_owned(),
                reason: Some(EVIL.repeat(1000)),
            }),
        ),
        at(
            time,
            Body::Tools(Tools {
                server: EVIL.to_owned(),
                tool: EVIL.to_owned(),
                digest: EVIL.to_owned(),
                first_unix_ns: u64::MAX,
                previous: Some(EVIL.repeat(1000)),
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_sensor_harms_no_one_else() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let day_ns = 86_400_000_000_000_u64;
    let now_ns = session(stdio("now", 1, 0)).time_unix_ns;
    let liar = collector.certify("liar");
    let mut sensor = Sensor::connect(&collector.ingest(), &liar)
        .await
        .expect("connected");
    for (n, time) in [
        0,
        1,
        u64::MAX,
        now_ns,
        now_ns + day_ns / 2,
        now_ns + 400 * day_ns,
        946_684_800_000_000_000,
    ]
    .into_iter()
    .enumerate()
    {
        let mut batch = vec![at(time, Body::Session(worst(&format!("worst-{n}"), time)))];
        batch.extend(others(time));
        sensor.store(n as u64 + 1, batch).await.expect("stored");
    }
    // An honest host beside it.
    let honest = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &honest)
        .await
        .expect("connected");
    let batch = vec![
        session(stdio("s1", 1, 1)),
        call("s1", 1),
        listener("0.0.0.0", 9000, "any"),
    ];
    sensor.store(1, batch).await.expect("stored");
    poll("findings of both", 60, || {
        (collector.get("/api/v1/findings").rows().len() >= 4).then_some(())
    });
    for view in [
        "sessions",
        "servers",
        "calls",
        "sensors",
        "coverage",
        "listeners",
        "tools",
        "verdicts",
        "findings",
        "finding_history",
    ] {
        assert!(
            !collector.get(&format!("/api/v1/{view}")).rows().is_empty(),
            "{view}"
        );
    }
    let report = collector.get("/api/v1/report?period=24h&format=json");
    assert_eq!(report.status, 200, "{}", report.body);
    let report = report.json();
    let lost = report["sections"]
        .as_array()
        .expect("sections")
        .iter()
        .flat_map(|section| section["figures"].as_array().expect("figures"))
        .find(|figure| figure["id"] == "blind.lost")
        .and_then(|figure| figure["value"].as_u64())
        .expect("a figure");
    // 256 reasons, each the largest count: no wrap round, whatever is added.
    assert_eq!(lost, 256 << 48);
    assert_eq!(report["complete"], true);
    for page in [
        "/",
        "/sessions",
        "/servers",
        "/calls",
        "/listeners",
        "/hosts",
        "/host?name=liar",
        "/coverage",
        "/findings",
        "/findings?state=any",
        "/session?host=liar&id=worst-0",
    ] {
        let answer = collector.get(page);
        assert_eq!(answer.status, 200, "{page}");
        assert!(!answer.body.contains("<script"), "{page}");
    }
    // How it is stored: words of the contract where there are some, times that can be.
    let strange = "SELECT count() FROM sessions WHERE state NOT IN ('open', 'ended') OR route NOT IN ('local', 'opaque') \
        OR last_seen > now() + INTERVAL 25 HOUR OR started < toDateTime('2000-01-01')";
    assert_eq!(collector.number(strange), 0);
    assert_eq!(
        collector.number("SELECT count() FROM servers WHERE calls > pow(2, 60)"),
        0
    );
}
