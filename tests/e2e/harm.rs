//! Do no harm: rights that are given up, the kill switch, the crash guard.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    deadline::{poll, settle},
    gnomon::Gnomon,
    inventory::{Row, word},
    peers::{Peers, Plan, Sdk, rmcp_stdio},
    process::{Signal, tree},
    programs,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
/// CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF.
const KEPT: &str = "000000c000080004";
/// The same and CAP_NET_RAW.
const KEPT_OR_CAPTURE: &str = "000000c000082004";

/// The status lines of every thread of the sensor.
fn threads(pid: u32) -> Result<Vec<String>> {
    let mut statuses = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that ended meanwhile has none.
        statuses.extend(fs::read_to_string(entry?.path().join("status")).ok());
    }
    Ok(statuses)
}

fn value<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .map(str::trim)
}

fn sensor_pid(gnomon: &Gnomon) -> Result<u32> {
    Ok(gnomon.sensor.as_ref().context("the sensor runs")?.pid())
}

/// The last word on all probes together, once it is this.
fn probes(gnomon: &Gnomon, state: &str) -> Result<Row> {
    let inventory = gnomon.inventory()?;
    poll(&format!("probes that are {state}"), LIMIT, || {
        let rows = inventory.rows(&["coverage", "--host", "e2e-host"])?;
        Ok(rows
            .into_iter()
            .find(|row| word(row, "what") == Some("probes") && word(row, "state") == Some(state)))
    })
}

fn nothing_is_held(pid: u32) -> Result<()> {
    settle(LIMIT, || {
        let held = programs::held_by(pid)?;
        ensure!(held.is_empty(), "the sensor still holds {held:?}");
        Ok(())
    })
}

fn a_session_is_recorded(gnomon: &Gnomon) -> Result<()> {
    let plan = Plan::stdio(1, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 2);
    let tally = Peers::new(&gnomon.path("peers")).run(Sdk::Rmcp, &plan)?;
    client_is_recorded(&gnomon.inventory()?, &tally, &Expected::default()).map(drop)
}

#[test]
fn a_sensor_has_given_up_its_rights_and_watches_neither_itself_nor_the_collector() -> Result<()> {
    let gnomon = Gnomon::start()?;
    // Batches go up, questions and answers in JSON come and go: all of it on this host.
    for _ in 0..3 {
        a_session_is_recorded(&gnomon)?;
        gnomon.inventory()?.rows(&["sessions"])?;
    }
    every_thread_has_given_up_what_it_does_not_need(sensor_pid(&gnomon)?)?;
    our_own_processes_are_in_no_session_and_no_finding(&gnomon)
}

