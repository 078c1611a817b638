//! Brings the schema up to date: numbered steps, each once; then the views, each time.
//!
//! Every statement can run twice (`IF NOT EXISTS`, `OR REPLACE`), because ClickHouse has no transaction
//! around them: a run that was cut short is simply run again. Steps done are kept in `schema_step`.
//!
//! Engines, `ON CLUSTER` and the retention come from one place, [`Dialect`].

use std::collections::HashSet;

use anyhow::{Context, Result};
use tracing::info;

use super::Store;

/// Numbered steps. Never changed once released; new ones are added.
const STEPS: [(&str, &str); 9] = [
    ("0001_facts", include_str!("../../schema/0001_facts.sql")),
    (
        "0002_verdicts",
        include_str!("../../schema/0002_verdicts.sql"),
    ),
    ("0003_runs", include_str!("../../schema/0003_runs.sql")),
    (
        "0004_findings",
        include_str!("../../schema/0004_findings.sql"),
    ),
    ("0005_report", include_str!("../../schema/0005_report.sql")),
    (
        "0006_listeners",
        include_str!("../../schema/0006_listeners.sql"),
    ),
    ("0007_probes", include_str!("../../schema/0007_probes.sql")),
    (
        "0008_coverage",
        include_str!("../../schema/0008_coverage.sql"),
    ),
    (
        "0009_parties",
        include_str!("../../schema/0009_parties.sql"),
    ),
];
/// The documented views.
pub const VIEWS: &str = include_str!("../../schema/views.sql");
/// Tables whose facts end with the retention, and the column it goes by.
const EXPIRING: [(&str, &str); 10] = [
    ("batch_ledger", "received"),
    ("sensor_hello", "received"),
    ("session_fact", "received"),
    ("call_fact", "received"),
    ("stats_fact", "received"),
    ("coverage_fact", "received"),
    ("listener_fact", "received"),
    ("listener_now", "received"),
    ("verdict_fact", "decided"),
    ("verdict_now", "decided"),
];

/// How the schema's text becomes statements for one kind of server.
struct Dialect<'a> {
    cluster: Option<&'a str>,
    ttl_days: u32,
}

