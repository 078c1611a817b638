//! The cells.

use super::{Cell, Client, Server, Through, Transport};
use crate::peers::Sdk;

const PYTHON1: Client = sdk(Sdk::Python1, "mcp 1.30.0");
const PYTHON2_LEGACY: Client = moded(Sdk::Python2, "mcp 2.3.0, legacy", "legacy");
const PYTHON2_AUTO: Client = moded(Sdk::Python2, "mcp 2.3.0, auto", "auto");
const PYTHON2: Client = moded(Sdk::Python2, "mcp 2.3.0, 2026-07-28", "2026-07-28");
const FASTMCP: Client = moded(Sdk::FastMcp, "fastmcp 4.1.2, auto", "auto");
const NODE: Client = sdk(Sdk::Node, "@modelcontextprotocol/sdk 1.32.2");
const NODE_2024: Client = aged("sdk-2024-11-05", "@modelcontextprotocol/sdk 1.0.4");
const NODE_03: Client = aged("sdk-2025-03-26", "@modelcontextprotocol/sdk 1.11.5");
const NODE_06: Client = aged("sdk-2025-06-18", "@modelcontextprotocol/sdk 1.17.5");
const NODE2_LEGACY: Client = moded(
    Sdk::Node2,
    "@modelcontextprotocol/client 2.4.0, legacy",
    "legacy",
);
const NODE2_AUTO: Client = moded(
    Sdk::Node2,
    "@modelcontextprotocol/client 2.4.0, auto",
    "auto",
);
const NODE2: Client = moded(
    Sdk::Node2,
    "@modelcontextprotocol/client 2.4.0, 2026-07-28",
    "2026-07-28",
);
const RMCP: Client = sdk(Sdk::Rmcp, "rmcp 3.9.0");
const RMCP_MODERN: Client = moded(Sdk::Rmcp, "rmcp 3.9.0, 2026-07-28", "2026-07-28");

/// A script that says it is an application must not become it.
const IMPOSTOR: Client = Client::Sdk {
    sdk: Sdk::Node,
    package: None,
    mode: None,
    calls_itself: Some("claude-code"),
    name: "@modelcontextprotocol/sdk 1.32.2 as \"claude-code\"",
};

const fn sdk(sdk: Sdk, name: &'static str) -> Client {
    Client::Sdk {
        sdk,
        package: None,
        mode: None,
        calls_itself: None,
        name,
    }
}

const fn moded(sdk: Sdk, name: &'static str, mode: &'static str) -> Client {
    Client::Sdk {
        sdk,
        package: None,
        mode: Some(mode),
        calls_itself: None,
        name,
    }
}

const fn aged(package: &'static str, name: &'static str) -> Client {
    Client::Sdk {
        sdk: Sdk::Node,
        package: Some(package),
        mode: None,
        calls_itself: None,
        name,
    }
}

const fn cell(
    client: Client,
    server: Server,
    transport: Transport,
    revision: &'static str,
) -> Cell {
    Cell {
        client,
        server,
        through: Through::Nothing,
        transport,
        revision,
    }
}

const fn wrapped(client: Client, through: Through, server: Server) -> Cell {
    Cell {
        client,
        server,
        through,
        transport: Transport::Stdio,
        revision: NEWEST_LEGACY,
    }
}

