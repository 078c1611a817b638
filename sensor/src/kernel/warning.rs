//! The programs' own warnings, into our log.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

/// Gives each warning of a BPF program to tracing.
pub(super) struct ToTracing;

impl Log for ToTracing {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        tracing::warn!(module = record.target(), warning = %record.args(), "BPF program");
    }

    fn flush(&self) {}
}

/// The reader of warnings; none if the object has no log, which costs nothing but the warnings.
pub(super) fn reader(ebpf: &mut Ebpf) -> Option<EbpfLogger<ToTracing>> {
    EbpfLogger::init_with_logger(ebpf, ToTracing)
        .inspect_err(|error| tracing::warn!(%error, "warnings of the BPF programs are not read"))
        .ok()
}
