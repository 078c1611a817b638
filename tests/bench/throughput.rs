//! What a running sensor leaves of the host's throughput on traffic that is not MCP.
//!
//! Rounds without anything, with programs that do nothing on every system call (sensor/examples/floor.rs) and with the sensor
//! take turns, so that what else the machine does falls on all alike; a figure is the median over all pairs of neighbours. How
//! much of the throughput is left depends on the machine; how much less than beside empty programs is up to the sensor.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::FileExt, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::Watch,
    place::{checkout, peer, program},
    process::{Process, Signal},
};

use crate::results::Figure;

/// Pairs of rounds.
const ROUNDS: usize = 7;
/// Of one kind of operation in one round: long against a scheduler's slice, short against changes of the load.
const ROUND: Duration = Duration::from_millis(400);
/// Operations between two looks at the clock.
const STRIDE: u32 = 500;
const BYTES: usize = 512;
const WEB_LIMIT: Duration = Duration::from_secs(60);

const FLOOR_LIMIT: Duration = Duration::from_secs(10);

/// One kind of operation.
struct Kind {
    /// Its figures' name.
    name: &'static str,
    /// What it does.
    what: &'static str,
    /// How long each took, nanoseconds.
    run: fn(&Path) -> Result<f64>,
    /// How much less there may be than beside empty programs, %.
    limit: Option<f64>,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "getppid",
        what: "a system call that moves nothing",
        run: |_| getppid(),
        limit: None,
    },
    Kind {
        name: "pipe",
        what: "512 B written to a pipe and read again",
        run: |_| pipe(),
        limit: Some(18.0),
    },
    Kind {
        name: "unix",
        what: "512 B written to a unix socket and read again",
        run: |_| unix(),
        limit: Some(12.0),
    },
    Kind {
        name: "tcp",
        what: "512 B written to a loopback connection and read again",
        run: |_| tcp(),
        limit: Some(8.0),
    },
    Kind {
        name: "file",
        what: "4 KB written to a file",
        run: file,
        limit: None,
    },
    Kind {
        name: "grep",
        what: "grep through the project's sources, four times",
        run: |_| grep(),
        limit: Some(8.0),
    },
    Kind {
        name: "web",
        what: "400 HTTP requests of node to node on 4 pooled connections, with start-up",
        run: web,
        limit: None,
    },
];

/// By kind: how much was left of what there was in the round before, or after.
type Ratios = Vec<Vec<f64>>;

/// Takes turns.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let empty: fn() -> Ratios = || vec![Vec::new(); KINDS.len()];
    let (mut of_none, mut of_floor) = (empty(), empty());
    let mut off = round(folder.path())?;
    for _ in 0..ROUNDS {
        let before = beside_floor(folder.path())?;
        let watch = Watch::start(folder.path())?;
        let on = round(folder.path())?;
        watch.stop()?;
        let after = beside_floor(folder.path())?;
        let off_again = round(folder.path())?;
        for kind in 0..KINDS.len() {
            // Less time each is more throughput.
            of_none[kind].extend([off[kind] / on[kind], off_again[kind] / on[kind]]);
            of_floor[kind].extend([before[kind] / on[kind], after[kind] / on[kind]]);
        }
        off = off_again;
    }
    let left = KINDS.iter().zip(of_none).map(|(kind, ratios)| {
        Figure::new(
            &format!("throughput.{}", kind.name),
            &format!("throughput left while a sensor runs: {}", kind.what),
            100.0 * median(ratios),
            "% of without",
            None,
        )
    });
    let less = KINDS.iter().zip(of_floor).map(|(kind, ratios)| {
        Figure::new(
            &format!("throughput.{}.floor", kind.name),
            &format!("throughput less than beside empty programs: {}", kind.what),
            100.0 * (1.0 - median(ratios)),
            "%",
            kind.limit,
        )
    });
    Ok(left.chain(less).collect())
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn beside_floor(folder: &Path) -> Result<Vec<f64>> {
    let command = Command::new(program("examples/floor")?);
    let mut floor = Process::start("floor", folder, command)?;
    floor.says("floor: ready", FLOOR_LIMIT)?;
    let times = round(folder)?;
    floor.signal(Signal::Terminate)?;
    floor.wait(FLOOR_LIMIT)?;
    Ok(times)
}

fn round(folder: &Path) -> Result<Vec<f64>> {
    KINDS.iter().map(|kind| (kind.run)(folder)).collect()
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

/// Opens, asks after and reads some hundred small files each time.
fn grep() -> Result<f64> {
    let sources = checkout();
    let mut grep = Command::new("grep");
    grep.args(["-r", "-c", "[n]o line of them says so"])
        .args(["sensor", "collector", "tests", "docs"].repeat(4))
        .current_dir(sources)
        .stdout(Stdio::null());
    let start = Instant::now();
    let status = grep.status().context("grep")?;
    let taken = start.elapsed();
    // It found nothing.
    ensure!(status.code() == Some(1), "grep: {status}");
    Ok(taken.as_nanos() as f64)
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
