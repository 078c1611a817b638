//! `gnomon-sensor doctor`: what this kernel and host allow.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use gnomon_sensor::kernel::support::{self, Support};
use gnomon_sensor::output::escaped;

/// Say what this kernel and host allow, what would be attached, and what is missing.
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
    Ok(std::io::stdout().write_all(text.as_bytes())?)
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
