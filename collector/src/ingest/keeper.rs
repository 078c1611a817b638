//! The one task that writes: it commits batches in groups, judges their sessions, and judges again
//! what a new policy or a newly learned front has changed.
//!
//! Because it alone writes facts and verdicts, no verdict on old facts can overtake one on new facts.
//! While one group is being inserted the next one gathers. A group is retried, same rows and same
//! deduplication token, until ClickHouse has it; meanwhile the queue fills and streams are not read.

mod commit;
mod gathered;
mod rejudge;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::batch::Checked;
use crate::{
    clock,
    policy::{self, InForce, Remark, Shared},
    store::{
        Store, StoreError,
        row::{HelloRow, PolicyRow},
    },
    verdict::Judge,
};
use gathered::{Gathered, gather};
use rejudge::Rejudge;

const DAY_S: u64 = 86_400;
const QUEUE_MAX: usize = 256;
/// Groups between two pages of old verdicts, at most: new facts go first, but never alone.
const PAGE_EVERY_GROUPS: u32 = 16;
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Pause after a page that failed; new facts wait that long too.
const REJUDGE_RETRY: Duration = Duration::from_millis(500);
/// How long a stop waits for ClickHouse to take what is queued.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A batch on its way, with what tells its sender.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) checked: Checked,
    /// Told when ClickHouse has it; dropped when it will not get there.
    pub(crate) stored: oneshot::Sender<()>,
    /// Its share of the bytes that may be pending.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Work {
    Batch(Incoming),
    Hello(HelloRow),
    Apply(Apply),
}

/// A policy to be taken into force.
#[derive(Debug)]
struct Apply {
    toml: String,
    author: String,
    file: String,
    done: oneshot::Sender<Result<Applied, ApplyError>>,
}

/// A policy that was taken into force.
#[derive(Debug)]
pub struct Applied {
    /// Its version and text.
    pub in_force: Shared,
    /// What to look at.
    pub warnings: Vec<Remark>,
}

/// Why a policy was not taken into force.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// Faults in the text.
    #[error("the policy has {} faults", .0.len())]
    Faults(Vec<Remark>),
    /// It could not be stored.
    #[error("the policy could not be stored")]
    Store(#[from] StoreError),
    /// The collector is stopping.
    #[error("the collector is stopping")]
    Stopping,
}

/// Handle on the task.
#[derive(Clone, Debug)]
pub struct Keeper {
    work: mpsc::Sender<Work>,
    room: Arc<Semaphore>,
    policy: watch::Receiver<Shared>,
    trouble: watch::Receiver<Option<String>>,
    changes: watch::Receiver<u64>,
}

/// Bytes per permit of the pending room: permits are 32 bits.
const ROOM_UNIT_BYTES: usize = 1024;

impl Keeper {
    /// Starts the task: the last policy comes from the store, fronts are learned again from it.
    /// `retention_days` is how long ClickHouse keeps a verdict; those of stored sessions are renewed
    /// well before.
    ///
    /// # Errors
    /// The policy in force cannot be read.
    pub async fn start(
        store: Store,
        pending_bytes_max: usize,
        retention_days: u32,
        stop: watch::Receiver<bool>,
    ) -> Result<(Self, tokio::task::JoinHandle<()>)> {
        let in_force = policy::last(&store)
            .await
            .context("reading the policy in force")?
            .map(InForce::from);
        let in_force = in_force.unwrap_or_default();
        let checked = match policy::parse(&in_force.toml, "policy in force") {
            Ok((checked, _)) => checked,
            Err(faults) => {
                error!(version = in_force.version, fault = ?faults.first(), "the stored policy is not valid any more: apply a corrected one; until then every session is judged without a policy");
                gnomon_policy::Policy::empty()
            }
        };
        let (sender, work) = mpsc::channel(QUEUE_MAX);
        let judge = Judge::new(checked, in_force.version);
        let (publish, policy) = watch::channel(Arc::new(in_force));
        let (complain, trouble) = watch::channel(None);
        let (change, changes) = watch::channel(0);
        let retention = Duration::from_secs(u64::from(retention_days) * DAY_S);
        let task = Task {
            store,
            judge,
            publish,
            trouble: complain,
            changed: change,
            work,
            stop,
            rejudge: Rejudge::new(retention),
            groups: 0,
        };
        let handle = tokio::spawn(task.run());
        let room = Arc::new(Semaphore::new(pending_bytes_max / ROOM_UNIT_BYTES));
        Ok((
            Self {
                work: sender,
                room,
                policy,
                trouble,
                changes,
            },
            handle,
        ))
    }

    /// Waits for room, then hands a batch over. The receiver hears when ClickHouse has it, or is
    /// closed when it will not (the collector is stopping).
    pub async fn store(&self, checked: Checked, bytes: usize) -> oneshot::Receiver<()> {
        let (stored, told) = oneshot::channel();
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(units.max(1))
            .await
            .ok();
        let _ = self
            .work
            .send(Work::Batch(Incoming {
                checked,
                stored,
                _room: room,
            }))
            .await;
        told
    }

