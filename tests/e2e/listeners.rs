//! Listeners: which there are, who serves on them, who can reach them, and that they are closed when they are gone.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    deadline::{poll, settle},
    gnomon::Gnomon,
    inventory::{Inventory, Row, word},
    peers::{HttpServer, Peers, Plan, Sdk, free_port},
    place::{peer, tool},
    process::{Process, Signal},
};
use serde_json::{Value, json};

/// Time for what happens on the host to be in the inventory.
const SEEN_WITHIN: Duration = Duration::from_secs(40);
/// Time for an interpreter to start and listen, on two busy cores.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// Unix sockets are looked after now and then: nobody tells of their end.
const UNIX_CLOSED_WITHIN: Duration = Duration::from_secs(90);
/// Listening sockets of one process.
const MANY: u64 = 3000;

/// Our server that comes by its socket in different ways.
fn start(gnomon: &Gnomon, name: &str, arguments: &[&str]) -> Result<Process> {
    let mut command = Command::new(tool("peers/python/mcp1/bin/python")?);
    command
        .arg(peer("python/listening_server.py"))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Process::start(name, &gnomon.path("peers"), command)
}

/// The same, once somebody can connect to its port.
fn serve(gnomon: &Gnomon, name: &str, way: &str, host: &str, port: u16) -> Result<Process> {
    let text = port.to_string();
    let mut process = start(gnomon, name, &[way, host, &text])?;
    let target = if host.contains(':') {
        "::1"
    } else {
        "127.0.0.1"
    };
    settle(LISTENS_WITHIN, || {
        if let Some(status) = process.ended()? {
            anyhow::bail!("{name} ended with {status}: {}", process.stderr());
        }
        std::net::TcpStream::connect((target, port))?;
        Ok(())
    })?;
    Ok(process)
}

fn plan(host: &str, port: u16) -> Plan {
    Plan::http(1, format!("http://{host}:{port}/mcp")).calling("add", json!({"a": 1, "b": 2}), 2)
}

fn number(row: &Row, column: &str) -> Option<u64> {
    row.get(column).and_then(Value::as_u64)
}

/// The one listener on a port, once it looks as `expected`.
fn listener(
    inventory: &Inventory,
    filters: &[&str],
    pid: u32,
    expected: &[(&str, &str)],
) -> Result<Row> {
    let mut found = None;
    let arguments = [&["listeners"], filters].concat();
    settle(SEEN_WITHIN, || {
        let rows = inventory.rows(&arguments)?;
        ensure!(rows.len() == 1, "not one listener: {rows:?}");
        let row = rows.into_iter().next().context("a row")?;
        ensure!(
            number(&row, "pid") == Some(pid.into()),
            "not process {pid}: {row:?}"
        );
        for (column, value) in expected {
            ensure!(
                word(&row, column) == Some(value),
                "{column} is not {value}: {row:?}"
            );
        }
        found = Some(row);
        Ok(())
    })?;
    found.context("a listener")
}

#[test]
fn each_address_has_its_exposure_and_a_restart_is_the_same_listener() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let inventory = gnomon.inventory()?;

    // Node listens on all addresses of IPv6, which takes IPv4 too.
    let everything = peers.serve(HttpServer::Everything)?;
    let port = everything.port.to_string();
    let before = listener(
        &inventory,
        &["--port", &port],
        everything.process.pid(),
        &[],
    )?;
    ensure!(
        word(&before, "mcp") == Some("unknown"),
        "nobody spoke yet: {before:?}"
    );
    let talk = Plan::http(1, everything.url()).step(json!({"do": "list_tools"}));
    peers.run(Sdk::Node, &talk)?;
    let expected = [
        ("mcp", "seen"),
        ("exposure", "any"),
        ("address", "::"),
        ("path", "/mcp"),
        ("state", "open"),
        ("channel", "tcp"),
        ("user", "root"),
    ];
    listener(
        &inventory,
        &["--port", &port],
        everything.process.pid(),
        &expected,
    )?;

    for (host, address, exposure) in [
        ("127.0.0.1", "127.0.0.1", "loopback"),
        ("0.0.0.0", "0.0.0.0", "any"),
        ("::1", "::1", "loopback"),
    ] {
        let port = free_port()?;
        let server = serve(&gnomon, &format!("at-{exposure}-{port}"), "tcp", host, port)?;
        let target = if host == "::1" { "[::1]" } else { "127.0.0.1" };
        peers.run(Sdk::Rmcp, &plan(target, port))?;
        let expected = [
            ("mcp", "seen"),
            ("exposure", exposure),
            ("address", address),
        ];
        listener(
            &inventory,
            &["--port", &port.to_string()],
            server.pid(),
            &expected,
        )?;
    }

    // Gone, and back on the same port as another process.
    let port = free_port()?;
    let text = port.to_string();
    let first = serve(&gnomon, "first", "tcp", "127.0.0.1", port)?;
    peers.run(Sdk::Rmcp, &plan("127.0.0.1", port))?;
    listener(
        &inventory,
        &["--port", &text],
        first.pid(),
        &[("mcp", "seen")],
    )?;
    let pid = first.pid();
    drop(first);
    let closed = listener(&inventory, &["--port", &text], pid, &[("state", "closed")])?;
    ensure!(word(&closed, "closed").is_some(), "when? {closed:?}");
    let second = serve(&gnomon, "second", "tcp", "127.0.0.1", port)?;
    let open = [("state", "open"), ("mcp", "unknown")];
    let row = listener(&inventory, &["--port", &text], second.pid(), &open)?;
    ensure!(word(&row, "closed").is_none(), "it is open again: {row:?}");
    ensure!(word(&row, "mcp_seen").is_some(), "it was known: {row:?}");
    peers.run(Sdk::Rmcp, &plan("127.0.0.1", port))?;
    listener(
        &inventory,
        &["--port", &text],
        second.pid(),
        &[("mcp", "seen")],
    )?;
    Ok(())
}

