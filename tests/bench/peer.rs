//! The workload: a client and a server that speak MCP as fast, or as slowly, as a measurement wants.
//!
//! The SDKs are measured elsewhere (`peers`, `visible`); none of them writes 50,000 messages back to back. A process of this
//! program is each of the two, so that they are two processes for the sensor as well.

mod client;
mod server;

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Kind of channel between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    /// Two pipes, lines.
    Pipe,
    /// A pair of unix sockets, lines.
    Unix,
    /// TCP on loopback, lines.
    Tcp,
    /// Streamable HTTP on loopback; each connection asks again as soon as it has its answer.
    Http,
}

impl Channel {
    pub(crate) const ALL: [Self; 4] = [Self::Pipe, Self::Unix, Self::Tcp, Self::Http];

    /// As in the ids of figures.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Http => "http",
        }
    }
}

/// What a client is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Conversation {
    /// On what.
    pub(crate) channel: Channel,
    /// Names client, server and tool of every session, with the session's number.
    pub(crate) tag: String,
    /// Sessions, one after the other, each with a server of its own; on a `server_port`, all at once over `connections`.
    pub(crate) sessions: u32,
    /// Calls in each.
    pub(crate) calls: u32,
    /// Size of a request and of an answer, newline included, at least 160.
    pub(crate) bytes: usize,
    /// From the beginning of one call to that of the next, each waiting for its answer; 0: back to back, without waiting.
    pub(crate) every_us: u64,
    /// A server that is there already (HTTP).
    pub(crate) server_port: Option<u16>,
    /// Connections of the pool to it, used in turn; of HTTP calls without pause, all at once.
    pub(crate) connections: u16,
    /// Own ports of those connections, from this one on; 0: any.
    pub(crate) own_port: u16,
}

impl Conversation {
    /// One session of calls that are 200 bytes each way.
    pub(crate) fn new(channel: Channel, tag: &str, calls: u32) -> Self {
        Self {
            channel,
            tag: tag.to_owned(),
            sessions: 1,
            calls,
            bytes: 200,
            every_us: 0,
            server_port: None,
            connections: 1,
            own_port: 0,
        }
    }

    /// The command of its client.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command = own(&["client"])?;
        command.arg(serde_json::to_string(self)?);
        Ok(command)
    }
}

/// What a client did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// The client's process id.
    pub(crate) client: u32,
    /// The servers that it started, one for each session.
    pub(crate) servers: Vec<u32>,
    /// Calls that were answered.
    pub(crate) answered: u64,
    /// From the first call to the last answer.
    pub(crate) micros: u64,
}

/// Name of a session's tool, and what its client and server are called after.
pub(crate) fn session_tag(tag: &str, number: u32) -> String {
    format!("{tag}-{number}")
}

/// The server of many sessions; it prints its port.
pub(crate) fn http_server() -> Result<Command> {
    own(&["http"])
}

/// Runs what `gnomon-bench peer …` asks for.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["client", plan] => {
            let plan = serde_json::from_str(plan).context("a conversation")?;
            println!("{}", serde_json::to_string(&client::converse(&plan)?)?);
            Ok(())
        }
        ["lines"] => server::lines(),
        ["tcp-lines"] => server::tcp_lines(),
        ["http"] => server::http(0),
        ["http", port] => server::http(port.parse().context("a port")?),
        _ => bail!("for the benchmarks' own use: see tests/bench/peer.rs"),
    }
}

fn own(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("own path")?);
    command.arg("peer").args(arguments);
    Ok(command)
}

/// A line that fills exactly `bytes` with its newline: `head`, padding, `tail`.
fn padded(head: &str, tail: &str, bytes: usize) -> Vec<u8> {
    let padding = bytes.saturating_sub(head.len() + tail.len() + 1);
    [
        head.as_bytes(),
        &vec![b'a'; padding],
        tail.as_bytes(),
        b"\n",
    ]
    .concat()
}
