//! The task that owns the batch, the spool and the window.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gnomon_proto::v1;
use gnomon_proto::v1::collector_message::Body;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::batch::{Filling, RunId};
use super::link::{self, LinkEvent, Sent};
use super::{Counters, Link, PolicyUpdate, Settings};
use crate::observation::{self, Observation};
use crate::order::Order;
use crate::spool::{AppendError, Folder, Sealed, Spool, SpoolId};

/// A batch is sealed this long after its first observation …
const LINGER: Duration = Duration::from_millis(50);
/// … but no sooner after the one before: each costs the disk and a round trip. An analyst waits for a second at most.
const SPACING: Duration = Duration::from_millis(500);
/// The same two for a batch that tells of a new session: what is said with it comes within moments.
const NEWS_LINGER: Duration = Duration::from_millis(10);
const NEWS_SPACING: Duration = Duration::from_millis(50);
/// Batches on their way to the collector at most; it takes 32.
const WINDOW_BATCHES: usize = 16;
/// A disk that refused a batch is asked again after this.
const DISK_RETRY: Duration = Duration::from_secs(1);
/// A clean end sends for this long at most.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// The task's ends of what [`Exporter`](super::Exporter) holds.
pub(super) struct Ends {
    pub(super) observations: mpsc::Receiver<Observation>,
    /// What is in the queue is not to wait until the batch is sealed.
    pub(super) hurry: Arc<Notify>,
    pub(super) counters: Arc<Counters>,
    pub(super) policy: watch::Sender<Option<PolicyUpdate>>,
    pub(super) link: watch::Sender<Link>,
    pub(super) stopped: oneshot::Receiver<()>,
}

/// Runs until stopped, then ends cleanly.
pub(super) async fn run(settings: Settings, spool: Spool<Folder>, ends: Ends) -> io::Result<()> {
    let Ends {
        mut observations,
        hurry,
        counters,
        policy,
        link,
        mut stopped,
    } = ends;
    let (events, mut happened) = mpsc::channel(2 * WINDOW_BATCHES);
    let run = RunId::random();
    let hello = hello(&settings, run, spool.id());
    let keeper = tokio::spawn(link::keep(
        settings.collector.clone(),
        hello,
        WINDOW_BATCHES,
        events,
    ));
    counters.set_spool(spool.losses());
    let mut task = Task {
        server: settings.collector.server,
        run,
        folder: settings.spool,
        order: settings.order,
        spool: Some(spool),
        filling: Filling::default(),
        seal_at: None,
        sealed_at: None,
        disk_fails: false,
        has_complained: false,
        batches: None,
        counters,
        policy,
        link,
    };
    let mut finish_at = None;
    while !task.is_finished(finish_at) {
        let at = [task.seal_at, finish_at].into_iter().flatten().min();
        tokio::select! {
            biased;
            Some(event) = happened.recv() => task.on_event(event).await,
            _ = &mut stopped, if finish_at.is_none() => {
                finish_at = Some(Instant::now() + FINISH_WITHIN);
                task.drain(&mut observations).await;
            }
            // Of a batch only the first observation wakes this task; the others wait until it is sealed.
            Some(observation) = observations.recv(), if task.filling.is_empty() => task.take(&observation).await,
            () = hurry.notified() => task.gather(&mut observations).await,
            () = until(at) => {}
        }
        if task.seal_at.is_some_and(|at| at <= Instant::now()) {
            task.gather(&mut observations).await;
            task.seal().await;
        }
        task.fill_window().await;
    }
    keeper.abort();
    task.close().await
}

/// Waits until then; for ever where there is no then.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// When a batch is to be sealed that gets an observation now. `sealed_at`: when the one before was.
fn due(now: Instant, sealed_at: Option<Instant>, is_news: bool) -> Instant {
    let (linger, spacing) = if is_news {
        (NEWS_LINGER, NEWS_SPACING)
    } else {
        (LINGER, SPACING)
    };
    let soon = now + linger;
    sealed_at.map_or(soon, |at| soon.max(at + spacing))
}

/// A session is told of for the first time.
pub(super) fn is_news(observation: &Observation) -> bool {
    matches!(&observation.body, observation::Body::Session(session) if session.rev == 1)
}

