//! Kernels × tiers: a guest for each, its checks read from what it prints.

use std::{env, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use gnomon_tests::vm::{Guest, Kernel, Mode};

use crate::{
    PROCESSORS,
    check::Check,
    suite::Suite,
    table::{self, Row},
};

const TIERS: &str = "1 2";
/// How much longer a guest may take for anything than this host.
const PATIENCE: u32 = 5;
/// Of one guest with all checks, on a busy machine.
const GUEST_LIMIT: Duration = Duration::from_secs(3600);

/// Runs the checks on these kernels, without any on all there are; those of a quick run, or all.
pub(crate) fn run(kernels: &[String], quick: bool) -> Result<ExitCode> {
    let kernels = if kernels.is_empty() {
        Kernel::all()?
    } else {
        let found = kernels.iter().map(|name| Kernel::find(name));
        found.collect::<Result<_>>()?
    };
    let tiers = env::var("TIERS").unwrap_or_else(|_| TIERS.to_owned());
    let tiers: Vec<u8> = tiers
        .split_whitespace()
        .map(|tier| {
            tier.parse()
                .with_context(|| format!("TIERS: no tier {tier:?}"))
        })
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for kernel in kernels {
        let suite = Suite::build(quick, kernel.processor)?;
        for &tier in &tiers {
            let row = row(&kernel, tier, &suite)?;
            println!("kernels: {row}");
            rows.push(row);
        }
    }
    // A quick run does not stand for all checks.
    if !quick {
        table::write(&rows)?;
    }
    let count = |passed: bool| rows.iter().map(|row| row.count(passed)).sum::<usize>();
    // The last line, for whoever looks only there.
    println!("{} passed, {} failed", count(true), count(false));
    Ok(if count(false) == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All checks in one guest. What a guest did not come to has failed.
fn row(kernel: &Kernel, tier: u8, suite: &Suite) -> Result<Row> {
    println!("kernels: {} tier {tier}: booting", kernel.release());
    let command = format!(
        "GNOMON_TIER={tier} GNOMON_PATIENCE={PATIENCE} '{}' inside {tier} '{}' {}",
        suite.own.display(),
        suite.program.display(),
        suite.words().join(" ")
    );
    let mut shown = 0;
    let guest = Guest::new(kernel.clone(), Mode::Smp(PROCESSORS));
    let mut output = String::new();
    let ended = guest.run(&command, GUEST_LIMIT, |said| {
        let whole = said.rfind('\n').map_or(0, |end| end + 1);
        for line in said.get(shown..whole).unwrap_or_default().lines() {
            println!("    {line}");
        }
        shown = whole;
        said.clone_into(&mut output);
    });
    let wrong = match ended {
        Ok(ended) => {
            output = ended.output;
            (ended.status != 0).then(|| format!("its command ended with {}", ended.status))
        }
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(wrong) = wrong {
        println!("kernels: {} tier {tier}: {wrong}", kernel.release());
    }
    let told: Vec<Check> = output.lines().filter_map(Check::of_line).collect();
    let checks = suite.expected().map(|(subject, name)| {
        let mut told = told.iter();
        let found = told.find(|check| check.subject == subject && check.name == name);
        found.cloned().unwrap_or(Check {
            subject,
            name: name.to_owned(),
            passed: false,
        })
    });
    Ok(Row::new(kernel, tier, checks.collect()))
}
