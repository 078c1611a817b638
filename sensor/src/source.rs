//! Where events come from: the kernel's programs, or, where those are refused, captured packets.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::capture::Capture;
use crate::event::{EndKey, Event, FlowVerdict};
use crate::kernel::clock::Clock;
use crate::kernel::{self, AttachError, Gone, Kernel, Losses, Ring};
use crate::observation::CoverageState;
use crate::snapshot::{Snapshot, snapshot};

/// Pauses before eBPF is tried again: a host that starts has moments without memory. What is captured in its place sees much less,
/// and for as long as the sensor runs.
const TRY_AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// What may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// The best that this kernel allows.
    #[default]
    Best,
    /// The kernel's programs as [`kernel::Reading::from_environment`] says, or nothing.
    Kernel,
    /// Captured packets, whatever the kernel allows.
    Capture,
}

impl Tier {
    /// What the environment variable `GNOMON_TIER` says; none where it is not set.
    ///
    /// # Errors
    /// It is set to something else than `1`, `2` or `3`.
    pub fn from_environment() -> Result<Option<Self>> {
        match std::env::var("GNOMON_TIER").ok().as_deref() {
            None | Some("") => Ok(None),
            Some("1" | "2") => Ok(Some(Self::Kernel)),
            Some("3") => Ok(Some(Self::Capture)),
            Some(other) => Err(anyhow!(
                "GNOMON_TIER is {other:?}: 1 (functions of the kernel), 2 (system calls) or 3 (capture without eBPF) can be asked \
                 for; unset it for the best"
            )),
        }
    }
}

/// Something that is not seen as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What.
    pub what: &'static str,
    /// How far it is seen.
    pub state: CoverageState,
    /// Why.
    pub reason: String,
}

impl Gap {
    fn new(what: &'static str, state: CoverageState, reason: impl Into<String>) -> Self {
        Self {
            what,
            state,
            reason: reason.into(),
        }
    }
}

/// Where events come from.
pub enum Source {
    /// eBPF: the programs and the reader of what they send.
    Kernel(Box<(Kernel, Ring)>),
    /// Packets.
    Capture(Box<Capture>),
}

impl Source {
    /// The best source of `tier`, what was there before it, and what it does not see.
    ///
    /// # Errors
    /// Neither can be had; says what to do.
    pub fn start(tier: Tier) -> Result<(Self, Option<Snapshot>, Vec<Gap>)> {
        let refused = match tier {
            Tier::Capture => "tier 3 was asked for".to_owned(),
            Tier::Best | Tier::Kernel => match attach() {
                Ok(kernel) => {
                    kernel::confine::give_up_capture();
                    return Self::of_kernel(kernel);
                }
                Err(error) if tier == Tier::Kernel => return Err(error.into()),
                Err(error) => format!("{:#}", anyhow!(error)),
            },
        };
        let capture = Capture::start().with_context(|| {
            format!("{refused}; and without eBPF packets cannot be captured either")
        })?;
        tracing::warn!(reason = refused, "capturing packets in place of eBPF");
        Ok((
            Self::Capture(Box::new(capture)),
            None,
            gaps_of_capture(&refused),
        ))
    }

    fn of_kernel(mut kernel: Kernel) -> Result<(Self, Option<Snapshot>, Vec<Gap>)> {
        let ring = kernel
            .take_ring()
            .context("the ring buffer has one reader")?;
        let decoded = |(family, how): &(&'static str, String)| {
            Gap::new(family, CoverageState::Decoded, how.as_str())
        };
        let mut gaps: Vec<Gap> = kernel.families().iter().map(decoded).collect();
        let before = snapshot(&mut kernel).map_err(|error| {
            let reason = format!("{error}: what ran before the sensor is not attributed");
            gaps.push(Gap::new("snapshot", CoverageState::Late, reason));
        });
        Ok((Self::Kernel(Box::new((kernel, ring))), before.ok(), gaps))
    }

