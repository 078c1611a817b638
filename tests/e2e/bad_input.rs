//! What an operator gets wrong and what a hostile process sends: a clear message, and the rest goes on.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    gnomon::Gnomon,
    peers::{HttpServer, Peers, Plan, Sdk, rmcp_stdio},
    place::{engine_library, program},
    process::{Process, Signal},
};
use serde_json::json;

/// A user without rights, by number: `nobody`.
const NOBODY: &str = "65534";
/// Time for a program that must refuse.
const REFUSAL_LIMIT: Duration = Duration::from_secs(40);
/// The sensor's memory after garbage, KiB, at most: its tables are bounded.
const SENSOR_KIB_MAX: u64 = 400 * 1024;

/// Runs a program that must refuse, and gives what it said.
fn refusal(gnomon: &Gnomon, mut command: Command) -> Result<String> {
    command.env("GNOMON_CHDB", engine_library()?);
    let mut process = Process::start("refusal", gnomon.folder(), command)?;
    let status = process.wait(REFUSAL_LIMIT)?;
    let said = process.stdout() + &process.stderr();
    ensure!(!status.success(), "it should have refused: {said}");
    ensure!(!said.contains("panicked"), "it panicked: {said}");
    Ok(said)
}

fn collector(gnomon: &Gnomon, action: &str) -> Result<Command> {
    let mut command = Command::new(program("gnomon-collector")?);
    command
        .arg(action)
        .arg("--config")
        .arg(gnomon.path("collector.toml"));
    Ok(command)
}

/// Every one of `words` is in the message.
fn names(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(
            said.contains(word),
            "the message does not name {word:?}: {said}"
        );
    }
    Ok(())
}

#[test]
fn a_sensor_without_root_says_what_it_needs() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    // Where that user may run it: the build's folder may be root's alone.
    let copy = gnomon.path("gnomon-sensor");
    fs::copy(program("gnomon-sensor")?, &copy)?;
    fs::set_permissions(gnomon.folder(), fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(copy);
    command.args(["watch", "--duration", "1s"]);
    let said = refusal(&gnomon, command)?;
    ensure!(
        said.contains("root") || said.contains("CAP_BPF"),
        "the message does not say what is needed: {said}"
    );
    Ok(())
}

#[test]
fn a_taken_port_is_named() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    let settings = gnomon.path("collector.toml");
    for section in ["api", "ingest"] {
        let state = gnomon.path(section);
        fs::write(
            &settings,
            format!("state_dir = {state:?}\n[{section}]\nlisten = \"{address}\"\n"),
        )?;
        names(
            &refusal(&gnomon, collector(&gnomon, "serve")?)?,
            &[&address, section],
        )?;
    }
    Ok(())
}

#[test]
fn a_second_collector_on_the_same_state_is_refused() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    gnomon.start_collector()?;
    let state = gnomon.path("collector").to_string_lossy().into_owned();
    names(&refusal(&gnomon, collector(&gnomon, "serve")?)?, &[&state])?;
    // The first one is unharmed.
    gnomon.inventory()?.rows(&["sessions"])?;
    Ok(())
}

#[test]
fn wrong_settings_are_refused_with_file_and_line() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    let settings = gnomon.path("collector.toml");
    for (text, place) in [
        (
            "state_dir = \"/nowhere\"\n\n[api]\nlissen = \"127.0.0.1:1\"\n",
            "collector.toml:4",
        ),
        ("[retention]\ndays = \"many\"\n", "collector.toml:2"),
        ("state_dir = \n", "collector.toml:1"),
    ] {
        fs::write(&settings, text)?;
        names(
            &refusal(&gnomon, collector(&gnomon, "check-config")?)?,
            &[place],
        )?;
    }
    let sensor_settings = gnomon.path("sensor.toml");
    fs::write(
        &sensor_settings,
        "state_dir = \"/nowhere\"\nfrobnicate = 1\n",
    )?;
    let mut command = Command::new(program("gnomon-sensor")?);
    command.arg("run").arg("--config").arg(&sensor_settings);
    names(
        &refusal(&gnomon, command)?,
        &["sensor.toml:2", "frobnicate"],
    )
}

