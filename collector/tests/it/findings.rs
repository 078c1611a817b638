//! Findings: opened once, changed, closed with a reason, opened again; the same by several collectors.

use gnomon_proto::v1::{BaseRoute, Session};
use serde_json::Value;

use crate::{
    collector::{Collector, poll},
    engine::Bare,
    observations::{call, hook, http, listener, others, process, session, stats, stdio},
    sensor::Sensor,
};

const GATEWAY: &str = "\
[[gateway]]
name = \"main\"
names = [\"gw.corp.example\"]
addresses = [\"10.0.0.5:443\"]
";
const SANCTIONED: &str = "
[[sanction]]
servers = [\"npm:@scope/server\"]
author = \"ann\"
reason = \"pilot\"
until = \"2099-01-01\"
";

/// The finding of a server once it satisfies `is`.
fn finding(collector: &Collector, subject: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    poll(
        &format!("the finding of {subject} to be {what}"),
        60,
        || {
            let rows = collector.get("/api/v1/findings?class=shadow_server").rows();
            rows.into_iter()
                .find(|row| row["subject"] == subject && is(row))
        },
    )
}

fn events(collector: &Collector, finding: &Value) -> Vec<String> {
    let id = finding["id"].as_str().expect("an id");
    let rows = collector
        .get(&format!("/api/v1/finding_history?finding={id}"))
        .rows();
    let mut events: Vec<String> = rows
        .iter()
        .map(|row| row["event"].as_str().expect("an event").to_owned())
        .collect();
    events.reverse();
    events
}

fn at(id: &str, server: &str) -> Session {
    let mut session = stdio(id, 1, 0);
    session.server.as_mut().expect("a server").key = Some(server.to_owned());
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_server_is_one_finding_until_it_is_sanctioned() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let mut first = Sensor::connect(&collector.ingest(), &collector.certify("web-01"))
        .await
        .expect("connected");
    first
        .store(1, vec![session(stdio("s1", 1, 0))])
        .await
        .expect("stored");
    let opened = finding(&collector, "npm:@scope/server", "open", |row| {
        row["state"] == "open"
    });
    assert_eq!(
        (
            &opened["severity"],
            &opened["hosts"],
            &opened["users"],
            &opened["sessions"]
        ),
        (
            &"medium".into(),
            &serde_json::json!(["web-01"]),
            &serde_json::json!(["ann"]),
            &1.into()
        ),
        "{opened}"
    );
    assert_eq!(
        (&opened["closed"], &opened["closed_reason"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        opened["text"]
            .as_str()
            .expect("text")
            .contains("To decide: "),
        "{opened}"
    );
    assert_eq!(opened["tags"], serde_json::json!(["no_gateway_configured"]));

    // More sessions, the same finding; another host makes it worse.
    first
        .store(
            2,
            vec![session(stdio("s2", 1, 0)), session(stdio("s3", 1, 0))],
        )
        .await
        .expect("stored");
    let more = finding(&collector, "npm:@scope/server", "of three", |row| {
        row["sessions"] == 3
    });
    assert_eq!(
        (&more["id"], &more["opened"], &more["changes"]),
        (&opened["id"], &opened["opened"], &1.into())
    );
    let mut second = Sensor::connect(&collector.ingest(), &collector.certify("web-02"))
        .await
        .expect("connected");
    second
        .store(1, vec![session(stdio("s1", 1, 0))])
        .await
        .expect("stored");
    let worse = finding(&collector, "npm:@scope/server", "high", |row| {
        row["severity"] == "high"
    });
    assert_eq!(worse["hosts"], serde_json::json!(["web-01", "web-02"]));
    assert_eq!(events(&collector, &worse), ["opened", "changed"]);

    // An exception closes it at once, its end opens it again; a restart changes nothing.
    let policy =
        |text: &str| assert_eq!(collector.post("/api/v1/policy", text).status, 200, "{text}");
    policy(&format!("{GATEWAY}{SANCTIONED}"));
    let closed = finding(&collector, "npm:@scope/server", "closed", |row| {
        row["state"] == "closed"
    });
    assert_eq!(
        (&closed["id"], &closed["closed_reason"]),
        (&opened["id"], &"sanctioned".into())
    );
    assert!(
        closed["closed"].is_string() && closed["sessions"] == 4,
        "{closed}"
    );
    policy(GATEWAY);
    let again = finding(&collector, "npm:@scope/server", "open again", |row| {
        row["state"] == "open"
    });
    assert_eq!(
        (&again["id"], &again["closed"], &again["closed_reason"]),
        (&opened["id"], &Value::Null, &Value::Null)
    );
    assert_eq!(
        again["tags"],
        serde_json::json!(["no_gateway", "several_hosts"])
    );
    assert_eq!(
        events(&collector, &again),
        ["opened", "changed", "closed", "reopened"]
    );
    assert!(collector.stop("TERM").success());
    collector.start();
    let mut first = Sensor::connect(&collector.ingest(), &collector.path("web-01"))
        .await
        .expect("connected");
    first
        .store(3, vec![session(at("other", "npm:other"))])
        .await
        .expect("stored");
    finding(&collector, "npm:other", "open", |row| {
        row["state"] == "open"
    });
    assert_eq!(
        events(&collector, &again),
        ["opened", "changed", "closed", "reopened"]
    );
    assert_eq!(
        collector.number("SELECT count() FROM findings WHERE class = 'shadow_server'"),
        2
    );
    assert!(
        !collector.log().contains("findings could not be"),
        "{}",
        collector.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_seen_any_more_is_gone_and_comes_back() {
    let Some(mut collector) =
        Collector::prepared("[findings]\nclose_after = \"25s\"\nsilent_after = \"20s\"\n")
    else {
        return;
    };
    collector.start();
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let mut late = stdio("s1", 1, 0);
    // Spooled for two months: it is told all the same.
    late.started_unix_ns -= 60 * 86_400_000_000_000;
    late.last_seen_unix_ns = late.started_unix_ns;
    sensor.store(1, vec![session(late)]).await.expect("stored");
    let opened = finding(&collector, "npm:@scope/server", "open", |row| {
        row["state"] == "open"
    });
    assert!(
        opened["last_seen"].as_str() < opened["opened"].as_str(),
        "{opened}"
    );
    let closed = finding(&collector, "npm:@scope/server", "gone", |row| {
        row["state"] == "closed"
    });
    assert_eq!(closed["closed_reason"], "gone");

    // Meanwhile nothing was heard of the sensor.
    let silent = |state: &str| {
        poll(&format!("the silence to be {state}"), 60, || {
            let rows = collector.get("/api/v1/findings?class=sensor_silent").rows();
            rows.into_iter()
                .find(|row| row["subject"] == "web-01" && row["state"] == state)
        })
    };
    let quiet = silent("open");
    assert_eq!(
        (&quiet["severity"], &quiet["hosts"]),
        (&"medium".into(), &serde_json::json!(["web-01"]))
    );
    sensor
        .store(2, vec![session(stdio("s2", 1, 0))])
        .await
        .expect("stored");
    assert_eq!(silent("closed")["closed_reason"], "returned");
    let again = finding(&collector, "npm:@scope/server", "open again", |row| {
        row["state"] == "open"
    });
    assert_eq!(events(&collector, &again), ["opened", "closed", "reopened"]);
    assert!(
        !collector.log().contains("findings could not be"),
        "{}",
        collector.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_and_exposure_are_findings() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let mut sensor = Sensor::connect(&collector.ingest(), &collector.certify("web-01"))
        .await
        .expect("connected");
    let mut batch = vec![session(http("s1", "10.0.0.9:9000", "10.0.0.9:9000"))];
    batch.extend(others());
    batch.push(listener("0.0.0.0", 9000, "any"));
    batch.push(listener("fd00::1", 9001, "private"));
    batch.push(listener("127.0.0.1", 9002, "loopback"));
    sensor.store(1, batch).await.expect("stored");
    let all = |count: usize| {
        poll(&format!("{count} findings"), 60, || {
            let rows = collector.get("/api/v1/findings").rows();
            (rows.len() == count).then_some(rows)
        })
    };
    let rows = all(4);
    let told: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|row| {
            let text = |column: &str| row[column].as_str().expect("text");
            (text("severity"), text("class"), text("subject"))
        })
        .collect();
    for expected in [
        ("high", "exposed_listener", "web-01 0.0.0.0:9000"),
        ("medium", "exposed_listener", "web-01 [fd00::1]:9001"),
        ("low", "coverage_lost", "web-01"),
        ("medium", "shadow_server", "http://10.0.0.9:9000/mcp"),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    assert_eq!(told[0].0, "high", "the worst first");
    // Of a listener it is told who serves there.
    let subject = |row: &&serde_json::Value| row["subject"] == "web-01 [fd00::1]:9001";
    let exposed = rows.iter().find(subject).expect("one");
    let id = exposed["id"].as_str().expect("an id");
    let shown = collector
        .get(&format!("/api/v1/show/finding?key={id}"))
        .json();
    let sections = shown["sections"].as_array().expect("sections");
    let section = |name: &str| {
        let named = sections.iter().find(|section| section["name"] == name);
        named.expect("a section")["rows"].as_array().expect("rows")
    };
    let listeners = section("listeners");
    assert_eq!(listeners.len(), 1, "{shown}");
    assert_eq!(listeners[0]["exe"], "/usr/bin/node");
    let page = collector.get(&format!("/finding?id={id}")).body;
    assert!(page.contains("Who serves there"), "{page}");
    assert!(page.contains("9001"), "{page}");
    let lost = rows
        .iter()
        .find(|row| row["class"] == "coverage_lost")
        .expect("one");
    assert_eq!(lost["tags"], serde_json::json!(["ring_full"]));
    // The same counts again are no new loss; others are.
    let before = lost["last_seen"].clone();
    sensor.store(2, vec![stats(3)]).await.expect("stored");
    sensor.store(3, vec![stats(5)]).await.expect("stored");
    poll("a further loss", 60, || {
        let rows = collector.get("/api/v1/findings?class=coverage_lost").rows();
        (rows[0]["last_seen"].as_str() > before.as_str() && rows[0]["changes"] == 1).then_some(())
    });
    assert!(
        !collector.log().contains("findings could not be"),
        "{}",
        collector.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_that_are_off_or_detached_are_a_finding_until_they_are_on() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let tags = |state: &str, expected: &[&str]| {
        poll(&format!("{state} {expected:?}"), 60, || {
            let rows = collector.get("/api/v1/findings?class=coverage_lost").rows();
            assert!(rows.len() <= 1, "{rows:?}");
            let row = rows.into_iter().next()?;
            let fits = row["state"] == state
                && (state == "closed" || row["tags"] == serde_json::json!(expected));
            fits.then_some(row)
        })
    };
    // A hook that this kernel never had is no loss.
    let begin = vec![
        hook("probes", "decoded"),
        hook("tp_btf/sys_exit", "decoded"),
        hook("fentry/pipe_write", "detached"),
    ];
    sensor.store(1, begin).await.expect("stored");
    let off = vec![hook("probes", "detached")];
    sensor.store(2, off).await.expect("stored");
    let row = tags("open", &["probes_off"]);
    assert_eq!(
        (&row["severity"], &row["subject"]),
        (&"medium".into(), &"web-01".into())
    );
    let gaps = collector.get("/api/v1/coverage?state=gap").rows();
    let named: Vec<&str> = gaps.iter().filter_map(|row| row["what"].as_str()).collect();
    assert!(named.len() == 2 && named.contains(&"probes"), "{gaps:?}");
    assert_eq!(collector.get("/api/v1/coverage").rows().len(), 3);

    let on = vec![
        hook("probes", "decoded"),
        hook("tp_btf/sys_exit", "detached"),
    ];
    sensor.store(3, on).await.expect("stored");
    tags("open", &["probe_detached", "sessions_missing"]);
    let on = vec![hook("tp_btf/sys_exit", "decoded")];
    sensor.store(4, on).await.expect("stored");
    assert_eq!(tags("closed", &[])["closed_reason"], "gone");

    // What a run had lost or missed holds for that run: the next one says how it stands now.
    let off = vec![hook("tp_btf/sys_exit", "detached"), hook("pipe", "late")];
    sensor.store(5, off).await.expect("stored");
    tags("open", &["probe_detached", "sessions_missing"]);
    drop(sensor);
    let mut sensor = Sensor::connect_as(&collector.ingest(), &identity, [2; 16])
        .await
        .expect("connected");
    let other = vec![
        hook("probes", "decoded"),
        hook("fexit/pipe_write", "decoded"),
    ];
    sensor.store(6, other).await.expect("stored");
    assert_eq!(tags("closed", &[])["closed_reason"], "gone");
    let told = collector.get("/api/v1/coverage").rows();
    let told: Vec<&str> = told.iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let past = "SELECT count() FROM coverage_history WHERE what = 'pipe' AND state = 'late' AND present = 0";
    assert_eq!(collector.number(past), 1);
}

/// Ten thousand sessions with two thousand servers: the figures of docs/findings.md are printed here.
#[tokio::test(flavor = "multi_thread")]
async fn many_servers_are_as_many_findings_once() {
    const SERVERS: u32 = 2_000;
    let Some(mut collector) = Collector::prepared("") else {
        return;
    };
    collector.start();
    let mut sensor = Sensor::connect(&collector.ingest(), &collector.certify("web-01"))
        .await
        .expect("connected");
    let begun = std::time::Instant::now();
    for sequence in 1..=10 {
        let sessions = (0..1000).map(|number| {
            let number = (sequence - 1) * 1000 + number;
            session(at(
                &format!("s{number}"),
                &format!("npm:n{}", number % u64::from(SERVERS)),
            ))
        });
        sensor
            .store(sequence, sessions.collect())
            .await
            .expect("stored");
    }
    let stored = begun.elapsed();
    let begun = std::time::Instant::now();
    poll("as many findings as servers", 120, || {
        let whole = "SELECT count() FROM findings WHERE state = 'open' AND sessions = 5";
        (collector.number(whole) == u64::from(SERVERS)).then_some(())
    });
    println!(
        "stored in {stored:?}, findings complete {:?} later",
        begun.elapsed()
    );
    // Once each, whatever comes next.
    sensor
        .store(11, vec![session(at("one more", "npm:n7"))])
        .await
        .expect("stored");
    finding(&collector, "npm:n7", "of six", |row| row["sessions"] == 6);
    assert_eq!(
        collector.number("SELECT count() FROM finding_history"),
        u64::from(SERVERS)
    );
    for asked in [
        "/api/v1/findings?state=open",
        "/api/v1/show/server?key=npm:n7",
    ] {
        let begun = std::time::Instant::now();
        assert_eq!(collector.get(asked).status, 200);
        println!("{asked} in {:?}", begun.elapsed());
    }
    for line in collector
        .log()
        .lines()
        .filter(|line| line.contains("brought up to date"))
    {
        println!("{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_finding_are_shown_by_the_start_of_their_keys() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let mut sensor = Sensor::connect(&collector.ingest(), &collector.certify("web-01"))
        .await
        .expect("connected");
    let mut batch = vec![
        session(stdio("s1", 1, 2)),
        call("s1", 1),
        call("s1", 2),
        session(at("s2", "npm:@scope/other")),
        session(http("s3", "127.0.0.1:9000", "127.0.0.1:9000")),
    ];
    batch.extend(others());
    sensor.store(1, batch).await.expect("stored");
    let open = finding(&collector, "npm:@scope/server", "open", |row| {
        row["state"] == "open"
    });
    let section = |shown: &Value, name: &str| -> Vec<Value> {
        let sections = shown["sections"].as_array().expect("sections");
        let found = sections.iter().find(|section| section["name"] == name);
        found.unwrap_or_else(|| panic!("no section {name}"))["rows"]
            .as_array()
            .expect("rows")
            .clone()
    };
    let show = |path: &str| {
        let reply = collector.get(&format!("/api/v1/show/{path}"));
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.json()
    };
    let shown = show("server?key=NPM%3A%40scope%2Fse");
    assert_eq!(shown["key"], "npm:@scope/server");
    let listed = collector
        .get("/api/v1/servers?server=npm:%40scope%2Fserver")
        .rows();
    assert_eq!(section(&shown, "server"), listed);
    assert_eq!(section(&shown, "findings")[0]["id"], open["id"]);
    let calls = section(&shown, "calls");
    assert_eq!(
        (&calls[0]["name"], &calls[0]["calls"], &calls[0]["errors"]),
        (&"echo".into(), &2.into(), &0.into())
    );
    let first = |name: &str| section(&shown, name)[0].clone();
    assert_eq!(first("instances")["pid"], 11);
    assert_eq!(first("clients")["application"], "Claude Code");
    assert_eq!(first("verdicts")["verdict"], "shadow");
    assert_eq!(first("verdict_history")["session"], "s1");
    assert_eq!(first("evidence")["quality"], "exact");
    assert_eq!(first("tools")["digest"], "abc");
    assert_eq!(first("sessions")["id"], "s1");

    let id = open["id"].as_str().expect("an id");
    let shown = show(&format!("finding?key={}", &id[..12]));
    assert_eq!(section(&shown, "finding")[0], open);
    assert_eq!(section(&shown, "history")[0]["event"], "opened");
    assert_eq!(section(&shown, "sessions")[0]["id"], "s1");

    for (path, status, says) in [
        (
            "server?key=npm:%40scope",
            409,
            "npm:@scope/other, npm:@scope/server",
        ),
        ("server?key=npm:nothing", 404, "npm:nothing"),
        ("server?key=", 400, "1 to"),
        ("server?key=%27%20OR%201%3D1%20--", 404, "OR 1=1"),
        ("finding?key=zz", 404, "zz"),
        ("finding", 400, "key"),
        ("session?key=x", 404, "server, finding"),
    ] {
        let reply = collector.get(&format!("/api/v1/show/{path}"));
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        assert!(reply.body.contains(says), "{path}: {}", reply.body);
    }
}

/// Two collectors, each with its own writing task and its own passes, on one ClickHouse.
#[tokio::test(flavor = "multi_thread")]
async fn several_collectors_open_one_finding() {
    let Some(bare) = Bare::start() else { return };
    let mut collectors = Vec::new();
    let mut sensors = Vec::new();
    for number in 0..2 {
        let Some(mut collector) = Collector::prepared("") else {
            return;
        };
        let settings = format!(
            "state_dir = \"{}\"\n[clickhouse]\nurl = \"http://127.0.0.1:{}\"\nuser = \"default\"\n",
            collector.path("state").display(),
            bare.port
        );
        std::fs::write(collector.path("collector.toml"), settings).expect("settings");
        collector.start();
        let identity = collector.certify(&format!("web-0{number}"));
        let sensor = Sensor::connect(&collector.ingest(), &identity)
            .await
            .expect("connected");
        collectors.push(collector);
        sensors.push(sensor);
    }
    const ROUNDS: u64 = 10;
    for sequence in 1..=ROUNDS {
        let (one, two) = sensors.split_at_mut(1);
        let batch = || {
            vec![
                session(stdio(&format!("s{sequence}"), 1, 0)),
                session(at(&format!("t{sequence}"), &format!("npm:n{sequence}"))),
            ]
        };
        let (one, two) = tokio::join!(
            one[0].store(sequence, batch()),
            two[0].store(sequence, batch())
        );
        one.expect("stored");
        two.expect("stored");
    }
    for collector in &collectors {
        for subject in ["npm:@scope/server", "npm:n1", "npm:n10"] {
            let sessions = if subject == "npm:@scope/server" {
                2 * ROUNDS
            } else {
                2
            };
            let found = finding(collector, subject, "of both hosts", |row| {
                row["sessions"] == sessions && row["severity"] == "high"
            });
            assert_eq!(found["hosts"], serde_json::json!(["web-00", "web-01"]));
            // Seen by one host first, or by both at once: never opened twice.
            let events = events(collector, &found);
            assert!(
                events == ["opened"] || events == ["opened", "changed"],
                "{subject}: {events:?}"
            );
        }
        let all = collector.get("/api/v1/findings?class=shadow_server").rows();
        assert_eq!(all.len() as u64, 1 + ROUNDS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_may_be_reached() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let mut sensor = Sensor::connect(&collector.ingest(), &collector.certify("gw-01"))
        .await
        .expect("connected");
    sensor
        .store(1, vec![listener("0.0.0.0", 9000, "any")])
        .await
        .expect("stored");
    let exposed = |state: &str| {
        poll(&format!("the listener to be {state}"), 60, || {
            let rows = collector
                .get("/api/v1/findings?class=exposed_listener")
                .rows();
            rows.into_iter().find(|row| row["state"] == state)
        })
    };
    exposed("open");
    let policy = "[[gateway]]\nname = \"main\"\nnames = [\"gw.corp.example:9000\"]\naddresses = [\"10.0.0.5:9000\"]\n";
    assert_eq!(collector.post("/api/v1/policy", policy).status, 200);
    let mut through = http("s1", "10.0.0.5:9000", "gw.corp.example:9000");
    through.base_route = BaseRoute::Inbound.into();
    through.server.as_mut().expect("a server").process = Some(process(14, "/usr/bin/node"));
    sensor
        .store(2, vec![session(through.clone())])
        .await
        .expect("stored");
    assert_eq!(exposed("closed")["closed_reason"], "approved");
    // Somebody comes round by another name.
    through.id = "s2".to_owned();
    through.facts.as_mut().expect("facts").authority = Some("10.0.0.5:9000".to_owned());
    sensor
        .store(3, vec![session(through)])
        .await
        .expect("stored");
    assert_eq!(exposed("open")["sessions"], 2);
}
