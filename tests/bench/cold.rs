//! The two commands of the README in a fresh clone, with nothing fetched and nothing built: how long a newcomer waits.
//!
//! What this machine has outside of the checkout and of caches stays: the distribution's packages and the Rust toolchain.

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    place::checkout,
    process::{Process, Signal, output},
};

use crate::results::Figure;

/// Far beyond every bar: a measurement that missed one is still a figure.
const LIMIT: Duration = Duration::from_secs(90 * 60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// `make run`.
pub(crate) fn measure_ready() -> Result<Vec<Figure>> {
    Ok(vec![Figure::new(
        "cold.ready",
        "make run in a fresh clone with empty caches to `gnomon: ready`",
        ready()?.as_secs_f64(),
        "s",
        Some(900.0),
    )])
}

/// `make test`, in another clone.
pub(crate) fn measure_test() -> Result<Vec<Figure>> {
    Ok(vec![Figure::new(
        "cold-test.test",
        "make test in a fresh clone with empty caches",
        test()?.as_secs_f64(),
        "s",
        Some(1500.0),
    )])
}

fn ready() -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    clone(folder.path())?;
    let start = Instant::now();
    let mut run = make(folder.path(), "run")?;
    run.says("gnomon: ready", LIMIT)?;
    let ready = start.elapsed();
    run.signal(Signal::Terminate)?;
    run.wait(STOP_LIMIT)?;
    Ok(ready)
}

fn test() -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    clone(folder.path())?;
    let start = Instant::now();
    let mut tests = make(folder.path(), "test")?;
    let status = tests.wait(LIMIT)?;
    ensure!(status.success(), "make test failed:\n{}", tests.stderr());
    Ok(start.elapsed())
}

fn clone(folder: &Path) -> Result<()> {
    let (from, to) = (checkout(), folder.join("checkout"));
    output(
        Path::new("git"),
        [
            "clone".as_ref(),
            "--quiet".as_ref(),
            from.as_os_str(),
            to.as_os_str(),
        ],
    )?;
    Ok(())
}

/// make in the clone, without anything that this checkout or an earlier build keeps.
fn make(folder: &Path, target: &str) -> Result<Process> {
    let path = env::var_os("PATH").context("PATH")?;
    let foreign = env::split_paths(&path).filter(|entry| !entry.starts_with(checkout()));
    let mut command = Command::new("make");
    command
        .args(["--no-print-directory", target])
        .current_dir(folder.join("checkout"))
        .env("PATH", env::join_paths(foreign)?)
        .env("CARGO_HOME", folder.join("cargo"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("npm_config_cache", folder.join("npm"))
        .env("PIP_NO_CACHE_DIR", "1");
    for ours in ["CARGO_TARGET_DIR", "MAKEFLAGS", "MAKELEVEL", "GNOMON_CHDB"] {
        command.env_remove(ours);
    }
    Process::start(target, folder, command)
}
