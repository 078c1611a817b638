//! Programs that speak, carry or quote something close to MCP: nothing is claimed of them, at no time.
//!
//! One script of tests/peers/negatives each, with a real session at its end that must be seen. Those that fetch from
//! package registries are left to `make bench PART=silence`.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    bystander::{Bystanders, CONTROL_USER, USER},
    claims::{Watch, claims_about, last_stats},
    deadline::settle,
};

/// Time for a script, interpreters and servers included, on two busy cores with a cold page cache.
const SCRIPT_LIMIT: Duration = Duration::from_secs(240);
/// Time from the end of a session to the last word about it.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Runs one script under the eyes of a sensor.
fn no_claim_about(name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let mut bystanders = Bystanders::new(&folder.path().join("bystanders"))?;
    println!("{}", bystanders.run(name, SCRIPT_LIMIT)?);
    bystanders.control()?;
    settle(TOLD_WITHIN, || {
        ensure!(
            claims_about(&watch.said()?, CONTROL_USER)
                .iter()
                .any(|claim| claim["state"] == "ended"),
            "the control session was not seen from beginning to end"
        );
        Ok(())
    })?;
    let said = watch.stop()?;
    let claimed = claims_about(&said, USER);
    ensure!(
        claimed.is_empty(),
        "{name}: claimed to be MCP: {claimed:#?}"
    );
    let stats = last_stats(&said).context("no statistics")?;
    ensure!(
        stats["bytes"].as_u64() > Some(0),
        "nothing was looked at: {stats}"
    );
    // The folder is another user's now; root may remove it all the same.
    fs::remove_dir_all(folder.path().join("bystanders"))?;
    Ok(())
}

#[test]
fn agent_client_protocol() -> Result<()> {
    no_claim_about("acp")
}

#[test]
fn agent2agent() -> Result<()> {
    no_claim_about("a2a")
}

#[test]
fn browser() -> Result<()> {
    no_claim_about("browser")
}

#[test]
fn debug_adapter_protocol() -> Result<()> {
    no_claim_about("dap")
}

#[test]
fn ethereum() -> Result<()> {
    no_claim_about("ethereum")
}

#[test]
fn git() -> Result<()> {
    no_claim_about("git")
}

#[test]
fn web_services() -> Result<()> {
    no_claim_about("http")
}

#[test]
fn jupyter_kernel() -> Result<()> {
    no_claim_about("jupyter")
}

#[test]
fn language_servers() -> Result<()> {
    no_claim_about("lsp")
}

#[test]
fn text_that_quotes_mcp() -> Result<()> {
    no_claim_about("quotes")
}

#[test]
fn other_json_rpc() -> Result<()> {
    no_claim_about("rpc")
}
