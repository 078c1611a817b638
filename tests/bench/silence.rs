//! An hour of ordinary work beside a sensor: nothing of it may be claimed to be MCP.
//!
//! All scripts of tests/peers/negatives run again and again under a user id of their own, until the time is over
//! (an hour, or what `--duration` says). Claims about other processes of the machine are listed and not counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    accuracy,
    bystander::{Bystanders, CONTROL_USER, USER},
    claims::{Watch, claims, claims_about, last_stats},
    deadline::settle,
};

use crate::{option::Options, results::Figure};

const WORK: Duration = Duration::from_secs(60 * 60);
/// Of one script; package registries may be slow.
const SCRIPT_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Time from the end of a session to the last word about it.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// Works, then looks at what was claimed.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let work = options.duration.unwrap_or(WORK);
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let mut bystanders = Bystanders::new(&folder.path().join("bystanders"))?;
    let names = Bystanders::names()?;
    let (start, mut runs) = (Instant::now(), BTreeMap::<&str, Runs>::new());
    // Every script runs once at least, however short the time.
    for (number, name) in names.iter().cycle().enumerate() {
        if number >= names.len() && start.elapsed() >= work {
            break;
        }
        let runs = runs.entry(name).or_default();
        match bystanders.run(name, SCRIPT_LIMIT) {
            Ok(_) => runs.done += 1,
            Err(error) => {
                runs.failed += 1;
                println!("bench: silence: {name} failed: {error:#}");
            }
        }
    }
    let worked = start.elapsed();
    bystanders.control()?;
    settle(TOLD_WITHIN, || {
        ensure!(
            !claims_about(&watch.said()?, CONTROL_USER).is_empty(),
            "the control session was not seen: the silence of before proves nothing"
        );
        Ok(())
    })?;
    let said = watch.stop()?;
    accuracy::write("negatives", &table(&said, worked, &runs))?;
    figures(&said, worked, &runs)
}

/// For docs/accuracy.md.
fn table(said: &[serde_json::Value], worked: Duration, runs: &BTreeMap<&str, Runs>) -> String {
    let mut lines = vec![
        "| work (tests/peers/negatives) | runs to the end | failed |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for (name, Runs { done, failed }) in runs {
        lines.push(format!("| {name} | {done} | {failed} |"));
    }
    lines.push(String::new());
    lines.push(format!(
        "Claims of MCP about any of it, in {:.0} minutes: **{}**.",
        worked.as_secs_f64() / 60.0,
        claims_about(said, USER).len()
    ));
    lines.join("\n")
}

/// How often a script ran.
#[derive(Default)]
struct Runs {
    done: u32,
    failed: u32,
}

fn figures(
    said: &[serde_json::Value],
    worked: Duration,
    runs: &BTreeMap<&str, Runs>,
) -> Result<Vec<Figure>> {
    let own = claims_about(said, USER);
    for claim in &own {
        println!("bench: silence: false claim: {claim}");
    }
    let others = claims(said).len() - own.len() - claims_about(said, CONTROL_USER).len();
    let never: Vec<&str> = runs
        .iter()
        .filter(|(_, runs)| runs.done == 0)
        .map(|(name, _)| *name)
        .collect();
    if !never.is_empty() {
        println!("bench: silence: never came to an end: {never:?}");
    }
    let stats = last_stats(said).context("the sensor gave no statistics")?;
    let kinds: Vec<&str> = runs.keys().copied().collect();
    let bar = format!(
        "of ordinary work: claims of MCP about it ({})",
        kinds.join(", ")
    );
    let total = |of: fn(&Runs) -> u32| f64::from(runs.values().map(of).sum::<u32>());
    let minutes = worked.as_secs_f64() / 60.0;
    let figure = |id: &str, bar: &str, figure: f64, unit: &str, limit: Option<f64>| {
        Figure::new(&format!("silence.{id}"), bar, figure, unit, limit)
    };
    Ok(vec![
        figure(
            "claims",
            &format!("{minutes:.0} minutes {bar}"),
            own.len() as f64,
            "claims",
            Some(0.0),
        ),
        figure("minutes", "time that the work took", minutes, "min", None),
        figure(
            "runs",
            "scripts run to their end",
            total(|runs| runs.done),
            "scripts",
            None,
        ),
        figure(
            "never",
            "kinds of work that never came to an end",
            never.len() as f64,
            "kinds",
            Some(0.0),
        ),
        figure(
            "failures",
            "scripts that failed",
            total(|runs| runs.failed),
            "scripts",
            None,
        ),
        figure(
            "others",
            "claims about other processes of the machine meanwhile",
            others as f64,
            "claims",
            None,
        ),
        figure(
            "bytes",
            "bytes that the sensor looked at meanwhile",
            stats["bytes"].as_f64().unwrap_or_default() / 1e6,
            "MB",
            None,
        ),
    ])
}
