//! Cells whose client is an application: a command-line tool or an AI client, as its users start it.
//!
//! They keep no tally, so their servers are witnesses of their own. AI clients run in a network namespace that has
//! nothing but a loopback interface, with an empty home and keys that are none.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Account, Cell, Client, Transport, run::Corner};
use crate::{
    deadline::poll,
    peers::{HttpServer, Serving, free_port, witness_stdio},
    place::tool,
    process::{Process, Signal},
};

/// Time for an application to start, shake hands and end, on two busy cores.
const APPLICATION_LIMIT: Duration = Duration::from_secs(120);
/// After each signal.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// What `mcp list` waits for a server at most, milliseconds: its own 5 s are short on two busy cores.
const LIST_MS: u32 = 100_000;
/// No key of anybody.
const FAKE_KEY: &str = "not-a-key-0000";

/// Whether a client would call home.
pub(super) const fn needs_loopback(client: Client) -> bool {
    matches!(client, Client::Codex | Client::Gemini | Client::Qwen)
}

/// Runs a cell's application against witnesses that keep their accounts in the corner.
pub(super) fn run(cell: &Cell, corner: &mut Corner) -> Result<()> {
    let target = Target::make(cell, corner)?;
    match cell.client {
        Client::Inspector => inspector(&target, corner)?,
        Client::McpRemoteClient => mcp_remote_client(&target, corner)?,
        Client::Codex => codex(&target, corner)?,
        Client::Gemini => list(&target, corner, ".gemini", "@google/gemini-cli", "gemini")?,
        Client::Qwen => list(&target, corner, ".qwen", "@qwen-code/qwen-code", "qwen")?,
        Client::Sdk { .. } => anyhow::bail!("{cell} has a driver"),
    }
    Ok(())
}

/// The witness of a cell.
enum Target {
    Stdio(Vec<String>),
    Url { serving: Serving, sse: bool },
}

impl Target {
    fn make(cell: &Cell, corner: &mut Corner) -> Result<Self> {
        let accounts = corner.accounts.clone();
        let server = match cell.transport {
            Transport::Stdio => return Ok(Self::Stdio(witness_stdio(&accounts)?)),
            Transport::Http => HttpServer::Witness(&accounts),
            Transport::Sse => HttpServer::WitnessSse(&accounts),
        };
        let serving = corner
            .peers
            .begin_to_serve(server, free_port()?)?
            .listening()?;
        Ok(Self::Url {
            serving,
            sse: cell.transport == Transport::Sse,
        })
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Stdio(_) => None,
            Self::Url { serving, sse: true } => Some(serving.sse_url()),
            Self::Url {
                serving,
                sse: false,
            } => Some(serving.url()),
        }
    }
}

/// One process for each request.
fn inspector(target: &Target, corner: &mut Corner) -> Result<()> {
    let script = module("@modelcontextprotocol/inspector", &["cli/build/cli.js"])?;
    let requests: [&[&str]; 3] = [
        &["--method", "tools/list"],
        &[
            "--method",
            "tools/call",
            "--tool-name",
            "add",
            "--tool-arg",
            "a=1",
            "--tool-arg",
            "b=2",
        ],
        &["--method", "prompts/list"],
    ];
    for request in requests {
        let mut command = Command::new("node");
        command.arg(&script).arg("--cli");
        match target {
            Target::Stdio(server) => command.args(server),
            Target::Url { sse, .. } => command
                .args(target.url())
                .args(["--transport", if *sse { "sse" } else { "http" }]),
        };
        command.args(request);
        let mut process = corner.peers.start_command("inspector", &command)?;
        let status = process.wait(APPLICATION_LIMIT)?;
        ensure!(status.success(), "{status}: {}", said(&process));
    }
    Ok(())
}

/// Lists, and then stays until it is told to go.
fn mcp_remote_client(target: &Target, corner: &mut Corner) -> Result<()> {
    let url = target.url().context("mcp-remote speaks HTTP only")?;
    let words = mcp_remote("client.js", &url)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.env("MCP_REMOTE_CONFIG_DIR", corner.folder.join("mcp-auth"));
    let mut process = corner.peers.start_command("mcp-remote", &command)?;
    // Tools and resources.
    until_called(&mut process, corner, 2)
}

