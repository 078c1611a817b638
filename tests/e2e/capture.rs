//! Tier 3: plain HTTP from captured packets, as where eBPF is refused: on loopback into the inventory, and from one network
//! namespace to another.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    deadline::{poll, settle},
    gnomon::Gnomon,
    host,
    inventory::{Inventory, Row, word},
    peers::{HttpServer, Loopback, Peers, Plan, Sdk, Surroundings, Tally},
    place::{peer, program, tool},
    process::{Process, Signal, output},
    programs,
};
use serde_json::{Value, json};

/// Time for an interpreter to start and listen, on two busy cores.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// Time for what happened to be told.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// Runs of a client whose packets were lost.
const RUNS_MAX: u32 = 3;
/// Addresses of the pair of interfaces, from the range for documentation (RFC 5737).
const CLIENT: &str = "192.0.2.1";
const SERVER: &str = "192.0.2.2";
/// Nobody else listens in the namespace.
const PORT: u16 = 8080;

/// A collector, and a sensor that may not use eBPF.
fn capturing() -> Result<Gnomon> {
    let mut gnomon = Gnomon::prepare()?;
    gnomon.start_collector()?;
    gnomon.certify()?;
    let mut settings = OpenOptions::new()
        .append(true)
        .open(gnomon.path("sensor.toml"))?;
    writeln!(settings, "\n[kernel]\ntier = 3")?;
    gnomon.start_sensor()?;
    Ok(gnomon)
}

/// Runs a client until all it did is in the inventory. All of this host's loopback traffic is captured, so that packets may
/// be lost while other tests run: then that is counted, and the client runs again.
fn recorded(gnomon: &Gnomon, peers: &mut Peers, sdk: Sdk, plan: &Plan) -> Result<Vec<Row>> {
    let inventory = gnomon.inventory()?;
    let expected = Expected {
        columns: &[
            ("transport", "http"),
            ("channel", "tcp"),
            ("route", "local"),
            ("verdict", "shadow"),
        ],
        ..Expected::default()
    };
    let mut lost_before = lost(&inventory)?;
    for _ in 0..RUNS_MAX {
        let tally = peers.run(sdk, plan)?;
        let outcome = client_is_recorded(&inventory, &tally, &expected);
        let lost_now = lost(&inventory)?;
        match outcome {
            Err(error) if lost_now == lost_before => return Err(error),
            Err(_) => lost_before = lost_now,
            Ok(rows) => return Ok(rows),
        }
    }
    bail!("packets were lost in each of {RUNS_MAX} runs: {lost_before}")
}

/// Packets and bytes that the sensor counted as lost.
fn lost(inventory: &Inventory) -> Result<u64> {
    let rows = inventory.rows(&["sql", "SELECT lost FROM sensors"])?;
    let reasons = rows.iter().filter_map(|row| row.get("lost")?.as_object());
    Ok(reasons
        .flat_map(|lost| ["capture_full", "segment_missed"].map(|reason| lost.get(reason)))
        .filter_map(|count| count?.as_u64())
        .sum())
}

#[test]
fn sessions_on_loopback_are_the_same_without_ebpf() -> Result<()> {
    let gnomon = capturing()?;
    let sensor = gnomon.sensor.as_ref().context("the sensor runs")?.pid();
    let held = programs::held_by(sensor)?;
    ensure!(held.is_empty(), "it holds BPF programs: {held:?}");
    let mut peers = Peers::new(&gnomon.path("peers"));
    // Packets of up to 64 KiB, answers over several of them.
    let text = "x".repeat(200_000);
    for (server, sdk, call) in [
        (
            HttpServer::Python1,
            Sdk::Python1,
            ("add", json!({"a": 1, "b": 2})),
        ),
        (
            HttpServer::Everything,
            Sdk::Node,
            ("echo", json!({"message": text})),
        ),
    ] {
        let serving = peers.serve(server)?;
        let url = format!("http://127.0.0.1:{}/mcp", serving.port);
        let plan = Plan::http(3, url).calling(call.0, call.1, 4);
        for row in recorded(&gnomon, &mut peers, sdk, &plan)? {
            let pid = row.get("server_pid").and_then(Value::as_u64);
            ensure!(
                pid == Some(serving.process.pid().into()),
                "not served by {}: {row:?}",
                serving.process.pid()
            );
            ensure!(word(&row, "server_key").is_some(), "no key: {row:?}");
        }
    }
    settle(SEEN_WITHIN, || {
        let rows = gnomon.inventory()?.rows(&["coverage"])?;
        for what in ["ebpf", "pipe", "unix", "tls", "process"] {
            let stated = rows.iter().any(|row| word(row, "what") == Some(what));
            ensure!(stated, "{what} is not among what is not covered: {rows:?}");
        }
        Ok(())
    })
}

/// Two network namespaces and the pair of interfaces between them; all of it goes with the value.
struct Pair {
    client: Loopback,
    server: Loopback,
}

impl Pair {
    fn make(folder: &Path) -> Result<Self> {
        let sides = ["client", "server"].map(|side| folder.join(side));
        for side in &sides {
            fs::create_dir_all(side)?;
        }
        let pair = Self {
            client: Loopback::start(&sides[0])?,
            server: Loopback::start(&sides[1])?,
        };
        let ip = |arguments: &str| output(Path::new("ip"), arguments.split(' '));
        let (client, server) = (pair.client.pid(), pair.server.pid());
        ip(&format!(
            "link add name client netns {client} type veth peer name server netns {server}"
        ))?;
        for (pid, name, address) in [(client, "client", CLIENT), (server, "server", SERVER)] {
            let inside = |arguments: &str| {
                let arguments = format!("--net=/proc/{pid}/ns/net -- ip {arguments}");
                output(Path::new("nsenter"), arguments.split(' '))
            };
            inside(&format!("address add {address}/24 dev {name}"))?;
            inside(&format!("link set {name} up"))?;
        }
        Ok(pair)
    }

