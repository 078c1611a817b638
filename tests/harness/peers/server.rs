//! The servers' side: command lines of stdio servers, and HTTP servers that run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use super::{node, python, text};
use crate::{
    deadline::poll,
    place::{peer, tool},
    process::Process,
};

/// Time for a server to listen.
const SERVER_LIMIT: Duration = Duration::from_secs(40);
/// State of a listening socket in /proc/PID/net/tcp: include/net/tcp_states.h.
const TCP_LISTEN: &str = "0A";

/// An HTTP server of the peers.
#[derive(Clone, Copy, Debug)]
pub enum HttpServer<'a> {
    /// `server-everything` on node.
    Everything,
    /// The same with HTTP+SSE.
    EverythingSse,
    /// FastMCP of the SDK 1.x.
    Python1,
    /// The same with HTTP+SSE.
    Python1Sse,
    /// SDK 2.x.
    Python2,
    /// fastmcp 4.
    FastMcp,
    /// TypeScript server 2.x.
    Node2,
    /// rmcp on axum.
    Rmcp,
    /// FastMCP of the SDK 1.x; keeps an account of each conversation in this folder.
    Witness(&'a Path),
    /// The same with HTTP+SSE.
    WitnessSse(&'a Path),
    /// FastMCP of the SDK 1.x; counts what arrives into this file.
    Tally(&'a Path),
    /// fastmcp as a proxy in front of this URL.
    Gateway(&'a str),
}

impl HttpServer<'_> {
    pub(super) fn command(self, port: u16) -> Result<Command> {
        let port = port.to_string();
        let mut command = match self {
            Self::Everything | Self::EverythingSse => {
                let mut command = Command::new("node");
                command.arg(everything()?);
                command
            }
            Self::Python1 | Self::Python1Sse => python("mcp1", "server1.py")?,
            Self::Python2 => python("mcp2", "server2.py")?,
            Self::FastMcp => python("mcp2", "server_fastmcp.py")?,
            Self::Node2 => node("server2.mjs")?,
            Self::Rmcp => Command::new(rmcp_server()?),
            Self::Witness(_) | Self::WitnessSse(_) => python("mcp1", "witness.py")?,
            Self::Tally(_) => python("mcp1", "tally_server.py")?,
            Self::Gateway(_) => python("mcp2", "gateway.py")?,
        };
        match self {
            Self::Everything => command.arg("streamableHttp").env("PORT", &port),
            Self::EverythingSse => command.arg("sse").env("PORT", &port),
            Self::Python1 | Self::Python2 => command.args(["streamable-http", &port]),
            Self::Python1Sse => command.args(["sse", &port]),
            Self::FastMcp | Self::Node2 | Self::Rmcp => command.args(["http", &port]),
            Self::Witness(folder) => command.arg(folder).args(["streamable-http", &port]),
            Self::WitnessSse(folder) => command.arg(folder).args(["sse", &port]),
            Self::Tally(file) => command.arg(&port).arg(file),
            Self::Gateway(backend) => command.args([&port, backend]),
        };
        Ok(command)
    }
}

/// A running HTTP server.
#[derive(Debug)]
pub struct Serving {
    /// Its process.
    pub process: Process,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Serving {
    /// Its MCP endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Its endpoint of HTTP+SSE.
    #[must_use]
    pub fn sse_url(&self) -> String {
        format!("http://127.0.0.1:{}/sse", self.port)
    }

    /// Waits until it listens, in whichever network namespace it is.
    ///
    /// # Errors
    /// It does not in time, or ended: with what it said.
    pub fn listening(mut self) -> Result<Self> {
        let what = format!("the server on port {} listens", self.port);
        poll(&what, SERVER_LIMIT, || {
            if let Some(status) = self.process.ended()? {
                anyhow::bail!("it ended with {status}: {}", self.process.stderr());
            }
            Ok(listens(self.process.pid(), self.port).then_some(()))
        })?;
        Ok(self)
    }
}

/// Whether anybody listens on a port of the network namespace of a process.
fn listens(pid: u32, port: u16) -> bool {
    let port = format!(":{port:04X}");
    ["tcp", "tcp6"].iter().any(|table| {
        let rows = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        rows.lines().any(|row| {
            let mut fields = row.split_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&port))
                && fields.nth(1) == Some(TCP_LISTEN)
        })
    })
}

/// Command line of a stdio server from PyPI.
///
/// # Errors
/// Set-up has not installed it.
pub fn server_time() -> Result<Vec<String>> {
    script_of("mcp1", "mcp-server-time")
}

/// Command line of `mcp-server-git`.
///
/// # Errors
/// Set-up has not installed it.
pub fn git() -> Result<Vec<String>> {
    script_of("servers", "mcp-server-git")
}

/// Command line of `mcp-server-fetch`.
///
/// # Errors
/// Set-up has not installed it.
pub fn fetch() -> Result<Vec<String>> {
    script_of("servers", "mcp-server-fetch")
}

/// Command line of `mcp-server-sqlite` on this file.
///
/// # Errors
/// Set-up has not installed it.
pub fn sqlite(file: &Path) -> Result<Vec<String>> {
    let mut command = script_of("servers", "mcp-server-sqlite")?;
    command.extend(["--db-path".to_owned(), text(file)]);
    Ok(command)
}

fn script_of(environment: &str, name: &str) -> Result<Vec<String>> {
    Ok(vec![text(&tool(&format!(
        "peers/python/{environment}/bin/{name}"
    ))?)])
}

/// Command line of our FastMCP server over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn python1_stdio() -> Result<Vec<String>> {
    own_python("mcp1", "server1.py", &["stdio"])
}

