//! Runs the cells, some at a time, and compares them with the inventory once nothing changes any more.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    Account, Cell, Client, Outcome, Server, Through, Transport, application, compare::Rows,
};
use crate::{
    deadline::steady,
    gnomon::Gnomon,
    peers::{
        HttpServer, Loopback, Peers, Plan, Serving, Surroundings, everything_stdio, fastmcp_stdio,
        fetch, filesystem, free_port, git, memory, node2_stdio, python1_stdio, python2_stdio,
        rmcp_stdio, server_time, sqlite, witness_stdio,
    },
    place::tool,
    process::Signal,
};

/// Starts of an application that did not speak to any server.
const APPLICATION_STARTS_MAX: u32 = 3;

/// The user of the SDKs' peers: `list` of Debian's base-passwd, who runs nothing else. What the inventory says of this user is
/// what it says of the peers.
const SDKS_UID: u32 = 38;
/// The user where applications are among the peers: `irc`, so that two sets can run side by side. Some applications want a
/// user with a name.
const APPLICATIONS_UID: u32 = 39;
/// Sessions that each driver opens, one after the other.
const SESSIONS: u32 = 2;
/// What set-up has put into the cache of uv.
const UVX_SERVER: &str = "mcp-server-time@2026.10.10";
/// Calls of [`run`] in the life of one sensor.
const ROUNDS_MAX: u32 = 100;
/// Cells that run at the same time.
const WORKERS: usize = 4;
/// Time after the last peer's end within which the inventory must be complete.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);
/// Time for which all rows must stay as they are.
const QUIET: Duration = Duration::from_millis(1500);
/// Time for a git repository to be made.
const GIT_LIMIT: Duration = Duration::from_secs(30);

/// What all cells share.
pub(super) struct Site {
    folder: PathBuf,
    uid: u32,
    loopback: Option<Loopback>,
    servers: BTreeMap<(Server, Transport), Serving>,
}

/// A cell's own corner.
pub(super) struct Corner {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// Where witnesses of this cell keep their accounts.
    pub(super) accounts: PathBuf,
    /// Its peers.
    pub(super) peers: Peers,
}

/// Runs all cells and gives an outcome for each, in their order, and what was claimed of the peers' processes beside.
///
/// # Errors
/// The servers that cells share cannot be started, or the inventory cannot be asked. A cell whose peers fail is an
/// outcome that differs.
pub fn run(gnomon: &Gnomon, cells: &[Cell]) -> Result<(Vec<Outcome>, Vec<String>)> {
    let mut numbered = (1..=ROUNDS_MAX).map(|round| gnomon.path(&format!("matrix-{round}")));
    let folder = numbered
        .find(|folder| !folder.exists())
        .context("too many rounds")?;
    fs::create_dir(&folder)?;
    let uid = user_of(cells);
    let site = Site::prepare(folder, uid, cells)?;
    let done = site.run(cells);
    // Servers end before the comparison, so that their sessions end too.
    for serving in site.servers.values() {
        serving.process.signal(Signal::Terminate)?;
    }
    drop(site);
    let mut accounted = Vec::new();
    let mut failed = Vec::new();
    for (cell, result) in cells.iter().zip(done) {
        match result {
            Ok(accounts) => {
                accounted.push((*cell, accounts));
                failed.push(None);
            }
            Err(error) => {
                accounted.push((*cell, Vec::new()));
                failed.push(Some(format!("the peers failed: {error:#}")));
            }
        }
    }
    let (mut outcomes, strangers) = settled(gnomon, uid, &accounted)?;
    for (outcome, failure) in outcomes.iter_mut().zip(failed) {
        outcome.difference = failure.or(outcome.difference.take());
    }
    Ok((outcomes, strangers))
}

/// The user whose processes the peers of these cells are.
fn user_of(cells: &[Cell]) -> u32 {
    let driven = |cell: &Cell| matches!(cell.client, Client::Sdk { .. });
    if cells.iter().all(driven) {
        SDKS_UID
    } else {
        APPLICATIONS_UID
    }
}

