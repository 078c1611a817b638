//! The collector's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::row::Micros;

/// Now, microseconds since the Unix epoch.
#[must_use]
pub fn now() -> Micros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}
