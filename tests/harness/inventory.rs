//! What the inventory holds, asked as an analyst asks: with the `gnomon` command.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::place::program;

/// The analyst's way to one collector.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Base URL of the API.
    pub api: String,
    /// File with the API's token.
    pub token_file: PathBuf,
}

/// One row of a view.
pub type Row = BTreeMap<String, Value>;

impl Inventory {
    /// Runs `gnomon ARGUMENTS…` and gives its standard output.
    ///
    /// # Errors
    /// The command failed: with its standard error.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(program("gnomon")?)
            .args(arguments)
            .env("GNOMON_API", &self.api)
            .env("GNOMON_TOKEN_FILE", &self.token_file)
            .output()
            .context("gnomon")?;
        ensure!(
            output.status.success(),
            "gnomon {arguments:?} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The rows of a listing.
    ///
    /// # Errors
    /// The command failed or printed no array of objects.
    pub fn rows(&self, arguments: &[&str]) -> Result<Vec<Row>> {
        let mut all = arguments.to_vec();
        all.extend(["--format", "json"]);
        let text = self.run(&all)?;
        serde_json::from_str(&text)
            .with_context(|| format!("gnomon {arguments:?} printed {text:?}"))
    }

    /// The sessions whose client is this process.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn sessions_of_client(&self, pid: u32) -> Result<Vec<Row>> {
        let mut rows = self.rows(&["sessions", "--limit", "10000"])?;
        rows.retain(|row| row.get("client_pid").and_then(Value::as_u64) == Some(u64::from(pid)));
        Ok(rows)
    }

    /// The calls of these sessions.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn calls_of(&self, sessions: &[Row]) -> Result<Vec<Row>> {
        let ids: Vec<&Value> = sessions.iter().filter_map(|row| row.get("id")).collect();
        let mut rows = self.rows(&["calls", "--limit", "100000"])?;
        rows.retain(|row| {
            row.get("session")
                .is_some_and(|session| ids.contains(&session))
        });
        Ok(rows)
    }
}

/// How often each "method" (for tools and prompts "method name") is among these calls.
#[must_use]
pub fn calls_by_name(calls: &[Row]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in calls {
        let method = word(row, "method").unwrap_or_default();
        // As the drivers count: a resource's name is its digest here and no name there.
        let key = match (method, word(row, "name")) {
            ("tools/call" | "prompts/get", Some(name)) => format!("{method} {name}"),
            _ => method.to_owned(),
        };
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// A text column; `None` where it is null.
#[must_use]
pub fn word<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row.get(column).and_then(Value::as_str)
}
