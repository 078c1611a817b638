//! Why the programs could not be attached, and what to do.

use std::io;

/// Attaching failed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
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
    #[error("the kernel refused program {program}: {reason}")]
    Refused {
        /// Which.
        program: &'static str,
        /// The cause, with the verifier's last lines.
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
