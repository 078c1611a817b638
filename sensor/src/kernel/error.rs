//! Why the programs could not be attached, and what to do.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use aya::programs::ProgramError;

/// Lines of the verifier's output that an error quotes.
const VERIFIER_LINES_MAX: usize = 6;

/// Attaching failed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is nothing that says what runs.
    #[error(
        "/proc is not mounted here, and without it no process has a name: `mount -t proc proc /proc`, or give the container the host's"
    )]
    NoProc,
    /// The process may not load BPF programs.
    #[error(
        "not allowed to load BPF programs (missing: {missing}): run as root, or with CAP_BPF and CAP_PERFMON"
    )]
    NotPermitted {
        /// Capabilities that are missing.
        missing: String,
    },
    /// The kernel does not describe its types.
    #[error(
        "no BTF at /sys/kernel/btf/vmlinux: this kernel was built without CONFIG_DEBUG_INFO_BTF; use a distribution kernel that has it"
    )]
    NoBtf(#[source] io::Error),
    /// BTF was there and not understood.
    #[error("cannot read the kernel's BTF")]
    BadBtf(#[source] btf_rs::Error),
    /// The kernel has no such member.
    #[error(
        "this kernel's {structure} has no {path}: the sensor does not know this kernel yet; please report its version"
    )]
    NoMember {
        /// Structure in the kernel.
        structure: &'static str,
        /// Path of the member.
        path: &'static str,
    },
    /// The object or its maps were refused.
    #[error("the kernel refused the BPF maps: {advice}")]
    Maps {
        /// What to do.
        advice: &'static str,
        /// The cause.
        #[source]
        source: Box<aya::EbpfError>,
    },
    /// A program that we cannot do without was refused.
    #[error(
        "the kernel refused program {program}: {reason}; gnomon-sensor doctor says what this kernel lacks"
    )]
    Refused {
        /// Which.
        program: &'static str,
        /// The cause, with the verifier's last lines.
        reason: String,
    },
    /// The kernel's memory is closed to BPF.
    #[error(
        "this kernel is locked down for confidentiality, so that BPF programs may not read its memory: boot it with lockdown=integrity or none"
    )]
    LockedDown(#[source] Box<AttachError>),
    /// Tier 1 was asked for alone, and cannot be had.
    #[error("the kernel does not allow to read {family} where it is written: {reason}")]
    NoFamily {
        /// Which family of channels.
        family: &'static str,
        /// The cause.
        reason: String,
    },
    /// A map is not what it should be: object and sensor do not match.
    #[error("map {map} of the BPF object is not usable")]
    BadMap {
        /// Which.
        map: &'static str,
        /// The cause.
        #[source]
        source: aya::maps::MapError,
    },
    /// A program or map is missing from the object.
    #[error("the BPF object has no {name}: object and sensor are of different builds")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// What is attached cannot be looked after.
    #[error("cannot list this process's own descriptors in /proc/self/fdinfo; mount /proc")]
    Descriptors(#[source] io::Error),
    /// An iterator's output ended early.
    #[error("cannot read what the kernel lists")]
    Iterator(#[source] io::Error),
}

impl AttachError {
    /// Whether the same may be allowed a moment later, as when memory was short. What this kernel or our rights lack stays away.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return matches!(
                    error.kind(),
                    ErrorKind::OutOfMemory
                        | ErrorKind::WouldBlock
                        | ErrorKind::ResourceBusy
                        | ErrorKind::Interrupted
                );
            }
            cause = error.source();
        }
        false
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// An error in one line, with the last lines of the verifier's output where there are any.
pub(super) fn explain(error: &ProgramError) -> String {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return chain(error);
    };
    let log = verifier_log.to_string();
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let first = lines.len().saturating_sub(VERIFIER_LINES_MAX);
    let tail = lines.get(first..).unwrap_or_default().join(" | ");
    if tail.is_empty() {
        io_error.to_string()
    } else {
        format!("{io_error}: {tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_short_for_a_moment_may_pass_and_what_is_missing_not() {
        let refused = |number| {
            let cause = io::Error::from_raw_os_error(number);
            AttachError::Descriptors(cause).may_pass()
        };
        assert!(refused(libc::ENOMEM) && refused(libc::EAGAIN));
        assert!(!refused(libc::EPERM) && !refused(libc::EINVAL));
        let program = "sys_exit";
        let reason = "unknown func bpf_loop".to_owned();
        assert!(!AttachError::Refused { program, reason }.may_pass());
    }
}
