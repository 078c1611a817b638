//! What a stand-alone sensor says, and which of it claims MCP of whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    host,
    peers::Tally,
    place::program,
    process::{Process, Signal},
};

/// Time to attach, on two busy cores.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Time to say the last things.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A running `gnomon-sensor watch --format json`.
#[derive(Debug)]
pub struct Watch {
    process: Process,
}

impl Watch {
    /// Starts it and waits until it is attached. Its output goes to `folder`.
    ///
    /// # Errors
    /// It is not ready in time: with what it said.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_by(folder, Command::new(program("gnomon-sensor")?))
    }

    /// The same by a command that becomes the sensor, given the sensor's words.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn start_by(folder: &Path, mut command: Command) -> Result<Self> {
        host::share()?;
        // Tests that failed have killed others.
        command.args(["watch", "--format", "json", "--force-attach"]);
        let mut process = Process::start("watch", folder, command)?;
        process.says("gnomon-sensor: ready", READY_LIMIT)?;
        Ok(Self { process })
    }

    /// The sensor's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has said so far, whole lines only.
    ///
    /// # Errors
    /// A line is no JSON.
    pub fn said(&self) -> Result<Vec<Value>> {
        let text = self.process.stdout();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("a line of watch: {line}"))
            })
            .collect()
    }

    /// Stops it and gives all that it said.
    ///
    /// # Errors
    /// It failed, or does not end in time.
    pub fn stop(mut self) -> Result<Vec<Value>> {
        self.process.signal(Signal::Interrupt)?;
        let status = self.process.wait(STOP_LIMIT)?;
        ensure!(
            status.success(),
            "watch ended with {status}: {}",
            self.process.stderr()
        );
        self.said()
    }
}

/// Everything that says MCP of a process of this user: sessions in any state, MCP listeners, what was learnt from either. One
/// that names no process at all counts too: nobody else can be shown to be meant.
#[must_use]
pub fn claims_about(said: &[Value], user: u32) -> Vec<&Value> {
    said.iter()
        .filter(|told| is_claim(told) && (names(told, user) || names_nobody(told)))
        .collect()
}

/// Everything that says MCP of anybody.
#[must_use]
pub fn claims(said: &[Value]) -> Vec<&Value> {
    said.iter().filter(|told| is_claim(told)).collect()
}

/// Calls and tools repeat what a session says, by its id.
fn is_claim(told: &Value) -> bool {
    match told["kind"].as_str() {
        Some("session") => true,
        Some("listener") => told["mcp"] != "unknown",
        _ => false,
    }
}

fn processes(told: &Value) -> [&Value; 3] {
    [
        &told["client"]["process"],
        &told["server"]["process"],
        &told["process"],
    ]
}

fn names(told: &Value, user: u32) -> bool {
    processes(told).iter().any(|process| process["uid"] == user)
}

fn names_nobody(told: &Value) -> bool {
    processes(told)
        .iter()
        .all(|process| process["uid"].is_null())
}

/// The last statistics: messages understood, bytes looked at, losses by reason.
#[must_use]
pub fn last_stats(said: &[Value]) -> Option<&Value> {
    said.iter().rev().find(|told| told["kind"] == "stats")
}

/// Whether these statistics are of a sensor that sees input and output by way of this tier: 2 hooks the ends of all system
/// calls, 1 what they call.
#[must_use]
pub fn runs_tier(stats: &Value, tier: u8) -> bool {
    let hooks = stats["tier"].as_object();
    let ends_of_calls = hooks.map(|hooks| hooks.keys().any(|hook| hook.contains("sys_exit")));
    ends_of_calls == Some(tier == 2)
}

/// That exactly the sessions and calls of this client were told, all calls answered.
///
/// # Errors
/// What differs.
pub fn client_is_told(said: &[Value], tally: &Tally) -> Result<()> {
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
        *calls.entry(call_name(call)).or_insert(0) += 1;
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
fn call_name(call: &Value) -> String {
    let method = call["method"].as_str().unwrap_or_default();
    match call["name"].as_str() {
        Some(name) => format!("{method} {name}"),
        None => method.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_about_either_side_or_about_nobody_counts() {
        let by = |client: Value, server: Value| json!({"kind": "session", "client": {"process": client}, "server": {"process": server}});
        let said = [
            by(json!({"uid": 7}), json!({"uid": 0})),
            by(json!(null), json!({"uid": 7})),
            by(json!(null), json!(null)),
            by(json!({"uid": 0}), json!({"uid": 0})),
            json!({"kind": "listener", "mcp": "seen", "process": {"uid": 7}}),
            json!({"kind": "listener", "mcp": "unknown", "process": {"uid": 7}}),
            json!({"kind": "stats", "messages": 1}),
        ];
        assert_eq!(claims_about(&said, 7).len(), 4);
        assert_eq!(claims(&said).len(), 5);
        assert!(last_stats(&said).is_some());
    }

    #[test]
    fn a_sensor_runs_the_tier_that_its_hooks_are_of() {
        let second = json!({"tier": {"tp_btf/sys_exit": 2, "iter/task": 2}});
        let first = json!({"tier": {"fentry/anon_pipe_write": 1, "iter/task": 2}});
        assert!(runs_tier(&second, 2) && !runs_tier(&second, 1));
        assert!(runs_tier(&first, 1) && !runs_tier(&first, 2));
        assert!(!runs_tier(&json!({}), 1) && !runs_tier(&json!({}), 2));
    }

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
        assert!(client_is_told(&[session("a"), session("a"), call("ok")], &tally).is_ok());
        assert!(client_is_told(&[session("a")], &tally).is_err());
        assert!(client_is_told(&[session("a"), call("unanswered")], &tally).is_err());
        assert!(client_is_told(&[session("a"), session("b"), call("ok")], &tally).is_err());
        assert!(client_is_told(&[session("a"), call("ok"), call("ok")], &tally).is_err());
    }
}
