//! What a peer did against what the inventory says, number by number, once nothing changes any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    deadline::steady,
    inventory::{Inventory, Row, calls_by_name, word},
    peers::Tally,
};

/// Time after a peer's end within which the inventory must be complete.
const COMPLETE_WITHIN: Duration = Duration::from_secs(20);

/// Time for which all rows must stay as they are: a duplicate, a late call or a second thought of the judge would come in it.
const QUIET: Duration = Duration::from_millis(1500);

/// What every session of a peer must look like.
#[derive(Clone, Debug, Default)]
pub struct Expected<'a> {
    /// Columns and their values.
    pub columns: &'a [(&'a str, &'a str)],
    /// The code of the decisive reason of the verdict.
    pub reason: Option<&'a str>,
    /// The client still runs and keeps its sessions.
    pub stays_open: bool,
}

/// Waits until the inventory holds exactly the sessions and calls of this client, each as expected, all sessions
/// ended, and until that has stayed so for a while.
///
/// # Errors
/// What differs, once time is up.
pub fn client_is_recorded(
    inventory: &Inventory,
    tally: &Tally,
    expected: &Expected<'_>,
) -> Result<Vec<Row>> {
    let mut keyed = BTreeSet::new();
    let (rows, _) = steady(COMPLETE_WITHIN, QUIET, || {
        let rows = inventory.sessions_of_client(tally.pid)?;
        keys_stay(&mut keyed, &rows)?;
        let calls = inventory.calls_of(&rows)?;
        same_numbers(tally, &rows, &calls)?;
        same_errors(tally, &calls)?;
        for row in &rows {
            ensure!(
                expected.stays_open || word(row, "state") == Some("ended"),
                "not ended, though its client is: {row:?}"
            );
            looks_as_expected(row, expected)?;
        }
        Ok((rows, calls))
    })?;
    Ok(rows)
}

/// A server whose key was known once is not forgotten later. Remembers the sessions that had one.
fn keys_stay(keyed: &mut BTreeSet<String>, rows: &[Row]) -> Result<()> {
    for row in rows {
        let id = word(row, "id").context("a session without id")?;
        if word(row, "server_key").is_some() {
            keyed.insert(id.to_owned());
        }
        ensure!(
            !keyed.contains(id) || word(row, "server_key").is_some(),
            "the server's key was known and is not any more: {row:?}"
        );
    }
    Ok(())
}

fn same_numbers(tally: &Tally, rows: &[Row], calls: &[Row]) -> Result<()> {
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
    let recorded = calls_by_name(calls);
    ensure!(
        done == recorded,
        "client {} did {done:?}, the inventory has {recorded:?}",
        tally.pid
    );
    Ok(())
}

/// Every call was answered, and as many with an error as the client saw.
fn same_errors(tally: &Tally, calls: &[Row]) -> Result<()> {
    let mut statuses: BTreeMap<&str, u64> = BTreeMap::new();
    for call in calls {
        *statuses
            .entry(word(call, "status").unwrap_or_default())
            .or_insert(0) += 1;
    }
    let of = |status: &str| statuses.get(status).copied().unwrap_or(0);
    let errors = of("error") + of("tool_error");
    ensure!(
        errors == tally.errors && of("ok") + errors == calls.len() as u64,
        "client {} had {} errors in {} calls, the inventory has {statuses:?}",
        tally.pid,
        tally.errors,
        calls.len()
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
        ensure!(
            decisive_reason(row).as_deref() == Some(reason),
            "the decisive reason is not {reason:?} in {row:?}"
        );
    }
    Ok(())
}

/// The code of the first reason.
fn decisive_reason(row: &Row) -> Option<String> {
    let first = row.get("reasons")?.get(0)?;
    let code = first.get("code").or_else(|| first.get(0))?;
    code.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(status: &str) -> Row {
        Row::from([("status".to_owned(), Value::from(status))])
    }

    #[test]
    fn an_unanswered_call_and_a_missing_error_are_differences() {
        let tally = Tally {
            errors: 1,
            ..Tally::default()
        };
        assert!(same_errors(&tally, &[call("ok"), call("error")]).is_ok());
        assert!(same_errors(&tally, &[call("ok"), call("tool_error")]).is_ok());
        assert!(same_errors(&tally, &[call("ok"), call("ok")]).is_err());
        assert!(same_errors(&tally, &[call("error"), call("unanswered")]).is_err());
    }

    #[test]
    fn a_key_that_is_forgotten_is_a_difference() {
        let row = |key: Value| {
            Row::from([
                ("id".to_owned(), json!("a")),
                ("server_key".to_owned(), key),
            ])
        };
        let mut keyed = BTreeSet::new();
        assert!(keys_stay(&mut keyed, &[row(Value::Null)]).is_ok());
        assert!(keys_stay(&mut keyed, &[row(json!("npm:x"))]).is_ok());
        assert!(keys_stay(&mut keyed, &[row(Value::Null)]).is_err());
    }
}
