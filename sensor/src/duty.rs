//! Turns of duty: attached while probes may be on, else idle, and saying so.
//!
//! Each turn is to the collector like a start of its own, with its own run: sessions that were open when probes were
//! detached have no end that anybody saw, and are closed as after a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::agent::{self, Agent, PROBES, STATS_EVERY, Settings, Sink};
use crate::gate::Gate;
use crate::observation::{CoverageState, Stats};
use crate::off::Off;

/// While idle the gate and the stop are looked at this often.
const IDLE_WAIT: Duration = Duration::from_millis(250);

/// When to end.
#[derive(Debug)]
pub struct Until<'a> {
    stop: &'a AtomicBool,
    duration: Option<Duration>,
    /// When that is over, once it has begun.
    at: Option<Instant>,
    /// Whether probes may be on.
    pub(crate) gate: &'a mut Gate,
}

impl<'a> Until<'a> {
    /// When `stop` is set, or `duration` after the first turn has begun. Probes are on while `gate` lets them.
    pub const fn new(stop: &'a AtomicBool, duration: Option<Duration>, gate: &'a mut Gate) -> Self {
        Self {
            stop,
            duration,
            at: None,
            gate,
        }
    }

    fn begin(&mut self) {
        if let Some(duration) = self.duration.take() {
            self.at = Instant::now().checked_add(duration);
        }
    }

    /// Somebody has asked to stop, or time is up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// Not longer than there is time.
    #[must_use]
    pub fn at_most(&self, wait: Duration) -> Duration {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        self.at.map_or(wait, |at| wait.min(left(at)))
    }
}

/// Serves until it is over. `open` gives who takes the observations of one turn, and is told how that stands.
///
/// # Errors
/// The kernel side cannot be had at all, or what a sink says.
pub fn serve(
    settings: &Settings,
    until: &mut Until<'_>,
    open: &mut dyn FnMut(&str) -> Result<Box<dyn Sink>>,
) -> Result<()> {
    loop {
        match until.gate.off() {
            Some(off) => idle(off, until, open)?,
            None => attached(settings, until, open)?,
        }
        if until.is_over() {
            return Ok(());
        }
    }
}

fn attached(
    settings: &Settings,
    until: &mut Until<'_>,
    open: &mut dyn FnMut(&str) -> Result<Box<dyn Sink>>,
) -> Result<()> {
    until.gate.attaching();
    let outcome = Agent::start(settings.clone()).and_then(|mut agent| {
        let mut sink = open(&agent.summary())?;
        until.begin();
        let outcome = agent.run(until, &mut *sink);
        // Detaching comes before whatever the sink has to finish.
        Ok((outcome, sink))
    });
    until.gate.detached();
    let (outcome, sink) = outcome?;
    sink.finish()?;
    outcome
}

/// Nothing is attached. Somebody who looks after the fleet sees that, and why.
fn idle(
    off: Off,
    until: &mut Until<'_>,
    open: &mut dyn FnMut(&str) -> Result<Box<dyn Sink>>,
) -> Result<()> {
    let mut sink = open(&format!("probes are off: {off}"))?;
    until.begin();
    let outcome = idle_into(off, until, &mut *sink);
    sink.finish()?;
    outcome
}

fn idle_into(mut off: Off, until: &mut Until<'_>, sink: &mut dyn Sink) -> Result<()> {
    let detached = |off: &Off| agent::of_host(PROBES, CoverageState::Detached, off.to_string());
    sink.take(detached(&off))?;
    let mut stats_at = Instant::now();
    while !until.is_over() {
        match until.gate.off() {
            None => break,
            Some(now) if now != off => {
                off = now;
                sink.take(detached(&off))?;
            }
            Some(_) => {}
        }
        if stats_at.elapsed() >= STATS_EVERY {
            stats_at = Instant::now();
            sink.take(stats(&off, sink))?;
        }
        std::thread::park_timeout(until.at_most(IDLE_WAIT));
    }
    sink.take(stats(&off, sink))
}

fn stats(off: &Off, sink: &dyn Sink) -> crate::observation::Observation {
    agent::stats(Stats {
        tier: [(PROBES.to_owned(), format!("off: {off}"))].into(),
        lost: agent::owned(sink.losses()),
        ..Stats::default()
    })
}
