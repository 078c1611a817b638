//! The peers' accounts against the inventory's rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::{Account, Cell, Conversation, Transport};
use crate::inventory::{Inventory, Row, calls_by_name, word};

/// What was expected of a cell and what the inventory has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The client's side.
    pub client: String,
    /// The server's side.
    pub server: String,
    /// How they speak.
    pub transport: &'static str,
    /// The revision that they agreed on.
    pub revision: &'static str,
    /// Conversations by the peers' word.
    pub sessions_expected: u64,
    /// Of these, how many the inventory has.
    pub sessions_found: u64,
    /// Calls by the peers' word.
    pub calls_expected: u64,
    /// Of these, how many the inventory has, by name.
    pub calls_found: u64,
    /// Sessions and calls of these processes that no peer knows of.
    pub false_claims: u64,
    /// What else differs: the first difference; none: all is equal.
    pub difference: Option<String>,
}

impl Outcome {
    /// Whether everything is equal.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        self.sessions_expected == self.sessions_found
            && self.calls_expected == self.calls_found
            && self.false_claims == 0
            && self.difference.is_none()
    }
}

/// The rows of the peers' user.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    sessions: Vec<Row>,
    calls: BTreeMap<String, Vec<Row>>,
}

impl Rows {
    /// Asks for them.
    pub(super) fn of_user(inventory: &Inventory, uid: u32) -> Result<Self> {
        // By SQL, because others on this host may fill a listing.
        let of_user = format!("client_uid = {uid} OR server_uid = {uid}");
        let sessions =
            inventory.rows(&["sql", &format!("SELECT * FROM sessions WHERE {of_user}")])?;
        let query = format!(
            "SELECT session, method, name, status FROM calls \
             WHERE (host, session) IN (SELECT host, id FROM sessions WHERE {of_user})"
        );
        let mut calls: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for call in inventory.rows(&["sql", &query])? {
            let session = word(&call, "session").context("a call without session")?;
            calls.entry(session.to_owned()).or_default().push(call);
        }
        Ok(Self { sessions, calls })
    }

    /// Sessions of no cell.
    pub(super) fn strangers(&self, cells: &[(Cell, Vec<Account>)]) -> Vec<&Row> {
        let known: BTreeSet<u32> = cells
            .iter()
            .flat_map(|(_, accounts)| accounts)
            .map(|account| account.client_pid)
            .collect();
        self.sessions
            .iter()
            .filter(|row| number(row, "client_pid").is_none_or(|pid| !known.contains(&pid)))
            .collect()
    }

    /// Compares a cell.
    pub(super) fn compare(&self, cell: &Cell, accounts: &[Account]) -> Outcome {
        let mut outcome = Outcome {
            client: cell.client.to_string(),
            server: cell.served(),
            transport: cell.transport.as_str(),
            revision: cell.revision,
            sessions_expected: 0,
            sessions_found: 0,
            calls_expected: 0,
            calls_found: 0,
            false_claims: 0,
            difference: None,
        };
        let mut accounted = BTreeSet::new();
        for account in accounts {
            self.compare_account(cell, account, &mut outcome, &mut accounted);
        }
        let clients: BTreeSet<u32> = accounts.iter().map(|account| account.client_pid).collect();
        for row in &self.sessions {
            let of_these = number(row, "client_pid").is_some_and(|pid| clients.contains(&pid));
            if of_these && !accounted.contains(word(row, "id").unwrap_or_default()) {
                outcome.false_claims += 1;
                outcome.differs(|| format!("no peer knows of {row:?}"));
            }
        }
        outcome
    }

    fn compare_account(
        &self,
        cell: &Cell,
        account: &Account,
        outcome: &mut Outcome,
        accounted: &mut BTreeSet<String>,
    ) {
        let rows: Vec<&Row> = self
            .sessions
            .iter()
            .filter(|row| {
                number(row, "client_pid") == Some(account.client_pid)
                    && account
                        .server_pid
                        .is_none_or(|pid| number(row, "server_pid") == Some(pid))
            })
            .collect();
        accounted.extend(
            rows.iter()
                .filter_map(|row| word(row, "id"))
                .map(str::to_owned),
        );
        let mut expected = account.conversations.clone();
        let mut found: Vec<Conversation> = rows.iter().map(|row| self.conversation(row)).collect();
        expected.sort();
        found.sort();
        let (wanted, have) = (expected.len() as u64, found.len() as u64);
        outcome.sessions_expected += wanted;
        outcome.sessions_found += wanted.min(have);
        outcome.false_claims += have.saturating_sub(wanted);
        let (wanted, have) = (together(&expected), together(&found));
        for (call, count) in &wanted {
            outcome.calls_expected += count;
            outcome.calls_found += have.get(call).map_or(0, |found| *found.min(count));
        }
        for (call, count) in &have {
            let known = wanted.get(call).copied().unwrap_or(0);
            outcome.false_claims += count.saturating_sub(known);
        }
        if let Some(difference) = difference(&expected, &found) {
            outcome.differs(|| difference);
        }
        for row in rows {
            if let Some(difference) = looks_wrong(cell, account, row, self.application_of_drivers())
            {
                outcome.differs(|| format!("{difference} in {row:?}"));
            }
        }
    }

