//! `gnomon-sensor doctor`: what this kernel and host allow.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Result, ensure};
use gnomon_sensor::kernel::support::{self, Support};
use gnomon_sensor::output::escaped;

/// Say what this kernel and host allow, and what is missing. Fails where the sensor cannot work.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sudo gnomon-sensor doctor\n  sudo gnomon-sensor doctor --format json"
)]
pub(super) struct Arguments {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One array.
    Json,
    /// With a header line.
    Csv,
}

pub(super) fn doctor(arguments: &Arguments) -> Result<()> {
    let report = support::report();
    let text = match arguments.format {
        Format::Table => table(&report),
        Format::Json => serde_json::to_string_pretty(&rows(&report))? + "\n",
        Format::Csv => csv(&report),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        missing(&report).is_empty(),
        "the sensor will not work here: {}",
        missing(&report).join(", ")
    );
    Ok(())
}

/// What the sensor cannot do without, by the names of the report.
const ESSENTIAL: [&str; 4] = ["capabilities", "BTF", "ring buffer", "BTF tracepoints"];

fn missing(report: &[Support]) -> Vec<&'static str> {
    let lacks = |support: &&Support| !support.ok && ESSENTIAL.contains(&support.what);
    let missing: Vec<&str> = report
        .iter()
        .filter(lacks)
        .map(|support| support.what)
        .collect();
    // Without them nothing else can be tried.
    if missing.contains(&"capabilities") {
        vec!["capabilities (run it as root)"]
    } else {
        missing
    }
}

fn rows(report: &[Support]) -> Vec<serde_json::Value> {
    let row = |support: &Support| {
        serde_json::json!({
            "what": support.what, "ok": support.ok, "detail": support.detail, "advice": support.advice,
        })
    };
    report.iter().map(row).collect()
}

fn table(report: &[Support]) -> String {
    let mut text = String::new();
    for support in report {
        let state = if support.ok { "yes" } else { "NO " };
        let _ = writeln!(
            text,
            "{state}  {:<24} {}",
            support.what,
            escaped(&support.detail)
        );
        if let Some(advice) = &support.advice {
            let _ = writeln!(text, "     {:<24} -> {}", "", escaped(advice));
        }
    }
    let verdict = if missing(report).is_empty() {
        "yes"
    } else {
        "NO "
    };
    let _ = writeln!(text, "{verdict}  the sensor will work here");
    text
}

fn csv(report: &[Support]) -> String {
    let quoted = |text: &str| format!("\"{}\"", escaped(text).replace('"', "\"\""));
    let mut text = String::from("what,ok,detail,advice\n");
    for support in report {
        let advice = support.advice.as_deref().unwrap_or_default();
        let (detail, advice) = (quoted(&support.detail), quoted(advice));
        let _ = writeln!(
            text,
            "{},{},{detail},{advice}",
            quoted(support.what),
            support.ok
        );
    }
    text
}
