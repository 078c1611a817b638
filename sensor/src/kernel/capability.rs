//! What the kernel allows this process.

use std::path::Path;

use rustix::thread::capabilities;

/// A capability of capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capability {
    /// Load programs, make maps.
    Bpf,
    /// Tracing programs.
    Perfmon,
    /// Read other users' /proc entries.
    SysPtrace,
    /// Read other users' files.
    DacReadSearch,
    /// Capture packets.
    NetRaw,
}

impl Capability {
    const fn bit(self) -> u32 {
        match self {
            Self::DacReadSearch => 2,
            Self::NetRaw => 13,
            Self::SysPtrace => 19,
            Self::Perfmon => 38,
            Self::Bpf => 39,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "CAP_BPF",
            Self::Perfmon => "CAP_PERFMON",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::NetRaw => "CAP_NET_RAW",
        }
    }
}

/// Old name of what CAP_BPF and CAP_PERFMON are parts of; it implies both.
const CAP_SYS_ADMIN: u32 = 21;

/// Names of those of `wanted` that this process does not have.
pub(super) fn missing(wanted: &[Capability]) -> Vec<&'static str> {
    let effective = effective();
    let has = |bit: u32| effective & (1 << bit) != 0;
    wanted
        .iter()
        .filter(|capability| {
            let implied = matches!(capability, Capability::Bpf | Capability::Perfmon);
            !(has(capability.bit()) || (implied && has(CAP_SYS_ADMIN)))
        })
        .map(|capability| capability.name())
        .collect()
}

/// Names of those that these sensors use, in a set as the kernel shows it.
pub(super) fn names(set: u64) -> Vec<&'static str> {
    use Capability::{Bpf, DacReadSearch, Perfmon, SysPtrace};
    [Bpf, Perfmon, SysPtrace, DacReadSearch]
        .into_iter()
        .filter(|capability| set & (1 << capability.bit()) != 0)
        .map(Capability::name)
        .collect()
}

/// Whether there is a /proc that tells of processes: who runs, with which words, in what container.
pub(super) fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

/// Asked of the kernel itself: /proc may not be there.
fn effective() -> u64 {
    capabilities(None).map_or(0, |sets| sets.effective.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_proc_says() {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("procfs");
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let set = u64::from_str_radix(line.expect("CapEff").trim(), 16);
        assert_eq!(effective(), set.expect("hex"));
    }
}
