//! What a peer did against what the inventory says, number by number.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    deadline::settle,
    inventory::{Inventory, Row, word},
    peers::Tally,
};

/// Time after a peer's end within which the inventory must be complete.
const COMPLETE_WITHIN: Duration = Duration::from_secs(20);

/// What every session of a peer must look like.
#[derive(Clone, Debug, Default)]
pub struct Expected<'a> {
    /// Columns and their values.
    pub columns: &'a [(&'a str, &'a str)],
    /// A reason code that the verdict must have.
    pub reason: Option<&'a str>,
}

/// Waits until the inventory holds exactly the sessions and calls of this client, each as expected.
///
/// # Errors
/// What differs, once time is up.
pub fn client_is_recorded(
    inventory: &Inventory,
    tally: &Tally,
    expected: &Expected<'_>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    settle(COMPLETE_WITHIN, || {
        rows = inventory.sessions_of_client(tally.pid)?;
        same_numbers(inventory, tally, &rows)?;
        rows.iter()
            .try_for_each(|row| looks_as_expected(row, expected))
    })?;
    Ok(rows)
}

fn same_numbers(inventory: &Inventory, tally: &Tally, rows: &[Row]) -> Result<()> {
    ensure!(
        rows.len() as u64 == tally.sessions,
        "client {} opened {} sessions, the inventory has {}: {rows:?}",
        tally.pid,
        tally.sessions,
        rows.len()
    );
    let done: BTreeMap<String, u64> = tally
        .calls
        .iter()
        .filter(|(call, _)| *call != "ping")
        .map(|(call, n)| (call.clone(), *n))
        .collect();
    let recorded = inventory.calls_of(rows)?;
    ensure!(
        done == recorded,
        "client {} did {done:?}, the inventory has {recorded:?}",
        tally.pid
    );
    Ok(())
}

fn looks_as_expected(row: &Row, expected: &Expected<'_>) -> Result<()> {
    for (column, value) in expected.columns {
        ensure!(
            word(row, column) == Some(value),
            "{column} is not {value:?} in {row:?}"
        );
    }
    if let Some(reason) = expected.reason {
        let reasons = row
            .get("reasons")
            .map(ToString::to_string)
            .unwrap_or_default();
        ensure!(
            reasons.contains(&format!("\"{reason}\""))
                || reasons.contains(&format!("\\\"{reason}\\\"")),
            "no reason {reason:?} in {row:?}"
        );
    }
    Ok(())
}
