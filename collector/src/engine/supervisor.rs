//! One thread that owns the engine's process: spawns it, waits for it, starts it again.
//!
//! A thread of its own, not a task: the parent-death signal is tied to the thread that spawned the
//! child, and threads of the runtime's pool come and go.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::{
    Settings,
    config::{DATABASE, GATE_HEADER, Prepared},
};
use crate::store::{Access, Connection};

const POLL: Duration = Duration::from_millis(10);
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// A run at least this long was a good one: the next restart is prompt again.
const GOOD_RUN: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(10);
/// What is kept of the process's standard error, for messages.
const TAIL_BYTES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The engine was asked to end: do not start it again.
    Stopping,
    /// Wait for its end, then return.
    Stop,
    /// Nobody asked it to end, and nobody waits: kill it. What ClickHouse has taken is safe.
    Kill,
}

/// Handle on the thread. Dropping it stops the engine.
#[derive(Debug)]
pub(super) struct Supervisor {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

type Started = (
    Supervisor,
    watch::Receiver<Option<Connection>>,
    oneshot::Receiver<String>,
);

impl Supervisor {
    /// Starts thread and engine. The last item tells why the very first start failed, if it does.
    pub(super) fn start(settings: Settings, prepared: Prepared) -> Result<Started> {
        let (orders, taken) = sync_channel(4);
        let (publish, connection) = watch::channel(None);
        let (tell, failure) = oneshot::channel();
        let keeper = Keeper {
            settings,
            prepared,
            orders: taken,
            publish,
            first_failure: Some(tell),
            stopping: false,
            kill: false,
        };
        let thread = thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || keeper.run())
            .context("starting the engine's thread")?;
        Ok((
            Self {
                orders,
                thread: Some(thread),
            },
            connection,
            failure,
        ))
    }

    /// The engine has been, or is about to be, asked to end.
    pub(super) fn stopping(&self) {
        let _ = self.orders.try_send(Order::Stopping);
    }

    /// Waits for the engine's end; kills it after [`STOP_MAX`].
    pub(super) fn stop(mut self) {
        self.finish(Order::Stop);
    }

    fn finish(&mut self, order: Order) {
        if let Some(thread) = self.thread.take() {
            let _ = self.orders.send(order);
            let _ = thread.join();
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.finish(Order::Kill);
    }
}

struct Keeper {
    settings: Settings,
    prepared: Prepared,
    orders: Receiver<Order>,
    publish: watch::Sender<Option<Connection>>,
    first_failure: Option<oneshot::Sender<String>>,
    stopping: bool,
    kill: bool,
}

/// How a run of the engine ended.
enum End {
    Stopped,
    Failed(String),
}

impl Keeper {
    fn run(mut self) {
        let mut back_off = BACK_OFF_MIN;
        loop {
            let started = Instant::now();
            let end = self.one_run();
            self.prepared.remove();
            self.publish.send_replace(None);
            let End::Failed(why) = end else { return };
            if self.stopping {
                return;
            }
            if let Some(tell) = self.first_failure.take() {
                let _ = tell.send(why);
                return;
            }
            if started.elapsed() >= GOOD_RUN {
                back_off = BACK_OFF_MIN;
            }
            error!(
                why,
                retry_ms = back_off.as_millis(),
                "the ClickHouse engine ended and is started again"
            );
            if self.wait(back_off) {
                return;
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    fn one_run(&mut self) -> End {
        let port_file = self.prepared.run.join("port");
        let _ = fs::remove_file(&port_file);
        let mut child = match self.spawn(&port_file) {
            Ok(child) => child,
            Err(error) => return End::Failed(format!("{error:#}")),
        };
        let tail = follow_stderr(&mut child, self.prepared.run.join("engine.err"));
        let mut ready = false;
        let mut kill_at = None;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if self.stopping => {
                    info!(%status, "ClickHouse engine stopped");
                    return End::Stopped;
                }
                Ok(Some(status)) => return End::Failed(explain(status, &tail.text())),
                Ok(None) => {}
                Err(error) => warn!(%error, "the engine's process cannot be watched"),
            }
            if !ready && let Some(port) = read_port(&port_file) {
                ready = true;
                self.prepared.remove();
                info!(port, pid = child.id(), "ClickHouse engine ready");
                self.publish.send_replace(Some(self.connection(port)));
                self.first_failure = None;
            }
            // Polled finely while it starts, coarsely afterwards.
            if self.wait(if ready { POLL * 5 } else { POLL }) {
                // Open connections would make ClickHouse wait five seconds: the last clients go now.
                self.publish.send_replace(None);
                let deadline = *kill_at.get_or_insert_with(|| Instant::now() + STOP_MAX);
                if Instant::now() >= deadline || !ready || self.kill {
                    let _ = child.kill();
                    let _ = child.wait();
                    return End::Stopped;
                }
            }
        }
    }

    /// Waits; true once the engine shall stay down.
    fn wait(&mut self, time: Duration) -> bool {
        match self.orders.recv_timeout(time) {
            Ok(Order::Stopping | Order::Stop) => self.stopping = true,
            Ok(Order::Kill) => (self.stopping, self.kill) = (true, true),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                self.stopping = true;
                thread::park_timeout(time);
            }
        }
        self.stopping
    }

