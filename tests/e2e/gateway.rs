//! A real proxying gateway: approved through it, shadow around it, never approved by a forged name or address.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    gnomon::Gnomon,
    inventory::{Inventory, Row, word},
    peers::{HttpServer, Peers, Plan, Sdk, Tally, free_port},
};
use serde_json::json;

/// What the policies here call the gateway.
const GATEWAY_NAME: &str = "gateway.corp.example";

/// A policy with one gateway: the names it goes by (with a port, where that is not the scheme's own), and where it is.
fn policy(names: &[&str], port: u16) -> String {
    format!("[[gateway]]\nname = \"main\"\nnames = {names:?}\naddresses = [\"127.0.0.1:{port}\"]\n")
}

/// Two sessions with three calls of `add` at an endpoint.
fn plan(port: u16) -> Plan {
    Plan::http(2, format!("http://127.0.0.1:{port}/mcp")).calling("add", json!({"a": 1, "b": 2}), 3)
}

/// What the backend counted. A proxy asks it when and as often as it likes.
fn backend_tally(file: &Path, gateway_pid: u32) -> Result<Tally> {
    let text = fs::read(file).context("the backend's tally")?;
    let mut tally: Tally = serde_json::from_slice(&text)?;
    tally.pid = gateway_pid;
    Ok(tally)
}

#[test]
fn through_the_gateway_and_around_it() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let count_file = gnomon.path("backend.json");
    let backend = peers.serve(HttpServer::Tally(&count_file))?;
    let gateway = peers.serve(HttpServer::Gateway(&backend.url()))?;
    let other = peers.serve(HttpServer::Python1)?;
    let name = format!("127.0.0.1:{}", gateway.port);
    gnomon.apply_policy(&policy(&[&name], gateway.port))?;
    let inventory = gnomon.inventory()?;

    let approved = Expected {
        columns: &[("verdict", "approved"), ("route", "gateway")],
        reason: Some("gateway"),
        ..Expected::default()
    };
    client_is_recorded(
        &inventory,
        &peers.run(Sdk::Rmcp, &plan(gateway.port))?,
        &approved,
    )?;

    // The count is read before anybody else speaks to the backend.
    let upstream = Expected {
        columns: &[("verdict", "approved"), ("leg", "upstream")],
        reason: Some("gateway_process"),
        ..Expected::default()
    };
    client_is_recorded(
        &inventory,
        &backend_tally(&count_file, gateway.process.pid())?,
        &upstream,
    )?;

    let direct = Expected {
        columns: &[("verdict", "shadow"), ("route", "local")],
        reason: Some("no_gateway"),
        ..Expected::default()
    };
    client_is_recorded(
        &inventory,
        &peers.run(Sdk::Rmcp, &plan(other.port))?,
        &direct,
    )?;

    let bypass = Expected {
        columns: &[("verdict", "shadow")],
        reason: Some("bypass"),
        ..Expected::default()
    };
    client_is_recorded(
        &inventory,
        &peers.run(Sdk::Rmcp, &plan(backend.port))?,
        &bypass,
    )?;
    Ok(())
}

#[test]
fn a_bypass_is_found_when_the_gateway_is_seen_only_later() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let count_file = gnomon.path("backend.json");
    let backend = peers.serve(HttpServer::Tally(&count_file))?;
    let gateway = peers.serve(HttpServer::Gateway(&backend.url()))?;
    let name = format!("127.0.0.1:{}", gateway.port);
    gnomon.apply_policy(&policy(&[&name], gateway.port))?;
    let inventory = gnomon.inventory()?;

    let early = peers.run(Sdk::Rmcp, &plan(backend.port))?;
    let shadow = Expected {
        columns: &[("verdict", "shadow")],
        reason: Some("no_gateway"),
        ..Expected::default()
    };
    client_is_recorded(&inventory, &early, &shadow)?;

    peers.run(Sdk::Rmcp, &plan(gateway.port))?;
    let bypass = Expected {
        columns: &[("verdict", "shadow")],
        reason: Some("bypass"),
        ..Expected::default()
    };
    client_is_recorded(&inventory, &early, &bypass)?;
    Ok(())
}

/// Sends one client to `port` under `host`; its sessions must get this verdict for this reason, and keep it.
fn is_unknown_by(
    reason: &str,
    gnomon: &Gnomon,
    peers: &mut Peers,
    port: u16,
    host: Option<&str>,
) -> Result<()> {
    let mut plan = plan(port);
    if let Some(host) = host {
        plan = plan.header("Host", host);
    }
    let tally = peers.run(Sdk::Python1, &plan)?;
    let unknown = Expected {
        columns: &[("verdict", "unknown")],
        reason: Some(reason),
        ..Expected::default()
    };
    let inventory = gnomon.inventory()?;
    for session in client_is_recorded(&inventory, &tally, &unknown)? {
        never_approved(&inventory, &session)?;
    }
    Ok(())
}

/// Not even for a moment: the history of verdicts has no other word for it.
fn never_approved(inventory: &Inventory, session: &Row) -> Result<()> {
    let id = word(session, "id").context("a session without id")?;
    let sql = format!("SELECT verdict FROM verdicts WHERE session = '{id}'");
    let history = inventory.rows(&["sql", &sql])?;
    ensure!(!history.is_empty(), "session {id} was never judged");
    for verdict in history {
        let verdict = word(&verdict, "verdict").unwrap_or_default().to_owned();
        ensure!(
            verdict != "approved",
            "session {id} was approved for a moment"
        );
    }
    Ok(())
}

#[test]
fn a_forged_host_header_is_never_approved() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let server = peers.serve(HttpServer::Python1)?;
    // The gateway is elsewhere; the client only claims its name.
    gnomon.apply_policy(&policy(&[GATEWAY_NAME], free_port()?))?;
    is_unknown_by(
        "name_without_address",
        &gnomon,
        &mut peers,
        server.port,
        Some(GATEWAY_NAME),
    )
}

#[test]
fn a_gateway_name_on_another_address_is_never_approved() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let server = peers.serve(HttpServer::Python1)?;
    // The name agrees by itself here, since the URL holds it; the address does not.
    let name = format!("127.0.0.1:{}", server.port);
    gnomon.apply_policy(&policy(&[&name], free_port()?))?;
    is_unknown_by(
        "name_without_address",
        &gnomon,
        &mut peers,
        server.port,
        None,
    )
}

#[test]
fn a_gateway_address_under_another_name_is_never_approved() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let server = peers.serve(HttpServer::Python1)?;
    gnomon.apply_policy(&policy(&[GATEWAY_NAME], server.port))?;
    is_unknown_by(
        "address_without_name",
        &gnomon,
        &mut peers,
        server.port,
        Some("innocent.example"),
    )
}

#[test]
fn whoever_took_the_port_of_a_loopback_gateway_is_not_the_gateway() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let server = peers.serve(HttpServer::Python1)?;
    let name = format!("127.0.0.1:{}", server.port);
    // It should run as somebody else than whoever runs this test.
    let guarded = format!(
        "{}users = [\"mcp-gateway\"]\n",
        policy(&[&name], server.port)
    );
    gnomon.apply_policy(&guarded)?;
    is_unknown_by(
        "gateway_process_not_expected",
        &gnomon,
        &mut peers,
        server.port,
        None,
    )
}
