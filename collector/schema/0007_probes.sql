-- Orders to sensors to have their probes off or on; an empty host is all of them. Append-only and without TTL: the last
-- that names a host or all is in force, however old it is.
CREATE TABLE IF NOT EXISTS probe_order {on_cluster}
(
    host    String,
    ordered DateTime64(6, 'UTC'),
    author  String,
    off     UInt8,
    reason  String
)
ENGINE = {engine:ReplacingMergeTree}
ORDER BY (host, ordered)
SETTINGS non_replicated_deduplication_window = 1000;
