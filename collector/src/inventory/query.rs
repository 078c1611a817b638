//! Runs a SELECT and gives its answer as JSON, unparsed: columns, rows, whether there is more.

use std::time::Duration;

use clickhouse::Client;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::store::StoreError;

/// One answer held in memory, as JSON, at most: twice the bytes of columns that an analyst may ask for.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Answer to a listing or an SQL statement.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Columns in order: `[{"name", "type"}]`, types as ClickHouse names them.
    pub columns: Box<RawValue>,
    /// Rows: `[{column: value}]`, keys in the order of the columns.
    pub rows: Box<RawValue>,
    /// There are more rows than the limit allowed.
    pub truncated: bool,
    /// Rows there are without the limit; only where it was asked for exactly.
    #[serde(skip)]
    pub total: Option<u64>,
}

/// ClickHouse's own JSON format.
#[derive(Deserialize)]
struct Json {
    meta: Box<RawValue>,
    data: Box<RawValue>,
    rows: u64,
    rows_before_limit_at_least: Option<u64>,
}

/// Runs `sql`, which has no FORMAT of its own. `parameters` fill `{name:Type}` in it;
/// `settings` are ClickHouse's, which a read-only user may not give.
///
/// # Errors
/// ClickHouse refuses it or is away, it takes longer than `seconds_max`, or the answer is too large.
pub async fn run(
    client: &Client,
    sql: &str,
    parameters: &[(&'static str, String)],
    settings: &[(&'static str, &'static str)],
    seconds_max: u64,
) -> Result<Answer, StoreError> {
    let mut query = client.query_raw(sql);
    for (name, value) in settings {
        query = query.with_setting(*name, *value);
    }
    for (name, value) in parameters {
        query = query.param(name, value);
    }
    let read = async {
        let mut cursor = query.fetch_bytes("JSON")?;
        let mut answer = Vec::new();
        while let Some(part) = cursor.next().await? {
            if answer.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(StoreError::Large(ANSWER_BYTES_MAX));
            }
            answer.extend_from_slice(&part);
        }
        Ok(answer)
    };
    let bytes = tokio::time::timeout(Duration::from_secs(seconds_max), read)
        .await
        .map_err(|_| StoreError::Slow(seconds_max))??;
    let json: Json = serde_json::from_slice(&bytes).map_err(|error| {
        let text = format!("the answer is not what FORMAT JSON gives: {error}");
        StoreError::ClickHouse(clickhouse::error::Error::BadResponse(text))
    })?;
    Ok(Answer {
        columns: json.meta,
        rows: json.data,
        truncated: json
            .rows_before_limit_at_least
            .is_some_and(|before| before > json.rows),
        total: json.rows_before_limit_at_least,
    })
}
