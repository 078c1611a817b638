//! Gives up what the sensor does not need: capabilities, and system calls.
//!
//! Whoever takes over a thread of ours by hostile bytes finds neither a shell to start nor a module to load. Both hold for
//! the calling thread and for what it starts from then on, so it is done before there is a second one.

use std::{collections::BTreeMap, fs, io};

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// How this sensor sees, which says what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// BPF programs (tiers 1 and 2).
    Probes,
    /// Frames of network interfaces (tier 3): also opens packet sockets.
    Capture,
}

impl Means {
    /// What stays, where it was there.
    fn capabilities(self) -> CapabilitySet {
        // Programs and maps; tracing; other users' /proc entries; their files, read only.
        let always = CapabilitySet::BPF
            | CapabilitySet::PERFMON
            | CapabilitySet::SYS_PTRACE
            | CapabilitySet::DAC_READ_SEARCH;
        match self {
            Self::Probes => always,
            Self::Capture => always | CapabilitySet::NET_RAW,
        }
    }
}

/// What stays is too much.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// Other threads would keep everything.
    #[error(
        "{threads} threads run already: capabilities are given up before there is a second one"
    )]
    TooLate {
        /// How many.
        threads: usize,
    },
    /// Capabilities.
    #[error("capabilities could not be given up")]
    Capabilities(#[source] io::Error),
    /// The filter, which the kernel may lack (CONFIG_SECCOMP_FILTER).
    #[error("the filter of system calls could not be set: {0}")]
    Filter(String),
}

/// What takes over the host, and what opens a way round this filter. The sensor makes none of these calls: it reads
/// namespaces and other processes by /proc alone (so setns is denied too), and attaches late by bpf and perf_event_open,
/// which stay.
const DENIED: &[libc::c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Keys of other users.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Work that others do for us, outside of this filter; holding up the kernel's copies.
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
];

/// Bit of the x32 calls of x86-64, which the kernel tells apart by number alone.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;
/// Calls that x32 has under numbers of its own (arch/x86/entry/syscalls/syscall_64.tbl).
#[cfg(target_arch = "x86_64")]
const X32_OWN: std::ops::RangeInclusive<libc::c_long> = 512..=547;

/// Gives up all capabilities but those that `means` needs, in every set, and the calls of [`DENIED`], for good: answers
/// to those are EPERM from now on. To be called before a second thread is started.
///
/// # Errors
/// See [`ConfineError`]; what was given up until then stays so.
pub fn confine(means: Means) -> Result<(), ConfineError> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(ConfineError::TooLate { threads });
    }
    confine_thread(means)
}

/// Programs are attached, so that packets need not be captured: gives up that right, too, if there is still one thread.
pub fn give_up_capture() {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return;
    }
    if let Err(error) = drop_capabilities(Means::Probes.capabilities()) {
        tracing::warn!(%error, "the right to capture packets is kept, and not used");
    }
}

/// The same as [`confine`] for the calling thread alone.
pub(super) fn confine_thread(means: Means) -> Result<(), ConfineError> {
    drop_capabilities(means.capabilities())
        .map_err(|error| ConfineError::Capabilities(error.into()))?;
    deny_calls()
}

fn drop_capabilities(kept: CapabilitySet) -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let has = capabilities(None)?;
    // Without the right to do so the set stays as it is. It counts at exec only, which is denied.
    if has.effective.contains(CapabilitySet::SETPCAP) {
        for capability in known_capabilities().filter(|one| !kept.contains(*one)) {
            if capability_is_in_bounding_set(capability)? {
                remove_capability_from_bounding_set(capability)?;
            }
        }
    }
    let kept = has.permitted & kept;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// Every capability of this kernel, also those that came after this sensor.
fn known_capabilities() -> impl Iterator<Item = CapabilitySet> {
    const LAST: u32 = 40;
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
    let last = last.trim().parse().unwrap_or(LAST).min(u64::BITS - 1);
    (0..=last).map(|bit| CapabilitySet::from_bits_retain(1 << bit))
}