fn every_thread_has_given_up_what_it_does_not_need(sensor: u32) -> Result<()> {
    let threads = threads(sensor)?;
    ensure!(threads.len() >= 2, "{} threads", threads.len());
    for status in &threads {
        for (key, expected) in [
            ("CapEff:", KEPT),
            ("CapPrm:", KEPT),
            // What may be captured instead was still open when the set was narrowed; it counts at exec only, which is denied.
            ("CapBnd:", KEPT_OR_CAPTURE),
            ("CapInh:", "0000000000000000"),
            ("CapAmb:", "0000000000000000"),
            ("NoNewPrivs:", "1"),
            ("Seccomp:", "2"),
        ] {
            ensure!(
                value(status, key) == Some(expected),
                "{key} {expected} expected:\n{status}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_kill_switch_detaches_and_attaches_again() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let pid = sensor_pid(&gnomon)?;
    probes(&gnomon, "decoded")?;
    let held: BTreeSet<u64> = programs::held_by(pid)?;
    ensure!(!held.is_empty(), "nothing is attached");

    let switch = gnomon.path("sensor-state/disabled");
    fs::write(&switch, "ticket 4711\n")?;
    nothing_is_held(pid)?;
    settle(LIMIT, || {
        let left: Vec<u64> = held.intersection(&programs::loaded()?).copied().collect();
        ensure!(left.is_empty(), "BPF programs still loaded: {left:?}");
        Ok(())
    })?;
    let off = probes(&gnomon, "detached")?;
    let reason = word(&off, "reason").context("a reason")?;
    ensure!(
        reason.contains("ticket 4711") && reason.contains("sensor-state/disabled"),
        "{reason}"
    );
    let finding = poll("a finding", LIMIT, || {
        let rows = gnomon
            .inventory()?
            .rows(&["findings", "--class", "coverage_lost"])?;
        let off = |row: &Row| {
            row.get("tags")
                .is_some_and(|tags| tags.to_string().contains("probes_off"))
        };
        Ok(rows.into_iter().find(off))
    })?;
    ensure!(word(&finding, "subject") == Some("e2e-host"), "{finding:?}");

    fs::remove_file(&switch)?;
    probes(&gnomon, "decoded")?;
    a_session_is_recorded(&gnomon)?;
    ensure!(
        sensor_pid(&gnomon)? == pid && fs::exists(format!("/proc/{pid}"))?,
        "another sensor"
    );
    Ok(())
}

#[test]
fn a_sensor_that_was_killed_twice_starts_with_its_probes_off() -> Result<()> {
    let mut gnomon = Gnomon::start()?;
    for _ in 0..2 {
        let mut sensor = gnomon.sensor.take().context("the sensor runs")?;
        sensor.signal(Signal::Kill)?;
        sensor.wait(LIMIT)?;
        gnomon.start_sensor()?;
    }
    let pid = sensor_pid(&gnomon)?;
    let said = gnomon.sensor.as_ref().context("the sensor runs")?.stderr();
    ensure!(
        said.contains("probes are off") && said.contains("--force-attach"),
        "{said}"
    );
    nothing_is_held(pid)?;
    let off = probes(&gnomon, "detached")?;
    let reason = word(&off, "reason").context("a reason")?;
    ensure!(reason.contains("guard.json"), "{reason}");

    // A clean stop is no decision; --force-attach is one, and holds.
    gnomon.stop_sensor(Signal::Terminate)?;
    gnomon.start_sensor()?;
    nothing_is_held(sensor_pid(&gnomon)?)?;
    gnomon.stop_sensor(Signal::Terminate)?;
    gnomon.start_sensor_with(&["--force-attach"])?;
    a_session_is_recorded(&gnomon)?;
    gnomon.stop_sensor(Signal::Terminate)?;
    gnomon.start_sensor()?;
    a_session_is_recorded(&gnomon)
}

#[test]
fn an_order_from_the_collector_detaches_also_over_a_restart() -> Result<()> {
    let mut gnomon = Gnomon::start()?;
    let inventory = gnomon.inventory()?;
    probes(&gnomon, "decoded")?;
    inventory.run(&["sensors", "disable", "e2e-host", "--reason", "ticket 4711"])?;
    nothing_is_held(sensor_pid(&gnomon)?)?;
    let off = probes(&gnomon, "detached")?;
    let reason = word(&off, "reason").context("a reason")?;
    ensure!(
        reason.contains("ticket 4711") && reason.contains("collector"),
        "{reason}"
    );
    gnomon.stop_sensor(Signal::Terminate)?;
    gnomon.start_sensor()?;
    let said = gnomon.sensor.as_ref().context("the sensor runs")?.stderr();
    ensure!(said.contains("probes are off"), "{said}");
    inventory.run(&["sensors", "enable", "--all", "--reason", "done"])?;
    probes(&gnomon, "decoded")?;
    a_session_is_recorded(&gnomon)
}

fn our_own_processes_are_in_no_session_and_no_finding(gnomon: &Gnomon) -> Result<()> {
    let inventory = gnomon.inventory()?;
    let collector = gnomon
        .collector
        .as_ref()
        .context("the collector runs")?
        .pid();
    let own = [tree(sensor_pid(gnomon)?)?, tree(collector)?].concat();
    for row in inventory.rows(&["sessions", "--limit", "10000"])? {
        for column in ["client_pid", "server_pid"] {
            let pid = row.get(column).and_then(serde_json::Value::as_u64);
            ensure!(
                !own.iter().any(|own| pid == Some(u64::from(*own))),
                "one of ours is in a session: {row:?}"
            );
        }
    }
    for row in inventory.rows(&["findings", "--state", "all"])? {
        let subject = word(&row, "subject").unwrap_or_default();
        for endpoint in ["api", "ingest"] {
            let url = gnomon.endpoint(endpoint)?;
            let port = url
                .trim_end_matches('/')
                .rsplit(':')
                .next()
                .context("a port")?;
            ensure!(!subject.contains(&format!(":{port}")), "{row:?}");
        }
    }
    Ok(())
}
