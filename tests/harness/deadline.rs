//! Waiting for something to become true, for a bounded time.

use std::{
    env,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Time between two looks: the first is short, and each is half as long again, because a look may cost a program and a
/// question to ClickHouse, which the tests' machine has other use for.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// By how much all limits are longer, where the environment says that the machine is slow: a guest's processor is emulated.
const PATIENCE: &str = "GNOMON_PATIENCE";

fn patient(limit: Duration) -> Duration {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    let factor = FACTOR.get_or_init(|| {
        let said = env::var(PATIENCE).ok();
        said.and_then(|factor| factor.parse().ok()).unwrap_or(1)
    });
    limit * (*factor).max(1)
}

/// Waits between two looks.
struct Pause(Duration);

impl Pause {
    const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    fn rest(&mut self) {
        thread::park_timeout(self.0);
        self.0 = (self.0 * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Asks until there is an answer.
///
/// # Errors
/// Names `what` and the last reason if there is none within `limit`, or what `ask` itself failed with.
pub fn poll<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let limit = patient(limit);
    let (end, mut pause) = (Instant::now() + limit, Pause::new());
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {} s", limit.as_secs_f32());
        }
        pause.rest();
    }
}

/// Looks until `check` finds nothing wrong; the error is what it found last.
///
/// # Errors
/// The last complaint of `check`.
pub fn settle(limit: Duration, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let limit = patient(limit);
    let (end, mut pause) = (Instant::now() + limit, Pause::new());
    loop {
        match check() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error),
            Err(_) => pause.rest(),
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
    let limit = patient(limit);
    let (end, mut pause) = (Instant::now() + limit, Pause::new());
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
        pause.rest();
    }
}
