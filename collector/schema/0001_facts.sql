-- Facts are append-only and live {ttl_days} days. What a sensor sends again lands on the same key and
-- collapses; views read with FINAL and so add up from collapsed data only. Retention goes by `received`,
-- the collector's clock: a host cannot make its facts immortal.

-- Which batches are stored, written last: a batch found here is acknowledged without being stored again.
CREATE TABLE IF NOT EXISTS batch_ledger {on_cluster}
(
    host         LowCardinality(String),
    spool        String,
    sequence     UInt64,
    observations UInt32,
    received     DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree}
PARTITION BY toYYYYMM(received)
ORDER BY (host, spool, sequence)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Who a sensor is, each time its stream opens.
CREATE TABLE IF NOT EXISTS sensor_hello {on_cluster}
(
    host             LowCardinality(String),
    host_name        String,
    sensor_version   LowCardinality(String),
    kernel_release   LowCardinality(String),
    operating_system LowCardinality(String),
    machine          LowCardinality(String),
    spool            String,
    received         DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree(received)}
ORDER BY host
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- A session as known at one revision of it; the highest `rev` is what is known now.
CREATE TABLE IF NOT EXISTS session_fact {on_cluster}
(
    host               LowCardinality(String),
    id                 String,
    rev                UInt32,
    state              LowCardinality(String),
    transport          LowCardinality(Nullable(String)),
    channel            LowCardinality(Nullable(String)),
    tls                LowCardinality(Nullable(String)),
    revision           LowCardinality(Nullable(String)),
    base_route         LowCardinality(String),
    via                Nullable(String),
    client_name        Nullable(String),
    client_version     Nullable(String),
    client_application LowCardinality(Nullable(String)),
    client_pid         Nullable(UInt32),
    client_exe         Nullable(String),
    client_argv        Array(String),
    client_user        LowCardinality(Nullable(String)),
    client_uid         Nullable(UInt32),
    client_container   Nullable(String),
    client_started     Nullable(DateTime64(6, 'UTC')),
    server             String,
    server_key         Nullable(String),
    server_strength    LowCardinality(Nullable(String)),
    server_name        Nullable(String),
    server_version     Nullable(String),
    server_endpoint    Nullable(String),
    server_pid         Nullable(UInt32),
    server_exe         Nullable(String),
    server_argv        Array(String),
    server_user        LowCardinality(Nullable(String)),
    server_uid         Nullable(UInt32),
    server_container   Nullable(String),
    server_started     Nullable(DateTime64(6, 'UTC')),
    server_address     Nullable(String),
    client_address     Nullable(String),
    authority          Nullable(String),
    path               Nullable(String),
    sni                Nullable(String),
    scheme             LowCardinality(Nullable(String)),
    client_serves      Array(String),
    server_serves      Array(String),
    host_addresses     Array(String),
    certificate_key    Nullable(String),
    evidence           Array(Tuple(String, String, String)),
    started            DateTime64(6, 'UTC'),
    last_seen          DateTime64(6, 'UTC'),
    calls              UInt64,
    sensor_verdict     LowCardinality(Nullable(String)),
    received           DateTime64(6, 'UTC'),
    INDEX id_index id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {engine:ReplacingMergeTree(rev)}
PARTITION BY toYYYYMM(received)
ORDER BY (host, id)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS call_fact {on_cluster}
(
    host           LowCardinality(String),
    session        String,
    number         UInt64,
    time           DateTime64(6, 'UTC'),
    method         LowCardinality(String),
    name           Nullable(String),
    status         LowCardinality(String),
    duration_us    Nullable(UInt64),
    request_bytes  UInt64,
    response_bytes Nullable(UInt64),
    error_text     Nullable(String),
    received       DateTime64(6, 'UTC'),
    INDEX session_index session TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {engine:ReplacingMergeTree}
PARTITION BY toYYYYMM(received)
ORDER BY (host, session, number)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS stats_fact {on_cluster}
(
    host       LowCardinality(String),
    time       DateTime64(6, 'UTC'),
    spool      String,
    sequence   UInt64,
    position   UInt32,
    tier       Map(String, String),
    messages   UInt64,
    bytes      UInt64,
    lost       Map(String, UInt64),
    ring_bytes UInt64,
    map_bytes  UInt64,
    cpu_ms     UInt64,
    rss_bytes  UInt64,
    received   DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree}
PARTITION BY toYYYYMM(received)
ORDER BY (host, time, spool, sequence, position)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS coverage_fact {on_cluster}
(
    host      LowCardinality(String),
    time      DateTime64(6, 'UTC'),
    spool     String,
    sequence  UInt64,
    position  UInt32,
    pid       Nullable(UInt32),
    exe       Nullable(String),
    argv      Array(String),
    user      LowCardinality(Nullable(String)),
    container Nullable(String),
    what      String,
    state     LowCardinality(String),
    reason    Nullable(String),
    received  DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree}
PARTITION BY toYYYYMM(received)
ORDER BY (host, time, spool, sequence, position)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE IF NOT EXISTS listener_fact {on_cluster}
(
    host      LowCardinality(String),
    time      DateTime64(6, 'UTC'),
    spool     String,
    sequence  UInt64,
    position  UInt32,
    address   String,
    port      Nullable(UInt32),
    path      Nullable(String),
    channel   LowCardinality(Nullable(String)),
    pid       Nullable(UInt32),
    exe       Nullable(String),
    argv      Array(String),
    user      LowCardinality(Nullable(String)),
    container Nullable(String),
    mcp       LowCardinality(String),
    tls       LowCardinality(Nullable(String)),
    exposure  LowCardinality(Nullable(String)),
    received  DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree}
PARTITION BY toYYYYMM(received)
ORDER BY (host, time, spool, sequence, position)
TTL toDateTime(received) + INTERVAL {ttl_days} DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Every version of every tool definition ever seen: kept for good.
CREATE TABLE IF NOT EXISTS tool_fact {on_cluster}
(
    host     LowCardinality(String),
    server   String,
    tool     String,
    digest   String,
    first    DateTime64(6, 'UTC'),
    previous Nullable(String),
    time     DateTime64(6, 'UTC'),
    received DateTime64(6, 'UTC')
)
ENGINE = {engine:ReplacingMergeTree}
ORDER BY (server, tool, host, time, digest)
SETTINGS non_replicated_deduplication_window = 1000;
