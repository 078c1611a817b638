//! The report, with the real engine behind it: every figure is its query, and says what was sent.

use std::{fs, path::Path};

use gnomon_proto::v1::{
    BaseRoute, Call, CallStatus, Channel, Client, Facts, Observation, Process, Server, Session,
    SessionState, Stats, Transport, observation::Body,
};
use serde_json::{Value, json};

use crate::{
    collector::{Collector, poll},
    sensor::Sensor,
};

const HOUR_NS: u64 = 3_600_000_000_000;
const MINUTE_NS: u64 = 60_000_000_000;
/// Between two of them a pass of the findings may end.
const REPORTS_MAX: usize = 20;
const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "a\u{1b}[31m\u{202e}b\u{200b}",
    "'; DROP VIEW sessions; --",
    "{from} {to} {{limit}} %s \\u0000 \0",
    "=cmd|' /C calc'!A0",
];

fn now_ns() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    u64::try_from(since.as_nanos()).expect("in range")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn process(pid: u32, user: &str) -> Process {
    Process {
        pid,
        exe: some("/usr/bin/x"),
        user: some(user),
        uid: Some(1000),
        started_unix_ns: Some(now_ns() - 100 * HOUR_NS),
        ..Process::default()
    }
}

/// A session of a local client with a local server, begun `ago` nanoseconds ago.
fn local(id: &str, server: &str, user: &str, ago: u64) -> Session {
    Session {
        id: id.to_owned(),
        rev: 1,
        state: SessionState::Ended.into(),
        transport: Transport::Stdio.into(),
        channel: Channel::Pipe.into(),
        revision: some("2025-06-18"),
        base_route: BaseRoute::Local.into(),
        client: Some(Client {
            name: some("probe"),
            application: some("Claude Code"),
            process: Some(process(10, user)),
            ..Client::default()
        }),
        server: Some(Server {
            key: some(server),
            strength: some("claimed"),
            name: some(server),
            version: some("1.0"),
            endpoint: None,
            process: Some(process(11, user)),
        }),
        started_unix_ns: now_ns() - ago,
        last_seen_unix_ns: now_ns() - ago + MINUTE_NS,
        ..Session::default()
    }
}

/// A session of a local client with a server elsewhere.
fn remote(id: &str, address: &str, authority: &str, ago: u64) -> Session {
    let url = format!("http://{authority}/mcp");
    Session {
        transport: Transport::Http.into(),
        channel: Channel::Tcp.into(),
        base_route: BaseRoute::Direct.into(),
        server: Some(Server {
            key: some(&url),
            endpoint: some(&url),
            ..Server::default()
        }),
        facts: Some(Facts {
            server_address: some(address),
            client_address: some("10.0.0.1:50000"),
            authority: some(authority),
            path: some("/mcp"),
            scheme: some("http"),
            host_addresses: vec!["10.0.0.1".to_owned(), "127.0.0.1".to_owned()],
            ..Facts::default()
        }),
        ..local(id, "x", "ann", ago)
    }
}

/// A session of a client elsewhere with a local server.
fn inbound(id: &str, from: &str, ago: u64) -> Session {
    let mut session = remote(id, "10.0.0.1:8000", "web-01:8000", ago);
    session.base_route = BaseRoute::Inbound.into();
    session.client = Some(Client::default());
    if let Some(server) = &mut session.server {
        server.process = Some(process(12, "svc"));
    }
    if let Some(facts) = &mut session.facts {
        facts.client_address = some(from);
    }
    session
}

fn told(session: Session) -> Observation {
    Observation {
        time_unix_ns: session.last_seen_unix_ns,
        body: Some(Body::Session(session)),
    }
}

fn call(session: &str, number: u64, ago: u64) -> Observation {
    Observation {
        time_unix_ns: now_ns() - ago,
        body: Some(Body::Call(Call {
            session: session.to_owned(),
            method: "tools/call".to_owned(),
            name: some("echo"),
            status: CallStatus::Ok.into(),
            duration_us: Some(1500),
            request_bytes: 100,
            response_bytes: Some(200),
            error_text: None,
            number,
        })),
    }
}

fn stats(ago: u64, lost: u64) -> Observation {
    Observation {
        time_unix_ns: now_ns() - ago,
        body: Some(Body::Stats(Stats {
            tier: [("read".to_owned(), "2".to_owned())].into(),
            lost: [("ring_full".to_owned(), lost)].into(),
            ..Stats::default()
        })),
    }
}

