//! What this process itself uses, and its place in the queue for processors.

use std::fs;

/// Clock ticks a second in /proc: `USER_HZ`, 100 on every architecture that Linux runs us on.
const TICK_MS: u64 = 10;

/// Nearly that of auditd (`priority_boost` 4): three times the share of an ordinary thread, so that a burst by many threads is read
/// before the ring buffer is full. One thread has it, so it never takes more than one processor.
const NICE: i32 = -5;

/// That of systemd-journald (`OOMScoreAdjust`): when the host runs out of memory this process counts as if it took a quarter of the
/// host's memory less than it does. So it does not go for what others take, and still goes, before the host does, should it ever be
/// the one that takes it.
const OOM_SCORE_ADJ: i32 = -250;
const OOM_FILE: &str = "/proc/self/oom_score_adj";

/// Has the kernel look for others first when memory runs out. Takes CAP_SYS_RESOURCE, so it is done before rights are given up;
/// without it, or where less was set from outside, everything stays as it is.
pub fn spare() {
    let current = fs::read_to_string(OOM_FILE).unwrap_or_default();
    if current
        .trim()
        .parse::<i32>()
        .is_ok_and(|set| set <= OOM_SCORE_ADJ)
    {
        return;
    }
    if let Err(error) = fs::write(OOM_FILE, OOM_SCORE_ADJ.to_string()) {
        tracing::debug!(%error, "when memory runs out this process is one of all");
    }
}

/// Puts the calling thread before ordinary ones, and those that it starts from now on unless they [`step_back`]. Without
/// the right to do so it stays where it is, and a busy host loses more, which is counted.
pub fn step_forward() {
    // On Linux this is the thread, not the process: setpriority(2), "C library/kernel differences".
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the reader stays at ordinary priority");
    }
}

/// Puts the calling thread among ordinary ones: for threads that nothing waits for.
pub fn step_back() {
    // To become less urgent takes no right.
    if let Err(error) = rustix::process::setpriority_process(None, 0) {
        tracing::debug!(%error, "a thread stays at the reader's priority");
    }
}

/// CPU time and memory since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all threads, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// Reads /proc/self; zeros where that cannot be read.
#[must_use]
pub fn usage() -> Usage {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Usage {
        cpu_ms: cpu_ms(&stat),
        rss_bytes: rss_bytes(&status),
    }
}

/// proc(5), stat: fields 14 and 15; the second field may hold anything, so count from its end.
fn cpu_ms(stat: &str) -> u64 {
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks * TICK_MS
}

fn rss_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runner of the tests gives each a process of its own.
    #[test]
    fn is_spared_as_far_as_it_may() {
        let set = || {
            fs::read_to_string(OOM_FILE)
                .unwrap()
                .trim()
                .parse::<i32>()
                .unwrap()
        };
        let before = set();
        // To count for more takes no right.
        fs::write(OOM_FILE, before.max(0).to_string()).unwrap();
        let may = rustix::thread::capabilities(None).is_ok_and(|sets| {
            sets.effective
                .contains(rustix::thread::CapabilitySet::SYS_RESOURCE)
        });
        spare();
        assert_eq!(set(), if may { OOM_SCORE_ADJ } else { before.max(0) });
    }

    #[test]
    fn reads_the_kernels_forms() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 25 17 0 0 20 0 1 0 99 1 1";
        assert_eq!(cpu_ms(stat), 420);
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t  12 kB\n"), 12_288);
        assert!(usage().rss_bytes > 0);
    }
}
