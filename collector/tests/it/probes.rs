//! Orders to sensors to have their probes off or on: who hears of them, and what stays on record.

use crate::{
    collector::{Collector, poll},
    sensor::{Sensor, Told},
};

async fn connected(collector: &Collector, host: &str) -> Sensor {
    let identity = collector.path(host);
    if !identity.exists() {
        collector.certify(host);
    }
    Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected")
}

fn order(collector: &Collector, query: &str) -> u16 {
    collector
        .post(&format!("/api/v1/probes?{query}"), "")
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_whom_it_is_for_and_stays_on_record() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let mut first = connected(&collector, "web-01").await;
    let mut second = connected(&collector, "web-02").await;
    for (host, sensor) in [("web-01", &mut first), ("web-02", &mut second)] {
        sensor.store(1, Vec::new()).await.expect("stored");
        poll("the host to be known", 30, || {
            let rows = collector
                .get(&format!("/api/v1/sensors?host={host}"))
                .rows();
            (rows.len() == 1).then_some(())
        });
    }
    let off = "probes=off&reason=ticket%207&author=ann";
    assert_eq!(order(&collector, &format!("{off}&host=Web-01")), 200);
    let told = |on: bool, words: &str| Told::Probes(on, words.to_owned());
    assert_eq!(
        first.told().await.expect("told"),
        told(false, "ann: ticket 7")
    );
    // The other hears nothing of it: the next that it hears is for all.
    assert_eq!(
        order(&collector, "probes=off&scope=all&reason=all&author=bob"),
        200
    );
    for sensor in [&mut first, &mut second] {
        assert_eq!(sensor.told().await.expect("told"), told(false, "bob: all"));
    }
    assert_eq!(
        order(&collector, "probes=on&host=web-02&reason=back&author=ann"),
        200
    );
    assert_eq!(second.told().await.expect("told"), told(true, "ann: back"));

    // It holds over a restart of the collector, and for whoever connects.
    assert!(collector.stop("TERM").success());
    collector.start();
    for (host, holds) in [
        ("web-01", told(false, "bob: all")),
        ("web-02", told(true, "ann: back")),
        ("web-03", told(false, "bob: all")),
    ] {
        let mut sensor = connected(&collector, host).await;
        assert_eq!(sensor.told().await.expect("told"), holds, "{host}");
    }
    let rows = collector.get("/api/v1/probe_orders").rows();
    let record: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["host"], row["probes"], row["author"], row["reason"]
            )
        })
        .collect();
    assert_eq!(
        record,
        [
            "\"web-02\" \"on\" \"ann\" \"back\"",
            "null \"off\" \"bob\" \"all\"",
            "\"web-01\" \"off\" \"ann\" \"ticket 7\"",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_would_obey_is_refused() {
    let Some(collector) = Collector::started() else {
        return;
    };
    for (query, status) in [
        ("probes=off&host=nobody&reason=x", 404),
        ("probes=off&host=no%20body&reason=x", 404),
        ("probes=off&reason=x", 400),
        ("probes=off&scope=some&reason=x", 400),
        ("probes=off&scope=all&host=web-01&reason=x", 400),
        ("probes=off&scope=all&reason=%20", 400),
        ("probes=off&scope=all", 400),
        ("probes=maybe&scope=all&reason=x", 400),
    ] {
        assert_eq!(order(&collector, query), status, "{query}");
    }
    assert_eq!(collector.number("SELECT count() FROM probe_orders"), 0);
}