struct Task {
    server: String,
    run: RunId,
    /// Of the spool, to be named in messages.
    folder: PathBuf,
    order: Order,
    /// Away only while a blocking thread has it.
    spool: Option<Spool<Folder>>,
    filling: Filling,
    /// When the filling batch is sealed, or tried again.
    seal_at: Option<Instant>,
    /// When the last one was sealed.
    sealed_at: Option<Instant>,
    disk_fails: bool,
    /// The cursor could not be written, or a batch not be read, the last time.
    has_complained: bool,
    /// Where batches go while the link is up.
    batches: Option<mpsc::Sender<Sent>>,
    counters: Arc<Counters>,
    policy: watch::Sender<Option<PolicyUpdate>>,
    link: watch::Sender<Link>,
}

impl Task {
    /// Does file I/O on a blocking thread.
    async fn with_spool<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool<Folder>) -> R + Send + 'static,
    ) -> R {
        let mut spool = self
            .spool
            .take()
            .expect("the spool is here between two steps");
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        let (spool, result) = done.await.expect("the spool does not panic");
        self.counters.set_spool(spool.losses());
        self.spool = Some(spool);
        result
    }

    fn spool(&self) -> &Spool<Folder> {
        self.spool
            .as_ref()
            .expect("the spool is here between two steps")
    }

    /// When stopping: everything is stored, or there is no hope left for it.
    fn is_finished(&self, finish_at: Option<Instant>) -> bool {
        finish_at.is_some_and(|at| {
            let hopeless = matches!(*self.link.borrow(), Link::Down(_));
            hopeless
                || Instant::now() >= at
                || (self.filling.is_empty() && self.spool().is_drained())
        })
    }

    /// While the disk refuses, a full batch is kept and the queue fills up behind it.
    const fn has_room(&self) -> bool {
        !self.filling.is_full()
    }

    /// Takes what has come since the batch was begun. Not all that may still come: that is the next one's.
    async fn gather(&mut self, observations: &mut mpsc::Receiver<Observation>) {
        for _ in 0..observations.len() {
            if !self.has_room() {
                return;
            }
            let Ok(observation) = observations.try_recv() else {
                return;
            };
            self.take(&observation).await;
        }
    }

    /// Takes all that is left, at the end. What a disk that refuses leaves no room for is lost.
    async fn drain(&mut self, observations: &mut mpsc::Receiver<Observation>) {
        let mut refused = false;
        while let Ok(observation) = observations.try_recv() {
            if !self.has_room() && !refused {
                self.seal().await;
                // One more try costs as much again: the last one is below.
                refused = !self.has_room();
            }
            if self.has_room() {
                self.take(&observation).await;
            } else {
                self.counters.queue_full.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.seal().await;
    }

    async fn take(&mut self, observation: &Observation) {
        if !self.filling.push(observation) {
            self.counters.too_large.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if !self.disk_fails {
            let at = due(Instant::now(), self.sealed_at, is_news(observation));
            self.seal_at = Some(self.seal_at.map_or(at, |before| before.min(at)));
        }
        if self.filling.is_full() && !self.disk_fails {
            self.seal().await;
        }
    }

    async fn seal(&mut self) {
        if self.filling.is_empty() {
            self.seal_at = None;
            return;
        }
        self.sealed_at = Some(Instant::now());
        let filling = std::mem::take(&mut self.filling);
        let run = self.run;
        let (filling, result) = self
            .with_spool(move |spool| {
                let sealed = spool.append(filling.count(), |id, sequence| {
                    filling.seal(run, id, sequence)
                });
                (filling, sealed)
            })
            .await;
        self.seal_at = None;
        match result {
            Ok(()) if self.disk_fails => {
                self.disk_fails = false;
                info!("the spool can be written again");
            }
            Ok(()) => {}
            Err(AppendError::TooLarge { .. }) => {
                let count = u64::from(filling.count());
                self.counters.too_large.fetch_add(count, Ordering::Relaxed);
                // The next batch is tried in its own time.
                self.disk_fails = false;
            }
            Err(AppendError::Disk(cause)) => {
                if !self.disk_fails {
                    error!(%cause, folder = %self.folder.display(),
                        "the spool cannot be written; make room or repair the disk");
                }
                self.disk_fails = true;
                self.filling = filling;
                self.seal_at = Some(Instant::now() + DISK_RETRY);
            }
        }
    }

    async fn on_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(batches) => {
                self.with_spool(Spool::rewind).await;
                self.batches = Some(batches);
                self.link.send_replace(Link::Up);
                info!(collector = %self.server, "connected to the collector");
            }
            LinkEvent::Down(why) => {
                self.batches = None;
                let before = self.link.send_replace(Link::Down(why.clone()));
                if before != Link::Down(why.clone()) {
                    let spooled = self.spool().bytes();
                    warn!(collector = %self.server, why, spooled_bytes = spooled,
                        "no connection to the collector; observations are kept in the spool");
                }
            }
            LinkEvent::Message(Body::Ack(ack)) => {
                let Some(id) = spool_id(&ack.spool_id) else {
                    return;
                };
                let result = self
                    .with_spool(move |spool| spool.ack(id, ack.sequence))
                    .await;
                self.complain(result);
            }
            LinkEvent::Message(Body::Reject(reject)) => {
                let Some(id) = spool_id(&reject.spool_id) else {
                    return;
                };
                let (sequence, reason) = (reject.sequence, reject.reason);
                error!(
                    sequence,
                    reason, "the collector cannot store a batch; it is lost"
                );
                let result = self
                    .with_spool(move |spool| spool.reject(id, sequence))
                    .await;
                self.complain(result);
            }
            LinkEvent::Message(Body::Probes(probes)) => {
                let (order, off) = (self.order.clone(), probes.off);
                order.hear(&probes);
                let kept = tokio::task::spawn_blocking(move || order.keep(&probes)).await;
                if let Err(cause) = kept.map_err(io::Error::other).flatten() {
                    error!(%cause, off, file = %self.order.file().display(),
                        "the collector's order about the probes cannot be kept: it is obeyed until the sensor ends, and what an \
                        earlier one left holds until its file is gone; make room or repair the disk");
                }
            }
            LinkEvent::Message(Body::Policy(policy)) => {
                let v1::Policy { version, toml } = policy;
                self.policy
                    .send_replace(Some(PolicyUpdate { version, toml }));
            }
        }
    }

    /// Sends what is spooled, as far as the window goes.
    async fn fill_window(&mut self) {
        while let Some(batches) = self.batches.clone() {
            if self.spool().in_flight() >= WINDOW_BATCHES || self.spool().is_at_end() {
                return;
            }
            match self.with_spool(Spool::next_batch).await {
                Ok(Some(Sealed { bytes, .. })) => {
                    // The window is the channel's size, so only a closed link refuses; it says so itself.
                    if batches.try_send(Sent::of_batch(bytes)).is_err() {
                        self.batches = None;
                    }
                }
                Ok(None) => return,
                // Tried again with the next event.
                Err(cause) => return self.complain(Err(cause)),
            }
        }
    }

    /// Says once that the spool's files are not as they should be.
    fn complain(&mut self, result: io::Result<()>) {
        if let Err(cause) = &result
            && !self.has_complained
        {
            warn!(%cause, folder = %self.folder.display(),
                "a file of the spool cannot be used, batches may be late or sent twice; make room or repair the disk");
        }
        self.has_complained = result.is_err();
    }

    async fn close(mut self) -> io::Result<()> {
        self.seal().await;
        let spool = self
            .spool
            .take()
            .expect("the spool is here between two steps");
        let done = tokio::task::spawn_blocking(move || spool.close().map(drop));
        done.await.map_err(io::Error::other)?
    }
}

fn spool_id(bytes: &[u8]) -> Option<SpoolId> {
    bytes.try_into().ok().map(SpoolId)
}

fn hello(settings: &Settings, run: RunId, spool: SpoolId) -> v1::Hello {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let pretty = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    v1::Hello {
        host_name: settings.host_name.as_str().to_owned(),
        sensor_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: release.trim().to_owned(),
        operating_system: pretty.unwrap_or("").trim_matches('"').to_owned(),
        machine: std::env::consts::ARCH.to_owned(),
        spool_id: spool.0.to_vec(),
        run: run.0.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_go_out_sooner_than_calls_and_both_are_spaced() {
        let now = Instant::now();
        for (is_news, linger, spacing) in
            [(false, LINGER, SPACING), (true, NEWS_LINGER, NEWS_SPACING)]
        {
            assert_eq!(due(now, None, is_news), now + linger);
            assert_eq!(due(now, Some(now), is_news), now + spacing);
            let long_ago = now.checked_sub(SPACING);
            assert_eq!(due(now, long_ago, is_news), now + linger);
        }
        assert!(due(now, Some(now), true) < due(now, Some(now), false));
    }
}
