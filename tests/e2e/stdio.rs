//! Sessions over pipes and socket pairs.

use anyhow::Result;
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    gnomon::Gnomon,
    peers::{Peers, Plan, Sdk, everything_stdio, python1_stdio, python2_stdio, server_time},
};
use serde_json::json;

/// Starts everything, runs the plan, compares.
fn check(sdk: Sdk, plan: &Plan, columns: &[(&str, &str)]) -> Result<()> {
    let gnomon = Gnomon::start()?;
    let tally = Peers::new(&gnomon.path("peers")).run(sdk, plan)?;
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

#[test]
fn python_client_and_server_time_over_pipes() -> Result<()> {
    let plan =
        Plan::stdio(3, server_time()?).calling("get_current_time", json!({"timezone": "UTC"}), 4);
    check(
        Sdk::Python1,
        &plan,
        &[
            ("transport", "stdio"),
            ("channel", "pipe"),
            ("revision", "2025-11-25"),
            ("route", "local"),
            ("verdict", "shadow"),
            ("server_name", "mcp-time"),
            ("server_key", "pypi:mcp-server-time"),
        ],
    )
}

#[test]
fn python_client_and_fastmcp_server_over_pipes() -> Result<()> {
    let plan = Plan::stdio(2, python1_stdio()?)
        .calling("add", json!({"a": 1, "b": 2}), 3)
        .step(json!({"do": "call_tool", "name": "fail", "arguments": {"text": "boo"}}))
        .step(json!({"do": "list_resources"}))
        .step(json!({"do": "read_resource", "uri": "note://abc"}))
        .step(json!({"do": "list_prompts"}))
        .step(json!({"do": "get_prompt", "name": "greet", "arguments": {"name": "x"}}))
        .step(json!({"do": "ping"}));
    check(
        Sdk::Python1,
        &plan,
        &[
            ("transport", "stdio"),
            ("channel", "pipe"),
            ("server_name", "probe-one"),
        ],
    )
}

#[test]
fn python_client_of_the_2026_revision_over_pipes() -> Result<()> {
    let plan = Plan::stdio(2, python2_stdio()?).calling("multiply", json!({"a": 2, "b": 3}), 3);
    check(
        Sdk::Python2,
        &plan,
        &[
            ("transport", "stdio"),
            ("channel", "pipe"),
            ("revision", "2026-07-28"),
            ("route", "local"),
        ],
    )
}

#[test]
fn node_client_and_server_everything_over_socket_pairs() -> Result<()> {
    let plan = Plan::stdio(3, everything_stdio()?).calling("echo", json!({"message": "hello"}), 4);
    check(
        Sdk::Node,
        &plan,
        &[
            ("transport", "stdio"),
            ("channel", "unix"),
            ("revision", "2025-11-25"),
            ("client_name", "probe-node"),
            ("server_name", "mcp-servers/everything"),
            ("server_key", "npm:@modelcontextprotocol/server-everything"),
        ],
    )
}

#[test]
fn a_first_answer_of_a_megabyte_hides_nothing_of_what_follows() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let name = folder.path().join("name");
    // More than the sensor copies of a stream before it knows what that is.
    std::fs::write(&name, "x".repeat(1 << 20))?;
    let mut plan = Plan::stdio(4, python1_stdio()?).calling("add", json!({"a": 1, "b": 2}), 4);
    plan.env.insert(
        "PROBE_NAME_FILE".to_owned(),
        name.to_string_lossy().into_owned(),
    );
    check(Sdk::Python1, &plan, &[("transport", "stdio")])
}
