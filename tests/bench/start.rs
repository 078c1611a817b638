//! How long a sensor takes to attach and to take stock of a crowded host.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::Watch,
    deadline::settle,
    place::{checkout, compiled},
    process::Process,
};

use crate::results::Figure;

const PROCESSES: usize = 2000;
/// For all of them to be there.
const CROWD_LIMIT: Duration = Duration::from_secs(120);
/// Listeners without MCP are stated at a bounded rate, some hundreds a second.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Of each start, the one in the middle counts.
const STARTS: usize = 5;

/// Starts it some times; each of them must find every process of the crowd.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(compiled(&checkout().join("tests/bench/crowd.c"))?);
    command.arg(PROCESSES.to_string());
    let mut crowd = Process::start("crowd", folder.path(), command)?;
    crowd.says(&format!("crowd {PROCESSES}"), CROWD_LIMIT)?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let watch = Watch::start(folder.path())?;
        times.push(begun.elapsed());
        settle(TOLD_WITHIN, || {
            let found = listeners(&watch)?;
            ensure!(found >= PROCESSES, "{found} listeners of {PROCESSES}");
            Ok(())
        })?;
        watch.stop()?;
    }
    times.sort_unstable();
    let middle = times.get(STARTS / 2).context("a start")?;
    Ok(vec![Figure::new(
        "start.crowded",
        "start to attached and snapshot taken, with 2,000 processes and 22,000 open sockets: median of 5",
        middle.as_secs_f64(),
        "s",
        Some(2.0),
    )])
}

/// Listeners that were told by name of program.
fn listeners(watch: &Watch) -> Result<usize> {
    let said = watch.said()?;
    let of_crowd = said.iter().filter(|said| {
        said["kind"] == "listener"
            && said["process"]["exe"]
                .as_str()
                .is_some_and(|exe| exe.ends_with("/crowd"))
    });
    Ok(of_crowd.count())
}
