//! Starts of ids, as people type them: the whole id, where only one has that start.

use clickhouse::Row;
use serde::Deserialize;
use thiserror::Error;

use crate::store::{Store, StoreError};

/// Fewest characters of an id that are taken for its start.
const START_CHARS_MIN: usize = 4;
/// Characters of a whole id: 128 bits in hex, of a digest 256.
const SESSION_CHARS: usize = 32;
const DIGEST_CHARS: usize = 64;
/// Ids named where a start fits several.
const SHOWN_MAX: usize = 10;

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

/// What a start may mean.
#[derive(Debug)]
pub(super) enum Meaning {
    /// Nothing that is known.
    Nothing,
    /// This id.
    One(String),
    /// These, and maybe more, which is said then.
    Several(Vec<String>),
}

#[derive(Row, Deserialize)]
struct Key {
    key: String,
    exact: u8,
}

/// The ids that `start` may mean. `keys` asks for them on `{key:String}`: `key`, and whether it is `exact`; the exact
/// ones first. An id that is the start of another is meant where it is written in full.
pub(super) async fn meaning(store: &Store, keys: &str, start: &str) -> Result<Meaning, StoreError> {
    let sql = format!("{keys} LIMIT {}", SHOWN_MAX + 1);
    let mut found = store.rows::<Key>(&sql, &[("key", start)]).await?;
    let Some(first) = found.first() else {
        return Ok(Meaning::Nothing);
    };
    if found.len() == 1 || first.exact == 1 {
        return Ok(Meaning::One(found.swap_remove(0).key));
    }
    let more = found.len() > SHOWN_MAX;
    let mut several: Vec<String> = found.into_iter().take(SHOWN_MAX).map(|k| k.key).collect();
    if more {
        several.push("and more".to_owned());
    }
    Ok(Meaning::Several(several))
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
    let keys = format!(
        "SELECT DISTINCT {column} AS key, toUInt8(key = {{key:String}}) AS exact FROM session_fact \
         WHERE startsWith({column}, {{key:String}}) ORDER BY exact DESC, key"
    );
    match meaning(store, &keys, &start).await? {
        Meaning::Nothing => Ok(None),
        Meaning::One(whole) => Ok(Some(whole)),
        Meaning::Several(several) => Err(PrefixError::Ambiguous {
            name: name.to_owned(),
            start: value.to_owned(),
            candidates: several.join(", "),
        }),
    }
}
