//! What was said against what was told, session by session.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gnomon_tests::peers::Tally;
use serde_json::Value;

/// Begins the names of all sessions of the workload.
pub(super) const TAG: &str = "churn";

/// A session, or the sessions of an SDK client, as they took place.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Of the workload: one session, by its names.
    Tagged {
        /// Names client, server and tool.
        tag: String,
        /// The client's process.
        client: u32,
        /// The server's process.
        server: u32,
        /// Calls.
        calls: u64,
    },
    /// Of an SDK client.
    Sdk(Tally),
}

/// What differs, a line each.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// A session holds something of another one.
    pub(super) mixed: Vec<String>,
    /// A session or calls of it were not told.
    pub(super) missing: Vec<String>,
}

/// A session as it was told last, and the names of its calls.
#[derive(Default)]
struct Told<'a> {
    session: Option<&'a Value>,
    calls: BTreeMap<&'a str, u64>,
}

/// Compares all of them.
pub(super) fn compare(expected: &[Expected], said: &[Value]) -> Outcome {
    let mut told: HashMap<&str, Told<'_>> = HashMap::new();
    for value in said {
        match value["kind"].as_str() {
            Some("session") => {
                told.entry(text(&value["id"])).or_default().session = Some(value);
            }
            Some("call") => {
                let calls = &mut told.entry(text(&value["session"])).or_default().calls;
                *calls.entry(text(&value["name"])).or_default() += 1;
            }
            _ => {}
        }
    }
    let mut by_client: HashMap<&str, Vec<&Told<'_>>> = HashMap::new();
    for told in told.values() {
        let name = told
            .session
            .map_or("", |session| text(&session["client"]["name"]));
        by_client.entry(name).or_default().push(told);
    }
    let mut outcome = Outcome::default();
    let mut known = BTreeSet::new();
    // In ten minutes one SDK client may have the id of another.
    let mut sdks: BTreeMap<u32, Made> = BTreeMap::new();
    for expected in expected {
        match expected {
            Expected::Tagged {
                tag,
                client,
                server,
                calls,
            } => {
                let name = format!("c-{tag}");
                let told = by_client.get(name.as_str()).map_or(&[][..], Vec::as_slice);
                one(tag, [*client, *server], *calls, told, &mut outcome);
                known.insert(name);
            }
            Expected::Sdk(tally) => {
                let made = sdks.entry(tally.pid).or_default();
                made.sessions += tally.sessions;
                made.calls += tally.calls.values().sum::<u64>();
            }
        }
    }
    for (pid, made) in &sdks {
        sdk(*pid, made, &told, &mut outcome);
    }
    for name in by_client.keys() {
        if name.starts_with(&format!("c-{TAG}")) && !known.contains(*name) {
            outcome.mixed.push(format!("{name:?} never was a session"));
        }
    }
    outcome
}

fn one(tag: &str, processes: [u32; 2], calls: u64, told: &[&Told<'_>], outcome: &mut Outcome) {
    let [told] = told else {
        let place = if told.is_empty() {
            &mut outcome.missing
        } else {
            &mut outcome.mixed
        };
        place.push(format!("{tag}: told as {} sessions", told.len()));
        return;
    };
    let Some(session) = told.session else { return };
    for ((side, letter), process) in [("client", "c"), ("server", "s")]
        .into_iter()
        .zip(processes)
    {
        let (name, pid) = (&session[side]["name"], &session[side]["process"]["pid"]);
        if name.is_null() || pid.is_null() {
            outcome
                .missing
                .push(format!("{tag}: {side} is {name} and process {pid}"));
        } else if *name != format!("{letter}-{tag}") || *pid != process {
            outcome.mixed.push(format!(
                "{tag}: {side} is {name} and process {pid}, not {process}"
            ));
        }
    }
    if let Some(foreign) = told.calls.keys().find(|name| **name != tag) {
        outcome
            .mixed
            .push(format!("{tag}: has a call of {foreign:?}"));
    }
    let count = told.calls.get(tag).copied().unwrap_or_default();
    if count < calls {
        outcome
            .missing
            .push(format!("{tag}: {count} of {calls} calls"));
    } else if count > calls {
        outcome
            .mixed
            .push(format!("{tag}: {count} calls instead of {calls}"));
    }
}

/// By all SDK clients of one process id.
#[derive(Default)]
struct Made {
    sessions: u64,
    calls: u64,
}

/// An SDK gives its sessions no names of their own: their number and that of their calls must be right.
fn sdk(pid: u32, made: &Made, told: &HashMap<&str, Told<'_>>, outcome: &mut Outcome) {
    let of_client = |told: &&Told<'_>| {
        told.session.is_some_and(|session| {
            session["client"]["process"]["pid"] == pid
                && !text(&session["client"]["name"]).starts_with(&format!("c-{TAG}"))
        })
    };
    let own: Vec<&Told<'_>> = told.values().filter(of_client).collect();
    let calls: u64 = own.iter().flat_map(|told| told.calls.values()).sum();
    let line = format!(
        "SDK client {pid}: {} sessions and {calls} calls told, {} and {} made",
        own.len(),
        made.sessions,
        made.calls
    );
    let sessions = own.len() as u64;
    if sessions < made.sessions || calls < made.calls {
        outcome.missing.push(line);
    } else if sessions > made.sessions || calls > made.calls {
        outcome.mixed.push(line);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(client: &str, server: &str, pids: [u32; 2]) -> Value {
        json!({"kind": "session", "id": "i",
            "client": {"name": client, "process": {"pid": pids[0]}},
            "server": {"name": server, "process": {"pid": pids[1]}}})
    }

    fn call(name: &str) -> Value {
        json!({"kind": "call", "session": "i", "name": name})
    }

    fn outcome(said: &[Value]) -> (usize, usize) {
        let expected = [Expected::Tagged {
            tag: "churn-1".to_owned(),
            client: 7,
            server: 8,
            calls: 1,
        }];
        let outcome = compare(&expected, said);
        (outcome.mixed.len(), outcome.missing.len())
    }

    #[test]
    fn what_is_mixed_and_what_is_missing() {
        let right = told("c-churn-1", "s-churn-1", [7, 8]);
        assert_eq!(outcome(&[right.clone(), call("churn-1")]), (0, 0));
        assert_eq!(outcome(&[]), (0, 1));
        assert_eq!(outcome(std::slice::from_ref(&right)), (0, 1));
        assert_eq!(
            outcome(&[right.clone(), call("churn-1"), call("churn-2")]),
            (1, 0)
        );
        assert_eq!(
            outcome(&[right.clone(), call("churn-1"), call("churn-1")]),
            (1, 0)
        );
        let wrong_process = told("c-churn-1", "s-churn-1", [7, 9]);
        assert_eq!(outcome(&[wrong_process, call("churn-1")]), (1, 0));
        let wrong_server = told("c-churn-1", "s-churn-2", [7, 8]);
        assert_eq!(outcome(&[wrong_server, call("churn-1")]), (1, 0));
        assert_eq!(outcome(&[told("c-churn-5", "s-churn-5", [1, 2])]), (1, 1));
    }
}
