//! Starts of ids, as people type them: the whole id, where only one has that start.

use thiserror::Error;

use crate::store::{Store, StoreError};

/// Fewest characters of an id that are taken for its start.
const START_CHARS_MIN: usize = 4;
/// Characters of a whole id: 128 bits in hex, of a digest 256.
const SESSION_CHARS: usize = 32;
const DIGEST_CHARS: usize = 64;
/// Ids named where a start fits several.
const SHOWN_MAX: usize = 4;

/// Why a start could not be made whole.
#[derive(Debug, Error)]
pub enum PrefixError {
    /// Several ids begin so.
    #[error("{name} {start:?} is ambiguous: {candidates}")]
    Ambiguous {
        /// The filter.
        name: String,
        /// What was asked for.
        start: String,
        /// Some of those that begin so.
        candidates: String,
    },
    /// ClickHouse is away or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The whole of an id of which `value` is the start; none where it is no start, or of nothing known: then it is
/// compared as it is. Filters `session` (hex) and `server` (`bin:` and hex).
///
/// # Errors
/// Several ids begin so; ClickHouse is away.
pub async fn whole(store: &Store, name: &str, value: &str) -> Result<Option<String>, PrefixError> {
    let (digits, whole_chars, column) = match name {
        "session" => (value, SESSION_CHARS, "id"),
        "server" => match value.strip_prefix("bin:") {
            Some(digits) => (digits, DIGEST_CHARS, "server"),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let is_start = (START_CHARS_MIN..whole_chars).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_start {
        return Ok(None);
    }
    let start = value.to_ascii_lowercase();
    let sql = format!(
        "SELECT DISTINCT {column} FROM session_fact WHERE startsWith({column}, {{start:String}}) \
         ORDER BY {column} LIMIT {}",
        SHOWN_MAX + 1
    );
    let found: Vec<String> = store.rows(&sql, &[("start", &start)]).await?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        // An id that is the start of another is meant where it is written in full.
        [first, ..] if *first == start => Ok(None),
        several => Err(PrefixError::Ambiguous {
            name: name.to_owned(),
            start: value.to_owned(),
            candidates: several
                .iter()
                .take(SHOWN_MAX)
                .map(String::as_str)
                .chain((several.len() > SHOWN_MAX).then_some("…"))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}
