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
        tier(&report).is_some(),
        "the sensor will not work here: {}",
        missing(&report).join(", ")
    );
    Ok(())
}

/// The tier that would run; none: the sensor cannot work.
fn tier(report: &[Support]) -> Option<u8> {
    let has = |what: &str| {
        report
            .iter()
            .any(|support| support.what == what && support.ok)
    };
    match missing(report).is_empty() {
        true if has("fentry") => Some(1),
        true => Some(2),
        false => has("packet capture").then_some(3),
    }
}

/// What eBPF cannot do without, by the names of the report.
const ESSENTIAL: [&str; 5] = [
    "capabilities",
    "/proc",
    "BTF",
    "ring buffer",
    "BTF tracepoints",
];

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
    let verdict = match tier(report) {
        Some(1) => {
            "yes  the sensor will work here, in tier 1 (eBPF where pipes and sockets are read and written)".to_owned()
        }
        Some(2) => "yes  the sensor will work here, in tier 2 (eBPF at system calls)".to_owned(),
        Some(_) => format!(
            "yes  the sensor will work here, in tier 3 (plain HTTP on the interfaces, nothing else), as eBPF is not \
            usable: {}",
            missing(report).join(", ")
        ),
        None => format!(
            "NO   the sensor will not work here: it lacks {}, and packets cannot be captured either",
            missing(report).join(", ")
        ),
    };
    let _ = writeln!(text, "{verdict}");
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
