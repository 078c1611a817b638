//! `make test` where everything is built already: what a change costs to check.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use gnomon_tests::{place::checkout, process::Process};

use crate::results::Figure;

/// Far beyond the bar: a measurement that missed it is still a figure.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Builds, and then measures one run.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let run = |program: &str, arguments: &[&str]| {
        let start = Instant::now();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(checkout());
        let mut process = Process::start(program, folder.path(), command)?;
        let status = process.wait(LIMIT)?;
        ensure!(
            status.success(),
            "{program} {}: {status}\n{}",
            arguments.join(" "),
            process.stderr()
        );
        Ok(start.elapsed())
    };
    run("cargo", &["build", "--workspace", "--bins", "--tests"])?;
    let time = run("make", &["--no-print-directory", "test"])?;
    Ok(vec![Figure::new(
        "warm.test",
        "make test, everything built",
        time.as_secs_f64(),
        "s",
        Some(480.0),
    )])
}
