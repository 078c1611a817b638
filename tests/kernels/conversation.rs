//! Real MCP peers beside a stand-alone sensor: what they did against what it told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::{Watch, last_stats, runs_tier},
    deadline::settle,
    peers::{HttpServer, Peers, Plan, Sdk, Tally, python1_stdio, rmcp_stdio},
};
use serde_json::{Value, json};

/// Time after a peer's end within which all of it has been told.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// A check of the sensor of that tier.
type Conversation = fn(u8) -> Result<()>;

/// All of them.
pub(crate) const ALL: [(&str, Conversation); 4] = [
    ("rmcp_over_pipes", |tier| {
        over_stdio(tier, Sdk::Rmcp, &rmcp_stdio()?, "sum")
    }),
    ("rmcp_over_http", |tier| {
        over_http(tier, Sdk::Rmcp, HttpServer::Rmcp, "sum")
    }),
    ("python_over_pipes", |tier| {
        over_stdio(tier, Sdk::Python1, &python1_stdio()?, "add")
    }),
    ("python_over_http", |tier| {
        over_http(tier, Sdk::Python1, HttpServer::Python1, "add")
    }),
];

/// One of them, by name.
pub(crate) fn hold(name: &str, tier: u8) -> Result<()> {
    let found = ALL.iter().find(|(known, _)| *known == name);
    let (_, check) = found.with_context(|| format!("no conversation {name:?}"))?;
    check(tier)
}

fn over_stdio(tier: u8, sdk: Sdk, server: &[String], tool: &str) -> Result<()> {
    watched(tier, |folder| {
        let plan = Plan::stdio(1, server.to_vec()).calling(tool, json!({"a": 1, "b": 2}), 3);
        Peers::new(folder).run(sdk, &plan)
    })
}

fn over_http(tier: u8, sdk: Sdk, server: HttpServer<'_>, tool: &str) -> Result<()> {
    watched(tier, |folder| {
        let mut peers = Peers::new(folder);
        let serving = peers.serve(server)?;
        let plan = Plan::http(2, serving.url()).calling(tool, json!({"a": 1, "b": 2}), 3);
        peers.run(sdk, &plan)
    })
}

/// Runs peers beside a sensor and compares.
fn watched(tier: u8, peers: impl FnOnce(&Path) -> Result<Tally>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let tally = peers(folder.path())?;
    settle(TOLD_WITHIN, || told(&watch.said()?, &tally))?;
    let said = watch.stop()?;
    // Nothing has changed or come to it until the end.
    told(&said, &tally)?;
    let stats = last_stats(&said).context("no statistics")?;
    ensure!(
        runs_tier(stats, tier),
        "asked for tier {tier}, it ran {}",
        stats["tier"]
    );
    Ok(())
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
        "the client opened {} sessions, the sensor tells of {}: {said:#?}",
        tally.sessions,
        sessions.len()
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
        "the client did {:?}, the sensor tells of {calls:?}",
        tally.calls
    );
    Ok(())
}

/// "method" or "method name", as tallies have it.
fn name(call: &Value) -> String {
    let method = call["method"].as_str().unwrap_or_default();
    match call["name"].as_str() {
        Some(name) => format!("{method} {name}"),
        None => method.to_owned(),
    }
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
