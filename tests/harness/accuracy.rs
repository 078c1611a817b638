//! docs/accuracy.md: tables that the tests write, each between its marks.

use anyhow::Result;

use crate::{document, matrix::Outcome};

/// Replaces the part of docs/accuracy.md between the marks of `name`.
///
/// # Errors
/// The file or a mark is missing.
pub fn write(name: &str, text: &str) -> Result<()> {
    document::write_part("docs/accuracy.md", name, text)
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