fn report(collector: &Collector, query: &str) -> Value {
    let reply = collector.get(&format!("/api/v1/report?{query}"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

fn figures(report: &Value) -> Vec<&Value> {
    let sections = report["sections"].as_array().expect("sections");
    (sections.iter())
        .flat_map(|section| section["figures"].as_array().expect("figures"))
        .collect()
}

fn figure<'a>(report: &'a Value, id: &str) -> &'a Value {
    let found = figures(report).into_iter().find(|f| f["id"] == id);
    let found = found.expect(id);
    assert_eq!(found["error"], Value::Null, "{id}");
    found
}

fn value<'a>(report: &'a Value, id: &str) -> &'a Value {
    &figure(report, id)["value"]
}

/// Values of one column.
fn column(report: &Value, id: &str, name: &str) -> Vec<Value> {
    let rows = figure(report, id)["rows"].as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

/// A report of which each figure is what its query gives to `gnomon sql`. Figures of findings and verdicts may take some reports:
/// those catch up with what they are about.
fn compared(collector: &Collector, query: &str) -> Value {
    let mut differs = String::new();
    let found = (0..REPORTS_MAX).find_map(|_| {
        let report = report(collector, query);
        differs = difference(collector, &report).unwrap_or_default();
        differs.is_empty().then_some(report)
    });
    assert!(
        found.is_some(),
        "in each of {REPORTS_MAX} reports, in the last: {differs}"
    );
    found.expect("there is one")
}

/// The first figure that is not what its query gives.
fn difference(collector: &Collector, report: &Value) -> Option<String> {
    let all = figures(report);
    assert!(all.len() > 50, "{} figures", all.len());
    let wrong: Vec<_> = all.iter().filter(|f| !f["error"].is_null()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(report["complete"], json!(true));
    all.into_iter().find_map(|figure| {
        let id = figure["id"].as_str().expect("an id");
        let sql = figure["sql"].as_str().expect("sql");
        let reply = collector.sql(sql);
        assert_eq!(reply.status, 200, "{id}: {}", reply.body);
        let answer = reply.json();
        let is_equal = match figure.get("value") {
            Some(value) => {
                let row = answer["rows"][0].as_object().expect("a row");
                row.values().next() == Some(value)
            }
            None => answer["rows"] == figure["rows"] && answer["columns"] == figure["columns"],
        };
        let differs = format!("{id} is {figure:#}, its query gives {answer:#}");
        let catches_up = sql.contains("findings") || sql.contains("verdict");
        assert!(is_equal || catches_up, "{differs}");
        (!is_equal).then_some(differs)
    })
}

fn with_assets(content: &str) -> Option<(tempfile::TempDir, Collector)> {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("hosts.csv");
    fs::write(&file, content).expect("written");
    let settings = format!("[assets]\nfile = \"{}\"\n", file.display());
    let mut collector = Collector::prepared(&settings)?;
    collector.start();
    Some((folder, collector))
}

async fn connect(collector: &Collector, host: &str) -> Sensor {
    let identity = collector.certify(host);
    Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected")
}

#[test]
fn a_report_of_nothing_says_so() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let report = compared(&collector, "period=24h");
    assert_eq!(value(&report, "totals.servers"), &json!(0));
    assert_eq!(value(&report, "shadow.session_share"), &Value::Null);
    assert_eq!(value(&report, "hosts.since"), &Value::Null);
    let notes = report["notes"].to_string();
    assert!(notes.contains("No sensor has ever reported"), "{notes}");
    assert!(notes.contains("no asset list"), "{notes}");
    let page = collector.get("/api/v1/report?format=html");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("No MCP was seen in the period."));

    for (query, status, said) in [
        ("period=1y", 400, "1h to 400d"),
        ("period=24h&from=2026-01-01T00:00:00Z", 400, "both given"),
        ("to=2199-01-01T00:00:00Z", 400, "not over yet"),
        ("format=pdf", 400, "print it"),
        ("format=docx", 400, "unknown variant"),
        ("since=24h", 400, "unknown field"),
    ] {
        let reply = collector.get(&format!("/api/v1/report?{query}"));
        assert_eq!(reply.status, status, "{query}: {}", reply.body);
        assert!(reply.body.contains(said), "{query}: {}", reply.body);
    }
    let refused = collector.raw(
        "GET",
        "/api/v1/report",
        &[("Host", &collector.api_address())],
        "",
    );
    assert_eq!(refused.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_with_third_parties_peers_and_losses() {
    let list = "name,address,owner,group\nweb-01,,Ann,production\nweb-02,10.0.0.2,Bob,production\nlaptop-7,,Cid,laptops\n";
    let Some((_folder, collector)) = with_assets(list) else {
        return;
    };
    let mut sensor = connect(&collector, "web-01").await;
    let mut sent = vec![
        told(local("l1", "npm:@scope/one", "ann", 2 * HOUR_NS)),
        told(local("l2", "npm:@scope/one", "ann", 3 * HOUR_NS)),
        told(local("old", "npm:@scope/gone", "bob", 40 * HOUR_NS)),
        told(remote(
            "r1",
            "203.0.113.5:80",
            "api.vendor.example.com",
            20 * HOUR_NS,
        )),
        told(remote(
            "r2",
            "[2001:db8::7]:80",
            "mcp.vendor.example.com.",
            3 * HOUR_NS,
        )),
        told(remote(
            "r3",
            "198.51.100.9:8080",
            "198.51.100.9:8080",
            3 * HOUR_NS,
        )),
        told(remote("r4", "10.0.0.77:80", "tools.intern", 3 * HOUR_NS)),
        told(inbound("i1", "[::ffff:10.0.0.88]:41000", 3 * HOUR_NS)),
        told(inbound("i2", "192.0.2.200:41000", 3 * HOUR_NS)),
        // Before the period, and long silent since: what was counted until then is not of the period.
        stats(60 * HOUR_NS, 2),
        stats(5 * HOUR_NS, 3),
        stats(4 * HOUR_NS, 5),
        stats(3 * HOUR_NS, 1),
    ];
    // Every five minutes, for two hours and a half: a timer.
    sent.extend((1..=30).map(|n| call("r1", n, 19 * HOUR_NS - n * 5 * MINUTE_NS)));
    sent.push(call("l1", 1, 2 * HOUR_NS));
    sensor.store(1, sent).await.expect("stored");

    let report = compared(&collector, "period=24h");
    let is = |id: &str, expected: Value| assert_eq!(value(&report, id), &expected, "{id}");
    is("totals.sessions", json!(8));
    is("totals.calls", json!(31));
    is("totals.hosts", json!(1));
    // Without a policy all of it.
    is("shadow.session_share", json!(100));
    is("third_parties.count", json!(2));
    is("third_parties.calls", json!(30));
    is("hosts.listed", json!(3));
    is("hosts.covered", json!(1));
    is("hosts.covered_share", json!(33.3));
    is("hosts.peers_count", json!(2));
    is("blind.lost", json!(4));
    is("owners.single_user", json!(5));
    let parties = column(&report, "third_parties.list", "party");
    assert_eq!(parties, [json!("example.com"), json!("198.51.100.9")]);
    let rhythm = column(&report, "third_parties.cadence", "rhythm");
    assert_eq!(rhythm, [json!("like a clock: every 5 minutes")]);
    assert_ne!(
        column(&report, "third_parties.cadence", "silent_since"),
        [Value::Null]
    );
    assert_eq!(
        column(&report, "third_parties.internal", "party"),
        [json!("tools.intern")]
    );
    let peers = column(&report, "hosts.peers", "address");
    assert_eq!(peers, [json!("10.0.0.77"), json!("10.0.0.88")]);
    let inbound = column(&report, "exposure.inbound", "place");
    assert_eq!(inbound, [json!("public"), json!("internal")]);
    let missing = column(&report, "hosts.without_sensor", "name");
    assert_eq!(missing, [json!("laptop-7"), json!("web-02")]);
    assert_eq!(
        column(&report, "changes.gone", "server"),
        [json!("npm:@scope/gone")]
    );
    assert_eq!(
        column(&report, "usage.groups", "host_group"),
        [json!("production")]
    );
    let candidates = figure(&report, "owners.candidates")["rows"].as_array();
    let one = candidates.and_then(|rows| rows.iter().find(|row| row["server"] == "npm:@scope/one"));
    assert_eq!(
        one.expect("a row")["candidates"],
        json!([{"sessions": 2, "user": "ann"}])
    );
    assert!(
        report["answers"][3]["answer"]
            .as_str()
            .expect("text")
            .contains("every 5 minutes")
    );

    keep(
        "one",
        &collector.get("/api/v1/report?period=24h&format=html").body,
    );

    // A period that is over, made twice, is the same but for when it was made.
    let to = report["to"].as_str().expect("a time").replace(':', "%3A");
    let again = self::report(&collector, &format!("period=24h&to={to}"));
    assert_eq!(again["sections"], report["sections"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_hosts_with_hostile_names_and_ten_thousand_sessions() {
    let Some(collector) = Collector::started() else {
        return;
    };
    for host in 0..50_u64 {
        let mut sensor = connect(&collector, &format!("host-{host:02}")).await;
        let mut sent = Vec::new();
        for n in 0..200_u64 {
            let hostile = HOSTILE[(n % 5) as usize];
            let ago = (1 + (host * 200 + n) % 700) * HOUR_NS;
            let id = format!("s{n}");
            let server = format!("{hostile} {}", (host * n) % 2000);
            let mut session = match n % 10 {
                0 => remote(
                    &id,
                    &format!("203.0.113.{}:80", n % 250),
                    &format!("{hostile}.example"),
                    ago,
                ),
                1 => inbound(&id, "192.0.2.1:1", ago),
                _ => local(&id, &server, hostile, ago),
            };
            if let Some(client) = &mut session.client {
                client.application = some(hostile);
            }
            sent.push(told(session));
            sent.extend((1..=3).map(|number| call(&id, number, ago - number * MINUTE_NS)));
        }
        sensor.store(1, sent).await.expect("stored");
    }
    let began = std::time::Instant::now();
    report(&collector, "period=30d");
    let took_ms = began.elapsed().as_millis();
    eprintln!("a report of 10,000 sessions and 30,000 calls took {took_ms} ms");
    let report = compared(&collector, "period=30d");
    assert_eq!(value(&report, "totals.sessions"), &json!(10_000));
    assert_eq!(value(&report, "totals.calls"), &json!(30_000));
    assert_eq!(value(&report, "totals.hosts"), &json!(50));
    for figure in figures(&report) {
        let rows = figure
            .get("rows")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        assert!(rows <= 1000, "{}: {rows}", figure["id"]);
        assert!(
            rows < 1000 || figure["truncated"] == json!(true),
            "{}",
            figure["id"]
        );
    }

    let page = collector.get("/api/v1/report?period=30d&format=html");
    assert!(
        page.head
            .to_ascii_lowercase()
            .contains("x-gnomon-complete: true"),
        "{}",
        page.head
    );
    assert!(page.body.len() < 4 << 20, "{} bytes", page.body.len());
    for markup in ["<script", "\u{1b}", "\u{202e}", "\u{200b}", "\0"] {
        assert!(!page.body.contains(markup), "{markup:?}");
    }
    keep("many", &page.body);
}

/// For people to look at: `GNOMON_REPORTS=FOLDER`.
fn keep(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("GNOMON_REPORTS") {
        let file = Path::new(&folder).join(format!("{name}.html"));
        fs::write(file, page).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asset_list_follows_its_file() {
    let Some((folder, collector)) = with_assets("name\na\nB\n") else {
        return;
    };
    let file = folder.path().join("hosts.csv");
    let names = || {
        let rows = collector
            .sql("SELECT name FROM assets ORDER BY name")
            .rows();
        rows.iter()
            .map(|row| row["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    poll("the list", 60, || (names() == ["B", "a"]).then_some(()));
    let _sensor = connect(&collector, "b").await;
    poll("the sensor", 60, || {
        let rows = collector
            .sql("SELECT host, matched_by FROM assets WHERE name = 'B'")
            .rows();
        (rows[0]["host"] == "b" && rows[0]["matched_by"] == "name").then_some(())
    });
    fs::write(&file, "name,address\nc,not-an-address\n").expect("written");
    poll("the fault", 60, || {
        collector.log().contains("no IP address").then_some(())
    });
    assert_eq!(names(), ["B", "a"], "a faulty list is not taken");
    let checked = collector.command("check-config").output().expect("run");
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("hosts.csv:2: address"), "{said}");

    fs::write(&file, "name,address,serial\nc,10.9.8.7,1\n").expect("written");
    poll("the next list", 60, || (names() == ["c"]).then_some(()));
    let checked = collector.command("check-config").output().expect("run");
    assert!(checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stdout).contains("names 1 hosts"));
    fs::write(&file, "name\n").expect("written");
    poll("the empty list", 60, || names().is_empty().then_some(()));
}
