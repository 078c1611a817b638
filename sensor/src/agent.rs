//! The running sensor: source of events, pipeline and whoever takes the observations, on one thread.
//!
//! One thread, because order is what the pipeline lives from, and because the ring buffer is the queue:
//! it is bounded, and what does not fit is counted by the kernel side.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use gnomon_policy::Policy;

use crate::duty::Until;
use crate::event::{self, Event, LossReason, UnixNs};
use crate::host::LiveHost;
use crate::kernel::Gone;
use crate::observation::{Body, Coverage, CoverageState, HostName, Observation, Stats};
use crate::own;
use crate::pipeline::{Limits, Output, Pipeline};
use crate::source::{Source, Tier};

/// Longest wait for events: what waits for time to pass is looked after this often while there is work.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// The same on a quiet host: four wake-ups a second.
const QUIET_WAIT: Duration = Duration::from_millis(250);
/// After a turn with few events the next ones gather for so long: on a host with little to see a wake-up costs more than
/// what it is for. The first event after a pause is taken at once, and of many none waits.
const GATHER: Duration = Duration::from_millis(30);
const FEW_EVENTS: usize = 64;
/// Statistics are stated this often, and the live links compared with those that should be there.
pub(crate) const STATS_EVERY: Duration = Duration::from_secs(60);
/// What coverage calls all probes together.
pub(crate) const PROBES: &str = "probes";

/// Silent flows are looked at again within so long after their time.
const PASSES_RENEWED: Duration = Duration::from_nanos(sensor_abi::flow::PASSES_RENEWED_NS);

/// Reads of the ring at the end: what comes faster than this is not waited for.
const DRAIN_TURNS_MAX: usize = 256;

/// What a sensor is started with.
#[derive(Clone)]
pub struct Settings {
    /// The name that is shown.
    pub host_name: HostName,
    /// Gateways and exceptions.
    pub policy: Policy,
    /// What events may come from.
    pub tier: Tier,
}

