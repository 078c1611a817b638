//! From `make run` to its line `gnomon: ready`, with everything built.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;
use gnomon_tests::{
    place::checkout,
    process::{Process, Signal},
};

use crate::results::Figure;

/// Long enough for the release build, which is not measured.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Runs it once to have everything built, and once to measure.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    once()?;
    let (ready, stopped) = once()?;
    Ok(vec![
        Figure::new(
            "ready.warm",
            "make run to `gnomon: ready`, everything built",
            ready.as_secs_f64(),
            "s",
            Some(20.0),
        ),
        Figure::new(
            "ready.stop",
            "SIGTERM to everything stopped",
            stopped.as_secs_f64(),
            "s",
            None,
        ),
    ])
}

/// Time to ready, and time to stop.
fn once() -> Result<(Duration, Duration)> {
    let folder = tempfile::tempdir()?;
    let start = Instant::now();
    let mut run = Process::start(
        "run",
        folder.path(),
        Command::new(checkout().join("deploy/run.sh")),
    )?;
    run.says("gnomon: ready", BUILD_LIMIT)?;
    let ready = start.elapsed();
    let start = Instant::now();
    run.signal(Signal::Terminate)?;
    run.wait(STOP_LIMIT)?;
    Ok((ready, start.elapsed()))
}
