//! The state of listeners, derived from what was told of them.

use gnomon_proto::v1::{Channel, Listener, Observation, Process, observation::Body};
use serde_json::Value;

use crate::{
    collector::Collector,
    observations::{session, stdio},
    sensor::Sensor,
};

/// A day ago, so that all of it is in the past; nanoseconds.
fn start_ns() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    u64::try_from(since.as_nanos()).expect("in range") - 86_400_000_000_000
}

/// What one process has on a port, told `second` after the start.
fn told(start: u64, second: u64, pid: u32, mcp: &str, state: &str) -> Observation {
    let paths: &[&str] = if mcp == "seen" { &["/mcp"] } else { &[] };
    let listener = Listener {
        address: "0.0.0.0".to_owned(),
        port: Some(8000),
        path: paths.first().map(ToString::to_string),
        paths: paths.iter().map(ToString::to_string).collect(),
        channel: Channel::Tcp.into(),
        process: Some(Process {
            pid,
            started_unix_ns: Some(start - u64::from(pid)),
            ..Process::default()
        }),
        mcp: mcp.to_owned(),
        exposure: Some("any".to_owned()),
        state: Some(state.to_owned()),
        ..Listener::default()
    };
    Observation {
        time_unix_ns: start + second * 1_000_000_000,
        body: Some(Body::Listener(listener)),
    }
}

fn only(rows: Vec<Value>) -> Value {
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().expect("a row")
}

fn is(row: &Value, expected: &[(&str, &str)]) {
    for (column, value) in expected {
        assert_eq!(row[*column].to_string(), *value, "{column} of {row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_follows_a_listener_over_its_processes() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let start = start_ns();
    let row = || only(collector.get("/api/v1/listeners?port=8000").rows());

    let first = told(start, 1, 7, "seen", "open");
    sensor.store(1, vec![first]).await.expect("stored");
    is(
        &row(),
        &[("mcp", "\"seen\""), ("pid", "7"), ("state", "\"open\"")],
    );

    // The same process is still the one that MCP was seen with, also where that is not said again.
    let again = told(start, 2, 7, "unknown", "open");
    sensor.store(2, vec![again]).await.expect("stored");
    is(
        &row(),
        &[
            ("mcp", "\"seen\""),
            ("path", "\"/mcp\""),
            ("paths", "[\"/mcp\"]"),
        ],
    );

    sensor
        .store(3, vec![told(start, 3, 7, "seen", "closed")])
        .await
        .expect("stored");
    let closed = row();
    is(&closed, &[("state", "\"closed\"")]);
    assert_eq!(closed["closed"], closed["last_seen"]);

    // Another process on the port is another matter.
    sensor
        .store(4, vec![told(start, 4, 9, "unknown", "open")])
        .await
        .expect("stored");
    let row = row();
    let expected = [
        ("pid", "9"),
        ("mcp", "\"unknown\""),
        ("state", "\"open\""),
        ("closed", "null"),
        ("path", "null"),
    ];
    is(&row, &expected);
    assert!(
        row["mcp_seen"].is_string() && row["first_seen"].as_str() < row["last_seen"].as_str(),
        "{row}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_namespaces_are_two_listeners_and_late_facts_change_nothing() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let start = start_ns();
    let mut inside = told(start, 1, 5, "unknown", "open");
    if let Some(Body::Listener(listener)) = &mut inside.body {
        listener.namespace = Some(4_026_532_000);
        listener.exposure = Some("host".to_owned());
    }
    // In one batch, and out of order: what was told last is what holds.
    let batch = vec![
        told(start, 9, 6, "unknown", "closed"),
        told(start, 3, 6, "unknown", "open"),
        inside,
    ];
    sensor.store(1, batch).await.expect("stored");
    let rows = collector.get("/api/v1/listeners?exposure=HOST").rows();
    is(
        &only(rows),
        &[
            ("namespace", "4026532000"),
            ("pid", "5"),
            ("state", "\"open\""),
        ],
    );
    let rows = collector
        .get("/api/v1/listeners?exposure=any&state=closed")
        .rows();
    is(&only(rows), &[("namespace", "null"), ("pid", "6")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_of_ids_are_enough_while_they_fit_one() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let key = format!("bin:{}", "0123456789abcdef".repeat(4));
    let ids = [
        format!("abcd1{}", "0".repeat(27)),
        format!("abcd2{}", "0".repeat(27)),
    ];
    let batch = ids.iter().map(|id| {
        let mut made = stdio(id, 1, 0);
        if let Some(server) = &mut made.server {
            server.key = Some(key.clone());
        }
        session(made)
    });
    sensor.store(1, batch.collect()).await.expect("stored");

    for start in ["abcd1", "ABCD1", &ids[0]] {
        let rows = collector
            .get(&format!("/api/v1/sessions?session={start}"))
            .rows();
        assert_eq!(only(rows)["id"], ids[0].as_str());
    }
    let refused = collector.get("/api/v1/sessions?session=abcd");
    assert_eq!(refused.status, 400);
    for word in ["ambiguous", &ids[0], &ids[1], "more of it"] {
        assert!(refused.body.contains(word), "{word} in {}", refused.body);
    }
    let rows = collector.get("/api/v1/sessions?server=bin:01234567").rows();
    assert_eq!(rows.len(), 2);
    let rows = collector
        .get("/api/v1/sessions?verdict=SHADOW&host=WEB-01&user=Ann")
        .rows();
    assert_eq!(rows.len(), 2);
    assert!(
        collector
            .get("/api/v1/sessions?session=ffff")
            .rows()
            .is_empty()
    );
}
