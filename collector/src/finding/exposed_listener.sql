SELECT
    concat(l.host, ' ', if(position(l.address, ':') > 0, concat('[', l.address, ']'), l.address),
           ifNull(concat(':', toString(l.port)), '')) AS subject,
    toUInt8(max(l.here AND NOT l.gateway)) AS holds,
    if(max(l.here) = 0, 'gone', 'approved') AS why,
    [toString(any(l.host))] AS hosts,
    arraySort(groupUniqArrayIf(1000)(assumeNotNull(l.user), l.user IS NOT NULL)) AS users,
    max(l.sessions) AS sessions,
    min(l.first_seen) AS first_seen,
    max(l.last_seen) AS last_seen,
    groupUniqArray(8)(l.exposure) AS marks
FROM
(
    SELECT
        k.host AS host, k.address AS address, k.port AS port, k.user AS user, k.first_seen AS first_seen,
        greatest(k.last_seen, ifNull(s.last_seen, k.last_seen)) AS last_seen, toString(ifNull(k.exposure, '')) AS exposure,
        -- A listener is told when it changes: it stays while its sensor is heard of.
        k.state = 'open' AND (last_seen >= fromUnixTimestamp64Micro({seen_after:Int64}, 'UTC') OR k.host IN
            (SELECT b.host FROM batch_ledger AS b WHERE b.received >= fromUnixTimestamp64Micro({heard_after:Int64}, 'UTC'))) AS here,
        toUInt64(ifNull(s.sessions, 0)) AS sessions,
        -- A gateway is there to be reached: every session on it is approved.
        sessions > 0 AND ifNull(s.approved, 0) = sessions AS gateway
    FROM listeners AS k
    LEFT JOIN
    (
        SELECT
            f.host AS host, assumeNotNull(f.server_pid) AS pid,
            toUInt32OrZero(extract(assumeNotNull(f.server_address), ':(\\d+)$')) AS port,
            count() AS sessions, countIf(v.status = 'approved') AS approved, max(f.last_seen) AS last_seen
        FROM session_fact AS f FINAL
        LEFT JOIN verdict_now AS v FINAL ON f.host = v.host AND f.id = v.session
        WHERE f.server_pid IS NOT NULL AND f.server_address IS NOT NULL AND (f.host, assumeNotNull(f.server_pid)) IN
            (SELECT o.host, assumeNotNull(o.pid) FROM listeners AS o
             WHERE o.pid IS NOT NULL AND o.mcp IN ('seen', 'probed') AND o.exposure IN ('network', 'private', 'public', 'any'))
        GROUP BY host, pid, port
    ) AS s ON k.host = s.host AND k.pid = s.pid AND k.port = s.port
    WHERE k.mcp IN ('seen', 'probed') AND k.exposure IN ('network', 'private', 'public', 'any')
) AS l
GROUP BY l.host, l.address, l.port