impl Dialect<'_> {
    /// Fills `{on_cluster}`, `{ttl_days}` and `{engine:Kind(arguments)}`.
    fn render(&self, text: &str) -> String {
        let on_cluster = self
            .cluster
            .map_or(String::new(), |name| format!("ON CLUSTER {name}"));
        let text = text
            .replace("{on_cluster}", &on_cluster)
            .replace("{ttl_days}", &self.ttl_days.to_string());
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{engine:") {
            let (engine, after) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(before);
            out.push_str(&self.engine(engine));
            rest = after;
        }
        out + rest
    }

    fn engine(&self, engine: &str) -> String {
        if self.cluster.is_none() {
            return engine.to_owned();
        }
        let (kind, arguments) = engine.split_once('(').unwrap_or((engine, ")"));
        let comma = if arguments == ")" { "" } else { ", " };
        format!(
            "Replicated{kind}('/clickhouse/tables/{{shard}}/{{database}}/{{table}}', '{{replica}}'{comma}{arguments}"
        )
    }

    fn statements(&self, text: &str) -> Vec<String> {
        let code: String = self
            .render(text)
            .lines()
            .map(|line| line.split_once("-- ").map_or(line, |(code, _)| code))
            .fold(String::new(), |all, line| all + line + "\n");
        code.split(';')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// Brings the schema up to date.
///
/// # Errors
/// A statement is refused: with its step and text.
pub async fn migrate(store: &Store, ttl_days: u32) -> Result<()> {
    let dialect = Dialect {
        cluster: store.cluster(),
        ttl_days,
    };
    make_database(store, &dialect).await?;
    let ledger = "CREATE TABLE IF NOT EXISTS schema_step {on_cluster} (step String, ttl_days UInt32, done DateTime64(6, 'UTC') \
        DEFAULT now64(6)) ENGINE = {engine:MergeTree} ORDER BY (step, done)";
    run(store, "schema_step", &dialect.render(ledger)).await?;
    let done: HashSet<String> = store
        .rows::<String>("SELECT DISTINCT step FROM schema_step", &[])
        .await
        .context("reading which migrations were made")?
        .into_iter()
        .collect();
    for (step, text) in STEPS {
        if done.contains(step) {
            continue;
        }
        for statement in dialect.statements(text) {
            run(store, step, &statement).await?;
        }
        mark(store, step, ttl_days).await?;
        info!(step, "migration made");
    }
    retain(store, &dialect).await?;
    for statement in dialect.statements(VIEWS) {
        run(store, "views", &statement).await?;
    }
    Ok(())
}

async fn make_database(store: &Store, dialect: &Dialect<'_>) -> Result<()> {
    let sql = dialect.render(&format!(
        "CREATE DATABASE IF NOT EXISTS {} {{on_cluster}}",
        store.database()
    ));
    let writer = store.connection().await?.writer.with_database("default");
    writer
        .query_raw(&sql)
        .execute()
        .await
        .with_context(|| format!("making the database: {sql}"))
}

/// Applies a changed retention to tables that exist.
async fn retain(store: &Store, dialect: &Dialect<'_>) -> Result<()> {
    let last: Vec<u32> = store
        .rows(
            "SELECT ttl_days FROM schema_step ORDER BY done DESC LIMIT 1",
            &[],
        )
        .await
        .context("reading the retention in force")?;
    if last.first() == Some(&dialect.ttl_days) {
        return Ok(());
    }
    for (table, column) in EXPIRING {
        let sql = format!(
            "ALTER TABLE {table} {{on_cluster}} MODIFY TTL toDateTime({column}) + INTERVAL {{ttl_days}} DAY \
             SETTINGS materialize_ttl_after_modify = 0"
        );
        run(store, "retention", &dialect.render(&sql)).await?;
    }
    mark(store, "retention", dialect.ttl_days).await?;
    info!(days = dialect.ttl_days, "retention changed");
    Ok(())
}

async fn mark(store: &Store, step: &str, ttl_days: u32) -> Result<()> {
    let sql = format!("INSERT INTO schema_step (step, ttl_days) VALUES ('{step}', {ttl_days})");
    run(store, step, &sql).await
}

async fn run(store: &Store, step: &str, sql: &str) -> Result<()> {
    store.execute(sql).await.with_context(|| {
        format!(
            "migration {step}: {}",
            sql.lines().next().unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_setting_makes_engines_replicated() {
        let single = Dialect {
            cluster: None,
            ttl_days: 7,
        };
        let cluster = Dialect {
            cluster: Some("main"),
            ttl_days: 7,
        };
        let text = "CREATE TABLE t {on_cluster} (a UInt8) ENGINE = {engine:ReplacingMergeTree(rev)} TTL {ttl_days}";
        assert_eq!(
            single.render(text),
            "CREATE TABLE t  (a UInt8) ENGINE = ReplacingMergeTree(rev) TTL 7"
        );
        assert_eq!(
            cluster.render(text),
            "CREATE TABLE t ON CLUSTER main (a UInt8) ENGINE = ReplicatedReplacingMergeTree(\
             '/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rev) TTL 7"
        );
        assert!(
            cluster
                .render("{engine:MergeTree}")
                .ends_with("'{replica}')")
        );
    }

    #[test]
    fn comments_and_blanks_are_no_statements() {
        let dialect = Dialect {
            cluster: None,
            ttl_days: 7,
        };
        assert_eq!(
            dialect.statements("-- a; b\nSELECT 1; -- c\n\nSELECT 2;\n"),
            ["SELECT 1", "SELECT 2"]
        );
        for (step, text) in STEPS {
            for statement in dialect.statements(text) {
                // States of minima, maxima and last words: twice is as once.
                let states = "INSERT INTO listener_now";
                let twice = [" IF NOT EXISTS ", "CREATE OR REPLACE ", states];
                assert!(
                    twice.iter().any(|form| statement.contains(form)),
                    "{step}: {statement}"
                );
                assert!(
                    !statement.contains("{engine") && !statement.contains("{ttl"),
                    "{step}: {statement}"
                );
            }
        }
    }
}
