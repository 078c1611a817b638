-- Whether a listener still listens, which run of its sensor says so, and what tells listeners and their processes
-- apart. Rows from before were open when they were told.
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS run LowCardinality(String);
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS state LowCardinality(String) DEFAULT 'open';
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS paths Array(String);
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS namespace UInt32;
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS access Nullable(String);
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS opened Nullable(DateTime64(6, 'UTC'));
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS uid Nullable(UInt32);
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS started Nullable(DateTime64(6, 'UTC'));
ALTER TABLE listener_fact {on_cluster} ADD COLUMN IF NOT EXISTS evidence Array(Tuple(String, String, String));

-- The last word on each listener, and the last that said that MCP was seen on it. A batch that comes again
-- changes nothing: minima, maxima and last words only.
CREATE TABLE IF NOT EXISTS listener_now {on_cluster}
(
    host       LowCardinality(String),
    address    String,
    port       UInt32,
    namespace  UInt32,
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_seen  SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    told       AggregateFunction(argMax, Tuple(Nullable(String), Nullable(UInt32), Nullable(String), Array(String), Nullable(String), Nullable(String), String, Nullable(String), Nullable(String), Nullable(String), Array(String), Nullable(String), Nullable(DateTime64(6, 'UTC')), Nullable(UInt32), Nullable(DateTime64(6, 'UTC')), Array(Tuple(String, String, String)), String, String), Tuple(DateTime64(6, 'UTC'), UInt64, UInt32)),
    seen       AggregateFunction(argMaxIf, Tuple(DateTime64(6, 'UTC'), Nullable(UInt32), Nullable(DateTime64(6, 'UTC')), Nullable(String), Array(String)), DateTime64(6, 'UTC'), UInt8),
    received   SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = {engine:AggregatingMergeTree}
ORDER BY (host, address, port, namespace)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS listener_to_now {on_cluster} TO listener_now
AS SELECT f.host AS host, f.address AS address, ifNull(f.port, 0) AS port, f.namespace AS namespace,
    min(f.time) AS first_seen, max(f.time) AS last_seen,
    argMaxState(tuple(CAST(f.channel AS Nullable(String)), f.pid, f.exe, f.argv, CAST(f.user AS Nullable(String)), f.container, CAST(f.mcp AS String), CAST(f.tls AS Nullable(String)), CAST(f.exposure AS Nullable(String)), f.path, f.paths, f.access, f.opened, f.uid, f.started, f.evidence, CAST(f.state AS String), CAST(f.run AS String)),
        tuple(f.time, f.sequence, f.position)) AS told,
    argMaxStateIf(tuple(f.time, f.pid, f.started, f.path, f.paths), f.time, f.mcp = 'seen') AS seen,
    max(f.received) AS received
FROM listener_fact AS f
GROUP BY f.host, f.address, f.port, f.namespace;

-- What was told before there was this table.
INSERT INTO listener_now
SELECT f.host AS host, f.address AS address, ifNull(f.port, 0) AS port, f.namespace AS namespace,
    min(f.time) AS first_seen, max(f.time) AS last_seen,
    argMaxState(tuple(CAST(f.channel AS Nullable(String)), f.pid, f.exe, f.argv, CAST(f.user AS Nullable(String)), f.container, CAST(f.mcp AS String), CAST(f.tls AS Nullable(String)), CAST(f.exposure AS Nullable(String)), f.path, f.paths, f.access, f.opened, f.uid, f.started, f.evidence, CAST(f.state AS String), CAST(f.run AS String)),
        tuple(f.time, f.sequence, f.position)) AS told,
    argMaxStateIf(tuple(f.time, f.pid, f.started, f.path, f.paths), f.time, f.mcp = 'seen') AS seen,
    max(f.received) AS received
FROM listener_fact AS f
GROUP BY f.host, f.address, f.port, f.namespace;