/// Who takes what a sensor states.
pub trait Sink {
    /// Takes one observation.
    ///
    /// # Errors
    /// When it makes no sense to go on.
    fn take(&mut self, observation: Observation) -> Result<()>;
    /// What was lost on the way from here on, by reason, since the start.
    fn losses(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
    /// A policy that has come in since the last call.
    fn policy(&mut self) -> Option<Policy> {
        None
    }
    /// Nothing more will come.
    ///
    /// # Errors
    /// What was taken is not safe.
    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A sensor that is attached, or captures.
pub struct Agent {
    source: Source,
    pipeline: Pipeline,
    /// What is attached and what could not be had, until it is stated.
    coverage: Vec<Observation>,
    stats_at: Instant,
    passes_at: Instant,
    /// Records that the kernel side had lost of any stream.
    lost: u64,
    /// Runs of programs that the kernel had left out.
    missed: u64,
}

impl Agent {
    /// Attaches to the kernel, or captures, and takes in what was there before.
    ///
    /// # Errors
    /// When there is nothing that events could come from; the message says what to do.
    pub fn start(settings: Settings) -> Result<Self> {
        let (source, before, gaps) = Source::start(settings.tier)?;
        let host = LiveHost::start().context("cannot start a thread")?;
        let salt = boot_salt();
        let mut pipeline = Pipeline::new(
            settings.host_name,
            &salt,
            settings.policy,
            Box::new(host),
            Limits::default(),
        );
        let mut output = Output::default();
        before
            .into_iter()
            .flatten()
            .for_each(|event| pipeline.push(event, &mut output));
        let mut coverage = coverage_of(&source.hooks());
        let gaps = gaps.into_iter();
        coverage.extend(gaps.map(|gap| of_host(gap.what, gap.state, gap.reason)));
        Ok(Self {
            source,
            pipeline,
            coverage,
            stats_at: Instant::now(),
            passes_at: Instant::now(),
            lost: 0,
            missed: 0,
        })
    }

    /// What is attached, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        self.source.summary()
    }

    /// Runs until it is over. Ends with statistics.
    ///
    /// # Errors
    /// What `sink` says, and when the source of events cannot be read.
    pub fn run(&mut self, until: &mut Until<'_>, sink: &mut dyn Sink) -> Result<()> {
        std::mem::take(&mut self.coverage)
            .into_iter()
            .try_for_each(|coverage| sink.take(coverage))?;
        while !until.is_over() && until.gate.off().is_none() {
            if let Some(policy) = sink.policy() {
                self.pipeline.set_policy(policy);
            }
            self.turn(until, sink)?;
        }
        let mut output = Output::default();
        self.drain(&mut output)?;
        self.note_misses();
        let now = self.source.clock().now();
        self.pipeline.finish(now, &mut output);
        self.apply(output, sink)?;
        let stats = self.stats(sink);
        sink.take(stats)
    }

    /// One turn: events, what follows from them, statistics when they are due.
    fn turn(&mut self, until: &mut Until<'_>, sink: &mut dyn Sink) -> Result<()> {
        let wait = if self.pipeline.is_quiet() {
            QUIET_WAIT
        } else {
            BUSY_WAIT
        };
        let wait = until.at_most(wait);
        let mut events: Vec<Event> = Vec::new();
        let count = self
            .source
            .read(wait, &mut events)
            .context("cannot read events")?;
        self.pipeline.keep_time(self.source.clock().timeline());
        self.note_losses();
        let mut output = Output::default();
        for event in events {
            self.pipeline.push(event, &mut output);
            // A verdict is worth most while the flow is young.
            self.judge(&mut output);
        }
        let now = self.source.clock().now();
        self.pipeline.state(now, &mut output);
        self.apply(output, sink)?;
        if self.passes_at.elapsed() >= PASSES_RENEWED {
            self.passes_at = Instant::now();
            self.source
                .renew_passes()
                .context("cannot take the passes of silent flows")?;
            self.note_misses();
        }
        if self.stats_at.elapsed() >= STATS_EVERY {
            self.stats_at = Instant::now();
            until.gate.beat();
            self.look_after_links(sink)?;
            let stats = self.stats(sink);
            sink.take(stats)?;
        }
        // What nobody judged is copied until somebody does.
        let gathers = self.source.gathers() && !self.pipeline.take_unjudged();
        if gathers && (1..=FEW_EVENTS).contains(&count) {
            std::thread::park_timeout(GATHER);
        }
        Ok(())
    }

    /// What a full ring has dropped shows in no stream, if it was a stream's last word.
    fn note_losses(&mut self) {
        let lost = self.source.lost_of_any_stream();
        if lost > self.lost {
            self.pipeline.gap(self.source.clock().now());
        }
        self.lost = lost;
    }

    /// What a program has missed because it was running shows in no stream either.
    fn note_misses(&mut self) {
        let missed = self.source.recursion_misses();
        if missed > self.missed {
            self.pipeline.gap(self.source.clock().now());
        }
        self.missed = missed;
    }

    /// States which probes have been detached by somebody else, and which of them are attached again.
    fn look_after_links(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let gone = match self.source.check_links() {
            Ok(gone) => gone,
            Err(error) => {
                tracing::warn!(%error, "the probes cannot be looked after; is /proc mounted?");
                return Ok(());
            }
        };
        let hooks = self.source.hooks();
        let mut output = Output::default();
        for Gone { hook, again } in gone {
            tracing::error!(hook, ?again, "a probe was detached by somebody else");
            let missed = Event {
                time: self.source.clock().now(),
                body: event::Body::Lost {
                    reason: LossReason::ProbeDetached,
                    count: 1,
                },
            };
            self.pipeline.push(missed, &mut output);
            let why = "detached by somebody else while the sensor ran".to_owned();
            sink.take(of_host(&hook, CoverageState::Detached, why))?;
            if again.is_err() {
                if let Some(family) = self.source.family_of(&hook) {
                    let why = format!("{hook} is gone: what moves there is not seen");
                    sink.take(of_host(family, CoverageState::Detached, why))?;
                }
                continue;
            }
            let tier = hooks.get(&hook).map_or("", String::as_str);
            let how = format!("tier {tier}, attached again after it was detached by somebody else");
            sink.take(of_host(&hook, CoverageState::Decoded, how))?;
        }
        self.apply(output, sink)
    }

    /// Takes what the kernel had to say until now.
    fn drain(&mut self, output: &mut Output) -> Result<()> {
        for _ in 0..DRAIN_TURNS_MAX {
            let mut events = Vec::new();
            let count = self
                .source
                .read(Duration::ZERO, &mut events)
                .context("cannot read events")?;
            self.pipeline.keep_time(self.source.clock().timeline());
            self.note_losses();
            events
                .into_iter()
                .for_each(|event| self.pipeline.push(event, output));
            if count == 0 {
                break;
            }
        }
        let mut events = Vec::new();
        self.source.finish(&mut events);
        events
            .into_iter()
            .for_each(|event| self.pipeline.push(event, output));
        Ok(())
    }

    fn judge(&mut self, output: &mut Output) {
        for (end, verdict) in output.judgements.drain(..) {
            self.source.judge(end, verdict);
        }
        for end in output.closed.drain(..) {
            self.source.forget(end);
        }
    }

    fn apply(&mut self, mut output: Output, sink: &mut dyn Sink) -> Result<()> {
        self.judge(&mut output);
        output
            .observations
            .into_iter()
            .try_for_each(|observation| sink.take(observation))
    }

    fn stats(&self, sink: &dyn Sink) -> Observation {
        let counters = self.pipeline.counters();
        let mut lost = counters.lost;
        for (reason, count) in self.source.losses() {
            if count > 0 {
                *lost.entry(reason).or_default() += count;
            }
        }
        let mut named = sink.losses();
        for (reason, count) in lost {
            *named.entry(reason.name()).or_default() += count;
        }
        stats(Stats {
            tier: self.source.hooks(),
            messages: counters.messages,
            bytes: counters.bytes,
            lost: owned(named),
            ring_bytes: self.source.ring_bytes(),
            map_bytes: self.source.map_bytes(),
            ..Stats::default()
        })
    }
}

/// Losses as they are stated.
pub(crate) fn owned(losses: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    losses
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect()
}

/// Statistics of this moment, with what this process uses.
pub(crate) fn stats(stats: Stats) -> Observation {
    let own = own::usage();
    Observation {
        time: now(),
        body: Body::Stats(Stats {
            cpu_ms: own.cpu_ms,
            rss_bytes: own.rss_bytes,
            ..stats
        }),
    }
}

/// How each hook stands at the start: it takes back what an earlier start may have said of it.
fn coverage_of(hooks: &BTreeMap<String, String>) -> Vec<Observation> {
    let probes = of_host(PROBES, CoverageState::Decoded, "attached".to_owned());
    let each = hooks
        .iter()
        .map(|(hook, state)| match state.strip_prefix("off: ") {
            Some(reason) => of_host(hook, CoverageState::Detached, reason.to_owned()),
            None => of_host(hook, CoverageState::Decoded, format!("tier {state}")),
        });
    std::iter::once(probes).chain(each).collect()
}

/// What holds of the host as a whole.
pub(crate) fn of_host(what: &str, state: CoverageState, reason: String) -> Observation {
    let coverage = Coverage {
        process: None,
        what: what.to_owned(),
        state,
        reason: Some(reason),
    };
    Observation {
        time: now(),
        body: Body::Coverage(coverage),
    }
}

/// What the wall clock shows: what is stated outside the pipeline is stated at once.
fn now() -> UnixNs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Different on every boot and in every run, so that session ids never meet.
fn boot_salt() -> Vec<u8> {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
    [
        boot,
        machine,
        now().to_le_bytes().to_vec(),
        std::process::id().to_le_bytes().to_vec(),
    ]
    .concat()
}
