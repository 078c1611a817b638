//! Fifty secrets go through argv, environment, headers, URLs, resource URIs and error texts; none may remain anywhere.

use std::fs;

use anyhow::{Result, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    gnomon::Gnomon,
    inventory::Inventory,
    peers::{HttpServer, Peers, Plan, Sdk, Tally, python1_stdio},
    process::Signal,
    secrets::{Planted, files, found_in},
};
use serde_json::json;

/// An argument that is no secret. It must be found, or the search would prove nothing.
const HARMLESS: &str = "--flavour=vanilla-and-cardamom";

#[test]
fn fifty_planted_secrets_are_found_nowhere() -> Result<()> {
    let planted = Planted::new();
    let mut gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let inventory = gnomon.inventory()?;
    for tally in play(&mut peers, &planted)? {
        client_is_recorded(&inventory, &tally, &Expected::default())?;
    }

    let printed = everything_printed(&inventory)?;
    ensure!(
        printed.contains("vanilla-and-cardamom"),
        "the inventory does not show arguments at all: {printed}"
    );
    assert_eq!(
        found_in(printed.as_bytes(), &planted.secrets),
        Vec::<&str>::new(),
        "in what gnomon prints"
    );

    // Stopped, so that all is on disk: ClickHouse's files, the spool, logs, output.
    gnomon.stop(Signal::Terminate)?;
    let data = gnomon.path("collector/clickhouse/data");
    let mut harmless_in = 0;
    for file in files(gnomon.folder(), &gnomon.path("peers"))? {
        let bytes = fs::read(&file)?;
        let found = found_in(&bytes, &planted.secrets);
        assert_eq!(found, Vec::<&str>::new(), "in {}", file.display());
        let holds = !found_in(&bytes, &[HARMLESS.to_owned()]).is_empty();
        harmless_in += u32::from(holds && file.starts_with(&data));
    }
    // LZ4 leaves what it meets for the first time as it is: ClickHouse's files can be searched like any other.
    ensure!(
        harmless_in > 0,
        "an argument that is no secret is in no file under {}: this search proves nothing",
        data.display()
    );
    Ok(())
}

/// Sends every secret through real peers.
fn play(peers: &mut Peers, planted: &Planted) -> Result<Vec<Tally>> {
    let mut tallies = vec![over_stdio(peers, planted)?];
    let server = peers.serve(HttpServer::Python1)?;
    let host = format!("127.0.0.1:{}/mcp", server.port);
    let queries = planted
        .queries
        .iter()
        .map(|query| format!("http://{host}?{query}"));
    let user_infos = planted
        .user_infos
        .iter()
        .map(|user| format!("http://{user}@{host}"));
    for url in queries.chain(user_infos) {
        let mut plan = Plan::http(1, url).calling("add", json!({"a": 1, "b": 1}), 1);
        plan.headers.clone_from(&planted.headers);
        tallies.push(peers.run(Sdk::Python1, &plan)?);
    }
    Ok(tallies)
}

fn over_stdio(peers: &mut Peers, planted: &Planted) -> Result<Tally> {
    let mut command = python1_stdio()?;
    command.push(HARMLESS.to_owned());
    command.extend(planted.argv.iter().cloned());
    let mut plan = Plan::stdio(1, command).calling("add", json!({"a": 1, "b": 1}), 1);
    plan.env.clone_from(&planted.env);
    for error in &planted.errors {
        plan = plan.step(json!({"do": "call_tool", "name": "fail", "arguments": {"text": error}}));
    }
    // The server has none of these: its answers quote them.
    for uri in &planted.resources {
        plan = plan.step(json!({"do": "read_resource", "uri": uri}));
    }
    peers.run(Sdk::Python1, &plan)
}

/// All that an analyst can print.
fn everything_printed(inventory: &Inventory) -> Result<String> {
    let mut text = String::new();
    for view in [
        "sessions",
        "calls",
        "servers",
        "sensors",
        "coverage",
        "listeners",
    ] {
        for format in ["json", "csv", "table"] {
            text += &inventory.run(&[view, "--limit", "10000", "--format", format])?;
        }
        text += &inventory.run(&["sql", &format!("SELECT * FROM {view}"), "--format", "json"])?;
    }
    Ok(text)
}
