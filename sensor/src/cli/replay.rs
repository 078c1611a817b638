//! `gnomon-sensor replay`: recorded flows through the same code as live ones.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use gnomon_sensor::finding::Findings;
use gnomon_sensor::output::Printer;
use gnomon_sensor::replay;

use super::Format;

/// Read recorded flows, and print what `watch` would have said of them.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  gnomon-sensor replay capture.jsonl\n  \
    gnomon-sensor replay --format json --policy policy.toml *.jsonl | jq .kind")]
pub(super) struct Arguments {
    /// Recordings: a JSON object a line.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Gateways and exceptions, for the verdicts.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn replay(arguments: &Arguments) -> Result<()> {
    let policy = super::policy(arguments.policy.as_deref())?;
    for path in &arguments.files {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: cannot read the recording", path.display()))?;
        let host = super::host_name();
        let observations = replay::replay(&text, &name, &host, policy.clone())
            .with_context(|| path.display().to_string())?;
        let mut findings = Findings::new(host.clone());
        let mut printer = Printer::stdout(arguments.format.into(), host);
        for observation in &observations {
            findings.take(observation);
            printer.print(observation)?;
        }
        // Final objects only, as of the sessions.
        for finding in findings.open() {
            printer.print(&finding)?;
        }
    }
    Ok(())
}
