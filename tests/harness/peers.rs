//! Real MCP clients and servers: the SDKs of others, driven by the small scripts in tests/peers.

mod plan;
mod server;
mod surroundings;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};

pub use plan::{Plan, Tally};
pub use server::{
    HttpServer, Serving, everything_stdio, fastmcp_stdio, fetch, filesystem, git, memory,
    node2_stdio, python1_stdio, python2_stdio, rmcp_stdio, server_time, sqlite, witness_stdio,
};
pub use surroundings::{Loopback, Surroundings};

use crate::{
    place::{peer, tool},
    process::Process,
};

/// Time for an interpreter to start and a plan of some sessions to be done, on two busy cores.
const DRIVER_LIMIT: Duration = Duration::from_secs(150);

/// Which SDK drives the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Python `mcp` 1.30: pipes for stdio.
    Python1,
    /// Python `mcp` 2.3: revision 2026-07-28.
    Python2,
    /// Python `fastmcp` 4.1: its own client on `mcp` 2.3.
    FastMcp,
    /// TypeScript SDK 1.x, 1.32 unless the plan names another: socket pairs for stdio.
    Node,
    /// TypeScript client 2.4: revision 2026-07-28.
    Node2,
    /// Rust `rmcp` 3.9.
    Rmcp,
}

/// Peers of one test, with their files in its folder.
#[derive(Debug)]
pub struct Peers {
    folder: PathBuf,
    started: u32,
    surroundings: Surroundings,
}

impl Peers {
    /// Keeps plans and output in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self::within(folder, Surroundings::default())
    }

    /// The same, with the peers running as another user or in another network.
    #[must_use]
    pub fn within(folder: &Path, surroundings: Surroundings) -> Self {
        Self {
            folder: folder.to_path_buf(),
            started: 0,
            surroundings,
        }
    }

    /// Starts a driver; it prints its tally when it is done.
    ///
    /// # Errors
    /// Set-up has not installed it.
    pub fn start(&mut self, sdk: Sdk, plan: &Plan) -> Result<Driver> {
        let file = self.folder.join(format!("plan-{}.json", self.started + 1));
        fs::write(&file, serde_json::to_vec(plan)?).context("the driver's plan")?;
        let mut command = match sdk {
            Sdk::Python1 => python("mcp1", "client1.py")?,
            Sdk::Python2 => python("mcp2", "client2.py")?,
            Sdk::FastMcp => python("mcp2", "client_fastmcp.py")?,
            Sdk::Node => node("client.mjs")?,
            Sdk::Node2 => node("client2.mjs")?,
            Sdk::Rmcp => Command::new(tool("peers/rust/bin/rmcp-client")?),
        };
        command.arg(file);
        let process = self.start_command("driver", &command)?;
        Ok(Driver { process })
    }

    /// Starts any program as these peers are started, with its output in their folder.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_command(&mut self, name: &str, command: &Command) -> Result<Process> {
        self.started += 1;
        let name = format!("{name}-{}", self.started);
        Process::start(&name, &self.folder, self.surroundings.around(command))
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
        self.serve_on(server, free_port()?)
    }

    /// The same on a given port.
    ///
    /// # Errors
    /// As [`Self::serve`].
    pub fn serve_on(&mut self, server: HttpServer<'_>, port: u16) -> Result<Serving> {
        let serving = self.begin_to_serve(server, port)?;
        serving.listening()
    }

    /// Starts an HTTP server and does not wait: several may start at once.
    ///
    /// # Errors
    /// Set-up has not installed it.
    pub fn begin_to_serve(&mut self, server: HttpServer<'_>, port: u16) -> Result<Serving> {
        let command = server.command(port)?;
        let process = self.start_command("server", &command)?;
        Ok(Serving { process, port })
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

/// Ports below those that Linux gives to whoever asks for any (`net.ipv4.ip_local_port_range`): no other test's server or
/// connection comes by one of these in passing.
const PORTS: std::ops::Range<u32> = 20_000..32_000;

/// A TCP port that was free a moment ago, and not one that this process was given before.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let from = std::process::id().wrapping_mul(97);
    for _ in PORTS {
        let next = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + from.wrapping_add(next) % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).context("a port")?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port of {PORTS:?} is free")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
