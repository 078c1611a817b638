//! Real MCP peers beside a stand-alone sensor: what they did against what it told. All speak at the same time: most of it is their
//! start, and an emulated processor takes long for that.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use gnomon_tests::{
    claims::{Watch, last_stats, runs_tier},
    deadline::settle,
    peers::{Driver, HttpServer, Peers, Plan, Sdk, Serving, Tally, python1_stdio, rmcp_stdio},
};
use serde_json::{Value, json};

/// Time after a peer's end within which all of it has been told.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Who speaks, and over what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversation {
    /// Unique.
    pub(crate) name: &'static str,
    sdk: Sdk,
    over_http: bool,
}

/// All of them.
pub(crate) const ALL: [Conversation; 4] = [
    Conversation::of("rmcp_over_pipes", Sdk::Rmcp, false),
    Conversation::of("rmcp_over_http", Sdk::Rmcp, true),
    Conversation::of("python_over_pipes", Sdk::Python1, false),
    Conversation::of("python_over_http", Sdk::Python1, true),
];

impl Conversation {
    const fn of(name: &'static str, sdk: Sdk, over_http: bool) -> Self {
        Self {
            name,
            sdk,
            over_http,
        }
    }

    /// The one of that name.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let found = ALL.into_iter().find(|known| known.name == name);
        found.with_context(|| format!("no conversation {name:?}"))
    }

    /// Its server, if it does not come with the client; it may not listen yet.
    fn serve(self, peers: &mut Peers) -> Result<Option<Serving>> {
        let server = match self.sdk {
            Sdk::Rmcp => HttpServer::Rmcp,
            _ => HttpServer::Python1,
        };
        let port = gnomon_tests::peers::free_port()?;
        let serving = self.over_http.then(|| peers.begin_to_serve(server, port));
        serving.transpose()
    }

    fn speak(self, peers: &mut Peers, serving: Option<Serving>) -> Result<Speaking> {
        let serving = serving.map(Serving::listening).transpose()?;
        let plan = match &serving {
            Some(serving) => Plan::http(2, serving.url()),
            None => Plan::stdio(1, self.stdio_server()?),
        };
        let tool = match self.sdk {
            Sdk::Rmcp => "sum",
            _ => "add",
        };
        let plan = plan.calling(tool, json!({"a": 1, "b": 2}), 3);
        Ok(Speaking {
            driver: peers.start(self.sdk, &plan)?,
            _serving: serving,
        })
    }

    fn stdio_server(self) -> Result<Vec<String>> {
        match self.sdk {
            Sdk::Rmcp => rmcp_stdio(),
            _ => python1_stdio(),
        }
    }
}

struct Speaking {
    driver: Driver,
    /// Runs as long as its client.
    _serving: Option<Serving>,
}

/// Holds them beside a sensor of that tier, and gives what came of each. The error is that of all of them.
pub(crate) fn hold(
    conversations: &[Conversation],
    tier: u8,
) -> Result<Vec<(&'static str, Result<()>)>> {
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let mut all = tallies(conversations, folder.path());
    for (_, tally) in &mut all {
        if let Ok(done) = tally
            && let Err(error) = settle(TOLD_WITHIN, || told(&watch.said()?, done))
        {
            *tally = Err(error);
        }
    }
    let said = watch.stop()?;
    let stats = last_stats(&said).context("no statistics")?;
    ensure!(
        runs_tier(stats, tier),
        "asked for tier {tier}, the sensor ran {}",
        stats["tier"]
    );
    // Nothing has changed or come to it until the end.
    let again = |tally: Tally| told(&said, &tally);
    Ok(all
        .into_iter()
        .map(|(name, tally)| (name, tally.and_then(again)))
        .collect())
}

/// What each client did, once all have ended.
fn tallies(conversations: &[Conversation], folder: &Path) -> Vec<(&'static str, Result<Tally>)> {
    let mut peers = Peers::new(folder);
    let serving: Vec<_> = conversations
        .iter()
        .map(|conversation| conversation.serve(&mut peers))
        .collect();
    let speaking: Vec<_> = conversations
        .iter()
        .zip(serving)
        .map(|(conversation, serving)| conversation.speak(&mut peers, serving?))
        .collect();
    conversations
        .iter()
        .zip(speaking)
        .map(|(conversation, speaking)| {
            let tally = speaking.and_then(|speaking| speaking.driver.finish());
            (conversation.name, tally)
        })
        .collect()
}

/// Whether exactly the sessions and calls of this client were told, all calls answered.
fn told(said: &[Value], tally: &Tally) -> Result<()> {
    let sessions: BTreeSet<&str> = said
        .iter()
        .filter(|told| told["kind"] == "session" && told["client"]["process"]["pid"] == tally.pid)
        .filter_map(|session| session["id"].as_str())
        .collect();
    ensure!(
        sessions.len() as u64 == tally.sessions,
        "client {} opened {} sessions, the sensor tells of {}: {}",
        tally.pid,
        tally.sessions,
        sessions.len(),
        all_sessions(said)
    );
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    for call in said {
        let session = call["session"].as_str().unwrap_or_default();
        if call["kind"] != "call" || !sessions.contains(session) {
            continue;
        }
        ensure!(call["status"] == "ok", "not ok: {call}");
        *calls.entry(name(call)).or_insert(0) += 1;
    }
    ensure!(
        calls == tally.calls,
        "client {} did {:?}, the sensor tells of {calls:?}",
        tally.pid,
        tally.calls
    );
    Ok(())
}

/// What a reader of a failure wants to see first.
fn all_sessions(said: &[Value]) -> String {
    let sessions = said.iter().filter(|told| told["kind"] == "session");
    let lines: Vec<String> = sessions.map(Value::to_string).collect();
    lines.join("\n")
}

/// "method" or "method name", as tallies have it.
fn name(call: &Value) -> String {
    let method = call["method"].as_str().unwrap_or_default();
    match call["name"].as_str() {
        Some(name) => format!("{method} {name}"),
        None => method.to_owned(),
    }
}

/// The same for each of them.
pub(crate) fn none(
    conversations: &[Conversation],
    error: &anyhow::Error,
) -> Vec<(&'static str, Result<()>)> {
    conversations
        .iter()
        .map(|conversation| (conversation.name, Err(anyhow!("{error:#}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_call_and_a_session_too_many_are_differences() {
        let tally = Tally {
            sessions: 1,
            calls: BTreeMap::from([("tools/call add".to_owned(), 1)]),
            pid: 7,
            ..Tally::default()
        };
        let session =
            |id: &str| json!({"kind": "session", "id": id, "client": {"process": {"pid": 7}}});
        let call = |status: &str| json!({"kind": "call", "session": "a", "method": "tools/call", "name": "add", "status": status});
        assert!(told(&[session("a"), session("a"), call("ok")], &tally).is_ok());
        assert!(told(&[session("a")], &tally).is_err());
        assert!(told(&[session("a"), call("unanswered")], &tally).is_err());
        assert!(told(&[session("a"), session("b"), call("ok")], &tally).is_err());
        assert!(told(&[session("a"), call("ok"), call("ok")], &tally).is_err());
    }
}
