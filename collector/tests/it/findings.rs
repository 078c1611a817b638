//! Findings: opened once, changed, closed with a reason, opened again; the same by several collectors.

use gnomon_proto::v1::Session;
use serde_json::Value;

use crate::{
    collector::{Collector, poll},
    observations::{http, listener, others, session, stats, stdio},
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
        Collector::prepared("[findings]\nclose_after = \"15s\"\nsilent_after = \"12s\"\n")
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
