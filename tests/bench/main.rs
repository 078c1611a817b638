//! gnomon-bench: the figures that the project promises, measured on the real programs.
//!
//! `gnomon-bench [--duration 90s] [PART]…` writes target/bench/results.json and docs/benchmarks.md. A part that is not asked for
//! keeps its figures of before. A bar that does not hold, among those asked for, makes it exit with 1.
//! `gnomon-bench peer …` is the workload of some parts and for their use only.

mod burst;
mod churn;
mod circumstances;
mod clock;
mod cold;
mod guest;
mod kernel;
mod matrix;
mod option;
mod peer;
mod peers;
mod ready;
mod resources;
mod results;
mod silence;
mod start;
mod throughput;
mod tier1;
mod usage;
mod visible;
mod warm;

use std::process::ExitCode;

use anyhow::{Result, bail};
use circumstances::Circumstances;
use option::Options;
use results::{Figure, Results};

/// Measures one part.
type Measure = fn(&Options) -> Result<Vec<Figure>>;

/// Parts, in the order in which they run: the long ones last.
const PARTS: [(&str, Measure); 15] = [
    ("ready", |_| ready::measure()),
    ("visible", |_| visible::measure()),
    ("burst", |_| burst::measure()),
    ("resources", resources::measure),
    ("start", |_| start::measure()),
    ("kernel", |_| kernel::measure()),
    ("tier1", |_| tier1::measure()),
    ("throughput", |_| throughput::measure()),
    ("matrix", |_| matrix::measure()),
    ("peers", |_| peers::measure()),
    ("cold", |_| cold::measure_ready()),
    ("cold-test", |_| cold::measure_test()),
    ("warm", |_| warm::measure()),
    ("churn", churn::measure),
    ("silence", silence::measure),
];

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "peer"
    {
        return peer::run(rest).map(|()| ExitCode::SUCCESS);
    }
    let options = Options::parse(arguments)?;
    if let Some(unknown) = options
        .parts
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| part == name))
    {
        bail!(
            "no part {unknown:?}; there are: {}",
            PARTS.map(|(name, _)| name).join(" ")
        );
    }
    for (name, measure) in PARTS {
        if options.asks_for(name) {
            println!("bench: {name}");
            let begun = Circumstances::begin();
            let figures = measure(&options)?;
            // Loaded late and saved at once: another part may have been measured beside this one, and a later one may fail.
            let mut results = Results::load()?;
            results.replace(name, figures, &begun.end());
            results.save()?;
        }
    }
    let results = Results::load()?;
    print!("{}", results.tables(|part| options.asks_for(part)));
    Ok(if results.hold(|part| options.asks_for(part)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
