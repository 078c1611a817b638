//! A shadow server that really runs: one finding over all its sessions, closed by an exception, opened again by
//! its end.

use std::time::Duration;

use anyhow::{Context, Result};
use gnomon_tests::{
    deadline::poll,
    gnomon::Gnomon,
    inventory::{Inventory, Row, word},
    peers::{Peers, Plan, Sdk, server_time},
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const SERVER: &str = "pypi:mcp-server-time";
const GATEWAY: &str =
    "[[gateway]]\nname = \"main\"\nnames = [\"gw.example\"]\naddresses = [\"10.0.0.5:443\"]\n";

/// The one finding of the server, once it is in this state with at least so many sessions.
fn finding(inventory: &Inventory, state: &str, sessions: u64) -> Result<Row> {
    poll(&format!("a finding that is {state}"), LIMIT, || {
        let rows = inventory.rows(&["findings", "--state", "all", "--server", SERVER])?;
        anyhow::ensure!(rows.len() <= 1, "several findings of one server: {rows:?}");
        Ok(rows.into_iter().find(|row| {
            let of = row.get("sessions").and_then(serde_json::Value::as_u64);
            word(row, "state") == Some(state) && of.is_some_and(|count| count >= sessions)
        }))
    })
}

#[test]
fn a_shadow_server_opens_one_finding_that_a_policy_closes() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let inventory = gnomon.inventory()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let plan =
        Plan::stdio(3, server_time()?).calling("get_current_time", json!({"timezone": "UTC"}), 1);
    let tally = peers.run(Sdk::Rmcp, &plan)?;
    let open = finding(&inventory, "open", 3)?;
    let id = word(&open, "id").context("an id")?.to_owned();
    assert_eq!(word(&open, "class"), Some("shadow_server"));
    assert_eq!(open["hosts"], json!(["e2e-host"]));
    assert!(word(&open, "text").is_some_and(|text| text.contains("To decide:")));

    let sanction = format!(
        "{GATEWAY}[[sanction]]\nservers = [\"{SERVER}\"]\nreason = \"pilot\"\nauthor = \"ann\"\nuntil = 2099-12-31\n"
    );
    gnomon.apply_policy(&sanction)?;
    let closed = finding(&inventory, "closed", 3)?;
    assert_eq!(word(&closed, "closed_reason"), Some("sanctioned"));
    gnomon.apply_policy(GATEWAY)?;
    let again = finding(&inventory, "open", 3)?;
    assert_eq!(word(&again, "id"), Some(id.as_str()));

    // By the start of its id, with its history; and the server with everything that is known of it.
    let shown = inventory.run(&["show", "finding", &id[..12], "--format", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let events: Vec<&str> = (shown["history"].as_array().context("history")?.iter().rev())
        .filter_map(|row| row["event"].as_str())
        .collect();
    assert_eq!(events, ["opened", "closed", "reopened"]);
    let shown = inventory.run(&["show", "server", SERVER, "--format", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let sessions = inventory.sessions_of_client(tally.pid)?;
    assert_eq!(sessions.len(), 3);
    for session in &sessions {
        let pid = &session["server_pid"];
        let instances = shown["instances"].as_array().context("instances")?;
        assert!(
            instances.iter().any(|instance| instance["pid"] == *pid),
            "{pid} in {instances:?}"
        );
    }
    let called = shown["calls"].as_array().context("calls")?;
    assert!(
        called.iter().any(|row| row["name"] == "get_current_time"),
        "{called:?}"
    );
    inventory.run(&["show", "server", SERVER])?;
    Ok(())
}
