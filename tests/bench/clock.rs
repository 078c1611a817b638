//! Time that passes.

use std::{thread, time::Duration};

/// Lets time pass. Measurements over a time and work at a pace need this; a wait for something polls instead.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for")]
pub(crate) fn pass(time: Duration) {
    thread::sleep(time);
}