#[test]
fn missing_settings_are_named() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    for name in ["gnomon-collector", "gnomon-sensor"] {
        let mut command = Command::new(program(name)?);
        command
            .arg(if name == "gnomon-sensor" {
                "run"
            } else {
                "serve"
            })
            .args(["--config", "/nowhere/at-all.toml"]);
        names(&refusal(&gnomon, command)?, &["/nowhere/at-all.toml"])?;
    }
    Ok(())
}

#[test]
fn unreadable_settings_are_named_with_the_reason() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    fs::set_permissions(gnomon.folder(), fs::Permissions::from_mode(0o755))?;
    for (name, action) in [("gnomon-collector", "serve"), ("gnomon-sensor", "run")] {
        // Of another user, a folder, and no text.
        let secret = gnomon.path("secret.toml");
        fs::write(&secret, "state_dir = \"/nowhere\"\n")?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        let copy = gnomon.path(name);
        fs::copy(program(name)?, &copy)?;
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        command.arg(&copy).arg(action).arg("--config").arg(&secret);
        let said = refusal(&gnomon, command)?;
        names(&said, &["secret.toml", "ermission denied"])?;

        let binary = gnomon.path("binary.toml");
        fs::write(&binary, [0xff, 0xfe, 0x00, 0x01])?;
        for (file, reason) in [(gnomon.path("peers"), "directory"), (binary, "UTF-8")] {
            let mut command = Command::new(program(name)?);
            command.arg(action).arg("--config").arg(&file);
            let file = file.to_string_lossy().into_owned();
            names(&refusal(&gnomon, command)?, &[&file, reason])?;
        }
    }
    Ok(())
}

#[test]
fn a_clickhouse_folder_in_use_is_named() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    gnomon.start_collector()?;
    gnomon.stop(Signal::Terminate)?;
    // As another ClickHouse does that was started on the data by hand.
    let data = gnomon.path("collector/clickhouse/data");
    ensure!(data.is_dir(), "its data is elsewhere by now");
    let status = data.join("status");
    let mut holder = Command::new("flock");
    holder.arg("--no-fork").arg(&status);
    holder.args(["sh", "-c", "echo held; exec sleep 600"]);
    let mut holder = Process::start("holder", gnomon.folder(), holder)?;
    holder.says("held", REFUSAL_LIMIT)?;
    names(
        &refusal(&gnomon, collector(&gnomon, "serve")?)?,
        &["another process uses this data folder", "state_dir"],
    )
}

#[test]
fn settings_that_are_checked_are_named() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    for (arguments, words) in [
        (
            vec!["check-config"],
            vec!["the defaults", "--config FILE", "/var/lib/gnomon-collector"],
        ),
        (
            vec!["check-config", "--config", "collector.toml"],
            vec!["checking collector.toml", "settings are fine"],
        ),
    ] {
        let output = Command::new(program("gnomon-collector")?)
            .args(arguments)
            .current_dir(gnomon.folder())
            .env("GNOMON_CHDB", engine_library()?)
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        names(&String::from_utf8_lossy(&output.stdout), &words)?;
    }
    Ok(())
}

#[test]
fn a_key_in_use_is_not_replaced_by_the_way() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    gnomon.start_collector()?;
    gnomon.certify()?;
    let key = gnomon.path("sensor/sensor.key");
    let before = fs::read(&key)?;
    let mut command = collector(&gnomon, "certify")?;
    command.args(["--host", "other", "--out"]);
    command.arg(gnomon.path("sensor"));
    let key_text = key.to_string_lossy().into_owned();
    names(
        &refusal(&gnomon, command)?,
        &[&key_text, "--replace", "--out"],
    )?;
    ensure!(fs::read(&key)? == before, "it was replaced");
    Ok(())
}

