//! Real MCP clients and servers: the SDKs of others, driven by the small scripts in tests/peers.

use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    deadline::poll,
    place::{peer, tool},
    process::Process,
};

/// Time for an interpreter to start and a plan of some sessions to be done, on two busy cores.
const DRIVER_LIMIT: Duration = Duration::from_secs(90);
/// Time for a server to listen.
const SERVER_LIMIT: Duration = Duration::from_secs(40);

/// Which SDK drives the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Python `mcp` 1.30: pipes for stdio.
    Python1,
    /// Python `mcp` 2.3: revision 2026-07-28.
    Python2,
    /// TypeScript SDK 1.32: socket pairs for stdio.
    Node,
}

/// What a driver is asked to do; the shape is documented in tests/peers/python/plan.py.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// Sessions, one after the other.
    pub sessions: u32,
    /// A stdio server's program and arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Added to that server's environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// An HTTP server's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `sse` for HTTP+SSE; else Streamable HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// HTTP headers sent along.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What to do in each session.
    pub steps: Vec<Value>,
    /// The last session stays open until this file exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<PathBuf>,
}

impl Plan {
    /// Sessions with a stdio server.
    #[must_use]
    pub fn stdio(sessions: u32, command: Vec<String>) -> Self {
        Self {
            sessions,
            command: Some(command),
            ..Self::default()
        }
    }

    /// Sessions with an HTTP server.
    #[must_use]
    pub fn http(sessions: u32, url: String) -> Self {
        Self {
            sessions,
            url: Some(url),
            ..Self::default()
        }
    }

    /// Adds a `tools/list` and then `times` calls of a tool.
    #[must_use]
    pub fn calling(mut self, tool: &str, arguments: Value, times: u32) -> Self {
        self.steps.push(json!({"do": "list_tools"}));
        self.steps
            .push(json!({"do": "call_tool", "name": tool, "arguments": arguments, "times": times}));
        self
    }

    /// Adds any step.
    #[must_use]
    pub fn step(mut self, step: Value) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds an HTTP header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// What a driver did, as it says itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Tally {
    /// Sessions opened.
    pub sessions: u64,
    /// Requests by "method" or "method name"; `ping` is in here, the inventory leaves it out.
    pub calls: BTreeMap<String, u64>,
    /// Answers that were errors.
    #[serde(default)]
    pub errors: u64,
    /// Revision of the last session.
    pub revision: Option<String>,
    /// The driver's process id.
    #[serde(default)]
    pub pid: u32,
    /// Just before each session's first byte, Unix nanoseconds; the node driver alone says so.
    #[serde(default)]
    pub begun_ns: Vec<u64>,
}

/// Peers of one test, with their files in its folder.
#[derive(Debug)]
pub struct Peers {
    folder: PathBuf,
    started: u32,
}