/// Compares until everything is equal and stays so, or time is up.
fn settled(
    gnomon: &Gnomon,
    uid: u32,
    accounted: &[(Cell, Vec<Account>)],
) -> Result<(Vec<Outcome>, Vec<String>)> {
    let inventory = gnomon.inventory()?;
    let mut last = None;
    let result = steady(COMPLETE_WITHIN, QUIET, || {
        let rows = Rows::of_user(&inventory, uid)?;
        let outcomes: Vec<Outcome> = accounted
            .iter()
            .map(|(cell, accounts)| rows.compare(cell, accounts))
            .collect();
        let strangers = rows.strangers(accounted);
        let strangers: Vec<String> = strangers.iter().map(|row| format!("{row:?}")).collect();
        let equal = strangers.is_empty() && outcomes.iter().all(Outcome::is_equal);
        last = Some((outcomes, strangers));
        ensure!(equal, "not equal yet");
        Ok(rows)
    });
    match (result, last) {
        (_, Some(last)) => Ok(last),
        (Err(error), None) => Err(error),
        (Ok(_), None) => unreachable!("an answer is kept before it is given"),
    }
}

impl Site {
    fn prepare(folder: PathBuf, uid: u32, cells: &[Cell]) -> Result<Self> {
        let in_loopback = |cell: &Cell| application::needs_loopback(cell.client);
        let loopback = if cells.iter().any(in_loopback) {
            Some(Loopback::start(&folder)?)
        } else {
            None
        };
        let mut site = Self {
            folder,
            uid,
            loopback,
            servers: BTreeMap::new(),
        };
        fs::create_dir(site.shared_accounts())?;
        let mut corner = site.corner("shared")?;
        let mut begun = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.shares_its_server()) {
            if let Entry::Vacant(place) = begun.entry((cell.server, cell.transport)) {
                let accounts = site.shared_accounts();
                let server = http_server(cell, &accounts)?;
                place.insert(corner.peers.begin_to_serve(server, free_port()?)?);
            }
        }
        for (key, serving) in begun {
            let listening = serving.listening();
            site.servers
                .insert(key, listening.with_context(|| format!("{key:?}"))?);
        }
        Ok(site)
    }

    fn shared_accounts(&self) -> PathBuf {
        self.folder.join("accounts")
    }

    /// Each cell's accounts, in the order of the cells.
    fn run(&self, cells: &[Cell]) -> Vec<Result<Vec<Account>>> {
        let next = Mutex::new(0..cells.len());
        let done = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    loop {
                        let Some(number) = next.lock().expect("no worker panics").next() else {
                            return;
                        };
                        let result = self.run_cell(&cells[number], number);
                        done.lock()
                            .expect("no worker panics")
                            .insert(number, result);
                    }
                });
            }
        });
        let done = done.into_inner().expect("no worker panics");
        done.into_values().collect()
    }

    fn corner(&self, name: &str) -> Result<Corner> {
        let folder = self.folder.join(name);
        let (accounts, home) = (folder.join("accounts"), folder.join("home"));
        fs::create_dir_all(&accounts)?;
        fs::create_dir_all(&home)?;
        let surroundings = Surroundings {
            uid: Some(self.uid),
            network_of: None,
            home: Some(home),
        };
        Ok(Corner {
            peers: Peers::within(&folder, surroundings),
            folder,
            accounts,
        })
    }

    fn run_cell(&self, cell: &Cell, number: usize) -> Result<Vec<Account>> {
        let mut corner = self.corner(&format!("cell-{number}"))?;
        let Client::Sdk { .. } = cell.client else {
            if application::needs_loopback(cell.client) {
                let surroundings = Surroundings {
                    uid: Some(self.uid),
                    network_of: self.loopback.as_ref().map(Loopback::pid),
                    home: Some(corner.folder.join("home")),
                };
                corner.peers = Peers::within(&corner.folder, surroundings);
            }
            // On a busy machine an application may give up before it has said a word; then there is nothing to compare yet.
            for _ in 0..APPLICATION_STARTS_MAX {
                application::run(cell, &mut corner)?;
                let accounts = Account::of_witnesses(&corner.accounts)?;
                if !accounts.is_empty() {
                    return agreed(cell, accounts);
                }
            }
            anyhow::bail!("no witness was asked anything in {APPLICATION_STARTS_MAX} starts");
        };
        self.run_driver(cell, &mut corner)
    }

    fn run_driver(&self, cell: &Cell, corner: &mut Corner) -> Result<Vec<Account>> {
        let Client::Sdk {
            sdk,
            package,
            mode,
            calls_itself,
            ..
        } = cell.client
        else {
            anyhow::bail!("{cell} has no driver");
        };
        // A bridge needs its far side while it runs.
        let mut far_side = None;
        let mut plan = match (cell.through, cell.transport) {
            (Through::McpRemote, _) => {
                let accounts = corner.accounts.clone();
                let serving = corner.peers.serve(HttpServer::Witness(&accounts))?;
                let url = serving.url();
                far_side = Some(serving);
                Plan::stdio(SESSIONS, application::mcp_remote("proxy.js", &url)?)
            }
            (_, Transport::Stdio) => {
                let command = stdio_server(cell, corner)?;
                Plan::stdio(SESSIONS, through(cell.through, command)?)
            }
            (_, Transport::Http) => Plan::http(SESSIONS, self.serving(cell)?.url()),
            (_, Transport::Sse) => Plan::http(SESSIONS, self.serving(cell)?.sse_url()),
        };
        if cell.transport == Transport::Sse {
            plan.transport = Some("sse");
        }
        (plan.sdk, plan.mode, plan.name) = (package, mode, calls_itself);
        let memory_file = corner.folder.join("memory.json");
        for (name, value) in [
            ("MEMORY_FILE_PATH", memory_file),
            ("MCP_REMOTE_CONFIG_DIR", corner.folder.join("mcp-auth")),
            ("HOME", corner.folder.join("home")),
        ] {
            let value = value.to_string_lossy().into_owned();
            plan.env.insert(name.to_owned(), value);
        }
        let tally = corner.peers.run(sdk, &steps(cell.server, plan, corner))?;
        drop(far_side);
        let driver = Account::of_driver(&tally, cell.is_stateless(), cell.probes_apart())?;
        let mut accounts = match (cell.server, cell.through, cell.transport) {
            (_, Through::McpRemote, _) => {
                let mut both = Account::of_witnesses(&corner.accounts)?;
                both.push(driver.clone());
                both
            }
            (Server::Witness, _, Transport::Stdio) => Account::of_witnesses(&corner.accounts)?,
            (Server::Witness, ..) => Account::of_witnesses(&self.shared_accounts())?,
            _ => vec![driver.clone()],
        };
        if cell.through != Through::McpRemote {
            // An HTTP server that cells share knows the clients of all of them; a stdio server behind npm or a shell
            // knows only these as its parents, so its client is the driver's word.
            if cell.transport == Transport::Stdio {
                for account in &mut accounts {
                    account.client_pid = driver.client_pid;
                }
            } else {
                accounts.retain(|account| account.client_pid == driver.client_pid);
            }
            let counted: u64 = accounts.iter().map(Account::calls).sum();
            ensure!(
                counted == driver.calls(),
                "client and server do not agree: {driver:?}, {accounts:?}"
            );
        }
        agreed(cell, accounts)
    }

    fn serving(&self, cell: &Cell) -> Result<&Serving> {
        let found = self.servers.get(&(cell.server, cell.transport));
        found.with_context(|| format!("no server for {cell}"))
    }
}

