//! Stopping: politely or by kill -9, nothing stays behind, and the state opens again.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    deadline::settle,
    gnomon::Gnomon,
    peers::{Peers, Plan, Sdk, Tally, rmcp_stdio},
    process::{Signal, exists, tree},
    programs,
};
use serde_json::json;

/// Time for the kernel to tear down what a killed process held.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// What must be gone after a stop.
struct Traces {
    processes: Vec<u32>,
    programs: BTreeSet<u64>,
}

impl Traces {
    /// Of everything that runs now.
    fn of(gnomon: &Gnomon) -> Result<Self> {
        let sensor = gnomon.sensor.as_ref().context("the sensor runs")?.pid();
        let collector = gnomon
            .collector
            .as_ref()
            .context("the collector runs")?
            .pid();
        let programs = programs::held_by(sensor)?;
        ensure!(!programs.is_empty(), "the sensor holds no BPF program");
        let processes = [tree(sensor)?, tree(collector)?].concat();
        Ok(Self {
            processes,
            programs,
        })
    }

    fn are_gone(&self) -> Result<()> {
        settle(GONE_WITHIN, || {
            let left: Vec<&u32> = self.processes.iter().filter(|pid| exists(**pid)).collect();
            ensure!(left.is_empty(), "still running: {left:?}");
            let loaded = programs::loaded()?;
            let left: Vec<&u64> = self.programs.intersection(&loaded).collect();
            ensure!(left.is_empty(), "BPF programs still loaded: {left:?}");
            Ok(())
        })
    }
}

/// One session with two calls.
fn speak(gnomon: &Gnomon) -> Result<Tally> {
    let plan = Plan::stdio(1, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 2);
    Peers::new(&gnomon.path("peers")).run(Sdk::Rmcp, &plan)
}

fn is_recorded(gnomon: &Gnomon, tally: &Tally) -> Result<()> {
    client_is_recorded(&gnomon.inventory()?, tally, &Expected::default()).map(drop)
}

/// Stops everything with a signal and starts it again on the same state.
fn stops_and_reopens(signal: Signal) -> Result<()> {
    let mut gnomon = Gnomon::start()?;
    let before = speak(&gnomon)?;
    is_recorded(&gnomon, &before)?;
    let traces = Traces::of(&gnomon)?;
    gnomon.stop(signal)?;
    traces.are_gone()?;

    gnomon.start_collector()?;
    gnomon.start_sensor()?;
    is_recorded(&gnomon, &before)?;
    let after = speak(&gnomon)?;
    is_recorded(&gnomon, &after)
}

#[test]
fn after_ctrl_c_nothing_is_left_and_the_state_reopens() -> Result<()> {
    stops_and_reopens(Signal::Interrupt)
}

#[test]
fn after_sigterm_nothing_is_left_and_the_state_reopens() -> Result<()> {
    stops_and_reopens(Signal::Terminate)
}

#[test]
fn after_kill_9_of_both_nothing_is_left_and_the_state_reopens() -> Result<()> {
    stops_and_reopens(Signal::Kill)
}

#[test]
fn what_was_seen_while_the_collector_was_dead_arrives_later() -> Result<()> {
    let mut gnomon = Gnomon::start()?;
    let before = speak(&gnomon)?;
    is_recorded(&gnomon, &before)?;

    let mut collector = gnomon.collector.take().context("the collector runs")?;
    let processes = tree(collector.pid())?;
    collector.signal(Signal::Kill)?;
    collector.wait(GONE_WITHIN)?;
    settle(GONE_WITHIN, || {
        let left: Vec<&u32> = processes.iter().filter(|pid| exists(**pid)).collect();
        ensure!(
            left.is_empty(),
            "the engine outlived the collector: {left:?}"
        );
        Ok(())
    })?;

    let meanwhile = speak(&gnomon)?;
    gnomon.start_collector()?;
    is_recorded(&gnomon, &before)?;
    is_recorded(&gnomon, &meanwhile)
}

#[test]
fn a_killed_engine_is_started_again_and_nothing_is_lost() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let before = speak(&gnomon)?;
    is_recorded(&gnomon, &before)?;
    let collector = gnomon
        .collector
        .as_ref()
        .context("the collector runs")?
        .pid();
    let children: Vec<u32> = tree(collector)?
        .into_iter()
        .filter(|pid| *pid != collector)
        .collect();
    ensure!(!children.is_empty(), "the collector has no engine process");
    for pid in children {
        std::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()?;
    }
    let meanwhile = speak(&gnomon)?;
    is_recorded(&gnomon, &before)?;
    is_recorded(&gnomon, &meanwhile)
}

#[test]
fn a_killed_sensor_leaves_nothing_loaded_and_starts_again() -> Result<()> {
    let mut gnomon = Gnomon::start()?;
    let before = speak(&gnomon)?;
    is_recorded(&gnomon, &before)?;
    let mut sensor = gnomon.sensor.take().context("the sensor runs")?;
    let held = programs::held_by(sensor.pid())?;
    sensor.signal(Signal::Kill)?;
    sensor.wait(GONE_WITHIN)?;
    settle(GONE_WITHIN, || {
        let left: Vec<u64> = held.intersection(&programs::loaded()?).copied().collect();
        ensure!(left.is_empty(), "BPF programs still loaded: {left:?}");
        Ok(())
    })?;
    gnomon.start_sensor()?;
    let after = speak(&gnomon)?;
    is_recorded(&gnomon, &before)?;
    is_recorded(&gnomon, &after)
}
