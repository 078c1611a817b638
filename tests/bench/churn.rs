//! Ten minutes of processes, connections and descriptors that come, go and come again under the same numbers, while sessions run.
//!
//! - bursts of 1,000 short processes, one after the other;
//! - stdio sessions whose two processes get, one round after the other, the ids that the processes of the round before had: the kernel is told
//!   which id to hand out next (proc(5), `ns_last_pid`); within a round the same client opens sessions with one server after another
//!   on the same descriptors;
//! - sessions multiplexed over pooled connections to one HTTP server, by processes that use the same own ports again;
//! - SDK clients and servers.
//!
//! Every session has names of its own for client, server and tool. A session with a name or a process of another one is a mixed one.

mod sessions;
mod storm;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::{Watch, last_stats},
    deadline::settle,
};

use crate::{clock, option::Options, results::Figure, usage::memory};
use sessions::{Expected, compare};

const TIME: Duration = Duration::from_secs(10 * 60);
/// Between two looks at the sensor's memory.
const SAMPLE: Duration = Duration::from_secs(1);
/// From the last session's end to the last word about it.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// Tables fill up in the first part of the time; from here on memory is to stay as it is.
const FILLED_AFTER: f64 = 1.0 / 3.0;
const GROWTH_MB_MAX: f64 = 4.0;

/// Runs it all side by side.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let time = options.duration.unwrap_or(TIME);
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let stop = AtomicBool::new(false);
    let expected = Mutex::new(Vec::new());
    let (samples, counts) = thread::scope(|scope| -> Result<_> {
        let storm = scope.spawn(|| storm::execs(&stop));
        let reuse = scope.spawn(|| storm::reused_pids(&stop, &expected, folder.path()));
        let pools = scope.spawn(|| storm::pools(&stop, &expected, folder.path()));
        let peers = scope.spawn(|| storm::sdk_peers(&stop, &expected, folder.path()));
        let samples = sample(watch.pid(), time, || {
            storm.is_finished() || reuse.is_finished() || pools.is_finished() || peers.is_finished()
        });
        stop.store(true, Ordering::Relaxed);
        let join = |name, result: thread::Result<Result<u64>>| {
            result
                .map_err(|_| anyhow::anyhow!("{name} panicked"))?
                .with_context(|| format!("{name} failed"))
        };
        let counts = Counts {
            execs: join("the storm", storm.join())?,
            reused: join("the reuse of process ids", reuse.join())?,
            ports: join("the pools", pools.join())?,
            sdk: join("the SDK peers", peers.join())?,
        };
        Ok((samples?, counts))
    })?;
    let expected = expected.into_inner().context("no thread panicked")?;
    settle(TOLD_WITHIN, || {
        let outcome = compare(&expected, &watch.said()?);
        ensure!(outcome.missing.is_empty(), "missing: {:?}", outcome.missing);
        Ok(())
    })
    // What is still missing is a figure.
    .ok();
    let said = watch.stop()?;
    let outcome = compare(&expected, &said);
    for line in outcome.mixed.iter().chain(&outcome.missing).take(20) {
        println!("bench: churn: {line}");
    }
    let lost = last_stats(&said).map(|stats| stats["lost"].clone());
    println!("bench: churn: lost {}", lost.unwrap_or_default());
    Ok(figures(time, &samples, &counts, &expected, &outcome))
}

/// What was done.
struct Counts {
    execs: u64,
    reused: u64,
    ports: u64,
    sdk: u64,
}

/// Resident memory, in MB, once a second.
fn sample(pid: u32, time: Duration, failed: impl Fn() -> bool) -> Result<Vec<f64>> {
    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < time && !failed() {
        samples.push(memory(pid)?.own as f64 / 1e6);
        clock::pass(SAMPLE);
    }
    Ok(samples)
}

fn figures(
    time: Duration,
    samples: &[f64],
    counts: &Counts,
    expected: &[Expected],
    outcome: &sessions::Outcome,
) -> Vec<Figure> {
    let minutes = time.as_secs_f64() / 60.0;
    let from = (samples.len() as f64 * FILLED_AFTER) as usize;
    let filled = &samples[from.min(samples.len())..];
    let figure = |name: &str, bar: &str, figure: f64, unit: &str, limit: Option<f64>| {
        Figure::new(
            &format!("churn.{name}"),
            &format!("{bar}, over {minutes:.1} min"),
            figure,
            unit,
            limit,
        )
    };
    vec![
        figure(
            "mixed",
            "sessions with a name or a process of another one",
            outcome.mixed.len() as f64,
            "sessions",
            Some(0.0),
        ),
        figure(
            "missing",
            "sessions or calls that were not told",
            outcome.missing.len() as f64,
            "sessions",
            Some(0.0),
        ),
        figure(
            "sessions",
            "sessions",
            expected.len() as f64,
            "sessions",
            None,
        ),
        figure(
            "sdk",
            "of them by SDK clients",
            counts.sdk as f64,
            "sessions",
            None,
        ),
        figure(
            "execs",
            "processes of bursts",
            counts.execs as f64,
            "processes",
            None,
        ),
        figure(
            "pids",
            "processes of sessions with the id of one before",
            counts.reused as f64,
            "processes",
            None,
        ),
        figure(
            "ports",
            "connections from a port that another process had before",
            counts.ports as f64,
            "connections",
            None,
        ),
        figure(
            "rss.start",
            "memory of the sensor at the start",
            first(samples),
            "MB",
            None,
        ),
        figure(
            "rss.end",
            "memory of the sensor at the end",
            last(samples),
            "MB",
            None,
        ),
        figure(
            "rss.growth",
            "growth of memory in the last two thirds, by a straight line through them",
            slope(filled) * filled.len() as f64,
            "MB",
            Some(GROWTH_MB_MAX),
        ),
    ]
}

fn first(samples: &[f64]) -> f64 {
    samples.first().copied().unwrap_or_default()
}

fn last(samples: &[f64]) -> f64 {
    samples.last().copied().unwrap_or_default()
}

/// Of the straight line with the least squares, for each sample.
fn slope(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = samples.iter().sum::<f64>() / count;
    let (mut up, mut down) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let off = at as f64 - middle;
        up += off * (sample - mean);
        down += off * off;
    }
    if down > 0.0 { up / down } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line() {
        assert!((slope(&[1.0, 3.0, 5.0, 7.0]) - 2.0).abs() < 1e-9);
        assert!(slope(&[4.0, 4.0, 4.0]).abs() < 1e-9);
        assert!(slope(&[]).abs() < 1e-9);
    }
}
