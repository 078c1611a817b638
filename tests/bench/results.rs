//! The figures, as a file for machines and as tables for people.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use gnomon_tests::place::checkout;
use serde::{Deserialize, Serialize};

use crate::circumstances::Circumstances;

/// One measured figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// When, where and under which load; the same for all figures of a part.
    #[serde(default)]
    pub(crate) measured: String,
}

impl Figure {
    /// A figure and, where there is one, the limit it must not pass.
    pub(crate) fn new(id: &str, bar: &str, figure: f64, unit: &str, limit: Option<f64>) -> Self {
        Self {
            id: id.to_owned(),
            bar: bar.to_owned(),
            figure: rounded(figure),
            unit: unit.to_owned(),
            limit,
            holds: limit.is_none_or(|limit| figure <= limit),
            command: format!("make bench PART={}", part_of(id)),
            measured: String::new(),
        }
    }

    fn cells(&self) -> [String; 6] {
        let (limit, holds) = match self.limit {
            Some(limit) => (
                format!("{limit} {}", self.unit),
                if self.holds { "yes" } else { "**no**" },
            ),
            None => (String::new(), ""),
        };
        [
            format!("`{}`", self.id),
            format!("{} {}", self.figure, self.unit),
            limit,
            holds.to_owned(),
            self.bar.clone(),
            format!("`{}`", self.command),
        ]
    }

    /// The reverse of [`Self::cells`]; none for a line that is no figure.
    fn of_cells(cells: &[&str], measured: &str) -> Option<Self> {
        let [id, figure, limit, holds, bar, command] = cells else {
            return None;
        };
        let (figure, unit) = figure.split_once(' ')?;
        Some(Self {
            id: id.strip_prefix('`')?.strip_suffix('`')?.to_owned(),
            bar: (*bar).to_owned(),
            figure: figure.parse().ok()?,
            unit: unit.to_owned(),
            limit: limit
                .split_once(' ')
                .and_then(|(limit, _)| limit.parse().ok()),
            holds: *holds != "**no**",
            command: command.trim_matches('`').to_owned(),
            measured: measured.to_owned(),
        })
    }
}

/// As many digits as a reader can use.
fn rounded(figure: f64) -> f64 {
    let scale = match figure.abs() {
        large if large >= 100.0 => 10.0,
        middle if middle >= 1.0 => 100.0,
        _ => 10_000.0,
    };
    (figure * scale).round() / scale
}

fn part_of(id: &str) -> &str {
    id.split('.').next().unwrap_or_default()
}

/// All figures there are, of this run and of earlier ones.
#[derive(Debug)]
pub(crate) struct Results {
    figures: Vec<Figure>,
    json: PathBuf,
    table: PathBuf,
}

impl Results {
    /// Those of earlier runs, if any: what this checkout measured, and beside it the parts that only docs/benchmarks.md
    /// has, measured elsewhere.
    pub(crate) fn load() -> Result<Self> {
        Self::load_from(
            checkout().join("target/bench/results.json"),
            checkout().join("docs/benchmarks.md"),
        )
    }

    fn load_from(json: PathBuf, table: PathBuf) -> Result<Self> {
        let mut figures = match fs::read(&json) {
            Ok(text) => serde_json::from_slice::<Vec<Figure>>(&text)
                .with_context(|| format!("{}: remove it and run again", json.display()))?,
            Err(_) => Vec::new(),
        };
        let told = parse(&fs::read_to_string(&table).unwrap_or_default());
        // The newer of the two, by part: what is measured begins with the time.
        let newest = |figures: &[Figure], part: &str| {
            figures
                .iter()
                .filter(|figure| part_of(&figure.id) == part)
                .map(|figure| figure.measured.clone())
                .max()
        };
        let parts: Vec<String> = told
            .iter()
            .map(|figure| part_of(&figure.id).to_owned())
            .collect();
        for part in parts {
            if newest(&told, &part) > newest(&figures, &part) {
                figures.retain(|figure| part_of(&figure.id) != part);
                figures.extend(
                    told.iter()
                        .filter(|figure| part_of(&figure.id) == part)
                        .cloned(),
                );
            }
        }
        Ok(Self {
            figures,
            json,
            table,
        })
    }

