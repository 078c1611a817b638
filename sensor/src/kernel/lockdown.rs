//! What a locked down kernel forbids even root (security/lockdown in its sources).

use std::fs;

use super::AttachError;

/// Where securityfs says it, the state in brackets: `none [integrity] confidentiality`.
const PATH: &str = "/sys/kernel/security/lockdown";

/// The states, the one in force in brackets; none: not in this kernel, or securityfs is not mounted.
pub(super) fn states() -> Option<String> {
    let text = fs::read_to_string(PATH).ok()?;
    Some(text.trim().to_owned())
}

/// Under `confidentiality` the kernel gives its memory to nobody, BPF included (`LOCKDOWN_BPF_READ_KERNEL`).
pub(super) fn is_confidential(states: &str) -> bool {
    states.contains("[confidentiality]")
}

/// A refusal, with what is behind it where that is a lockdown.
pub(super) fn behind(refused: AttachError) -> AttachError {
    match states() {
        Some(states) if is_confidential(&states) => AttachError::LockedDown(Box::new(refused)),
        _ => refused,
    }
}
