//! What a process and the machine use, from /proc and the kernel's statistics of BPF programs.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::programs;
use serde_json::Value;

/// `USER_HZ`: 100 on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident, without what is next.
    pub(crate) own: u64,
    /// Resident because a BPF map is mapped: the ring buffer.
    pub(crate) maps: u64,
}

/// proc(5), smaps: each mapping's header line, then its sizes.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).context("smaps")?;
    let (mut memory, mut is_map) = (Memory::default(), false);
    for line in text.lines() {
        if let Some(kib) = line.strip_prefix("Rss:") {
            let kib: u64 = kib.trim().trim_end_matches(" kB").parse().context("Rss")?;
            let kind = if is_map {
                &mut memory.maps
            } else {
                &mut memory.own
            };
            *kind += kib * 1024;
        } else if line
            .split(' ')
            .next()
            .is_some_and(|first| first.contains('-'))
        {
            is_map = line.contains("bpf-map") || line.contains("bpf_map");
        }
    }
    Ok(memory)
}

/// CPU time of all threads of a process, those that ended included. The kernel scales user and system time to the exact
/// run time, so that only their sum is cut to ticks.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("stat")?;
    let (_, rest) = stat.rsplit_once(')').context("stat")?;
    let ticks: u32 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    Ok(TICK * ticks)
}

/// CPU time that all processes of the machine used since it started.
pub(crate) fn cpu_of_all() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat")?;
    // user nice system idle iowait irq softirq steal: all but waiting.
    let fields: Vec<u32> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    ensure!(fields.len() >= 8, "/proc/stat: {line}");
    Ok(TICK * [0, 1, 2, 5, 6].map(|at| fields[at]).iter().sum())
}

/// Run time of BPF programs, measured by the kernel while this lives.
pub(crate) struct ProgramTime {
    ids: BTreeSet<u64>,
    before: String,
    start: u64,
}

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl ProgramTime {
    /// Begins to measure the programs that a process holds. Measuring costs something itself.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let before = fs::read_to_string(SWITCH).context(SWITCH)?;
        fs::write(SWITCH, "1").context(SWITCH)?;
        let ids = programs::held_by(pid)?;
        let mut time = Self {
            ids,
            before,
            start: 0,
        };
        time.start = time.total_ns()?;
        Ok(time)
    }

    /// Since it began.
    pub(crate) fn so_far(&self) -> Result<Duration> {
        Ok(Duration::from_nanos(
            self.total_ns()?.saturating_sub(self.start),
        ))
    }

    fn total_ns(&self) -> Result<u64> {
        let programs = programs::all()?;
        let of_ours = |program: &&Value| {
            program["id"]
                .as_u64()
                .is_some_and(|id| self.ids.contains(&id))
        };
        Ok(programs
            .iter()
            .filter(of_ours)
            .filter_map(|program| program["run_time_ns"].as_u64())
            .sum())
    }
}

impl Drop for ProgramTime {
    fn drop(&mut self) {
        // As it was; the kernel may refuse what it allowed before, and then nothing can be done.
        let _ = fs::write(SWITCH, self.before.trim());
    }
}

/// Use of CPU over some time, as shares of one core in percent.
pub(crate) struct Spent {
    /// The process.
    pub(crate) process: f64,
    /// Its BPF programs, in whichever process they ran.
    pub(crate) programs: f64,
    /// Everything else on the machine, all cores.
    pub(crate) others: f64,
}

/// Measures while `work` is done.
pub(crate) fn spent(pid: u32, work: impl FnOnce() -> Result<()>) -> Result<Spent> {
    let programs = ProgramTime::of(pid)?;
    let (start, process, all) = (Instant::now(), cpu(pid)?, cpu_of_all()?);
    work()?;
    let process = cpu(pid)?.saturating_sub(process);
    let all = cpu_of_all()?.saturating_sub(all);
    let elapsed = start.elapsed().as_secs_f64();
    let share = |time: Duration| 100.0 * time.as_secs_f64() / elapsed;
    Ok(Spent {
        process: share(process),
        programs: share(programs.so_far()?),
        others: share(all.saturating_sub(process)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() -> Result<()> {
        let own = std::process::id();
        assert!(memory(own)?.own > 100_000);
        assert!(cpu_of_all()? > cpu(own)?);
        Ok(())
    }
}
