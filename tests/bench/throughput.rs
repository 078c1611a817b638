//! What a running sensor leaves of the host's throughput on traffic that is not MCP.
//!
//! Rounds with the sensor off and on take turns, so that what else the machine does falls on both alike; the figure is the median
//! over all pairs of neighbours of how much of the throughput is left. Reported and not barred: docs/losses.md and the design say what
//! empty programs on these hooks cost.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::FileExt, net::UnixStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{claims::Watch, place::peer, process::Process};

use crate::results::Figure;

/// Pairs of rounds.
const ROUNDS: usize = 7;
/// Of one kind of operation in one round: long against a scheduler's slice, short against changes of the load.
const ROUND: Duration = Duration::from_millis(400);
/// Operations between two looks at the clock.
const STRIDE: u32 = 500;
const BYTES: usize = 512;
const WEB_LIMIT: Duration = Duration::from_secs(60);

/// One kind of operation: its name, and how long each took, in nanoseconds.
type Kind = (&'static str, &'static str, fn(&Path) -> Result<f64>);

const KINDS: [Kind; 6] = [
    ("getppid", "a system call that moves nothing", |_| getppid()),
    ("pipe", "512 B written to a pipe and read again", |_| pipe()),
    (
        "unix",
        "512 B written to a unix socket and read again",
        |_| unix(),
    ),
    (
        "tcp",
        "512 B written to a loopback connection and read again",
        |_| tcp(),
    ),
    ("file", "4 KB written to a file", file),
    (
        "web",
        "400 HTTP requests of node to node on 4 pooled connections, with start-up",
        web,
    ),
];

/// Takes turns.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); KINDS.len()];
    let mut off = round(folder.path())?;
    for _ in 0..ROUNDS {
        let watch = Watch::start(folder.path())?;
        let on = round(folder.path())?;
        watch.stop()?;
        let after = round(folder.path())?;
        for (kind, ratios) in ratios.iter_mut().enumerate() {
            // Less time each is more throughput.
            ratios.extend([off[kind] / on[kind], after[kind] / on[kind]]);
        }
        off = after;
    }
    Ok(KINDS
        .iter()
        .zip(&mut ratios)
        .map(|((name, what, _), ratios)| {
            ratios.sort_by(f64::total_cmp);
            Figure::new(
                &format!("throughput.{name}"),
                &format!("throughput left while a sensor runs: {what}"),
                100.0 * ratios[ratios.len() / 2],
                "% of without",
                None,
            )
        })
        .collect())
}

fn round(folder: &Path) -> Result<Vec<f64>> {
    KINDS.iter().map(|(_, _, run)| run(folder)).collect()
}

/// Nanoseconds for each call of `operation`.
fn timed(mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < ROUND {
        for _ in 0..STRIDE {
            operation()?;
        }
        count += STRIDE;
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(count))
}

fn getppid() -> Result<f64> {
    timed(|| {
        // The C library asks the kernel each time.
        std::hint::black_box(std::os::unix::process::parent_id());
        Ok(())
    })
}

/// Writes and reads on one thread: nobody has to be woken.
fn to_and_fro(mut sink: impl Write, mut source: impl Read) -> Result<f64> {
    let (written, mut read) = ([b'x'; BYTES], [0; BYTES]);
    timed(|| {
        sink.write_all(&written)?;
        Ok(source.read_exact(&mut read)?)
    })
}

fn pipe() -> Result<f64> {
    let (source, sink) = std::io::pipe()?;
    to_and_fro(sink, source)
}

fn unix() -> Result<f64> {
    let (sink, source) = UnixStream::pair()?;
    to_and_fro(sink, source)
}

fn tcp() -> Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let sink = TcpStream::connect(listener.local_addr()?)?;
    let (source, _) = listener.accept()?;
    sink.set_nodelay(true)?;
    to_and_fro(sink, source)
}

fn file(folder: &Path) -> Result<f64> {
    let file = File::create(folder.join("written"))?;
    let block = [b'x'; 4096];
    let mut at = 0;
    timed(|| {
        file.write_all_at(&block, at % (16 << 20))?;
        at += block.len() as u64;
        Ok(())
    })
}

/// The pooled client of tests/peers/negatives against its server.
fn web(folder: &Path) -> Result<f64> {
    let script = peer("negatives/http.mjs");
    let mut serve = Command::new("node");
    serve.arg(&script).arg("serve");
    let mut server = Process::start("web-server", folder, serve)?;
    let port = server.says("", WEB_LIMIT).context("its port")?;
    let mut ask = Command::new("node");
    ask.arg(&script).arg(port.trim());
    let start = Instant::now();
    let mut client = Process::start("web-client", folder, ask)?;
    let status = client.wait(WEB_LIMIT)?;
    ensure!(status.success(), "{status}: {}", client.stderr());
    Ok(start.elapsed().as_nanos() as f64)
}
