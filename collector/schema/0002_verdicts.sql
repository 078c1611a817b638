-- What was said of a session, and when: a row each time it changed, so that a past day can be asked.
CREATE TABLE IF NOT EXISTS verdict_fact {on_cluster}
(
    host           LowCardinality(String),
    session        String,
    decided        DateTime64(6, 'UTC'),
    rev            UInt32,
    policy_version UInt64,
    status         LowCardinality(String),
    route          LowCardinality(String),
    leg            LowCardinality(Nullable(String)),
    gateway        Nullable(String),
    reasons        Array(Tuple(String, String))
)
ENGINE = {engine:MergeTree}
PARTITION BY toYYYYMM(decided)
ORDER BY (host, session, decided)
TTL toDateTime(decided) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- The last of them for each session.
CREATE TABLE IF NOT EXISTS verdict_now {on_cluster}
(
    host           LowCardinality(String),
    session        String,
    decided        DateTime64(6, 'UTC'),
    rev            UInt32,
    policy_version UInt64,
    status         LowCardinality(String),
    route          LowCardinality(String),
    leg            LowCardinality(Nullable(String)),
    gateway        Nullable(String),
    reasons        Array(Tuple(String, String))
)
ENGINE = {engine:ReplacingMergeTree(decided)}
ORDER BY (host, session)
TTL toDateTime(decided) + INTERVAL {ttl_days} DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS verdict_to_now {on_cluster} TO verdict_now
AS SELECT host, session, decided, rev, policy_version, status, route, leg, gateway, reasons FROM verdict_fact;

-- Every policy that was ever in force. Never deleted.
CREATE TABLE IF NOT EXISTS policy_version {on_cluster}
(
    version UInt64,
    applied DateTime64(6, 'UTC'),
    author  String,
    digest  String,
    toml    String
)
ENGINE = {engine:ReplacingMergeTree}
ORDER BY version;
