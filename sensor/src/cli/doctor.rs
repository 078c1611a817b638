//! `gnomon-sensor doctor`: what this kernel and host allow.

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
    match arguments.format {
        Format::Table => table(&report),
        Format::Json => println!("{}", serde_json::to_string_pretty(&rows(&report))?),
        Format::Csv => csv(&report),
    }
    Ok(())
}

fn rows(report: &[Support]) -> Vec<serde_json::Value> {
    let row = |support: &Support| {
        serde_json::json!({
            "what": support.what, "ok": support.ok, "detail": support.detail, "advice": support.advice,
        })
    };
    report.iter().map(row).collect()
}

fn table(report: &[Support]) {
    for support in report {
        let state = if support.ok { "yes" } else { "NO " };
        println!("{state}  {:<24} {}", support.what, escaped(&support.detail));
        if let Some(advice) = &support.advice {
            println!("     {:<24} -> {}", "", escaped(advice));
        }
    }
}

fn csv(report: &[Support]) {
    let quoted = |text: &str| format!("\"{}\"", escaped(text).replace('"', "\"\""));
    println!("what,ok,detail,advice");
    for support in report {
        let advice = support.advice.as_deref().unwrap_or_default();
        println!(
            "{},{},{},{}",
            quoted(support.what),
            support.ok,
            quoted(&support.detail),
            quoted(advice)
        );
    }
}
