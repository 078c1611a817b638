//! The table of docs/kernels.md: a line for each kernel and tier; those that were not run keep theirs.

use std::{collections::BTreeMap, fmt};

use anyhow::Result;
use gnomon_tests::{document, vm::Kernel};

use crate::check::{Check, Subject};

const DOCUMENT: &str = "docs/kernels.md";
const PART: &str = "kernels";
const HEAD: &str = "| kernel | tier | tests of the kernel side | conversations | host | failed |\n|---|---|---|---|---|---|";

/// What came of one guest.
#[derive(Debug)]
pub(crate) struct Row {
    /// For order: 6.9 comes before 6.12.
    number: String,
    release: String,
    tier: u8,
    checks: Vec<Check>,
}

impl Row {
    pub(crate) fn new(kernel: &Kernel, tier: u8, checks: Vec<Check>) -> Self {
        Self {
            number: kernel.name(),
            release: kernel.release(),
            tier,
            checks,
        }
    }

    /// How many checks passed, or failed.
    pub(crate) fn count(&self, passed: bool) -> usize {
        let counted = self.checks.iter().filter(|check| check.passed == passed);
        counted.count()
    }

    fn passed(&self, subject: Subject) -> String {
        let of_it = self.checks.iter().filter(|check| check.subject == subject);
        let passed = of_it.clone().filter(|check| check.passed).count();
        format!("{passed} of {}", of_it.count())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.checks.iter().filter(|check| !check.passed);
        let failed: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
        write!(
            to,
            "| {} ({}) | {} | {} | {} | {} | {} |",
            self.number,
            self.release,
            self.tier,
            self.passed(Subject::Kernel),
            self.passed(Subject::Conversation),
            self.passed(Subject::Host),
            failed.join(", ")
        )
    }
}

/// Puts these rows in the document.
pub(crate) fn write(rows: &[Row]) -> Result<()> {
    let text = merged(&document::part(DOCUMENT, PART)?, rows);
    document::write_part(DOCUMENT, PART, &text)
}

fn merged(old: &str, rows: &[Row]) -> String {
    let mut lines: BTreeMap<(Vec<u32>, String), String> = BTreeMap::new();
    for line in old
        .lines()
        .filter_map(|line| Some((key(line)?, line.to_owned())))
    {
        lines.insert(line.0, line.1);
    }
    for line in rows.iter().map(Row::to_string) {
        lines.extend(key(&line).map(|key| (key, line)));
    }
    let lines: Vec<String> = lines.into_values().collect();
    format!("{HEAD}\n{}", lines.join("\n"))
}

/// The kernel's number, its processor and the tier of a line; none: it is no row.
fn key(line: &str) -> Option<(Vec<u32>, String)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let number = cells.next()?.split(' ').next()?;
    // Of another processor's, as in 6.12-arm64.
    let (number, processor) = number.split_once('-').unwrap_or((number, ""));
    let number: Vec<u32> = number
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    Some((number, format!("{processor} {}", cells.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: &str, tier: u8, passed: bool) -> Row {
        Row {
            number: number.to_owned(),
            release: format!("{number}.3-cloud"),
            tier,
            checks: vec![Check {
                subject: Subject::Kernel,
                name: "a_test".to_owned(),
                passed,
            }],
        }
    }

    #[test]
    fn rows_that_were_not_run_stay_and_kernels_are_in_order() {
        let old = merged("", &[row("6.12", 1, false), row("6.12", 2, true)]);
        let new = merged(&old, &[row("6.9", 1, true), row("6.12", 1, true)]);
        let lines: Vec<&str> = new.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| 6.9 (6.9.3-cloud) | 1 | 1 of 1 | 0 of 0 | 0 of 0 |  |",
                "| 6.12 (6.12.3-cloud) | 1 | 1 of 1 | 0 of 0 | 0 of 0 |  |",
                "| 6.12 (6.12.3-cloud) | 2 | 1 of 1 | 0 of 0 | 0 of 0 |  |",
            ]
        );
        assert!(old.contains("| 6.12 (6.12.3-cloud) | 1 | 0 of 1 | 0 of 0 | 0 of 0 | a_test |"));
    }
}