/// Sets no_new_privs, too: without it a filter is refused.
fn deny_calls() -> Result<(), ConfineError> {
    let fault = |error: &dyn std::error::Error| ConfineError::Filter(error.to_string());
    let filter = SeccompFilter::new(
        denied()
            .map(|call| (call, Vec::new()))
            .collect::<BTreeMap<_, _>>(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH
            .try_into()
            .map_err(|error: seccompiler::BackendError| fault(&error))?,
    )
    .map_err(|error| fault(&error))?;
    let program: BpfProgram = filter
        .try_into()
        .map_err(|error: seccompiler::BackendError| fault(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| fault(&error))
}

fn denied() -> impl Iterator<Item = libc::c_long> {
    let calls = DENIED.iter().copied();
    #[cfg(target_arch = "x86_64")]
    let calls = calls
        .clone()
        .chain(calls.map(|call| call | X32))
        .chain(X32_OWN.map(|call| call | X32));
    calls
}

/// Tries it on a thread that is thrown away: the capabilities that would stay, or why it fails.
pub(super) fn rehearse() -> Result<String, String> {
    let rehearsal = std::thread::spawn(|| {
        confine_thread(Means::Probes).map_err(|error| error.to_string())?;
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(|text| text.trim_start_matches(':').trim().to_owned())
                .unwrap_or_default()
        };
        if value("NoNewPrivs") != "1" || value("Seccomp") != "2" {
            return Err("the kernel took the filter and does not show it".to_owned());
        }
        let kept = u64::from_str_radix(&value("CapEff"), 16).unwrap_or(u64::MAX);
        let names = super::capability::names(kept);
        Ok(format!(
            "at work it keeps {}, and {} system calls are denied to it",
            if names.is_empty() {
                "no capability".to_owned()
            } else {
                names.join(", ")
            },
            DENIED.len()
        ))
    });
    rehearsal
        .join()
        .unwrap_or_else(|_| Err("the rehearsal panicked".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "system calls by number")]

    use std::process::Command;

    use super::*;

    fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(work).join().expect("no panic")
    }

    /// The error of a call whose arguments are all 0: without the filter each of the table either fails for another
    /// reason or changes nothing.
    fn refusal(call: libc::c_long) -> Option<i32> {
        // SAFETY: no pointer is given; the calling thread is thrown away.
        let result = unsafe { libc::syscall(call, 0, 0, 0, 0, 0, 0) };
        (result < 0)
            .then(|| io::Error::last_os_error().raw_os_error())
            .flatten()
    }

    #[test]
    fn every_denied_call_is_denied_by_the_filter_alone() {
        // Capabilities stay: so it is not for their lack.
        let refusals = on_a_thread(|| {
            deny_calls().expect("the filter");
            DENIED
                .iter()
                .map(|call| (*call, refusal(*call)))
                .collect::<Vec<_>>()
        });
        for (call, refusal) in refusals {
            assert_eq!(refusal, Some(libc::EPERM), "call {call}");
        }
    }

    #[test]
    fn what_late_attaching_needs_is_not_denied() {
        let refusals = on_a_thread(|| {
            confine_thread(Means::Probes).expect("confined");
            [libc::SYS_bpf, libc::SYS_perf_event_open].map(refusal)
        });
        for refusal in refusals {
            assert!(
                refusal.is_some_and(|error| error != libc::EPERM),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn nothing_can_be_started_any_more() {
        let outcome = on_a_thread(|| {
            let before = Command::new("true").status();
            confine_thread(Means::Probes).expect("confined");
            (before, Command::new("true").status())
        });
        assert!(outcome.0.expect("a program called true").success());
        let refused = outcome.1.expect_err("exec is denied");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn capabilities_go_from_every_set() {
        for (means, kept) in [
            (Means::Probes, 0xc0_0008_0004_u64),
            (Means::Capture, 0xc0_0008_2004),
        ] {
            let (had, sets, status) = on_a_thread(move || {
                let had = capabilities(None).expect("sets").permitted;
                confine_thread(means).expect("confined");
                let status = fs::read_to_string("/proc/thread-self/status").expect("status");
                (had, capabilities(None).expect("sets"), status)
            });
            let kept = CapabilitySet::from_bits_retain(kept);
            assert_eq!((sets.effective, sets.permitted), (had & kept, had & kept));
            assert!(sets.inheritable.is_empty());
            let line = |key: &str| {
                let text = status
                    .lines()
                    .find_map(|line| line.strip_prefix(key))
                    .expect(key);
                u64::from_str_radix(text.trim(), 16).expect("hex")
            };
            assert_eq!(line("CapAmb:"), 0);
            if had.contains(CapabilitySet::SETPCAP) {
                assert_eq!(line("CapBnd:") & !kept.bits(), 0, "{status}");
            }
        }
    }

    #[test]
    fn beside_other_threads_it_is_too_late() {
        // The harness of the tests has one beside this.
        on_a_thread(|| {
            assert!(matches!(
                confine(Means::Probes),
                Err(ConfineError::TooLate { threads: 2.. })
            ));
        });
    }
}
