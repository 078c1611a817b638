//! docs/accuracy.md: tables that the tests write, each between two marks, so that one does not touch the others.
//!
//! A new table needs its two marks in the file: `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

use std::fs;

use anyhow::{Context, Result};

use crate::{matrix::Outcome, place::checkout};

/// Replaces the part of docs/accuracy.md between the marks of `name`.
///
/// # Errors
/// The file or a mark is missing.
pub fn write(name: &str, text: &str) -> Result<()> {
    let path = checkout().join("docs/accuracy.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let page = replaced(&page, name, text)
        .with_context(|| format!("docs/accuracy.md lacks the marks of {name}"))?;
    fs::write(&path, page).context("docs/accuracy.md")
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- {name}: begin -->"),
        format!("<!-- {name}: end -->"),
    );
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    let text = text.trim_end();
    Some(format!("{before}{begin}\n{text}\n{end}{after}"))
}

/// A row for each cell: the sums over all `rounds`, which have the same cells in the same order.
#[must_use]
pub fn matrix_table(rounds: &[Vec<Outcome>], strangers: usize) -> String {
    let mut lines = vec![
        "| client | server | transport | revision | sessions: found of expected | calls: found of expected | false claims |"
            .to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let cells = rounds.first().map_or(0, Vec::len);
    let mut sums = [0_u64; 5];
    for number in 0..cells {
        let all: Vec<&Outcome> = rounds
            .iter()
            .filter_map(|round| round.get(number))
            .collect();
        let Some(cell) = all.first() else { continue };
        let sum = |of: fn(&Outcome) -> u64| all.iter().map(|outcome| of(outcome)).sum::<u64>();
        let row = [
            sum(|outcome| outcome.sessions_found),
            sum(|outcome| outcome.sessions_expected),
            sum(|outcome| outcome.calls_found),
            sum(|outcome| outcome.calls_expected),
            sum(|outcome| outcome.false_claims),
        ];
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
        let [found, expected, calls_found, calls_expected, claims] = row;
        lines.push(format!(
            "| {} | {} | {} | {} | {found} of {expected} | {calls_found} of {calls_expected} | {claims} |",
            cell.client, cell.server, cell.transport, cell.revision
        ));
    }
    let [found, expected, calls_found, calls_expected, claims] = sums;
    lines.push(format!(
        "| **{cells} cells**, {} runs each | | | | {found} of {expected} | {calls_found} of {calls_expected} | {claims} |",
        rounds.len()
    ));
    lines.push(String::new());
    lines.push(format!(
        "Claims about other processes of the peers (npm, shells, `uv`, helpers of AI clients): {strangers}."
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page =
            "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n";
        assert_eq!(
            replaced(page, "x", "new\n").as_deref(),
            Some(
                "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n"
            )
        );
        assert_eq!(replaced(page, "z", "new"), None);
    }
}
