//! Stored once, acknowledged only when stored, refused with a reason.

use gnomon_proto::v1::Batch;

use crate::{
    collector::{Collector, alive, poll},
    observations::{call, http, others, session, stdio},
    sensor::{SPOOL, Sensor, Told, channel, tls},
};

/// Rows in the table itself, collapsed or not.
const CALLS_STORED: &str = "SELECT count() FROM call_fact";

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_shows_in_its_view() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let mut batch = vec![
        session(stdio("s1", 1, 0)),
        session(stdio("s1", 2, 1)),
        call("s1", 1),
    ];
    batch.push(session(http("s2", "127.0.0.1:9000", "127.0.0.1:9000")));
    batch.extend(others());
    sensor.store(1, batch).await.expect("stored");

    let sessions = collector
        .get("/api/v1/sessions?session=s1&host=web-01")
        .rows();
    assert_eq!(sessions.len(), 1);
    let row = &sessions[0];
    for (column, value) in [
        ("rev", "2"),
        ("state", "\"open\""),
        ("transport", "\"stdio\""),
        ("channel", "\"pipe\""),
        ("tls", "null"),
        ("revision", "\"2025-06-18\""),
        ("route", "\"local\""),
        ("client_application", "\"Claude Code\""),
        ("client_pid", "10"),
        ("client_user", "\"ann\""),
        ("server", "\"npm:@scope/server\""),
        ("server_name", "\"everything\""),
        ("server_endpoint", "null"),
        ("verdict", "\"shadow\""),
        ("calls", "1"),
    ] {
        assert_eq!(row[column].to_string(), value, "{column} of {row}");
    }
    assert_eq!(row["evidence"][0]["source"], "wire");
    assert!(row["reasons"][0]["code"].is_string(), "{row}");
    assert!(row["started"].as_str().expect("a time").ends_with('Z'));

    let servers = collector.get("/api/v1/servers").rows();
    let names: Vec<_> = servers
        .iter()
        .map(|s| s["server"].as_str().expect("text"))
        .collect();
    assert!(names.contains(&"npm:@scope/server"), "{names:?}");
    assert!(
        names.contains(&"http://127.0.0.1:9000/mcp on web-01"),
        "{names:?}"
    );
    assert_eq!(
        collector.get("/api/v1/calls?server=everything").rows()[0]["duration_us"],
        1234
    );
    let sensors = collector.get("/api/v1/sensors").rows();
    assert_eq!(
        (&sensors[0]["host"], &sensors[0]["lost"]["ring_full"]),
        (&"web-01".into(), &3.into())
    );
    assert_eq!(
        (&sensors[0]["batches"], &sensors[0]["observations"]),
        (&1.into(), &8.into())
    );
    assert_eq!(
        collector.get("/api/v1/coverage?state=opaque").rows()[0]["reason"],
        "stripped"
    );
    assert_eq!(collector.get("/api/v1/listeners").rows()[0]["port"], 9000);
    assert_eq!(collector.get("/api/v1/tools").rows()[0]["tool"], "echo");
    assert_eq!(collector.get("/api/v1/sessions?since=1h").rows().len(), 2);
    assert_eq!(
        collector.get("/api/v1/sessions?limit=1").json()["truncated"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_stored_once_however_often_it_comes() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let batch = || vec![session(stdio("s1", 1, 2)), call("s1", 1), call("s1", 2)];
    let same = batch();
    {
        let mut sensor = Sensor::connect(&collector.ingest(), &identity)
            .await
            .expect("connected");
        sensor.store(1, same.clone()).await.expect("stored");
        sensor
            .store(1, same.clone())
            .await
            .expect("acknowledged again");
        assert_eq!(collector.number(CALLS_STORED), 2);
    }
    // Two streams at once.
    let again = vec![call("s1", 3), call("s1", 4)];
    let mut streams = Vec::new();
    for _ in 0..4 {
        let (url, identity, again) = (collector.ingest(), identity.clone(), again.clone());
        streams.push(tokio::spawn(async move {
            Sensor::connect(&url, &identity)
                .await
                .expect("connected")
                .store(2, again)
                .await
                .expect("stored");
        }));
    }
    for stream in streams {
        stream.await.expect("done");
    }
    assert_eq!(collector.number(CALLS_STORED), 4);
    // A restart of everything, then both again; another host's batch of the same number is another batch.
    assert!(collector.stop("TERM").success());
    collector.start();
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor.store(1, same.clone()).await.expect("acknowledged");
    sensor.store(2, again).await.expect("acknowledged");
    assert_eq!(collector.number(CALLS_STORED), 4);
    let other = collector.certify("web-02");
    let mut sensor = Sensor::connect(&collector.ingest(), &other)
        .await
        .expect("connected");
    sensor.store(1, same).await.expect("stored");
    assert_eq!(collector.number(CALLS_STORED), 6);
    assert_eq!(collector.get("/api/v1/sessions").rows().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_can_never_be_stored_is_rejected_and_the_rest_goes_on() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor
        .send_batch(Batch {
            spool_id: vec![1],
            sequence: 1,
            observations: Vec::new(),
            run: Vec::new(),
        })
        .await;
    sensor.send(2, vec![session(stdio("", 1, 0))]).await;
    sensor.send(3, vec![session(stdio("fine", 1, 0))]).await;
    assert_eq!(
        sensor.told().await.expect("told"),
        Told::Reject(1, "spool_id has 1 bytes, not 16".to_owned())
    );
    assert!(
        matches!(sensor.told().await.expect("told"), Told::Reject(2, reason) if reason.contains("session.id"))
    );
    assert_eq!(sensor.told().await.expect("told"), Told::Ack(3));
    assert_eq!(collector.get("/api/v1/sessions").rows().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_hello_ends_the_stream() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor.hello_again().await;
    let refused = sensor.told().await.expect_err("over");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
}

/// Many small batches of hosts with long names wait for an engine that stands still; afterwards all of
/// them get in. How many share a group is left to chance here; its bound has a test of its own.
#[tokio::test(flavor = "multi_thread")]
async fn small_batches_by_the_hundred_get_in() {
    const STREAMS: u64 = 40;
    const EACH: u64 = 25;
    let Some(collector) = Collector::started() else {
        return;
    };
    let engine = poll("the engine", 30, || collector.engine_pid());
    collector.signal("STOP", engine);
    let mut streams = Vec::new();
    for n in 0..STREAMS {
        let identity = collector.certify(&format!("web-{n}-{}", "x".repeat(240)));
        let sensor = Sensor::connect(&collector.ingest(), &identity)
            .await
            .expect("connected");
        for sequence in 1..=EACH {
            sensor.send(sequence, vec![call("s", sequence)]).await;
        }
        streams.push(sensor);
    }
    collector.signal("CONT", engine);
    for sensor in &mut streams {
        for sequence in 1..=EACH {
            assert_eq!(sensor.told().await.expect("told"), Told::Ack(sequence));
        }
    }
    assert_eq!(
        collector.number("SELECT count() FROM calls"),
        STREAMS * EACH
    );
}

/// Sessions whose sensor was started anew are over; a reconnect of the same run ends none.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_run_of_the_sensor_ends_the_sessions_of_the_last() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let (one, two) = ([1; 16], [2; 16]);
    let (url, identity) = (collector.ingest(), collector.certify("web-01"));
    let as_run = async |run| {
        Sensor::connect_as(&url, &identity, run)
            .await
            .expect("connected")
    };
    let open = || -> Vec<String> {
        let rows = collector.get("/api/v1/sessions?state=open").rows();
        let mut ids: Vec<_> = rows
            .iter()
            .map(|row| format!("{} {}", row["host"], row["id"]).replace('"', ""))
            .collect();
        ids.sort();
        ids
    };
    let servers_open = || collector.get("/api/v1/servers").rows()[0]["open"].clone();

    // Another host's sensor goes on all the time.
    let other = collector.certify("web-02");
    let mut elsewhere = Sensor::connect_as(&url, &other, one)
        .await
        .expect("connected");
    let shared = vec![session(stdio("a", 1, 0))];
    elsewhere.store(1, shared).await.expect("stored");

    let mut sensor = as_run(one).await;
    let seen = vec![session(stdio("a", 1, 0)), session(stdio("b", 1, 0))];
    sensor.store(1, seen).await.expect("stored");
    drop(sensor);
    let mut sensor = as_run(one).await;
    let more = vec![session(stdio("b", 2, 1))];
    sensor.store(2, more).await.expect("stored");
    assert_eq!(open(), ["web-01 a", "web-01 b", "web-02 a"]);
    assert_eq!(servers_open(), 3);
    drop(sensor);

    // The next run sends what the last one left in the spool, then its own.
    let mut sensor = as_run(two).await;
    sensor
        .send_batch(Batch {
            spool_id: SPOOL.to_vec(),
            sequence: 3,
            observations: vec![session(stdio("late", 1, 0))],
            run: one.to_vec(),
        })
        .await;
    let own = vec![session(stdio("c", 1, 0))];
    sensor.store(4, own).await.expect("stored");
    assert_eq!(open(), ["web-01 c", "web-02 a"]);
    assert_eq!(servers_open(), 2);
    let ended = collector.get("/api/v1/sessions?state=ended").rows();
    assert_eq!(ended.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_kill_9_of_the_engine() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let mut acked = 0;
    for round in 0..3_u64 {
        for n in 0..10_u64 {
            let sequence = round * 10 + n + 1;
            sensor.send(sequence, vec![call("s", sequence)]).await;
            if n == 5 {
                let engine = poll("the engine", 30, || collector.engine_pid());
                collector.signal("KILL", engine);
                poll("its end", 10, || (!alive(engine)).then_some(()));
            }
        }
        while acked < (round + 1) * 10 {
            if let Told::Ack(sequence) =
                sensor.told().await.expect("acknowledged after the restart")
            {
                acked = sequence;
            }
        }
        // Acknowledged is visible.
        let query = format!("SELECT uniqExact(number) FROM calls WHERE number <= {acked}");
        assert_eq!(collector.number(&query), acked, "{}", collector.log());
    }
    assert_eq!(collector.number("SELECT count() FROM calls"), 30);
    assert_eq!(
        collector.number("SELECT count() FROM batch_ledger FINAL"),
        30
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_this_authoritys_certificates_may_send() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let Some(stranger) = Collector::prepared("") else {
        return;
    };
    let identity = collector.certify("web-01");
    let foreign = stranger.certify("web-01");
    let ca = identity.join("ca.pem");
    // No certificate; one of another authority. TLS 1.3 tells the client with its first read.
    for tls in [tls(&ca, None), tls(&ca, Some(&foreign))] {
        let refused = match channel(&collector.ingest(), tls).await {
            Err(_) => true,
            Ok(channel) => {
                let mut client = gnomon_proto::v1::ingest_client::IngestClient::new(channel);
                client.stream(tokio_stream::empty()).await.is_err()
            }
        };
        assert!(refused);
    }
    // Plain text gets no answer.
    let plain = collector.ingest().replace("https://", "http://");
    let channel = tonic::transport::Channel::from_shared(plain)
        .expect("a url")
        .connect()
        .await;
    if let Ok(channel) = channel {
        let mut client = gnomon_proto::v1::ingest_client::IngestClient::new(channel);
        assert!(client.stream(tokio_stream::empty()).await.is_err());
    }
    // The sensor does not talk to another authority's collector either.
    assert!(channel_refused(&collector.ingest(), &foreign).await);
    assert_eq!(SPOOL.len(), 16);
}

async fn channel_refused(url: &str, identity: &std::path::Path) -> bool {
    channel(url, tls(&identity.join("ca.pem"), Some(identity)))
        .await
        .is_err()
}