#[test]
fn who_serves_is_named_and_who_opened_is_evidence() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let inventory = gnomon.inventory()?;
    for way in ["fork", "handed"] {
        let port = free_port()?;
        let server = serve(&gnomon, way, way, "127.0.0.1", port)?;
        // It may listen before it says who it is.
        let [parent, child] = poll("two pids", LISTENS_WITHIN, || {
            let said = server.stdout();
            let Some(line) = said.strip_suffix('\n') else {
                return Ok(None);
            };
            let pids: Vec<u32> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
            Ok(<[u32; 2]>::try_from(pids).ok())
        })?;
        let port = port.to_string();
        listener(
            &inventory,
            &["--port", &port],
            parent,
            &[("mcp", "unknown")],
        )?;
        peers.run(Sdk::Rmcp, &plan("127.0.0.1", port.parse()?))?;
        let row = listener(&inventory, &["--port", &port], child, &[("mcp", "seen")])?;
        let evidence = row
            .get("evidence")
            .map(Value::to_string)
            .unwrap_or_default();
        ensure!(
            evidence.contains(&format!("opened by process {parent} ")),
            "{way}: the opener is not named: {evidence}"
        );
    }
    Ok(())
}

#[test]
fn unix_sockets_have_their_name_and_who_may_connect() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    gnomon.start_collector()?;
    gnomon.certify()?;
    let path = gnomon.path("mcp.sock").to_string_lossy().into_owned();
    let name = format!("@gnomon-e2e-{}", std::process::id());
    // The one is there before the sensor, the other after.
    let before = start(&gnomon, "before", &["unix", &path])?;
    settle(LISTENS_WITHIN, || {
        ensure!(std::path::Path::new(&path).exists(), "{}", before.stderr());
        Ok(())
    })?;
    gnomon.start_sensor()?;
    let after = start(&gnomon, "after", &["unix", &name])?;
    let inventory = gnomon.inventory()?;
    let unix = [("exposure", "unix"), ("channel", "unix"), ("state", "open")];
    for (address, server, access) in [
        (&path, &before, "0660 root:root"),
        (&name, &after, "abstract"),
    ] {
        let of = [&unix[..], &[("access", access)]].concat();
        let row = settle_listener(&inventory, address, server.pid(), &of)?;
        ensure!(row.get("port") == Some(&Value::Null), "{row:?}");
        let mut command = Command::new(tool("peers/python/mcp1/bin/python")?);
        command.arg(peer("python/unix_client.py")).arg(address);
        let mut client = Process::start("unix-client", &gnomon.path("peers"), command)?;
        let status = client.wait(LISTENS_WITHIN)?;
        ensure!(status.success(), "the client failed: {}", client.stderr());
        let pid: u32 = client.stdout().trim().parse()?;
        let of = [&of[..], &[("mcp", "seen"), ("path", "/mcp")]].concat();
        settle_listener(&inventory, address, server.pid(), &of)?;
        settle(SEEN_WITHIN, || {
            let sessions = inventory.sessions_of_client(pid)?;
            ensure!(sessions.len() == 1, "not one session: {sessions:?}");
            let session = &sessions[0];
            ensure!(word(session, "channel") == Some("unix"), "{session:?}");
            let evidence = session.get("evidence").map(Value::to_string);
            let evidence = evidence.unwrap_or_default();
            ensure!(evidence.contains(address.as_str()), "no name in {evidence}");
            Ok(())
        })?;
    }
    before.signal(Signal::Kill)?;
    settle(UNIX_CLOSED_WITHIN, || {
        let rows = inventory.rows(&["listeners", "--address", &path, "--state", "closed"])?;
        ensure!(rows.len() == 1, "still open");
        Ok(())
    })
}

/// [`listener`], of a unix socket.
fn settle_listener(
    inventory: &Inventory,
    address: &str,
    pid: u32,
    expected: &[(&str, &str)],
) -> Result<Row> {
    listener(inventory, &["--address", address], pid, expected)
}

#[test]
fn thousands_of_listening_sockets_are_all_told() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut many = start(&gnomon, "many", &["many", &MANY.to_string()])?;
    many.says("listening", LISTENS_WITHIN)?;
    let inventory = gnomon.inventory()?;
    let count = || -> Result<(u64, u64)> {
        let sql = format!(
            "SELECT countIf(state = 'open') AS open, countIf(state = 'closed') AS closed FROM listeners WHERE pid = {}",
            many.pid()
        );
        let rows = inventory.rows(&["sql", &sql])?;
        let of = |column| {
            let value = rows.first().and_then(|row| row.get(column));
            let text = value.map(Value::to_string).unwrap_or_default();
            text.trim_matches('"').parse::<u64>().unwrap_or(0)
        };
        Ok((of("open"), of("closed")))
    };
    settle(SEEN_WITHIN, || {
        let counted = count()?;
        ensure!(counted == (MANY, 0), "told {counted:?}");
        Ok(())
    })?;
    many.signal(Signal::Kill)?;
    settle(SEEN_WITHIN, || {
        let counted = count()?;
        ensure!(counted == (0, MANY), "told {counted:?}");
        Ok(())
    })
}