#[test]
fn a_wrong_policy_is_refused_with_file_and_line_and_the_old_one_stays() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    gnomon.start_collector()?;
    let good =
        "[[gateway]]\nname = \"main\"\nnames = [\"gw.example\"]\naddresses = [\"10.0.0.5:443\"]\n";
    gnomon.apply_policy(good)?;
    let error = gnomon
        .apply_policy("[[gateway]]\nname = \"main\"\nnaems = [\"x\"]\n")
        .err()
        .context("it is refused")?;
    names(&format!("{error:#}"), &["policy.toml", "naems"])?;
    let shown = gnomon.inventory()?.run(&["policy", "show"])?;
    names(&shown, &["gw.example"])
}

#[test]
fn a_collector_that_is_away_is_said_by_the_command() -> Result<()> {
    let gnomon = Gnomon::prepare()?;
    let token = gnomon.path("token");
    fs::write(&token, "0123456789abcdef".repeat(4))?;
    let output: Output = Command::new(program("gnomon")?)
        .arg("sessions")
        .env("GNOMON_API", "http://127.0.0.1:9")
        .env("GNOMON_TOKEN_FILE", token)
        .output()?;
    ensure!(output.status.code() == Some(1), "{}", output.status);
    names(&String::from_utf8_lossy(&output.stderr), &["127.0.0.1:9"])
}

#[test]
fn garbage_half_frames_and_vanishing_processes_do_not_stop_the_rest() -> Result<()> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let server = peers.serve(HttpServer::Python1)?;
    garbage_over_tcp(server.port)?;
    garbage_over_pipes()?;

    // A client killed in the middle of a session.
    let mut plan = Plan::http(1, server.url()).calling("add", json!({"a": 1, "b": 2}), 50);
    plan.hold = Some(gnomon.path("never"));
    let vanishing = peers.start(Sdk::Python1, &plan)?;
    let pid = vanishing.process.pid();
    let inventory = gnomon.inventory()?;
    gnomon_tests::deadline::settle(Duration::from_secs(40), || {
        ensure!(
            inventory.sessions_of_client(pid)?.len() == 1,
            "not seen yet"
        );
        Ok(())
    })?;
    drop(vanishing);

    let plan = Plan::stdio(2, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 3);
    let tally = peers.run(Sdk::Rmcp, &plan)?;
    client_is_recorded(&inventory, &tally, &Expected::default())?;
    let sensor = gnomon.sensor.as_ref().context("the sensor runs")?.pid();
    let kib = resident_kib(sensor)?;
    ensure!(kib < SENSOR_KIB_MAX, "the sensor holds {kib} KiB");
    Ok(())
}

/// Half heads, lying lengths, and bytes without any meaning, each on a connection of its own.
fn garbage_over_tcp(port: u16) -> Result<()> {
    let noise = noise(1 << 20);
    let samples: [&[u8]; 6] = [
        &noise,
        b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Le",
        b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{\"jsonrpc\":",
        b"POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-",
        b"\0\0\0\0\xff\xfe\n\n\n{}\n[]\nnull\n",
    ];
    for sample in samples {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        // The server may close on us in the middle; that is part of it.
        let _ = connection.write_all(sample);
    }
    Ok(())
}

/// The same through a pipe, line by line and without an end.
fn garbage_over_pipes() -> Result<()> {
    for sample in [
        noise(1 << 20),
        vec![b'{'; 1 << 20],
        b"{\"jsonrpc\":\"2.0\",\"id\":".repeat(1 << 14),
    ] {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        child
            .stdin
            .take()
            .context("its input")?
            .write_all(&sample)?;
        child.wait()?;
    }
    Ok(())
}

/// Bytes without a pattern.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state: u32 = 0x1234_5678;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
