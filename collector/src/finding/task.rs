//! When passes run.

use std::time::Duration;

use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tracing::{debug, warn};

use super::{
    Settings,
    pass::{DIFFERENCES_MAX, pass},
    rule::{Cutoffs, RULES, Rule, When, grace},
};
use crate::{clock, store::Store};

/// Between two passes, at least. After a quiet time the first comes at once.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Passes take a tenth of the time at most, of two processors (`pass`): on a large store they come more seldom.
const PAUSE_PER_PASS: u32 = 9;
/// But not more seldom than that.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// What only time changes is looked for so often.
const SWEEP_MAX: Duration = Duration::from_secs(10);
const SWEEP_MIN: Duration = Duration::from_secs(1);
/// Pause after ClickHouse refused.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps the findings of a store up to date until `stop`. `changes` tells of new facts and verdicts.
#[must_use]
pub fn start(
    store: Store,
    settings: Settings,
    changes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let task = Task {
        store,
        settings,
        changes,
        stop,
        begun: Instant::now(),
    };
    tokio::spawn(task.run())
}

struct Task {
    store: Store,
    settings: Settings,
    changes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    begun: Instant,
}

impl Task {
    async fn run(mut self) {
        let shortest = self.settings.close_after.min(self.settings.silent_after);
        let sweep_every = (shortest / 4).clamp(SWEEP_MIN, SWEEP_MAX);
        let mut sweep_at = Instant::now();
        while !*self.stop.borrow() {
            let sweeps = Instant::now() >= sweep_at;
            if sweeps {
                sweep_at = Instant::now() + sweep_every;
            }
            let begun = Instant::now();
            self.changes.mark_unchanged();
            let (more, failed) = self.passes(sweeps).await;
            let pause = (begun.elapsed() * PAUSE_PER_PASS).clamp(PAUSE_MIN, PAUSE_MAX);
            if self.rest(if failed { RETRY } else { pause }).await || more || failed {
                if failed {
                    sweep_at = Instant::now();
                }
                continue;
            }
            let nobody_writes = tokio::select! {
                changed = self.changes.changed() => changed.is_err(),
                () = tokio::time::sleep_until(sweep_at) => false,
                _ = self.stop.wait_for(|stop| *stop) => false,
            };
            // Then the stop is near.
            if nobody_writes {
                self.rest(sweep_every).await;
            }
        }
    }

    /// One pass of each rule whose turn it is: whether there is more to write, whether one failed.
    async fn passes(&self, sweeps: bool) -> (bool, bool) {
        let now = clock::now();
        let cutoffs = Cutoffs::of(self.settings, now);
        let early = self.begun.elapsed() < grace(self.settings);
        let due = |rule: &&Rule| match rule.when {
            When::Facts => true,
            When::Sweep => sweeps,
            When::SweepLater => sweeps && !early,
        };
        let (mut more, mut failed) = (false, false);
        for rule in RULES.iter().filter(due) {
            let begun = Instant::now();
            match pass(&self.store, rule, &cutoffs, now).await {
                Ok(rows) => {
                    more |= rows == DIFFERENCES_MAX;
                    let took_ms = begun.elapsed().as_millis();
                    debug!(
                        class = rule.kind.class,
                        rows, took_ms, "findings brought up to date"
                    );
                }
                Err(error) => {
                    failed = true;
                    if !*self.stop.borrow() {
                        warn!(class = rule.kind.class, %error, advice = error.advice(), "findings could not be brought up to date yet");
                    }
                }
            }
        }
        (more, failed)
    }

    /// Waits; true when the collector stops meanwhile.
    async fn rest(&mut self, pause: Duration) -> bool {
        let stop = self.stop.wait_for(|stop| *stop);
        tokio::time::timeout(pause, stop).await.is_ok()
    }
}
