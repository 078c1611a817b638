//! One kernel for all tests: who shares it, and who needs it alone.
//!
//! A sensor sees what the other tests do. Most do not mind: they ask for what their own processes did. Some fill rings, or
//! look at every program that is loaded; these wait until the others are done and keep them waiting.

use std::{
    fs::File,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};

use crate::place::checkout;

/// What this process holds, until it ends.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

struct Held {
    alone: bool,
    _lock: File,
}

/// Waits until nobody has the host alone. Everything that attaches a sensor calls it.
///
/// # Errors
/// The lock cannot be had.
pub fn share() -> Result<()> {
    take(false)
}

/// Waits until nobody else tests on this host. To be called before anything is started.
///
/// # Errors
/// This process shares the host already, or the lock cannot be had.
pub fn alone() -> Result<()> {
    take(true)
}

fn take(alone: bool) -> Result<()> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = &*held {
        ensure!(held.alone || !alone, "this test shares the host already");
        return Ok(());
    }
    // A file that is there in every checkout; children do not inherit it.
    let path = checkout().join(".config/nextest.toml");
    let lock = File::open(&path).with_context(|| path.display().to_string())?;
    if alone {
        lock.lock()
    } else {
        lock.lock_shared()
    }
    .with_context(|| format!("a lock on {}", path.display()))?;
    *held = Some(Held { alone, _lock: lock });
    Ok(())
}
