WITH
    heard AS
    (
        SELECT b.host AS host FROM batch_ledger AS b
        WHERE b.received >= fromUnixTimestamp64Micro({heard_after:Int64}, 'UTC')
        UNION ALL
        SELECT g.host AS host FROM sensor_hello AS g
        WHERE g.received >= fromUnixTimestamp64Micro({heard_after:Int64}, 'UTC')
    ),
    silent AS
    (
        SELECT h.host AS host, max(h.received) AS received FROM sensor_hello AS h
        WHERE h.host NOT IN (SELECT host FROM heard) GROUP BY h.host
    )
SELECT
    s.host AS subject,
    toUInt8(1) AS holds,
    '' AS why,
    [toString(s.host)] AS hosts,
    CAST([], 'Array(String)') AS users,
    toUInt64(0) AS sessions,
    greatest(s.received, ifNull(l.received, s.received)) AS first_seen,
    greatest(s.received, ifNull(l.received, s.received)) AS last_seen,
    CAST([], 'Array(String)') AS marks
FROM silent AS s
LEFT JOIN
(
    SELECT b.host AS host, max(b.received) AS received FROM batch_ledger AS b
    WHERE b.host IN (SELECT host FROM silent) GROUP BY b.host
) AS l ON s.host = l.host
UNION ALL
SELECT h.host, 0, 'returned', [toString(h.host)], [], 0, h.received, h.received, []
FROM sensor_hello AS h FINAL
WHERE h.host IN (SELECT host FROM heard)
