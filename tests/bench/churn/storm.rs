//! What comes and goes.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    peers::{HttpServer, Peers, Plan, Sdk, everything_stdio, server_time},
    process::Process,
};
use serde_json::json;

use super::sessions::{Expected, TAG};
use crate::clock;
use crate::peer::{Channel, Conversation, Done, http_server, session_tag};

/// Processes of a burst, and the time from the beginning of one burst to that of the next.
const BURST: u32 = 1000;
const BURST_EVERY: Duration = Duration::from_secs(2);
/// Of a burst at the same time.
const AT_ONCE: usize = 8;
/// Between rounds of sessions: the rest of the machine has to come to its turn.
const ROUND_EVERY: Duration = Duration::from_millis(300);
/// Sessions and calls of each client.
const SESSIONS: u32 = 3;
const CALLS: u32 = 5;
/// Connections of a pool.
const CONNECTIONS: u16 = 3;
/// Below the ports that the kernel hands out by itself.
const OWN_PORTS: std::ops::Range<u16> = 20_100..28_000;
/// Rounds after which the pools' server makes way for another process on the same port.
const SERVER_ROUNDS: u32 = 20;
const SERVER_LIMIT: Duration = Duration::from_secs(30);
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// Bursts of short processes; gives how many.
pub(super) fn execs(stop: &AtomicBool) -> Result<u64> {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let mut running: Vec<Child> = Vec::new();
        for _ in 0..BURST {
            if running.len() == AT_ONCE {
                running.remove(0).wait()?;
            }
            running.push(Command::new("/bin/true").stdin(Stdio::null()).spawn()?);
            count += 1;
        }
        for mut child in running {
            child.wait()?;
        }
        pause(stop, BURST_EVERY.saturating_sub(start.elapsed()));
    }
    Ok(count)
}

/// Clients that get the ids of the round before; gives how many processes of sessions had an id of one before.
pub(super) fn reused_pids(
    stop: &AtomicBool,
    expected: &Mutex<Vec<Expected>>,
    folder: &Path,
) -> Result<u64> {
    let (mut seen, mut reused) = (BTreeSet::new(), 0);
    let mut wanted = None;
    for round in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let channel = if round % 2 == 0 {
            Channel::Pipe
        } else {
            Channel::Unix
        };
        let plan = Conversation {
            sessions: SESSIONS,
            ..Conversation::new(channel, &format!("{TAG}-line-{round}"), CALLS)
        };
        if let Some(pid) = wanted {
            // Somebody else may be quicker; what came of it is counted.
            fs::write(LAST_PID, format!("{}", pid - 1)).context(LAST_PID)?;
        }
        let done = run(plan.command()?, folder)?;
        reused += std::iter::once(done.client)
            .chain(done.servers.iter().copied())
            .filter(|pid| !seen.insert(*pid))
            .count() as u64;
        for (number, server) in (0..).zip(&done.servers) {
            add(expected, &plan.tag, number, done.client, *server)?;
        }
        // In turn the client gets the id of a client and that of a server.
        wanted = if round % 3 == 2 {
            done.servers.last().copied()
        } else {
            Some(done.client)
        };
        pause(stop, ROUND_EVERY);
    }
    Ok(reused)
}

/// Pools of connections from the same own ports each time; gives how many connections had a port of one before.
pub(super) fn pools(
    stop: &AtomicBool,
    expected: &Mutex<Vec<Expected>>,
    folder: &Path,
) -> Result<u64> {
    let mut ports = free_ports()?;
    let (mut port, mut server) = (0, None);
    let (mut reused, mut has_used) = (0, false);
    for round in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if round % SERVER_ROUNDS == 0 {
            // The one before first, so that its port is free.
            drop(server.take());
            let (process, own) = serve(port, folder)?;
            port = own;
            server = Some(process);
        }
        let serving = server.as_ref().context("a server")?;
        let plan = Conversation {
            sessions: SESSIONS,
            server_port: Some(port),
            connections: CONNECTIONS,
            own_port: ports,
            ..Conversation::new(Channel::Http, &format!("{TAG}-pool-{round}"), CALLS)
        };
        match run(plan.command()?, folder) {
            Ok(done) => {
                reused += if has_used { u64::from(CONNECTIONS) } else { 0 };
                has_used = true;
                for number in 0..SESSIONS {
                    add(expected, &plan.tag, number, done.client, serving.pid())?;
                }
            }
            // Somebody took one of the ports meanwhile: nothing was said.
            Err(error) if format!("{error:#}").contains("bind") => {
                ports = free_ports()?;
                has_used = false;
            }
            Err(error) => return Err(error),
        }
        pause(stop, ROUND_EVERY);
    }
    Ok(reused)
}

/// SDK clients and servers, one after the other; gives how many sessions.
pub(super) fn sdk_peers(
    stop: &AtomicBool,
    expected: &Mutex<Vec<Expected>>,
    folder: &Path,
) -> Result<u64> {
    let folder = folder.join("sdk");
    fs::create_dir(&folder)?;
    let mut peers = Peers::new(&folder);
    let everything = peers.serve(HttpServer::Everything)?;
    let echo = |plan: Plan| plan.calling("echo", json!({"message": "hello"}), 3);
    let plans = [
        (
            Sdk::Python1,
            Plan::stdio(2, server_time()?).calling(
                "get_current_time",
                json!({"timezone": "UTC"}),
                3,
            ),
        ),
        (Sdk::Node, echo(Plan::stdio(2, everything_stdio()?))),
        (Sdk::Node, echo(Plan::http(2, everything.url()))),
    ];
    let mut sessions = 0;
    for (sdk, plan) in plans.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let tally = peers.run(*sdk, plan)?;
        sessions += tally.sessions;
        expected
            .lock()
            .map_err(|_| anyhow::anyhow!("a thread panicked"))?
            .push(Expected::Sdk(tally));
        pause(stop, ROUND_EVERY);
    }
    Ok(sessions)
}

fn add(
    expected: &Mutex<Vec<Expected>>,
    tag: &str,
    number: u32,
    client: u32,
    server: u32,
) -> Result<()> {
    expected
        .lock()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?
        .push(Expected::Tagged {
            tag: session_tag(tag, number),
            client,
            server,
            calls: u64::from(CALLS),
        });
    Ok(())
}

/// Not by way of [`Process`]: another process before the client would take the id that was asked for.
fn run(mut command: Command, folder: &Path) -> Result<Done> {
    let output = command.current_dir(folder).stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "a client failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("what the client did")
}

fn serve(port: u16, folder: &Path) -> Result<(Process, u16)> {
    let mut command = http_server()?;
    command.arg(port.to_string());
    let mut process = Process::start("pool-server", folder, command)?;
    let line = process.says("port ", SERVER_LIMIT)?;
    let port = line
        .trim_start_matches("port ")
        .parse()
        .context("its port")?;
    Ok((process, port))
}

/// The first of a row of own ports that were free a moment ago.
fn free_ports() -> Result<u16> {
    OWN_PORTS
        .step_by(usize::from(CONNECTIONS))
        .find(|first| {
            (*first..first + CONNECTIONS)
                .all(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        })
        .context("no free ports")
}

/// Waits, but not beyond the end.
fn pause(stop: &AtomicBool, time: Duration) {
    let end = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) && Instant::now() < end {
        clock::pass(Duration::from_millis(20));
    }
}