/// The revision of the table must be the one that the peers say.
fn agreed(cell: &Cell, accounts: Vec<Account>) -> Result<Vec<Account>> {
    let mut said = accounts
        .iter()
        .flat_map(|account| &account.conversations)
        .filter_map(|conversation| conversation.revision.as_deref())
        .peekable();
    ensure!(said.peek().is_some(), "no peer says which revision");
    if let Some(other) = said.find(|revision| *revision != cell.revision) {
        anyhow::bail!("the peers speak {other}, not {}", cell.revision);
    }
    Ok(accounts)
}

fn http_server<'a>(cell: &Cell, accounts: &'a Path) -> Result<HttpServer<'a>> {
    Ok(match (cell.server, cell.transport) {
        (Server::Everything, Transport::Http) => HttpServer::Everything,
        (Server::Everything, Transport::Sse) => HttpServer::EverythingSse,
        (Server::Python1, Transport::Http) => HttpServer::Python1,
        (Server::Python1, Transport::Sse) => HttpServer::Python1Sse,
        (Server::Python2, Transport::Http) => HttpServer::Python2,
        (Server::FastMcp, Transport::Http) => HttpServer::FastMcp,
        (Server::Node2, Transport::Http) => HttpServer::Node2,
        (Server::Rmcp, Transport::Http) => HttpServer::Rmcp,
        (Server::Witness, Transport::Http) => HttpServer::Witness(accounts),
        (Server::Witness, Transport::Sse) => HttpServer::WitnessSse(accounts),
        _ => anyhow::bail!("{cell}: there is no such server"),
    })
}

/// Starts nothing, but makes what the server works on.
fn stdio_server(cell: &Cell, corner: &mut Corner) -> Result<Vec<String>> {
    match cell.server {
        Server::Time => server_time(),
        Server::Git => {
            let mut init = Command::new("git");
            init.args(["init", "--quiet"])
                .arg(corner.folder.join("repository"));
            let mut process = corner.peers.start_command("git", &init)?;
            let status = process.wait(GIT_LIMIT)?;
            ensure!(status.success(), "git init: {}", process.stderr());
            git()
        }
        Server::Fetch => fetch(),
        Server::Sqlite => sqlite(&corner.folder.join("numbers.db")),
        Server::Everything => everything_stdio(),
        Server::Filesystem => filesystem(&corner.folder.join("home")),
        Server::Memory => memory(),
        Server::Python1 => python1_stdio(),
        Server::Python2 => python2_stdio(),
        Server::FastMcp => fastmcp_stdio(),
        Server::Node2 => node2_stdio(),
        Server::Rmcp => rmcp_stdio(),
        Server::Witness => witness_stdio(&corner.accounts),
    }
}

