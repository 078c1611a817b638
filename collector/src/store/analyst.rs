//! The analyst of a server by URL: nobody's SQL runs without limits there either.
//!
//! With `readonly = 2` the user may send settings, and so is sent the limits that its profile lacks. With
//! `readonly = 1` it may not: its profile must have them. A user that may write is refused.

use anyhow::{Context, Result, bail, ensure};
use clickhouse::Client;

/// What is sent where the profile has no tighter one: the embedded engine's limits.
const LIMITS: [(&str, u64); 4] = [
    ("max_execution_time", 10),
    ("max_memory_usage", 512 << 20),
    ("max_result_rows", 100_000),
    ("max_result_bytes", 64 << 20),
];
/// How answers look, the same as with the embedded engine.
const FORM: [(&str, &str); 4] = [
    ("result_overflow_mode", "throw"),
    ("date_time_output_format", "iso"),
    ("output_format_json_quote_64bit_integers", "0"),
    ("join_use_nulls", "1"),
];

/// The analyst's client, with limits.
///
/// # Errors
/// The user may write, has no limits and cannot be given any, or cannot log in.
pub(super) async fn limited(client: Client) -> Result<Client> {
    let readonly = setting(&client, "readonly").await?;
    ensure!(
        readonly > 0.0,
        "clickhouse.analyst_user may write: give it a profile with readonly = 2, or with readonly = 1 and limits"
    );
    let mut limited = client.clone();
    for (name, limit) in LIMITS {
        let own = setting(&client, name).await?;
        let open = own <= 0.0;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let wide = own > limit as f64;
        if readonly < 2.0 {
            // Its administrator may know better how much, but not that there is none.
            if open && name != "max_memory_usage" {
                bail!(
                    "clickhouse.analyst_user has readonly = 1 and no {name}: set {name} = {limit} in its \
                     profile, or readonly = 2, and the collector sends it"
                );
            }
        } else if open || wide {
            limited = limited.with_setting(name, limit.to_string());
        }
    }
    if readonly >= 2.0 {
        for (name, value) in FORM {
            limited = limited.with_setting(name, value);
        }
    }
    limited
        .query_raw("SELECT 1")
        .fetch_one::<u8>()
        .await
        .context("clickhouse.analyst_user may not be sent limits")?;
    Ok(limited)
}

async fn setting(client: &Client, name: &str) -> Result<f64> {
    let sql = format!("SELECT toString(getSetting('{name}'))");
    let value: String = client
        .query_raw(&sql)
        .fetch_one()
        .await
        .with_context(|| format!("asking for {name} of clickhouse.analyst_user"))?;
    value
        .parse()
        .with_context(|| format!("{name} of clickhouse.analyst_user is {value:?}"))
}
