//! Observations on their way to the collector: encoded, sealed into batches, spooled, sent, and sent
//! again until the collector says that they are stored.
//!
//! A thread of its own runs everything: one task owns batch, spool and window (`task.rs`), one keeps
//! the connection (`link.rs`). Reading and writing files happens on a blocking thread beside them.
//! [`Exporter::send`] waits for a moment only: what finds the queue full for longer is dropped and counted.

mod batch;
mod link;
mod task;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::config::{Collector, Config};
use crate::observation::{HostName, Observation};
use crate::order::Order;
use crate::own;
use crate::spool::{Folder, FolderError, Loss, Spool, SpoolLoss};

/// A full queue is waited for at most this long.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks at a full queue; short against the time that a batch takes.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);

/// What the exporter needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to, and with which certificates.
    pub collector: Collector,
    /// Folder of the spool.
    pub spool: PathBuf,
    /// The collector's order to have probes off.
    pub order: Order,
    /// Bytes that the spool may take.
    pub spool_bytes_max: u64,
    /// Observations that may wait in memory.
    pub queue_observations_max: usize,
    /// Name that is shown for this host.
    pub host_name: HostName,
}

impl Settings {
    /// Those of a configuration; `order` is heard here and obeyed elsewhere.
    #[must_use]
    pub fn new(config: &Config, order: Order) -> Self {
        Self {
            collector: config.collector.clone(),
            spool: config.state_dir.join("spool"),
            order,
            spool_bytes_max: config.limits.spool_bytes_max,
            queue_observations_max: config.limits.queue_observations_max,
            host_name: config.host_name.clone(),
        }
    }
}

/// A policy from the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUpdate {
    /// Rises with every change.
    pub version: u64,
    /// The policy's text.
    pub toml: String,
}

/// How the way to the collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not tried yet.
    Connecting,
    /// The stream is open.
    Up,
    /// The last attempt failed, for this reason; it is tried again.
    Down(String),
}

/// Why the exporter cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The spool's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The spool in it.
    #[error("the spool in {} cannot be opened; check the disk, or move that folder away", .path.display())]
    Spool {
        /// Its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start a thread for the export")]
    Thread(#[source] io::Error),
}

/// Losses on the way, in observations, or in batches where no more is known.
#[derive(Debug, Default)]
struct Counters {
    queue_full: AtomicU64,
    /// The queue was full for longer than it is waited for, and has not had room since.
    is_stuck: AtomicBool,
    too_large: AtomicU64,
    spool: [AtomicU64; 4],
}

const SPOOL_LOSSES: [SpoolLoss; 4] = [
    SpoolLoss::Full,
    SpoolLoss::Torn,
    SpoolLoss::Corrupt,
    SpoolLoss::Rejected,
];

impl Counters {
    fn set_spool(&self, losses: &BTreeMap<SpoolLoss, Loss>) {
        for (reason, counter) in SPOOL_LOSSES.iter().zip(&self.spool) {
            let loss = losses.get(reason).copied().unwrap_or_default();
            counter.store(loss.observations.max(loss.batches), Ordering::Relaxed);
        }
    }
}

/// The running export.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Sender<Observation>,
    /// Its reader sleeps while a batch gathers; this wakes it for a new session, and for a queue that is half full.
    hurry: Arc<Notify>,
    counters: Arc<Counters>,
    policy: watch::Receiver<Option<PolicyUpdate>>,
    link: watch::Receiver<Link>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Exporter {
    /// Opens the spool and starts sending what is in it.
    ///
    /// # Errors
    /// The spool cannot be used. A collector that cannot be reached is none: that is tried for ever.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let fault = |source| StartError::Spool {
            path: settings.spool.clone(),
            source,
        };
        let folder = Folder::open(&settings.spool)?;
        let spool = Spool::open(folder, settings.spool_bytes_max).map_err(fault)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .thread_name("gnomon-spool")
            .build()
            .map_err(StartError::Thread)?;
        let counters = Arc::new(Counters::default());
        let (queue, observations) = mpsc::channel(settings.queue_observations_max);
        let hurry = Arc::new(Notify::new());
        let (policy_sender, policy) = watch::channel(None);
        let (link_sender, link) = watch::channel(Link::Connecting);
        let (stop, stopped) = oneshot::channel();
        let ends = task::Ends {
            observations,
            hurry: Arc::clone(&hurry),
            counters: Arc::clone(&counters),
            policy: policy_sender,
            link: link_sender,
            stopped,
        };
        let thread = std::thread::Builder::new()
            .name("gnomon-export".into())
            .spawn(move || {
                own::step_back();
                let result = runtime.block_on(task::run(settings, spool, ends));
                // Everything of ours is done; a name that is being looked up is not waited for.
                runtime.shutdown_background();
                result
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            queue,
            hurry,
            counters,
            policy,
            link,
            stop,
            thread,
        })
    }

    /// Takes an observation. A full queue is waited for, for [`PATIENCE`] at most and not again before it has had room: the
    /// ring buffer before us holds a burst, a disk that is stuck must not hold us. Then dropped and counted.
    pub fn send(&self, mut observation: Observation) {
        let is_news = task::is_news(&observation);
        let mut since = None;
        loop {
            match self.queue.try_send(observation) {
                Ok(()) => {
                    self.counters.is_stuck.store(false, Ordering::Relaxed);
                    if is_news || self.queue.capacity() <= self.queue.max_capacity() / 2 {
                        self.hurry.notify_one();
                    }
                    return;
                }
                Err(TrySendError::Full(back)) if self.may_wait(&mut since) => observation = back,
                Err(_) => break,
            }
            std::thread::park_timeout(LOOK_AGAIN_AFTER);
        }
        self.counters.queue_full.fetch_add(1, Ordering::Relaxed);
    }

    fn may_wait(&self, since: &mut Option<Instant>) -> bool {
        if self.counters.is_stuck.load(Ordering::Relaxed) {
            return false;
        }
        let has_waited = since.get_or_insert_with(Instant::now).elapsed();
        self.counters
            .is_stuck
            .store(has_waited >= PATIENCE, Ordering::Relaxed);
        has_waited < PATIENCE
    }

    /// Whether somebody still takes what is sent.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// The latest policy that the collector has sent.
    #[must_use]
    pub fn policy(&self) -> watch::Receiver<Option<PolicyUpdate>> {
        self.policy.clone()
    }

    /// How the way to the collector is.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Losses by reason, since the start; only reasons that have happened.
    #[must_use]
    pub fn losses(&self) -> BTreeMap<&'static str, u64> {
        let counters = &self.counters;
        let own = [
            ("queue_full", &counters.queue_full),
            ("too_large", &counters.too_large),
        ];
        let spool = SPOOL_LOSSES
            .iter()
            .map(|reason| reason.name())
            .zip(&counters.spool);
        (own.into_iter().chain(spool))
            .map(|(reason, counter)| (reason, counter.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Spools what is waiting, sends for at most two seconds, and closes the spool. What was not
    /// acknowledged stays there for the next start.
    ///
    /// # Errors
    /// The spool could not be closed cleanly; the next start treats it as after a crash.
    pub fn finish(self) -> io::Result<()> {
        drop(self.queue);
        let _ = self.stop.send(());
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the export thread panicked")))
    }
}

#[cfg(test)]
mod tests;