    /// Notes that a sensor's stream opened.
    pub async fn hello(&self, hello: HelloRow) {
        let _ = self.work.send(Work::Hello(hello)).await;
    }

    /// The policy in force, and its changes.
    #[must_use]
    pub fn policy(&self) -> watch::Receiver<Shared> {
        self.policy.clone()
    }

    /// Counts up when facts or verdicts were written.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Why facts do not get into ClickHouse just now, and what to do; `None` while they do.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Checks a policy and takes it into force. The one in force again is no new version.
    ///
    /// # Errors
    /// It has faults, or cannot be stored.
    pub async fn apply(
        &self,
        toml: String,
        author: String,
        file: String,
    ) -> Result<Applied, ApplyError> {
        let (done, told) = oneshot::channel();
        let work = Work::Apply(Apply {
            toml,
            author,
            file,
            done,
        });
        self.work
            .send(work)
            .await
            .map_err(|_| ApplyError::Stopping)?;
        told.await.map_err(|_| ApplyError::Stopping)?
    }
}

struct Task {
    store: Store,
    judge: Judge,
    publish: watch::Sender<Shared>,
    trouble: watch::Sender<Option<String>>,
    changed: watch::Sender<u64>,
    work: mpsc::Receiver<Work>,
    stop: watch::Receiver<bool>,
    rejudge: Rejudge,
    /// Groups committed since the last page of old verdicts.
    groups: u32,
}

impl Task {
    async fn run(mut self) {
        loop {
            let pending = self.rejudge.pending();
            let renew_at = self.rejudge.renew_at();
            let first = if pending && self.groups >= PAGE_EVERY_GROUPS {
                None
            } else if pending {
                // Facts first: a page of old verdicts when nothing new waits, or its turn has come.
                match self.work.try_recv() {
                    Ok(work) => Some(work),
                    Err(mpsc::error::TryRecvError::Empty) => None,
                    Err(mpsc::error::TryRecvError::Disconnected) => return,
                }
            } else {
                tokio::select! {
                    work = self.work.recv() => match work {
                        Some(work) => Some(work),
                        None => return,
                    },
                    () = tokio::time::sleep_until(renew_at) => {
                        self.rejudge.judge_again();
                        None
                    }
                    _ = self.stop.wait_for(|stop| *stop) => break,
                }
            };
            if let Some(work) = first {
                self.groups = self.groups.saturating_add(1);
                self.group(work).await;
            } else {
                self.groups = 0;
                self.rejudge_page().await;
            }
            if *self.stop.borrow() {
                break;
            }
        }
        self.work.close();
        while let Some(work) = self.work.recv().await {
            self.group(work).await;
        }
    }

    /// Takes what waits in the queue and commits it together.
    async fn group(&mut self, first: Work) {
        let Gathered {
            batches,
            hellos,
            apply,
        } = gather(first, &mut self.work);
        self.commit(batches, hellos).await;
        if let Some(Apply {
            toml,
            author,
            file,
            done,
        }) = apply
        {
            let _ = done.send(self.apply(toml, author, &file).await);
        }
    }

    async fn apply(
        &mut self,
        toml: String,
        author: String,
        file: &str,
    ) -> Result<Applied, ApplyError> {
        let (checked, warnings) = policy::parse(&toml, file).map_err(ApplyError::Faults)?;
        let digest = checked.version_digest();
        let now_in_force = Arc::clone(&self.publish.borrow());
        if now_in_force.version > 0 && now_in_force.toml == toml {
            return Ok(Applied {
                in_force: now_in_force,
                warnings,
            });
        }
        // Another collector on the same store may have applied one since.
        let last = policy::last(&self.store)
            .await?
            .map_or(0, |row| row.version);
        let row = PolicyRow {
            version: last + 1,
            applied: clock::now(),
            author,
            digest,
            toml,
        };
        let token = format!("policy-{}-{}", row.version, row.digest);
        self.store
            .insert("policy_version", std::slice::from_ref(&row), &token)
            .await?;
        info!(
            version = row.version,
            author = row.author,
            "policy in force"
        );
        let in_force: Shared = Arc::new(row.into());
        self.judge.replace(checked, in_force.version);
        self.rejudge.learn_and_judge();
        self.publish.send_replace(Arc::clone(&in_force));
        Ok(Applied { in_force, warnings })
    }

    async fn rejudge_page(&mut self) {
        let done = self.rejudge.page(&self.store, &mut self.judge).await;
        self.changed.send_modify(|count| *count += 1);
        match done {
            Ok(None | Some(0)) => {}
            Ok(Some(changed)) => info!(changed, "verdicts changed"),
            Err(error) => {
                warn!(error = %chain(&error), advice = error.advice(), "verdicts could not be made again yet");
                let stop = self.stop.wait_for(|stop| *stop);
                let _ = tokio::time::timeout(REJUDGE_RETRY, stop).await;
            }
        }
    }
}

/// An error with its causes, for a log line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let part = next.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = next.source();
    }
    text
}