impl Peers {
    /// Keeps plans and output in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            started: 0,
        }
    }

    /// Starts a driver; it prints its tally when it is done.
    ///
    /// # Errors
    /// Set-up has not installed it.
    pub fn start(&mut self, sdk: Sdk, plan: &Plan) -> Result<Driver> {
        self.started += 1;
        let name = format!("driver-{}", self.started);
        let file = self.folder.join(format!("{name}.json"));
        fs::write(&file, serde_json::to_vec(plan)?).context("the driver's plan")?;
        let mut command = match sdk {
            Sdk::Python1 => python("mcp1", "client1.py")?,
            Sdk::Python2 => python("mcp2", "client2.py")?,
            Sdk::Node => node("client.mjs")?,
        };
        command.arg(file);
        Ok(Driver {
            process: Process::start(&name, &self.folder, command)?,
        })
    }

    /// Runs a driver to its end.
    ///
    /// # Errors
    /// As [`Self::start`] and [`Driver::finish`].
    pub fn run(&mut self, sdk: Sdk, plan: &Plan) -> Result<Tally> {
        self.start(sdk, plan)?.finish()
    }

    /// Starts an HTTP server on a free port and waits until it listens.
    ///
    /// # Errors
    /// Set-up has not installed it, or it does not listen in time.
    pub fn serve(&mut self, server: HttpServer<'_>) -> Result<Serving> {
        let port = free_port()?;
        self.serve_on(server, port)
    }

    /// The same on a given port.
    ///
    /// # Errors
    /// As [`Self::serve`].
    pub fn serve_on(&mut self, server: HttpServer<'_>, port: u16) -> Result<Serving> {
        self.started += 1;
        let name = format!("server-{}", self.started);
        let text = port.to_string();
        let mut command = match server {
            HttpServer::Everything => {
                let mut command = Command::new("node");
                command
                    .arg(everything()?)
                    .arg("streamableHttp")
                    .env("PORT", &text);
                command
            }
            HttpServer::Python1 => python("mcp1", "server1.py")?,
            HttpServer::Python1Sse => python("mcp1", "server1.py")?,
            HttpServer::Python2 => python("mcp2", "server2.py")?,
            HttpServer::Tally(_) => python("mcp1", "tally_server.py")?,
            HttpServer::Gateway(_) => python("mcp2", "gateway.py")?,
        };
        match server {
            HttpServer::Everything => {}
            HttpServer::Python1 | HttpServer::Python2 => {
                command.args(["streamable-http", &text]);
            }
            HttpServer::Python1Sse => {
                command.args(["sse", &text]);
            }
            HttpServer::Tally(file) => {
                command.arg(&text).arg(file);
            }
            HttpServer::Gateway(backend) => {
                command.args([&text, backend]);
            }
        }
        let mut process = Process::start(&name, &self.folder, command)?;
        poll(&format!("{name} listens"), SERVER_LIMIT, || {
            if let Some(status) = process.ended()? {
                anyhow::bail!("{name} ended with {status}: {}", process.stderr());
            }
            Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })?;
        Ok(Serving { process, port })
    }
}

/// An HTTP server of the peers.
#[derive(Clone, Copy, Debug)]
pub enum HttpServer<'a> {
    /// `server-everything` on node.
    Everything,
    /// FastMCP of the SDK 1.x.
    Python1,
    /// The same with HTTP+SSE.
    Python1Sse,
    /// SDK 2.x.
    Python2,
    /// FastMCP of the SDK 1.x; counts what arrives into this file.
    Tally(&'a Path),
    /// fastmcp as a proxy in front of this URL.
    Gateway(&'a str),
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
}

/// A running driver.
#[derive(Debug)]
pub struct Driver {
    /// Its process.
    pub process: Process,
}

impl Driver {
    /// Waits for its end and gives what it did.
    ///
    /// # Errors
    /// It failed, did not end in time, or printed no tally.
    pub fn finish(mut self) -> Result<Tally> {
        let status = self.process.wait(DRIVER_LIMIT)?;
        anyhow::ensure!(
            status.success(),
            "the driver failed ({status}): {}",
            self.process.stderr()
        );
        let text = self.process.stdout();
        let line = text.lines().last().context("the driver printed nothing")?;
        serde_json::from_str(line).with_context(|| format!("the driver's tally: {line}"))
    }
}

/// Command line of a stdio server from PyPI.
///
/// # Errors
/// Set-up has not installed it.
pub fn server_time() -> Result<Vec<String>> {
    Ok(vec![text(&tool("peers/python/mcp1/bin/mcp-server-time")?)])
}

/// Command line of our FastMCP server over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn python1_stdio() -> Result<Vec<String>> {
    Ok(vec![
        text(&tool("peers/python/mcp1/bin/python")?),
        text(&peer("python/server1.py")),
        "stdio".to_owned(),
    ])
}

/// Command line of our SDK 2.x server over stdio.
///
/// # Errors
/// Set-up has not installed its SDK.
pub fn python2_stdio() -> Result<Vec<String>> {
    Ok(vec![
        text(&tool("peers/python/mcp2/bin/python")?),
        text(&peer("python/server2.py")),
        "stdio".to_owned(),
    ])
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

fn everything() -> Result<PathBuf> {
    tool("peers/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js")
}

fn python(environment: &str, script: &str) -> Result<Command> {
    let mut command = Command::new(tool(&format!("peers/python/{environment}/bin/python"))?);
    command
        .arg(peer("python").join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn node(script: &str) -> Result<Command> {
    let mut command = Command::new("node");
    command
        .arg(peer("node").join(script))
        .env("GNOMON_PEERS_NODE", tool("peers/node")?);
    Ok(command)
}

/// A TCP port that was free a moment ago.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
