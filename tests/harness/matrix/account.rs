//! What the peers of a cell say of themselves.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::peers::Tally;

/// One conversation, as a peer counted it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conversation {
    /// Requests by "method" or "method name", without pings and handshakes.
    pub calls: BTreeMap<String, u64>,
    /// Answers that were errors.
    pub errors: u64,
    /// The revision agreed; none where the peer does not know or nothing was agreed.
    pub revision: Option<String>,
    /// What the client calls itself.
    pub client_name: Option<String>,
    /// What the server calls itself.
    pub server_name: Option<String>,
}

/// The conversations of a pair of processes.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The client's process.
    pub client_pid: u32,
    /// The server's process, where a peer knows it.
    pub server_pid: Option<u32>,
    /// What they spoke.
    pub conversations: Vec<Conversation>,
}

/// A file of tests/peers/python/witness.py.
#[derive(Debug, Deserialize)]
struct File {
    pid: u32,
    conversations: Vec<Witnessed>,
}

#[derive(Clone, Debug, Deserialize)]
struct Witnessed {
    client_pid: Option<u32>,
    begun: bool,
    client_name: Option<String>,
    revision: Option<String>,
    calls: BTreeMap<String, u64>,
    errors: u64,
}

impl Account {
    /// What a driver says: its sessions are alike. Where the client `probes` each server in a child that it throws
    /// away, each session has had another one without calls before it.
    ///
    /// # Errors
    /// The tally does not divide by its sessions.
    pub fn of_driver(tally: &Tally, stateless: bool, probes: bool) -> Result<Self> {
        let sessions = if stateless { 1 } else { tally.sessions.max(1) };
        let share = |count: u64| {
            ensure!(
                count.is_multiple_of(sessions),
                "{count} over {sessions} sessions"
            );
            Ok(count / sessions)
        };
        let calls = tally.calls.iter().filter(|(call, _)| *call != "ping");
        let conversation = Conversation {
            calls: calls
                .map(|(call, count)| Ok((call.clone(), share(*count)?)))
                .collect::<Result<_>>()?,
            errors: share(tally.errors)?,
            revision: tally.revision.clone(),
            client_name: None,
            server_name: tally.server.clone(),
        };
        let count = usize::try_from(sessions)?;
        let mut conversations = vec![conversation; count];
        if probes {
            conversations.extend(vec![Conversation::default(); count]);
        }
        Ok(Self {
            client_pid: tally.pid,
            server_pid: None,
            conversations,
        })
    }

    /// What the servers say that kept their accounts in `folder`.
    ///
    /// # Errors
    /// A file cannot be read, or a server does not know its client.
    pub fn of_witnesses(folder: &Path) -> Result<Vec<Self>> {
        let mut accounts: BTreeMap<(u32, u32), Self> = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let file: File = serde_json::from_slice(&fs::read(&path)?)
                .with_context(|| path.display().to_string())?;
            for said in file.conversations {
                // A connection that asked for nothing is no conversation.
                if !said.begun && said.calls.is_empty() {
                    continue;
                }
                let client_pid = said.client_pid.context("a witness without its client")?;
                let key = (client_pid, file.pid);
                let account = accounts.entry(key).or_insert_with(|| Self {
                    client_pid,
                    server_pid: Some(file.pid),
                    conversations: Vec::new(),
                });
                // A probe that was refused has told the client no name.
                let agreed = said.revision.is_some();
                account.conversations.push(Conversation {
                    calls: said.calls,
                    errors: said.errors,
                    revision: said.revision,
                    client_name: said.client_name,
                    server_name: agreed.then(|| "probe-witness".to_owned()),
                });
            }
        }
        Ok(accounts.into_values().collect())
    }

    /// All calls together.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.conversations
            .iter()
            .flat_map(|conversation| conversation.calls.values())
            .sum()
    }
}