/// The command line that starts a server by way of another program.
fn through(wrapper: Through, server: Vec<String>) -> Result<Vec<String>> {
    let modules = tool("peers/node")?.to_string_lossy().into_owned();
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let mut command = match wrapper {
        Through::Nothing | Through::McpRemote => Vec::new(),
        Through::Shell => words(&["sh", "-c", "\"$0\" \"$@\"; true"]),
        Through::NpmExec => {
            let line = server.join(" ");
            return Ok(words(&[
                "npm",
                "exec",
                "--offline",
                "--prefix",
                &modules,
                "-c",
                &line,
            ]));
        }
        Through::Npx => {
            let command = "mcp-server-everything";
            let npx = [
                "npx",
                "--offline",
                "--no-install",
                "--prefix",
                &modules,
                command,
                "stdio",
            ];
            return Ok(words(&npx));
        }
        Through::UvRun => {
            let uv = tool("peers/python/servers/bin/uv")?
                .to_string_lossy()
                .into_owned();
            words(&[&uv, "run", "--offline", "--no-project", "--no-config", "--"])
        }
        Through::Uvx => {
            let uvx = tool("peers/python/servers/bin/uvx")?
                .to_string_lossy()
                .into_owned();
            let cache = tool("peers/uv")?.to_string_lossy().into_owned();
            let python = tool("peers/python/servers/bin/python")?
                .to_string_lossy()
                .into_owned();
            let options = [
                "--offline",
                "--no-config",
                "--cache-dir",
                &cache,
                "--python",
                &python,
            ];
            return Ok([words(&[&uvx]), words(&options), words(&[UVX_SERVER])].concat());
        }
    };
    command.extend(server);
    Ok(command)
}

/// What is asked of a server: lists, calls that work, calls that fail.
fn steps(server: Server, plan: Plan, corner: &Corner) -> Plan {
    let place = |name: &str| corner.folder.join(name).to_string_lossy().into_owned();
    let call =
        |name: &str, arguments| json!({"do": "call_tool", "name": name, "arguments": arguments});
    match server {
        Server::Time => plan.calling("get_current_time", json!({"timezone": "UTC"}), 3),
        Server::Git => plan.calling("git_status", json!({"repo_path": place("repository")}), 2),
        // Nobody listens on the discard port, so this is an error.
        Server::Fetch => plan.calling("fetch", json!({"url": "http://127.0.0.1:9/"}), 2),
        Server::Sqlite => plan
            .calling("list_tables", json!({}), 1)
            .step(call("read_query", json!({"query": "SELECT 6 * 7"})))
            .step(call(
                "read_query",
                json!({"query": "SELECT nothing FROM nowhere"}),
            )),
        Server::Everything => plan
            .calling("echo", json!({"message": "hello"}), 3)
            .step(json!({"do": "list_resources"}))
            .step(json!({"do": "list_prompts"})),
        Server::Filesystem => plan
            .calling("list_directory", json!({"path": place("home")}), 2)
            .step(call(
                "read_text_file",
                json!({"path": place("home/nothing")}),
            )),
        Server::Memory => plan.calling("read_graph", json!({}), 2).step(call(
            "create_entities",
            json!({"entities": [{"name": "a", "entityType": "b", "observations": ["c"]}]}),
        )),
        Server::Python1 | Server::Witness => plan
            .calling("add", json!({"a": 1, "b": 2}), 3)
            .step(call("fail", json!({"text": "boo"})))
            .step(json!({"do": "list_prompts"}))
            .step(json!({"do": "get_prompt", "name": "greet", "arguments": {"name": "x"}}))
            .step(json!({"do": "read_resource", "uri": "note://abc"})),
        Server::Python2 => plan.calling("multiply", json!({"a": 2, "b": 3}), 3),
        Server::FastMcp => plan.calling("subtract", json!({"a": 2, "b": 3}), 3),
        Server::Node2 => plan.calling("divide", json!({"a": 6, "b": 3}), 3),
        Server::Rmcp => plan.calling("sum", json!({"a": 2, "b": 3}), 3),
    }
}
