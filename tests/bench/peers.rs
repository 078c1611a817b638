//! Twenty rounds of real peers of every kind: what they did against what the inventory says, number by number.

use anyhow::Result;
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    gnomon::Gnomon,
    peers::{
        HttpServer, Peers, Plan, Sdk, everything_stdio, python1_stdio, python2_stdio, server_time,
    },
};
use serde_json::json;

use crate::results::Figure;

const ROUNDS: u32 = 20;
const SHADOW: Expected<'_> = Expected {
    columns: &[("verdict", "shadow")],
    reason: None,
    stays_open: false,
};
const APPROVED: Expected<'_> = Expected {
    columns: &[("verdict", "approved"), ("route", "gateway")],
    reason: Some("gateway"),
    stays_open: false,
};
const BYPASS: Expected<'_> = Expected {
    columns: &[("verdict", "shadow")],
    reason: Some("bypass"),
    stays_open: false,
};

/// Counts the peers whose numbers or verdicts differ.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let inventory = gnomon.inventory()?;
    let everything = peers.serve(HttpServer::Everything)?;
    let sse = peers.serve(HttpServer::Python1Sse)?;
    let modern = peers.serve(HttpServer::Python2)?;
    let backend = peers.serve(HttpServer::Python1)?;
    let gateway = peers.serve(HttpServer::Gateway(&backend.url()))?;
    let port = gateway.port;
    gnomon.apply_policy(&format!(
        "[[gateway]]\nname = \"main\"\nnames = [\"127.0.0.1:{port}\"]\naddresses = [\"127.0.0.1:{port}\"]\n"
    ))?;

    let echo = |plan: Plan| plan.calling("echo", json!({"message": "hello"}), 3);
    let add = |plan: Plan| plan.calling("add", json!({"a": 1, "b": 2}), 3);
    let multiply = |plan: Plan| plan.calling("multiply", json!({"a": 2, "b": 3}), 3);
    let time =
        Plan::stdio(2, server_time()?).calling("get_current_time", json!({"timezone": "UTC"}), 3);
    let mut over_sse = add(Plan::http(2, format!("http://127.0.0.1:{}/sse", sse.port)));
    over_sse.transport = Some("sse");
    let kinds = [
        (Sdk::Python1, time, SHADOW),
        (Sdk::Python1, add(Plan::stdio(2, python1_stdio()?)), SHADOW),
        (
            Sdk::Python2,
            multiply(Plan::stdio(2, python2_stdio()?)),
            SHADOW,
        ),
        (Sdk::Node, echo(Plan::stdio(2, everything_stdio()?)), SHADOW),
        (Sdk::Node, echo(Plan::http(2, everything.url())), SHADOW),
        (Sdk::Python1, over_sse, SHADOW),
        (Sdk::Python2, multiply(Plan::http(1, modern.url())), SHADOW),
        (Sdk::Python1, add(Plan::http(2, gateway.url())), APPROVED),
        (Sdk::Python1, add(Plan::http(2, backend.url())), BYPASS),
    ];
    let (mut runs, mut misses) = (0_u32, 0_u32);
    for round in 1..=ROUNDS {
        for (sdk, plan, expected) in &kinds {
            let tally = peers.run(*sdk, plan)?;
            runs += 1;
            if let Err(error) = client_is_recorded(&inventory, &tally, expected) {
                misses += 1;
                println!("bench: round {round}: {error:#}");
            }
        }
    }
    let bar = format!(
        "{runs} runs of {} kinds of real peers, {ROUNDS} in a row each: runs whose numbers differ",
        kinds.len()
    );
    Ok(vec![Figure::new(
        "peers.misses",
        &bar,
        f64::from(misses),
        "runs",
        Some(0.0),
    )])
}
