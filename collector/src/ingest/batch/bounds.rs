//! What is believed of texts, lists and times, and how much of them is kept.

use crate::store::row::Micros;

/// Longest id, name or address, bytes; longer ones refuse the batch where they are a key.
pub(super) const ID_BYTES_MAX: usize = 256;
/// Longest text, bytes; longer ones are cut.
pub(super) const TEXT_BYTES_MAX: usize = 8192;
/// Longest list (argv, addresses, evidence), items; the rest is left out.
pub(super) const LIST_MAX: usize = 256;
/// Largest count, number of bytes or duration: 280 TB, 9 years. Sums over a fleet stay far from their own bound, so that one
/// host that lies cannot make a figure of all hosts wrap round.
const COUNT_MAX: u64 = 1 << 48;
/// Times are believed from 2000-01-01 …
const TIME_MIN: Micros = 946_684_800_000_000;
/// … to a day after now.
const AHEAD_MAX: Micros = 86_400_000_000;

/// Absent stays absent, and so does empty: unknown is never an empty text.
pub(super) fn text(value: Option<String>) -> Option<String> {
    value
        .filter(|v| !v.is_empty())
        .map(|v| cut(v, TEXT_BYTES_MAX))
}

/// A count, at most the largest that is believed.
pub(super) fn count(value: u64) -> u64 {
    value.min(COUNT_MAX)
}

pub(super) fn texts(values: Vec<String>) -> Vec<String> {
    values
        .into_iter()
        .take(LIST_MAX)
        .map(|v| cut(v, TEXT_BYTES_MAX))
        .collect()
}

pub(super) fn cut(mut value: String, bytes_max: usize) -> String {
    if value.len() > bytes_max {
        value.truncate(value.floor_char_boundary(bytes_max));
    }
    value
}

/// The sensor's time in microseconds, if it can be.
pub(super) fn believed(unix_ns: u64, received: Micros) -> Option<Micros> {
    let time = Micros::try_from(unix_ns / 1000).ok()?;
    (TIME_MIN..=received.saturating_add(AHEAD_MAX))
        .contains(&time)
        .then_some(time)
}
