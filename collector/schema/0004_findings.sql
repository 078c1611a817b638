-- What became of each finding: a row when it opens, changes, closes or comes back. A row's identity is
-- (id, number), so that collectors that come to it at the same time write one row; its figures are brought up to
-- date under the same number, and the last `refreshed` counts. What holds now is the row with the greatest
-- number. Kept for good.
CREATE TABLE IF NOT EXISTS finding_fact {on_cluster}
(
    id           String,
    number       UInt32,
    event        LowCardinality(String),
    time         DateTime64(6, 'UTC'),
    refreshed    DateTime64(6, 'UTC'),
    class        LowCardinality(String),
    severity     LowCardinality(String),
    subject_kind LowCardinality(String),
    subject      String,
    text         String,
    tags         Array(String),
    hosts        Array(String),
    users        Array(String),
    sessions     UInt64,
    first_seen   DateTime64(6, 'UTC'),
    last_seen    DateTime64(6, 'UTC'),
    opened       DateTime64(6, 'UTC'),
    closed       Nullable(DateTime64(6, 'UTC')),
    reason       LowCardinality(Nullable(String)),
    digest       UInt64
)
ENGINE = {engine:ReplacingMergeTree(refreshed)}
ORDER BY (id, number)
SETTINGS non_replicated_deduplication_window = 1000;