    fn peers(folder: &Path, side: &Loopback) -> Peers {
        let surroundings = Surroundings {
            network_of: Some(side.pid()),
            ..Surroundings::default()
        };
        Peers::within(folder, surroundings)
    }

    /// A sensor beside one side, that sees what passes there and nothing else.
    fn watch(folder: &Path, side: &Loopback, name: &str) -> Result<Process> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", side.pid()))
            .arg("--")
            .arg(program("gnomon-sensor")?)
            .args(["watch", "--format", "json"])
            .env("GNOMON_TIER", "3");
        let mut process = Process::start(name, folder, command)?;
        process.says("gnomon-sensor: ready, tier 3", LISTENS_WITHIN)?;
        Ok(process)
    }
}

fn serve(peers: &mut Peers) -> Result<Process> {
    let mut command = Command::new(tool("peers/python/mcp1/bin/python")?);
    command
        .arg(peer("python/listening_server.py"))
        .args(["tcp", "0.0.0.0", &PORT.to_string()])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = peers.start_command("server", &command)?;
    let list = format!("/proc/{}/net/tcp", process.pid());
    let listening = format!(":{PORT:04X} 00000000:0000 0A");
    poll("the server listens", LISTENS_WITHIN, || {
        if let Some(status) = process.ended()? {
            anyhow::bail!("the server ended with {status}: {}", process.stderr());
        }
        let text = fs::read_to_string(&list).unwrap_or_default();
        Ok(text.contains(&listening).then_some(()))
    })?;
    Ok(process)
}

/// What a sensor printed of one kind.
fn printed(sensor: &Process, kind: &str) -> Result<Vec<Value>> {
    let text = sensor.stdout();
    let rows: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| text.clone())?;
    let of_kind = |row: &Value| row["kind"] == kind;
    Ok(rows.into_iter().filter(of_kind).collect())
}

/// Stops a sensor and compares what it saw with what the client did. `local`: the side whose process it can name.
fn saw(sensor: &mut Process, tally: &Tally, local: (&str, u32), remote: &str) -> Result<()> {
    settle(SEEN_WITHIN, || {
        let sessions = printed(sensor, "session")?;
        let ended = sessions.iter().filter(|row| row["state"] == "ended");
        ensure!(
            ended.count() as u64 == tally.sessions,
            "not {} sessions: {sessions:?}",
            tally.sessions
        );
        Ok(())
    })?;
    sensor.signal(Signal::Interrupt)?;
    let status = sensor.wait(SEEN_WITHIN)?;
    ensure!(status.success(), "{status}: {}", sensor.stderr());
    let sessions = printed(sensor, "session")?;
    for row in sessions.iter().filter(|row| row["state"] == "ended") {
        let (side, pid) = local;
        ensure!(
            row[side]["process"]["pid"] == pid,
            "{side} is not {pid}: {row}"
        );
        let exe = row[side]["process"]["exe"].as_str().unwrap_or_default();
        ensure!(exe.contains("python"), "{side} is not named: {row}");
        ensure!(
            row[remote]["process"].is_null(),
            "{remote} is not here: {row}"
        );
        ensure!(
            row["transport"] == "http" && row["channel"] == "tcp",
            "{row}"
        );
    }
    let calls = printed(sensor, "call")?;
    let answered = |name: &str| {
        let answered = |row: &&Value| row["name"] == name && row["status"] == "ok";
        calls.iter().filter(answered).count() as u64
    };
    let done = tally.calls.get("tools/call add").copied().unwrap_or(0);
    ensure!(
        done > 0 && answered("add") == done,
        "not {done} calls: {calls:?}"
    );
    let stats = printed(sensor, "stats")?;
    let last = stats.last().context("no statistics")?;
    ensure!(
        last["tier"]["capture/lo"] == "3" || last["tier"]["capture/lo"] == 3,
        "{last}"
    );
    let lost = last["lost"].as_object().context("losses")?;
    ensure!(lost.values().all(|count| count == 0), "lost: {last}");
    Ok(())
}

#[test]
fn sessions_between_hosts_are_seen_at_both_ends() -> Result<()> {
    host::share()?;
    let folder = tempfile::tempdir()?;
    let pair = Pair::make(folder.path())?;
    let mut servers = Pair::peers(&folder.path().join("server"), &pair.server);
    let server = serve(&mut servers)?;
    let mut inbound = Pair::watch(folder.path(), &pair.server, "inbound")?;
    let mut outbound = Pair::watch(folder.path(), &pair.client, "outbound")?;
    let mut clients = Pair::peers(&folder.path().join("client"), &pair.client);
    let plan = Plan::http(2, format!("http://{SERVER}:{PORT}/mcp")).calling(
        "add",
        json!({"a": 1, "b": 2}),
        3,
    );
    let tally = clients.run(Sdk::Python1, &plan)?;
    saw(&mut outbound, &tally, ("client", tally.pid), "server")?;
    saw(&mut inbound, &tally, ("server", server.pid()), "client")
}
