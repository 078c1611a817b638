//! Waiting for something to become true, for a bounded time.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Time between two looks. Short against every bar the tests check.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
///
/// # Errors
/// Names `what` and the last reason if there is none within `limit`, or what `ask` itself failed with.
pub fn poll<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {} s", limit.as_secs_f32());
        }
        thread::park_timeout(LOOK_AGAIN_AFTER);
    }
}

/// Looks until `check` finds nothing wrong; the error is what it found last.
///
/// # Errors
/// The last complaint of `check`.
pub fn settle(limit: Duration, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        match check() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error),
            Err(_) => thread::park_timeout(LOOK_AGAIN_AFTER),
        }
    }
}
