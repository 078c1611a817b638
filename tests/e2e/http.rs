//! Sessions over Streamable HTTP and HTTP+SSE on loopback.

use std::path::Path;

use anyhow::Result;
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    gnomon::Gnomon,
    peers::{HttpServer, Peers, Plan, Sdk},
    place::peer,
    process::output,
};
use serde_json::json;

/// Starts everything and the server, runs the plan that `plan` makes of its port, compares.
fn check(
    server: HttpServer<'_>,
    sdk: Sdk,
    plan: impl FnOnce(u16) -> Plan,
    columns: &[(&str, &str)],
) -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let serving = peers.serve(server)?;
    let tally = peers.run(sdk, &plan(serving.port))?;
    client_is_recorded(
        &gnomon.inventory()?,
        &tally,
        &Expected {
            columns,
            ..Expected::default()
        },
    )?;
    Ok(())
}

/// The key of a server that no package names: what its script holds.
fn script_key(script: &str) -> Result<String> {
    let said = output(Path::new("sha256sum"), [peer(script)])?;
    let digest = said.split(' ').next().unwrap_or_default();
    Ok(format!("bin:{digest}"))
}

#[test]
fn node_client_and_server_everything() -> Result<()> {
    check(
        HttpServer::Everything,
        Sdk::Node,
        |port| {
            Plan::http(3, format!("http://127.0.0.1:{port}/mcp")).calling(
                "echo",
                json!({"message": "hello"}),
                4,
            )
        },
        &[
            ("transport", "http"),
            ("channel", "tcp"),
            ("revision", "2025-11-25"),
            ("verdict", "shadow"),
            ("server_key", "npm:@modelcontextprotocol/server-everything"),
            ("server_strength", "claimed"),
        ],
    )
}

#[test]
fn python_client_and_fastmcp_server() -> Result<()> {
    check(
        HttpServer::Python1,
        Sdk::Python1,
        |port| {
            Plan::http(2, format!("http://127.0.0.1:{port}/mcp")).calling(
                "add",
                json!({"a": 1, "b": 2}),
                3,
            )
        },
        &[
            ("transport", "http"),
            ("channel", "tcp"),
            ("server_name", "probe-one"),
            ("server_key", &script_key("python/server1.py")?),
        ],
    )
}

#[test]
fn python_client_of_the_2026_revision() -> Result<()> {
    // One: without handshake and session id, all that a process says to an endpoint is one session.
    check(
        HttpServer::Python2,
        Sdk::Python2,
        |port| {
            Plan::http(1, format!("http://127.0.0.1:{port}/mcp")).calling(
                "multiply",
                json!({"a": 2, "b": 3}),
                3,
            )
        },
        &[
            ("transport", "http"),
            ("channel", "tcp"),
            ("revision", "2026-07-28"),
            ("server_key", &script_key("python/server2.py")?),
        ],
    )
}

#[test]
fn python_client_over_http_with_sse() -> Result<()> {
    check(
        HttpServer::Python1Sse,
        Sdk::Python1,
        |port| {
            let mut plan = Plan::http(1, format!("http://127.0.0.1:{port}/sse")).calling(
                "add",
                json!({"a": 1, "b": 2}),
                3,
            );
            plan.transport = Some("sse");
            plan
        },
        &[
            ("transport", "sse"),
            ("channel", "tcp"),
            ("server_name", "probe-one"),
            ("server_key", &script_key("python/server1.py")?),
        ],
    )
}