    /// The clock of the events, and what of the wall clock it had noted when events were last read.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        match self {
            Self::Kernel(kernel) => kernel.1.clock(),
            Self::Capture(capture) => capture.clock(),
        }
    }

    /// Waits until there are events or `timeout` is over, and appends them; returns how many.
    ///
    /// # Errors
    /// The source cannot be read any more.
    pub fn read(&mut self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<usize> {
        match self {
            Self::Kernel(kernel) => kernel.1.read(timeout, events),
            Self::Capture(capture) => capture.read(timeout, events),
        }
    }

    /// Appends what a source has kept back, at the end.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        if let Self::Capture(capture) = self {
            capture.finish(events);
        }
    }

    /// Whether few events may gather for a moment: packets are to be looked up while their process is there.
    #[must_use]
    pub const fn gathers(&self) -> bool {
        matches!(self, Self::Kernel(..))
    }

    /// What the pass decided about an end.
    pub fn judge(&mut self, end: EndKey, verdict: FlowVerdict) {
        match self {
            // Refused for want of room: the end stays as it is and is judged again.
            Self::Kernel(kernel) => drop(kernel.0.judge(end, verdict)),
            Self::Capture(capture) => capture.judge(end, verdict),
        }
    }

    /// An end is gone.
    pub fn forget(&mut self, end: EndKey) {
        if let Self::Kernel(kernel) = self {
            let _ = kernel.0.forget(end);
        }
    }

    /// Has silent flows looked at again in time; see [`Kernel::renew_passes`].
    ///
    /// # Errors
    /// The kernel refused.
    pub fn renew_passes(&mut self) -> Result<()> {
        match self {
            Self::Kernel(kernel) => Ok(kernel.0.renew_passes()?),
            Self::Capture(_) => Ok(()),
        }
    }

    /// See [`Kernel::check_links`].
    ///
    /// # Errors
    /// See [`Kernel::check_links`].
    pub fn check_links(&mut self) -> io::Result<Vec<Gone>> {
        match self {
            Self::Kernel(kernel) => kernel.0.check_links(),
            Self::Capture(_) => Ok(Vec::new()),
        }
    }

    /// What was lost before it became an event, by reason. Only ever grows.
    #[must_use]
    pub fn losses(&self) -> Losses {
        match self {
            Self::Kernel(kernel) => kernel.0.losses(),
            // Told as events.
            Self::Capture(_) => Losses::new(),
        }
    }

    /// Records lost so far that may have been of any stream; those of a capture are told as events. Only ever grows.
    #[must_use]
    pub fn lost_of_any_stream(&self) -> u64 {
        match self {
            Self::Kernel(kernel) => kernel.0.lost_of_any_stream(),
            Self::Capture(_) => 0,
        }
    }

    /// How often a program was left out by the kernel, on whatever stream. Only ever grows, and costs a file for each program.
    #[must_use]
    pub fn recursion_misses(&self) -> u64 {
        match self {
            Self::Kernel(kernel) => kernel.0.recursion_misses(),
            Self::Capture(_) => 0,
        }
    }

    /// What is attached, each with its tier, or `off: reason`.
    #[must_use]
    pub fn hooks(&self) -> BTreeMap<String, String> {
        match self {
            Self::Kernel(kernel) => kernel.0.hooks(),
            Self::Capture(capture) => capture.hooks(),
        }
    }

    /// The family of channels that a hook reads, where it has hooks of its own.
    #[must_use]
    pub fn family_of(&self, hook: &str) -> Option<&'static str> {
        match self {
            Self::Kernel(kernel) => kernel.0.family_of(hook),
            Self::Capture(_) => None,
        }
    }

    /// Size of the buffer between kernel and sensor, bytes.
    #[must_use]
    pub fn ring_bytes(&self) -> u64 {
        match self {
            Self::Kernel(kernel) => kernel.0.ring_bytes(),
            Self::Capture(capture) => capture.buffer_bytes(),
        }
    }

    /// Size of the kernel's tables, bytes.
    #[must_use]
    pub fn map_bytes(&self) -> u64 {
        match self {
            Self::Kernel(kernel) => kernel.0.map_bytes(),
            Self::Capture(_) => 0,
        }
    }

    /// What is attached, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        let hooks = self.hooks();
        match self {
            Self::Kernel(..) => {
                let on = hooks.values().filter(|state| !state.starts_with("off"));
                format!("{} of {} kernel hooks attached", on.count(), hooks.len())
            }
            Self::Capture(_) => format!(
                "tier 3: capturing plain HTTP on {} interfaces, without eBPF",
                hooks.len()
            ),
        }
    }
}

/// The kernel side; what may have been refused for the moment is asked for again.
fn attach() -> Result<Kernel, AttachError> {
    for pause in TRY_AGAIN_AFTER {
        match Kernel::attach(&kernel::Settings::default()) {
            Err(error) if error.may_pass() => {
                tracing::warn!(%error, again_in = ?pause, "eBPF is refused");
                std::thread::park_timeout(pause);
            }
            done => return done,
        }
    }
    Kernel::attach(&kernel::Settings::default())
}

/// What capturing does not see, whatever is captured.
fn gaps_of_capture(refused: &str) -> Vec<Gap> {
    const BLIND: [(&str, &str); 4] = [
        ("pipe", "stdio of servers is not seen without eBPF"),
        ("unix", "sockets on this host are not seen without eBPF"),
        ("tls", "encrypted connections are not read"),
        (
            "netns",
            "connections inside other network namespaces, as of containers, are not seen; of those that pass this one no process is named",
        ),
    ];
    let mut gaps = vec![Gap::new("ebpf", CoverageState::Detached, refused)];
    gaps.extend(BLIND.map(|(what, reason)| Gap::new(what, CoverageState::Detached, reason)));
    gaps.push(Gap::new(
        "process",
        CoverageState::Late,
        "processes are looked up while their connection is open: one that is over sooner has none",
    ));
    gaps
}
