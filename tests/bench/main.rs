//! gnomon-bench: the figures that the project promises, measured on the real programs.
//!
//! `gnomon-bench [PART]…` writes target/bench/results.json and docs/benchmarks.md. A part that is not
//! asked for keeps its figures of before. A bar that does not hold makes it exit with 1.

mod peers;
mod ready;
mod results;
mod visible;

use std::process::ExitCode;

use anyhow::{Result, bail};
use results::{Figure, Results};

/// Measures one part.
type Measure = fn() -> Result<Vec<Figure>>;

/// Parts, in the order in which they run.
const PARTS: [(&str, Measure); 3] = [
    ("peers", peers::measure),
    ("ready", ready::measure),
    ("visible", visible::measure),
];

fn main() -> Result<ExitCode> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| part == name))
    {
        bail!(
            "no part {unknown:?}; there are: {}",
            PARTS.map(|(name, _)| name).join(" ")
        );
    }
    let mut results = Results::load()?;
    for (name, measure) in PARTS {
        if asked.is_empty() || asked.iter().any(|part| part == name) {
            println!("bench: {name}");
            results.replace(name, measure()?);
        }
    }
    results.save()?;
    print!("{}", results.table());
    Ok(if results.hold() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