    fn spawn(&self, port_file: &std::path::Path) -> Result<Child> {
        self.prepared.write()?;
        Command::new(&self.settings.program)
            .arg0("gnomon-engine")
            .arg("engine")
            .arg("--library")
            .arg(&self.settings.library)
            .arg("--config")
            .arg(&self.prepared.config)
            .arg("--users")
            .arg(&self.prepared.users)
            .arg("--data")
            .arg(&self.prepared.data)
            .arg("--port-file")
            .arg(port_file)
            .arg("--parent")
            .arg(std::process::id().to_string())
            .current_dir(&self.prepared.run)
            .env_clear()
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C in a terminal reaches the collector alone, which stops it in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", self.settings.program.display()))
    }

    fn connection(&self, port: u16) -> Connection {
        let access = |user: &str, password: &str| Access {
            url: format!("http://127.0.0.1:{port}"),
            user: user.to_owned(),
            password: password.to_owned(),
            header: Some((GATE_HEADER.to_owned(), self.prepared.gate.clone())),
        };
        Connection::new(
            DATABASE,
            &access("gnomon", &self.prepared.writer_password),
            Some(&access("analyst", &self.prepared.analyst_password)),
        )
    }
}

fn read_port(file: &std::path::Path) -> Option<u16> {
    fs::read_to_string(file)
        .ok()?
        .strip_suffix('\n')?
        .parse()
        .ok()
}

/// The last bytes of the process's standard error.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn push(&self, line: &[u8]) {
        let Ok(mut kept) = self.0.lock() else { return };
        kept.extend_from_slice(line);
        let excess = kept.len().saturating_sub(TAIL_BYTES_MAX);
        kept.drain(..excess);
    }

    fn text(&self) -> String {
        self.0
            .lock()
            .map(|kept| String::from_utf8_lossy(&kept).trim().to_owned())
            .unwrap_or_default()
    }
}

/// Copies standard error to a file (at most 1 MiB a run) and keeps its tail.
fn follow_stderr(child: &mut Child, path: std::path::PathBuf) -> Tail {
    const FILE_BYTES_MAX: usize = 1 << 20;
    const LINE_BYTES_MAX: u64 = 4096;
    let tail = Tail::default();
    let Some(stderr) = child.stderr.take() else {
        return tail;
    };
    let kept = tail.clone();
    let follow = move || {
        let mut file = File::create(path).ok();
        let mut room = FILE_BYTES_MAX;
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .is_ok_and(|n| n > 0)
        {
            kept.push(&line);
            if let Some(file) = file.as_mut().filter(|_| line.len() <= room) {
                room -= line.len();
                let _ = file.write_all(&line);
            }
            line.clear();
        }
    };
    if let Err(error) = thread::Builder::new()
        .name("engine-stderr".to_owned())
        .spawn(follow)
    {
        warn!(%error, "the engine's messages are not kept");
    }
    tail
}

/// What happened and what to do, from the exit status and ClickHouse's own words.
fn explain(status: ExitStatus, text: &str) -> String {
    let last = text
        .lines()
        .rev()
        .find(|line| line.contains("ClickHouse:") || line.contains("rror"))
        .unwrap_or(text);
    let advice = if text.contains("Cannot lock file")
        || text.contains("CANNOT_OPEN_FILE") && text.contains("status")
    {
        "; another process uses this data folder: stop it, or set another state_dir"
    } else if text.contains("No space left") || text.contains("NOT_ENOUGH_SPACE") {
        "; the disk is full: make room, the collector goes on by itself"
    } else if text.contains("Permission denied") {
        "; the data folder belongs to another user: give it to this one, or set another state_dir"
    } else if text.contains("cannot open shared object")
        || text.contains("loading the ClickHouse engine")
    {
        "; the library does not fit this machine: use a ClickHouse server of your own: [clickhouse] url, user, password_file"
    } else {
        ""
    };
    format!(
        "the ClickHouse engine ended ({status}): {}{advice}",
        last.trim()
    )
}
