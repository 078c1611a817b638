//! The figures, as a file for machines and as a table for people.

use std::{fmt::Write as _, fs, path::PathBuf, process::Command, thread};

use anyhow::{Context, Result};
use gnomon_tests::place::checkout;
use serde::{Deserialize, Serialize};

/// One measured figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Stable name; its first word is the part.
    pub(crate) id: String,
    /// What is promised.
    pub(crate) bar: String,
    /// What was measured.
    pub(crate) figure: f64,
    /// Of `figure` and `limit`.
    pub(crate) unit: String,
    /// What it may be at most; none: for information.
    pub(crate) limit: Option<f64>,
    /// Whether it is within the limit.
    pub(crate) holds: bool,
    /// How to measure it again.
    pub(crate) command: String,
}

impl Figure {
    /// A figure and, where there is one, the limit it must not pass.
    pub(crate) fn new(id: &str, bar: &str, figure: f64, unit: &str, limit: Option<f64>) -> Self {
        let part = id.split('.').next().unwrap_or_default();
        Self {
            id: id.to_owned(),
            bar: bar.to_owned(),
            figure: (figure * 10.0).round() / 10.0,
            unit: unit.to_owned(),
            limit,
            holds: limit.is_none_or(|limit| figure <= limit),
            command: format!("make bench PART={part}"),
        }
    }
}

/// All figures there are, of this run and of earlier ones.
#[derive(Debug)]
pub(crate) struct Results {
    figures: Vec<Figure>,
}

impl Results {
    /// Those of earlier runs, if any.
    pub(crate) fn load() -> Result<Self> {
        let figures = match fs::read(json_file()) {
            Ok(text) => serde_json::from_slice(&text)
                .context("target/bench/results.json: remove it and run again")?,
            Err(_) => Vec::new(),
        };
        Ok(Self { figures })
    }

    /// Puts a part's new figures in place of its old ones.
    pub(crate) fn replace(&mut self, part: &str, figures: Vec<Figure>) {
        let prefix = format!("{part}.");
        self.figures
            .retain(|figure| !figure.id.starts_with(&prefix));
        self.figures.extend(figures);
        self.figures.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// Writes both files.
    pub(crate) fn save(&self) -> Result<()> {
        let file = json_file();
        fs::create_dir_all(file.parent().context("its folder")?)?;
        fs::write(&file, serde_json::to_string_pretty(&self.figures)? + "\n")
            .context("results.json")?;
        let text = format!(
            "# Figures\nWritten by `make bench`; every figure names the command that measures it again.\n\n{}\n{}",
            host(),
            self.table()
        );
        fs::write(checkout().join("docs/benchmarks.md"), text).context("docs/benchmarks.md")
    }

    /// Whether every bar holds.
    pub(crate) fn hold(&self) -> bool {
        self.figures.iter().all(|figure| figure.holds)
    }

    /// A Markdown table.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| figure | measured | limit | holds | bar | command |\n|---|---|---|---|---|---|\n",
        );
        for figure in &self.figures {
            let (limit, holds) = match figure.limit {
                Some(limit) => (
                    format!("{limit} {}", figure.unit),
                    if figure.holds { "yes" } else { "**no**" },
                ),
                None => (String::new(), ""),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "| `{}` | {} {} | {limit} | {holds} | {} | `{}` |",
                figure.id, figure.figure, figure.unit, figure.bar, figure.command
            );
        }
        table
    }
}

/// What it was measured on.
fn host() -> String {
    let kernel = Command::new("uname")
        .args(["-srm"])
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    // Figures of a busy machine are not those of an idle one, so that is said too.
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(2).collect::<Vec<_>>().join(" and ");
    format!(
        "Measured on {}, {cores} cores; load average of the last 1 and 5 minutes at the end: {load}.\n",
        String::from_utf8_lossy(&kernel).trim()
    )
}

fn json_file() -> PathBuf {
    checkout().join("target/bench/results.json")
}
