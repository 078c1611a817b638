//! One cell: who speaks to whom, how, and in which revision.

use std::fmt;

use crate::peers::Sdk;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// An SDK that our driver drives; it keeps a tally.
    Sdk {
        /// Which.
        sdk: Sdk,
        /// The npm package, for the older ages of the node SDK.
        package: Option<&'static str>,
        /// How it agrees on a revision: `legacy`, `auto` or a revision.
        mode: Option<&'static str>,
        /// What it is told to call itself; none: its driver's own name.
        calls_itself: Option<&'static str>,
        /// Its name in tables.
        name: &'static str,
    },
    /// `mcp-inspector --cli`, one process for each request.
    Inspector,
    /// `mcp-remote-client`, which lists and goes on; HTTP only.
    McpRemoteClient,
    /// `codex exec`.
    Codex,
    /// `gemini mcp list`.
    Gemini,
    /// `qwen mcp list`.
    Qwen,
}

impl Client {
    /// The name in client.application, where the client is an application.
    #[must_use]
    pub const fn application(self) -> Option<&'static str> {
        match self {
            Self::Sdk { .. } => None,
            Self::Inspector => Some("MCP Inspector"),
            Self::McpRemoteClient => Some("mcp-remote"),
            Self::Codex => Some("Codex"),
            Self::Gemini => Some("Gemini CLI"),
            Self::Qwen => Some("Qwen Code"),
        }
    }

    /// Whether it makes pipes for stdio; node makes socket pairs.
    pub(super) const fn makes_pipes(self) -> bool {
        match self {
            Self::Sdk { sdk, .. } => !matches!(sdk, Sdk::Node | Sdk::Node2),
            Self::Codex => true,
            Self::Inspector | Self::McpRemoteClient | Self::Gemini | Self::Qwen => false,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sdk { name, .. } => name,
            Self::Inspector => "inspector 0.15.0 --cli",
            Self::McpRemoteClient => "mcp-remote-client 0.15.1",
            Self::Codex => "codex 0.169.0 exec",
            Self::Gemini => "gemini-cli 0.61.0 mcp list",
            Self::Qwen => "qwen-code 0.15.10 mcp list",
        })
    }
}

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    /// PyPI mcp-server-time.
    Time,
    /// PyPI mcp-server-git.
    Git,
    /// PyPI mcp-server-fetch.
    Fetch,
    /// PyPI mcp-server-sqlite.
    Sqlite,
    /// npm server-everything.
    Everything,
    /// npm server-filesystem.
    Filesystem,
    /// npm server-memory.
    Memory,
    /// FastMCP of the Python SDK 1.30.
    Python1,
    /// Python SDK 2.3.
    Python2,
    /// fastmcp 4.1.
    FastMcp,
    /// TypeScript SDK 2.4.
    Node2,
    /// rmcp 3.9.
    Rmcp,
    /// Python SDK 1.30, keeping its own account.
    Witness,
}

impl Server {
    /// Its key in the inventory, where a package names it.
    #[must_use]
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Time => Some("pypi:mcp-server-time"),
            Self::Git => Some("pypi:mcp-server-git"),
            Self::Fetch => Some("pypi:mcp-server-fetch"),
            Self::Sqlite => Some("pypi:mcp-server-sqlite"),
            Self::Everything => Some("npm:@modelcontextprotocol/server-everything"),
            Self::Filesystem => Some("npm:@modelcontextprotocol/server-filesystem"),
            Self::Memory => Some("npm:@modelcontextprotocol/server-memory"),
            Self::Python1
            | Self::Python2
            | Self::FastMcp
            | Self::Node2
            | Self::Rmcp
            | Self::Witness => None,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "mcp-server-time",
            Self::Git => "mcp-server-git",
            Self::Fetch => "mcp-server-fetch",
            Self::Sqlite => "mcp-server-sqlite",
            Self::Everything => "server-everything",
            Self::Filesystem => "server-filesystem",
            Self::Memory => "server-memory",
            Self::Python1 => "FastMCP (mcp 1.30.0)",
            Self::Python2 => "MCPServer (mcp 2.3.0)",
            Self::FastMcp => "fastmcp 4.1.2",
            Self::Node2 => "@modelcontextprotocol/server 2.4.0",
            Self::Rmcp => "rmcp 3.9.0",
            Self::Witness => "FastMCP (mcp 1.30.0), own account",
        })
    }
}

/// How MCP is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Lines.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE.
    Sse,
}

impl Transport {
    /// The word in the inventory.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Sse => "sse",
        }
    }
}

/// What stands between the client and a stdio server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// Nothing.
    Nothing,
    /// `sh -c "server; true"`: a shell that stays.
    Shell,
    /// `npm exec`: npm, a shell, the server.
    NpmExec,
    /// `npx`.
    Npx,
    /// `uv run`.
    UvRun,
    /// `uvx`.
    Uvx,
    /// `mcp-remote URL`: a second conversation goes on to an HTTP server.
    McpRemote,
}

impl Through {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Shell => " through sh",
            Self::NpmExec => " through npm exec",
            Self::Npx => " through npx",
            Self::UvRun => " through uv run",
            Self::Uvx => " through uvx",
            Self::McpRemote => " through mcp-remote",
        }
    }
}

/// Who speaks to whom, how, and in which revision.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The client.
    pub client: Client,
    /// The server.
    pub server: Server,
    /// Between them.
    pub through: Through,
    /// On what.
    pub transport: Transport,
    /// The revision that they agree on, as is known of these versions. The peers' own word must say so too.
    pub revision: &'static str,
}

impl Cell {
    /// Whether a process and an endpoint have one conversation however often they connect.
    pub(super) fn is_stateless(self) -> bool {
        self.revision == "2026-07-28" && self.transport == Transport::Http
    }

    /// Whether the client asks each server for its revision in a child of its own, which it then throws away.
    pub(super) fn probes_apart(self) -> bool {
        let asks = matches!(
            self.client,
            Client::Sdk {
                sdk: Sdk::Node2,
                mode: Some("auto"),
                ..
            }
        );
        asks && self.transport == Transport::Stdio
    }

    /// Whether its server is an HTTP server that serves other cells too.
    pub(super) fn shares_its_server(self) -> bool {
        matches!(self.client, Client::Sdk { .. }) && self.transport != Transport::Stdio
    }

    /// The server's side in words.
    #[must_use]
    pub fn served(&self) -> String {
        format!("{}{}", self.server, self.through.as_str())
    }

    /// Whether a bridge carries the conversation on to another server.
    pub(super) fn is_bridged(self) -> bool {
        self.through == Through::McpRemote
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, transport) = (self.client, self.transport.as_str());
        write!(
            f,
            "{client} × {} × {transport} × {}",
            self.served(),
            self.revision
        )
    }
}