    /// The application that drivers are started from, if any: a test may be run from one. What a driver calls itself must
    /// not change it.
    fn application_of_drivers(&self) -> Option<&str> {
        // A bridge speaks in the name of its client.
        let servers: BTreeSet<_> = (self.sessions.iter())
            .filter_map(|row| number(row, "server_pid"))
            .collect();
        let driver = self.sessions.iter().find(|row| {
            word(row, "client_name").is_some_and(|name| name == "mcp" || name.starts_with("probe-"))
                && number(row, "client_pid").is_some_and(|pid| !servers.contains(&pid))
        });
        driver.and_then(|row| word(row, "client_application"))
    }

    fn conversation(&self, row: &Row) -> Conversation {
        let id = word(row, "id").unwrap_or_default();
        let calls = self.calls.get(id).map_or(&[][..], Vec::as_slice);
        let is_error = |call: &&Row| matches!(word(call, "status"), Some("error" | "tool_error"));
        let own = |column| word(row, column).map(str::to_owned);
        Conversation {
            calls: calls_by_name(calls),
            errors: calls.iter().filter(is_error).count() as u64,
            revision: own("revision"),
            client_name: own("client_name"),
            server_name: own("server_name"),
        }
    }
}

impl Outcome {
    fn differs(&mut self, difference: impl FnOnce() -> String) {
        self.difference.get_or_insert_with(difference);
    }
}

fn together(conversations: &[Conversation]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (call, count) in conversations.iter().flat_map(|one| &one.calls) {
        *all.entry(call.clone()).or_insert(0) += count;
    }
    all
}

/// The first difference between conversations that are sorted alike. What a peer does not know is not compared.
fn difference(expected: &[Conversation], found: &[Conversation]) -> Option<String> {
    if expected.len() != found.len() {
        return Some(format!(
            "{} conversations by the peers, {} sessions: {found:?}",
            expected.len(),
            found.len()
        ));
    }
    let unlike = |known: &Option<String>, seen: &Option<String>| known.is_some() && known != seen;
    let pair = expected.iter().zip(found).find(|(known, seen)| {
        known.calls != seen.calls
            || known.errors != seen.errors
            || unlike(&known.revision, &seen.revision)
            || unlike(&known.client_name, &seen.client_name)
            // A client that leaves without a call may have left before it read who answers.
            || (!known.calls.is_empty() && unlike(&known.server_name, &seen.server_name))
    });
    pair.map(|(known, seen)| format!("the peer says {known:?}, the inventory {seen:?}"))
}

/// What the inventory must say of every session of a cell beside its numbers.
fn looks_wrong(
    cell: &Cell,
    account: &Account,
    row: &Row,
    of_drivers: Option<&str>,
) -> Option<String> {
    // Behind a bridge the second leg is HTTP.
    let bridged = cell.is_bridged() && account.server_pid.is_some();
    let transport = if bridged {
        Transport::Http
    } else {
        cell.transport
    };
    let channel = match transport {
        Transport::Stdio if cell.client.makes_pipes() => "pipe",
        Transport::Stdio => "unix",
        Transport::Http | Transport::Sse => "tcp",
    };
    let application = if bridged {
        Some("mcp-remote")
    } else {
        cell.client.application().or(of_drivers)
    };
    if word(row, "client_application") != application {
        return Some(format!("client_application is not {application:?}"));
    }
    let mut wanted = vec![
        ("state", Some("ended")),
        ("transport", Some(transport.as_str())),
        ("channel", Some(channel)),
    ];
    wanted.push((
        "server_key",
        cell.server.key().filter(|_| !cell.is_bridged()),
    ));
    let wrong = wanted
        .into_iter()
        .find(|(column, value)| value.is_some() && word(row, column) != *value);
    if let Some((column, value)) = wrong {
        return Some(format!("{column} is not {value:?}"));
    }
    // A compiled server that no package names is known by its digest, which a short life leaves no time for.
    let both = ["client_pid", "server_pid"];
    both.iter()
        .find(|column| row.get(**column).is_none_or(Value::is_null))
        .map(|column| format!("{column} is not known"))
}

fn number(row: &Row, column: &str) -> Option<u32> {
    u32::try_from(row.get(column)?.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoke(calls: &[(&str, u64)], errors: u64) -> Conversation {
        Conversation {
            calls: calls
                .iter()
                .map(|(call, n)| ((*call).to_owned(), *n))
                .collect(),
            errors,
            ..Conversation::default()
        }
    }

    #[test]
    fn one_call_in_the_wrong_session_is_a_difference() {
        let two = [spoke(&[("a", 1)], 0), spoke(&[("a", 1)], 0)];
        let uneven = [spoke(&[], 0), spoke(&[("a", 2)], 0)];
        assert_eq!(difference(&two, &two), None);
        assert!(difference(&two, &uneven).is_some());
        assert!(difference(&two, &two[..1]).is_some());
        assert!(difference(&two[..1], &[spoke(&[("a", 1)], 1)]).is_some());
    }

    #[test]
    fn what_a_peer_knows_must_be_seen() {
        let known = Conversation {
            revision: Some("2025-11-25".to_owned()),
            ..spoke(&[], 0)
        };
        assert!(difference(std::slice::from_ref(&known), &[spoke(&[], 0)]).is_some());
        assert_eq!(difference(&[spoke(&[], 0)], &[known]), None);
    }
}
