//! Times as people and programs read them.

use std::fmt;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::event::UnixNs;

/// A time that prints as RFC 3339 in UTC with nine digits of fraction, always 30 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rfc3339(pub UnixNs);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // u64 nanoseconds end in the year 2554, well inside what OffsetDateTime holds.
        let t = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.nanosecond()
        )
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// For `#[serde(serialize_with)]` on a [`UnixNs`].
pub(super) fn rfc3339<S: Serializer>(time: &UnixNs, serializer: S) -> Result<S::Ok, S::Error> {
    Rfc3339(*time).serialize(serializer)
}

/// For `#[serde(serialize_with)]` on an `Option<UnixNs>`.
#[allow(clippy::ref_option)] // serde's calling convention
pub(super) fn rfc3339_option<S: Serializer>(
    time: &Option<UnixNs>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(Rfc3339).serialize(serializer)
}
