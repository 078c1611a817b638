//! What a measurement runs in a guest.

use std::time::Duration;

use anyhow::{Result, ensure};
use gnomon_tests::vm::Guest;

/// Runs the script, shows each line as it comes, and gives all of them.
pub(crate) fn said(guest: &Guest, script: &str, limit: Duration) -> Result<String> {
    let mut shown = 0;
    let ended = guest.run(script, limit, |output| {
        for line in output.lines().skip(shown) {
            println!("bench: guest: {line}");
            shown += 1;
        }
    })?;
    ensure!(
        ended.status == 0,
        "the guest's command failed: {}",
        ended.output
    );
    Ok(ended.output)
}