    /// Puts a part's new figures in place of its old ones.
    pub(crate) fn replace(
        &mut self,
        part: &str,
        figures: Vec<Figure>,
        circumstances: &Circumstances,
    ) {
        self.figures.retain(|figure| part_of(&figure.id) != part);
        let measured = circumstances.to_string();
        self.figures
            .extend(figures.into_iter().map(|figure| Figure {
                measured: measured.clone(),
                ..figure
            }));
        self.figures.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// Writes both files.
    pub(crate) fn save(&self) -> Result<()> {
        write(
            &self.json,
            &(serde_json::to_string_pretty(&self.figures)? + "\n"),
        )?;
        let text = format!(
            "# Figures\nWritten by `make bench`; `make bench PART=name` measures one part again and leaves the others as they are.\n{}",
            self.tables(|_| true)
        );
        write(&self.table, &text)
    }

    /// Whether the bars of these parts hold.
    pub(crate) fn hold(&self, is_asked: impl Fn(&str) -> bool) -> bool {
        self.figures
            .iter()
            .filter(|figure| is_asked(part_of(&figure.id)))
            .all(|figure| figure.holds)
    }

    /// A Markdown table for each part.
    pub(crate) fn tables(&self, is_asked: impl Fn(&str) -> bool) -> String {
        let mut parts: BTreeMap<&str, Vec<&Figure>> = BTreeMap::new();
        for figure in &self.figures {
            parts.entry(part_of(&figure.id)).or_default().push(figure);
        }
        let mut text = String::new();
        for (part, figures) in parts.into_iter().filter(|(part, _)| is_asked(part)) {
            let measured = figures.first().map_or("", |figure| &figure.measured);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "\n## {part}\nMeasured {measured}\n\n| figure | measured | limit | holds | bar | command |\n|---|---|---|---|---|---|\n"
            );
            for figure in figures {
                let _ = writeln!(text, "| {} |", figure.cells().join(" | "));
            }
        }
        text
    }
}

/// The figures of docs/benchmarks.md.
fn parse(text: &str) -> Vec<Figure> {
    let mut measured = "";
    let mut figures = Vec::new();
    for line in text.lines() {
        if let Some(when) = line.strip_prefix("Measured ") {
            measured = when;
        } else if let Some(row) = line
            .strip_prefix("| `")
            .and_then(|_| line.strip_prefix("| ")?.strip_suffix(" |"))
        {
            // A cell that is empty leaves one space between its bars.
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            figures.extend(Figure::of_cells(&cells, measured));
        }
    }
    figures
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(file.parent().context("its folder")?)?;
    fs::write(file, text).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Vec<Figure> {
        vec![
            Figure::new("a.one", "the first, at most", 0.123_456, "ms", Some(2.0)),
            Figure::new("a.two", "too much", 1234.56, "% of a core", Some(2.0)),
            Figure::new("a.three", "for information", 3.0, "calls", None),
        ]
    }

    fn saved(folder: &Path, json: &str, part: &str, when: &str) -> Result<Results> {
        let mut results = Results::load_from(folder.join(json), folder.join("table.md"))?;
        let figures = figures().into_iter().map(|figure| Figure {
            id: figure.id.replace("a.", &format!("{part}.")),
            ..figure
        });
        results.replace(part, figures.collect(), &Circumstances::of(when));
        results.save()?;
        Ok(results)
    }

    #[test]
    fn a_table_is_read_back_as_it_was_written() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let written = saved(folder.path(), "one.json", "a", "2026-11-22 12:00 UTC")?;
        let text = fs::read_to_string(folder.path().join("table.md"))?;
        assert_eq!(parse(&text), written.figures);
        assert!(!written.hold(|_| true));
        assert!(written.hold(|part| part == "b"));
        Ok(())
    }

    #[test]
    fn a_part_that_was_measured_in_another_checkout_stays_until_it_is_measured_here() -> Result<()>
    {
        let folder = tempfile::tempdir()?;
        saved(folder.path(), "one.json", "a", "2026-11-22 12:00 UTC")?;
        let results = saved(folder.path(), "two.json", "b", "2026-11-22 13:00 UTC")?;
        assert_eq!(results.figures.len(), 6);
        let again = saved(folder.path(), "two.json", "a", "2026-11-22 14:00 UTC")?;
        assert_eq!(again.figures.len(), 6);
        assert!(again.tables(|part| part == "a").contains("14:00"));
        // The first checkout gets what the table has that is newer than its own.
        let first = Results::load_from(
            folder.path().join("one.json"),
            folder.path().join("table.md"),
        )?;
        assert_eq!(first.figures.len(), 6);
        assert!(first.tables(|part| part == "a").contains("14:00"));
        Ok(())
    }
}
