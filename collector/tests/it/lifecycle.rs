//! Starting, stopping, dying, and starting again.

use std::net::TcpListener;

use crate::{
    collector::{Collector, alive, poll},
    observations::call,
    sensor::Sensor,
};

#[test]
fn migrations_run_twice() {
    let Some(mut collector) = Collector::prepared("") else {
        return;
    };
    for _ in 0..2 {
        let done = collector.command("migrate").output().expect("run");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    collector.start();
    // Each numbered step once.
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let steps = std::fs::read_dir(schema)
        .expect("the schema")
        .filter(|file| {
            let name = file.as_ref().expect("a file").file_name();
            name.as_encoded_bytes()[0].is_ascii_digit()
        });
    assert_eq!(
        collector.number("SELECT count() FROM schema_step"),
        steps.count() as u64
    );
    assert!(collector.get("/api/v1/sessions").rows().is_empty());
}

#[test]
fn a_changed_retention_reaches_existing_tables() {
    let Some(collector) = Collector::prepared("") else {
        return;
    };
    let settings = std::fs::read_to_string(collector.path("collector.toml")).expect("settings");
    assert!(
        collector
            .command("migrate")
            .status()
            .expect("run")
            .success()
    );
    std::fs::write(
        collector.path("collector.toml"),
        settings + "[retention]\ndays = 7\n",
    )
    .expect("settings");
    let mut collector = collector;
    collector.start();
    let rows = collector.sql("SHOW CREATE TABLE session_fact").rows();
    assert!(rows[0].to_string().contains("toIntervalDay(7)"), "{rows:?}");
}

#[test]
fn both_signals_stop_it_cleanly() {
    let Some(mut collector) = Collector::prepared("") else {
        return;
    };
    for signal in ["INT", "TERM"] {
        collector.start();
        let engine = collector.engine_pid().expect("an engine");
        assert!(collector.stop(signal).success(), "{}", collector.log());
        assert!(!alive(engine), "the engine is left");
        assert!(!collector.path("state/endpoint.json").exists());
    }
    assert!(!collector.log().contains("ERROR"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_takes_the_engine_along_and_the_state_reopens() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor.store(1, vec![call("s", 1)]).await.expect("stored");
    let engine = collector.engine_pid().expect("an engine");
    collector.stop("KILL");
    poll("the engine's end", 10, || (!alive(engine)).then_some(()));
    collector.start();
    assert_eq!(collector.number("SELECT count() FROM calls"), 1);
}

#[test]
fn a_second_collector_says_who_holds_the_folder() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let second = collector.command("serve").output().expect("run");
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("another gnomon-collector uses"), "{said}");
}

#[test]
fn a_taken_port_names_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for table in ["api", "ingest"] {
        let Some(collector) = Collector::prepared(&format!("[{table}]\nlisten = \"{address}\""))
        else {
            return;
        };
        let done = collector.command("serve").output().expect("run");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            !done.status.success() && said.contains(&format!("{table}.listen")),
            "{said}"
        );
    }
}

#[test]
fn no_engine_names_the_setting_for_a_server() {
    let Some(collector) = Collector::prepared("") else {
        return;
    };
    let text = std::fs::read_to_string(collector.path("collector.toml")).expect("settings");
    let text = text.replace("libchdb.so", "nothing.so");
    std::fs::write(collector.path("collector.toml"), text).expect("settings");
    let done = collector.command("serve").output().expect("run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        !done.status.success() && said.contains("[clickhouse] url"),
        "{said}"
    );
}

#[test]
fn a_full_standard_error_is_no_panic() {
    let Some(mut collector) = Collector::prepared("") else {
        return;
    };
    let full = || {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full");
        file.expect("/dev/full")
    };
    let failed = collector
        .command("serve")
        .arg("--config=/nowhere.toml")
        .stderr(full())
        .status();
    assert_ne!(failed.expect("run").code(), Some(101));
    let done = collector
        .command("migrate")
        .stdout(full())
        .stderr(full())
        .status();
    assert!(done.expect("run").success());
    collector.start();
    assert!(collector.stop("TERM").success());
}
