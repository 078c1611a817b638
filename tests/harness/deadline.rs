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

/// Asks until the answer has stayed the same for `quiet`; what `ask` complains of starts that time anew.
///
/// # Errors
/// The last complaint of `ask` once `limit` is over, or that the answer never stayed.
pub fn steady<T: PartialEq>(
    limit: Duration,
    quiet: Duration,
    mut ask: impl FnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    let mut held: Option<(Instant, T)> = None;
    loop {
        let asked = Instant::now();
        match ask() {
            Ok(answer) => match &held {
                Some((since, before)) if *before == answer => {
                    if since.elapsed() >= quiet {
                        return Ok(answer);
                    }
                }
                _ => held = Some((asked, answer)),
            },
            Err(error) if asked >= end => return Err(error),
            Err(_) => held = None,
        }
        // An answer that came just in time may still show that it stays.
        if asked >= end + quiet {
            bail!(
                "the answer did not stay the same for {} s within {} s",
                quiet.as_secs_f32(),
                limit.as_secs_f32()
            );
        }
        thread::park_timeout(LOOK_AGAIN_AFTER);
    }
}
