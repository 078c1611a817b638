//! Analysts' SQL stays inside: refused here, and by ClickHouse were it not.

use crate::collector::Collector;

const OUTSIDE: [&str; 49] = [
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM (SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String'))",
    "WITH x AS (SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')) SELECT * FROM x",
    "EXPLAIN SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM view(SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String'))",
    "SELECT 1 WHERE 'a' IN (SELECT * FROM file('/etc/passwd', 'LineAsString'))",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT `\\x66ile`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "SELECT arrayMap(file, ['/proc/self/maps'])",
    "SELECT arrayMap(`file`, ['/proc/self/maps'])",
    "SELECT arrayMap(\"file\", ['/proc/self/maps'])",
    "SELECT arrayMap(/**/FILE, ['/proc/self/maps'])",
    "SELECT arrayMap(t.file, ['/proc/self/maps']) FROM sessions AS t",
    "SELECT * APPLY(file) FROM (SELECT '/proc/self/cmdline' AS a)",
    "SELECT columns('a') apply(`file`) FROM (SELECT '/proc/self/cmdline' AS a)",
    "WITH file AS f SELECT f('/proc/self/maps')",
    "SELECT `fil\\x65`('/proc/self/maps')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')",
    "SELECT * FROM gcs('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')",
    "SELECT * FROM azureBlobStorage('http://127.0.0.1:1/', 'c', 'b', 'n', 'k', 'CSV', 'auto', 'a String')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a String')",
    "SELECT * FROM iceberg('http://127.0.0.1:1/x')",
    "SELECT * FROM deltaLake('http://127.0.0.1:1/x')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'e String')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
    "SELECT * FROM sqlite('/tmp/x', 'y')",
    "SELECT * FROM odbc('DSN=x', 'a', 'b')",
    "SELECT * FROM jdbc('x', 'a', 'b')",
    "SELECT * FROM executable('id', 'CSV', 'a String')",
    "SELECT * FROM input('a String')",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM dictionary('x')",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT catboostEvaluate('/etc/passwd', 1)",
    "SELECT * FROM system.users",
    "SELECT * FROM system.processes",
    "SELECT * FROM system.user_directories",
    "SELECT * FROM system.server_settings",
    "SELECT 1 INTO OUTFILE '/tmp/gnomon-outfile'",
    "SELECT * FROM sessions FORMAT Native",
];

const WRITES: [&str; 12] = [
    "INSERT INTO call_fact (host) VALUES ('x')",
    "INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a String') SELECT 'x'",
    "ALTER TABLE call_fact DELETE WHERE 1",
    "DROP TABLE call_fact",
    "TRUNCATE TABLE call_fact",
    "CREATE TABLE x (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a UInt8)",
    "SYSTEM STOP LISTEN HTTP",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "GRANT ALL ON *.* TO analyst",
    "SELECT 1; DROP TABLE call_fact",
];

#[test]
fn nothing_leaves_and_nothing_changes() {
    let Some(collector) = Collector::started() else {
        return;
    };
    for query in OUTSIDE.iter().chain(&WRITES) {
        let reply = collector.sql(query);
        assert_eq!(reply.status, 400, "{query}: {}", reply.body);
        assert!(!reply.body.contains("root:"), "{query}: {}", reply.body);
        assert!(
            !reply.json()["error"]["advice"]
                .as_str()
                .unwrap_or_default()
                .is_empty(),
            "{query}"
        );
    }
    assert_eq!(collector.number("SELECT count() FROM call_fact"), 0);
}

#[test]
fn limits_hold_and_cannot_be_raised() {
    let Some(collector) = Collector::started() else {
        return;
    };
    for query in [
        "SELECT sleep(3)",
        "SELECT sleepEachRow(1) FROM numbers(100)",
        "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
        "SELECT number FROM numbers(1000000)",
        "SELECT repeat('x', 1000000) FROM numbers(1000)",
        "SELECT groupArray(number) FROM numbers(1000000000)",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
    ] {
        let begun = std::time::Instant::now();
        let reply = collector.sql(query);
        assert_eq!(
            reply.status,
            400,
            "{query}: {}",
            &reply.body[..reply.body.len().min(300)]
        );
        assert!(begun.elapsed().as_secs() < 30, "{query}");
    }
    assert_eq!(collector.number("SELECT 1"), 1);
}

#[test]
fn questions_are_answered() {
    let Some(collector) = Collector::started() else {
        return;
    };
    for query in [
        "SELECT count() FROM sessions",
        "WITH x AS (SELECT * FROM sessions) SELECT count() FROM x;",
        "SHOW TABLES",
        "DESCRIBE sessions",
        "EXPLAIN SELECT * FROM sessions",
        "SELECT '?', 'a;b', 1 -- why?",
        "SELECT number FROM numbers(3)",
        "SELECT argMax(verdict, decided) FROM verdicts WHERE decided <= now() GROUP BY host, session",
    ] {
        let reply = collector.sql(query);
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    }
    assert_eq!(
        collector
            .sql("SELECT '?' AS q, toUInt64(18446744073709551615) AS n")
            .rows()[0]["q"],
        "?"
    );
}