/// `codex exec`: it connects to its servers before it asks for a model, which it does not get.
fn codex(target: &Target, corner: &mut Corner) -> Result<()> {
    let server = match target {
        Target::Stdio(words) => format!(
            "command = {:?}\nargs = {:?}\n",
            words[0],
            words[1..].to_vec()
        ),
        Target::Url { .. } => format!("url = {:?}\n", target.url().unwrap_or_default()),
    };
    // Its model is at a port where nobody is, and is asked once.
    let settings = format!(
        "model = \"none\"\nmodel_provider = \"nobody\"\n\n[model_providers.nobody]\nname = \"nobody\"\n\
         base_url = \"http://127.0.0.1:9/v1\"\nwire_api = \"responses\"\nrequest_max_retries = 0\n\
         stream_max_retries = 0\n\n[mcp_servers.witness]\n{server}"
    );
    let folder = corner.folder.join("home/.codex");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("config.toml"), settings)?;
    let script = module("@openai/codex", &["bin/codex.js"])?;
    let mut command = Command::new("node");
    command
        .arg(script)
        .args(["exec", "--skip-git-repo-check", "hi"])
        .env("OPENAI_API_KEY", FAKE_KEY)
        .current_dir(&corner.folder);
    let mut process = corner.peers.start_command("codex", &command)?;
    // It lists the tools and then waits for a network for ever.
    until_called(&mut process, corner, 1)
}

/// Waits until the witnesses were called so often, and tells the application to go, unless it went by itself.
fn until_called(process: &mut Process, corner: &Corner, calls: u64) -> Result<()> {
    let called = poll("the application calls", APPLICATION_LIMIT, || {
        let accounts = Account::of_witnesses(&corner.accounts)?;
        let counted: u64 = accounts.iter().map(Account::calls).sum();
        Ok((counted >= calls || process.ended()?.is_some()).then_some(()))
    });
    called.with_context(|| said(process))?;
    // Codex does not always listen the first time.
    for signal in [Signal::Interrupt, Signal::Interrupt, Signal::Terminate] {
        if process.ended()?.is_none() {
            process.signal(signal)?;
        }
        if process.wait(ENDS_WITHIN).is_ok() {
            return Ok(());
        }
    }
    // Its launcher waits for the program that it started, and passes signals on; that one may hear none of them.
    process.kill_descendants()?;
    let ended = process.wait(ENDS_WITHIN);
    ended.with_context(|| said(process)).map(drop)
}

/// `gemini mcp list` and its descendant `qwen mcp list`.
fn list(
    target: &Target,
    corner: &mut Corner,
    settings: &str,
    package: &str,
    bin: &str,
) -> Result<()> {
    let server = match target {
        Target::Stdio(words) => {
            json!({"command": words[0], "args": words[1..], "timeout": LIST_MS})
        }
        Target::Url { sse: true, .. } => json!({"url": target.url(), "timeout": LIST_MS}),
        Target::Url { sse: false, .. } => json!({"httpUrl": target.url(), "timeout": LIST_MS}),
    };
    let folder = corner.folder.join("home").join(settings);
    fs::create_dir_all(&folder)?;
    let settings = json!({
        "mcpServers": {"witness": server},
        "security": {"folderTrust": {"enabled": false}},
        "privacy": {"usageStatisticsEnabled": false},
        "general": {"disableAutoUpdate": true, "enableAutoUpdate": false},
    });
    fs::write(folder.join("settings.json"), settings.to_string())?;
    let script = tool(&format!("peers/clients/node_modules/.bin/{bin}"))
        .with_context(|| package.to_owned())?;
    let mut command = Command::new("node");
    command
        .arg(script)
        .args(["mcp", "list"])
        .env("GEMINI_API_KEY", FAKE_KEY)
        .env("OPENAI_API_KEY", FAKE_KEY)
        .current_dir(&corner.folder);
    let mut process = corner.peers.start_command(bin, &command)?;
    let status = process
        .wait(APPLICATION_LIMIT)
        .with_context(|| said(&process))?;
    ensure!(status.success(), "{status}: {}", said(&process));
    Ok(())
}

/// Command line of a program of mcp-remote for this URL.
pub(super) fn mcp_remote(program: &str, url: &str) -> Result<Vec<String>> {
    let script = module("mcp-remote", &[&format!("dist/{program}")])?;
    let words = [
        "node".to_owned(),
        script.to_string_lossy().into_owned(),
        url.to_owned(),
    ];
    Ok(words.to_vec())
}

/// The first of these files of a package that set-up installed.
fn module(package: &str, files: &[&str]) -> Result<PathBuf> {
    let folders = ["peers/clients/node_modules", "peers/node/node_modules"];
    let places = folders.iter().flat_map(|folder| {
        files
            .iter()
            .map(move |file| format!("{folder}/{package}/{file}"))
    });
    let mut places = places.filter_map(|place| tool(&place).ok());
    places
        .next()
        .with_context(|| format!("{package} is missing: deploy/setup.sh test"))
}

fn said(process: &Process) -> String {
    format!("it said:\n{}{}", process.stdout(), process.stderr())
}