const NEWEST_LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// SDKs against servers of the same and of other makers.
#[must_use]
pub fn sdks() -> Vec<Cell> {
    use Server::{
        Everything, FastMcp, Fetch, Filesystem, Git, Memory, Node2, Python1, Python2, Rmcp, Sqlite,
        Time, Witness,
    };
    use Transport::{Http, Sse, Stdio};
    vec![
        cell(PYTHON1, Time, Stdio, NEWEST_LEGACY),
        cell(PYTHON1, Git, Stdio, NEWEST_LEGACY),
        cell(PYTHON1, Fetch, Stdio, NEWEST_LEGACY),
        cell(PYTHON1, Sqlite, Stdio, NEWEST_LEGACY),
        cell(PYTHON1, Everything, Stdio, NEWEST_LEGACY),
        cell(PYTHON1, Witness, Stdio, NEWEST_LEGACY),
        cell(PYTHON1, Python1, Http, NEWEST_LEGACY),
        cell(PYTHON1, Everything, Http, NEWEST_LEGACY),
        cell(PYTHON1, Python1, Sse, NEWEST_LEGACY),
        cell(PYTHON1, Everything, Sse, NEWEST_LEGACY),
        cell(PYTHON2_LEGACY, Time, Stdio, NEWEST_LEGACY),
        cell(PYTHON2_LEGACY, Python2, Http, NEWEST_LEGACY),
        cell(PYTHON2_AUTO, Witness, Stdio, NEWEST_LEGACY),
        cell(PYTHON2_AUTO, Witness, Http, NEWEST_LEGACY),
        cell(PYTHON2_AUTO, Python2, Stdio, MODERN),
        cell(PYTHON2, Python2, Stdio, MODERN),
        cell(PYTHON2, Python2, Http, MODERN),
        cell(FASTMCP, FastMcp, Stdio, MODERN),
        cell(FASTMCP, FastMcp, Http, MODERN),
        cell(FASTMCP, Everything, Stdio, NEWEST_LEGACY),
        cell(FASTMCP, Witness, Sse, NEWEST_LEGACY),
        cell(NODE, Everything, Stdio, NEWEST_LEGACY),
        cell(NODE, Filesystem, Stdio, NEWEST_LEGACY),
        cell(NODE, Memory, Stdio, NEWEST_LEGACY),
        cell(NODE, Time, Stdio, NEWEST_LEGACY),
        cell(NODE, Everything, Http, NEWEST_LEGACY),
        cell(NODE, Witness, Http, NEWEST_LEGACY),
        cell(NODE, Everything, Sse, NEWEST_LEGACY),
        cell(NODE, Witness, Sse, NEWEST_LEGACY),
        cell(NODE_2024, Everything, Stdio, "2024-11-05"),
        cell(NODE_2024, Witness, Sse, "2024-11-05"),
        cell(NODE_03, Witness, Stdio, "2025-03-26"),
        cell(NODE_03, Everything, Http, "2025-03-26"),
        cell(NODE_06, Filesystem, Stdio, "2025-06-18"),
        cell(NODE_06, Python1, Http, "2025-06-18"),
        cell(NODE2_LEGACY, Everything, Stdio, NEWEST_LEGACY),
        cell(NODE2_LEGACY, Python1, Http, NEWEST_LEGACY),
        cell(NODE2_AUTO, Node2, Stdio, MODERN),
        cell(NODE2_AUTO, Node2, Http, MODERN),
        cell(NODE2_AUTO, Witness, Stdio, NEWEST_LEGACY),
        cell(NODE2, Python2, Http, MODERN),
        cell(PYTHON2_AUTO, Node2, Http, MODERN),
        cell(RMCP, Rmcp, Stdio, NEWEST_LEGACY),
        cell(RMCP, Everything, Stdio, NEWEST_LEGACY),
        cell(RMCP, Rmcp, Http, NEWEST_LEGACY),
        cell(RMCP, Everything, Http, NEWEST_LEGACY),
        cell(RMCP_MODERN, Rmcp, Stdio, MODERN),
        cell(RMCP_MODERN, Python2, Http, MODERN),
        cell(NODE, Rmcp, Http, NEWEST_LEGACY),
        cell(IMPOSTOR, Witness, Stdio, NEWEST_LEGACY),
        wrapped(PYTHON1, Through::Shell, Time),
        wrapped(NODE, Through::NpmExec, Witness),
        wrapped(NODE, Through::Npx, Everything),
        wrapped(PYTHON1, Through::UvRun, Witness),
        wrapped(PYTHON1, Through::Uvx, Time),
        wrapped(NODE, Through::McpRemote, Witness),
    ]
}

/// Of these as few as have each client, each server, each way to start one, and each revision on each transport.
#[must_use]
pub fn one_of_each(cells: Vec<Cell>) -> Vec<Cell> {
    let mut kept: Vec<Cell> = Vec::new();
    for cell in cells {
        let is_new = |same: &dyn Fn(&Cell) -> bool| !kept.iter().any(same);
        if is_new(&|other| other.client == cell.client)
            || is_new(&|other| other.server == cell.server)
            || is_new(&|other| other.through == cell.through)
            || is_new(&|other| (other.transport, other.revision) == (cell.transport, cell.revision))
        {
            kept.push(cell);
        }
    }
    kept
}

/// Command-line tools and AI clients, as their users start them.
#[must_use]
pub fn applications() -> Vec<Cell> {
    use Client::{Codex, Gemini, Inspector, McpRemoteClient, Qwen};
    use Server::Witness;
    use Transport::{Http, Sse, Stdio};
    vec![
        cell(Inspector, Witness, Stdio, NEWEST_LEGACY),
        cell(Inspector, Witness, Http, NEWEST_LEGACY),
        cell(Inspector, Witness, Sse, NEWEST_LEGACY),
        cell(McpRemoteClient, Witness, Http, NEWEST_LEGACY),
        cell(Codex, Witness, Stdio, "2025-06-18"),
        cell(Codex, Witness, Http, "2025-06-18"),
        cell(Gemini, Witness, Stdio, "2025-06-18"),
        cell(Gemini, Witness, Http, "2025-06-18"),
        cell(Qwen, Witness, Stdio, NEWEST_LEGACY),
        cell(Qwen, Witness, Http, NEWEST_LEGACY),
    ]
}