/// Command line of our SDK 2.x server over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn python2_stdio() -> Result<Vec<String>> {
    own_python("mcp2", "server2.py", &["stdio"])
}

/// Command line of our fastmcp 4 server over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn fastmcp_stdio() -> Result<Vec<String>> {
    own_python("mcp2", "server_fastmcp.py", &["stdio"])
}

/// Command line of the server that keeps its own account in `folder`, over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn witness_stdio(folder: &Path) -> Result<Vec<String>> {
    own_python("mcp1", "witness.py", &[&text(folder), "stdio"])
}

fn own_python(environment: &str, script: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let mut command = vec![
        text(&tool(&format!("peers/python/{environment}/bin/python"))?),
        text(&peer("python").join(script)),
    ];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    Ok(command)
}

/// Command line of `server-everything` over stdio.
///
/// # Errors
/// Set-up has not installed it.
pub fn everything_stdio() -> Result<Vec<String>> {
    Ok(vec![
        "node".to_owned(),
        text(&everything()?),
        "stdio".to_owned(),
    ])
}

/// Command line of `server-filesystem` on this folder.
///
/// # Errors
/// Set-up has not installed it.
pub fn filesystem(folder: &Path) -> Result<Vec<String>> {
    let script =
        tool("peers/node/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js")?;
    Ok(vec!["node".to_owned(), text(&script), text(folder)])
}

/// Command line of `server-memory`.
///
/// # Errors
/// Set-up has not installed it.
pub fn memory() -> Result<Vec<String>> {
    let script = tool("peers/node/node_modules/@modelcontextprotocol/server-memory/dist/index.js")?;
    Ok(vec!["node".to_owned(), text(&script)])
}

/// Command line of our server on the TypeScript SDK 2.x over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn node2_stdio() -> Result<Vec<String>> {
    // The script finds its SDK by a variable, and clients do not hand their environment on.
    Ok(vec![
        "env".to_owned(),
        format!("GNOMON_PEERS_NODE={}", text(&tool("peers/node")?)),
        "node".to_owned(),
        text(&peer("node/server2.mjs")),
        "stdio".to_owned(),
    ])
}

/// Command line of our rmcp server over stdio.
///
/// # Errors
/// Set-up has not built it.
pub fn rmcp_stdio() -> Result<Vec<String>> {
    Ok(vec![text(&rmcp_server()?), "stdio".to_owned()])
}

fn rmcp_server() -> Result<PathBuf> {
    tool("peers/rust/bin/rmcp-server")
}

fn everything() -> Result<PathBuf> {
    tool("peers/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js")
}
