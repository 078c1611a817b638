//! What can only be done to a host of one's own: its clock is set, its kernel is locked down.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::{Watch, client_is_told, last_stats, runs_tier},
    deadline::settle,
    peers::{Peers, Plan, Sdk, Tally, rmcp_stdio},
};
use serde_json::{Value, json};

/// Time after a client's end within which all of it has been told.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
/// Needs securityfs.
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// What is done, and what must then be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Treatment {
    /// Unique.
    pub(crate) name: &'static str,
    run: fn(u8) -> Result<()>,
}

/// All of them. The last one stays: a kernel is unlocked by booting it.
pub(crate) const ALL: [Treatment; 3] = [
    Treatment {
        name: "the_clock_is_set",
        run: the_clock_is_set,
    },
    Treatment {
        name: "locked_down_for_integrity",
        run: locked_down_for_integrity,
    },
    Treatment {
        name: "locked_down_for_confidentiality",
        run: locked_down_for_confidentiality,
    },
];

impl Treatment {
    /// The one of that name.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let found = ALL.into_iter().find(|known| known.name == name);
        found.with_context(|| format!("no treatment {name:?}"))
    }

    /// Does it to this host, with a sensor of that tier.
    pub(crate) fn run(self, tier: u8) -> Result<()> {
        (self.run)(tier)
    }
}

/// A client's session, told in full.
fn converse(folder: &Path, watch: &Watch) -> Result<Tally> {
    let plan = Plan::stdio(1, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 3);
    let tally = Peers::new(folder).run(Sdk::Rmcp, &plan)?;
    settle(TOLD_WITHIN, || client_is_told(&watch.said()?, &tally))?;
    Ok(tally)
}

/// Forward by years and back again, as a battery that is empty and a time server that is not do. All is told, once, with the time that
/// the clock showed.
fn the_clock_is_set(_tier: u8) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let mut tallies = Vec::new();
    for year in ["2031", "2019", "2027"] {
        let status = Command::new("date")
            .args(["--utc", "--set", &format!("{year}-03-04T05:06:07Z")])
            .status()?;
        ensure!(status.success(), "date: {status}");
        let tally = converse(folder.path(), &watch)?;
        let said = watch.said()?;
        let session = session(&said, &tally).context("told a moment ago")?;
        for time in ["started", "last_seen"] {
            let told = session[time].as_str().unwrap_or_default();
            ensure!(told.starts_with(year), "{time} in {year}: {session}");
        }
        tallies.push(tally);
    }
    let said = watch.stop()?;
    // A step of the clock has neither parted nor doubled what came before it.
    tallies
        .iter()
        .try_for_each(|tally| client_is_told(&said, tally))
}

/// What is said last of the session of a client.
fn session<'a>(said: &'a [Value], tally: &Tally) -> Option<&'a Value> {
    said.iter()
        .rev()
        .find(|told| told["kind"] == "session" && told["client"]["process"]["pid"] == tally.pid)
}

/// Nobody may change the running kernel, and reading it is nothing of that.
fn locked_down_for_integrity(tier: u8) -> Result<()> {
    fs::write(LOCKDOWN, "integrity").context(LOCKDOWN)?;
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    converse(folder.path(), &watch)?;
    let said = watch.stop()?;
    let stats = last_stats(&said).context("no statistics")?;
    ensure!(runs_tier(stats, tier), "ran {}", stats["tier"]);
    Ok(())
}

/// The kernel's memory is nobody's, BPF's neither: packets are captured, and it is said why.
fn locked_down_for_confidentiality(_tier: u8) -> Result<()> {
    fs::write(LOCKDOWN, "confidentiality").context(LOCKDOWN)?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(gnomon_tests::place::program("gnomon-sensor")?);
    // The best that there is: a tier that is asked for alone ends with an error.
    command.env_remove("GNOMON_TIER");
    let watch = Watch::start_by(folder.path(), command)?;
    settle(TOLD_WITHIN, || {
        let said = watch.said()?;
        let mut coverage = said.iter().filter(|told| told["what"] == "ebpf");
        let gap = coverage.find(|told| told["state"] == "detached");
        let reason = gap.and_then(|gap| gap["reason"].as_str());
        let reason = reason.context("it does not say that eBPF is not used")?;
        ensure!(reason.contains("lockdown"), "the reason is {reason:?}");
        Ok(())
    })?;
    watch.stop()?;
    Ok(())
}
