SELECT
    g.host AS subject,
    toUInt8(1) AS holds,
    '' AS why,
    [toString(g.host)] AS hosts,
    CAST([], 'Array(String)') AS users,
    toUInt64(0) AS sessions,
    min(g.first) AS first_seen,
    max(g.last) AS last_seen,
    arrayConcat(
        groupUniqArray(24)(g.reason),
        if(countIf(g.reason IN ('map_full', 'unjudged_cap', 'compat_call', 'queue_full', 'too_large', 'spool_full',
                                'spool_corrupt', 'rejected', 'probe_detached')) > 0, ['sessions_missing'], [])) AS marks
FROM
(
    -- Counts grow until the sensor starts anew. The hour before the day is what the first of them is held against.
    SELECT
        p.host AS host, p.reason AS reason,
        arraySort(groupArray(tuple(p.received, p.sequence, p.position, p.count, p.time))) AS points,
        arrayFilter((point, at) -> point.1 >= fromUnixTimestamp64Micro({lost_after:Int64}, 'UTC')
            AND point.4 > 0 AND (at = 1 OR point.4 != points[at - 1].4), points, arrayEnumerate(points)) AS grown,
        arrayMin(arrayMap(point -> point.5, grown)) AS first,
        arrayMax(arrayMap(point -> point.5, grown)) AS last
    FROM
    (
        SELECT s.host AS host, s.received AS received, s.sequence AS sequence, s.position AS position, s.time AS time,
               lost.1 AS reason, lost.2 AS count
        FROM stats_fact AS s
        ARRAY JOIN CAST(s.lost, 'Array(Tuple(String, UInt64))') AS lost
        WHERE s.received >= fromUnixTimestamp64Micro({lost_after:Int64}, 'UTC') - INTERVAL 1 HOUR
    ) AS p
    GROUP BY p.host, p.reason
    HAVING notEmpty(grown)
    UNION ALL
    -- Off or detached now. A hook that never was attached is a matter of the kernel, not a loss.
    SELECT
        d.host AS host, if(d.what = 'probes', 'probes_off', 'probe_detached') AS reason,
        [] AS points, [] AS grown, d.last AS first, d.last AS last
    FROM
    (
        -- What an earlier run said tells only that it could be had: what the present one says nothing of, it does not need.
        SELECT c.host AS host, c.what AS what, maxIf(c.time, c.present) AS last
        FROM
        (
            SELECT f.host AS host, f.what AS what, f.state AS state, f.time AS time, f.sequence AS sequence, f.position AS position,
                   (f.host, f.run) IN
                   (
                       SELECT p.host, argMax(p.run, tuple(p.what = 'probes', p.received, p.time, p.sequence)) FROM coverage_fact AS p
                       WHERE p.pid IS NULL GROUP BY p.host
                   ) AS present
            FROM coverage_fact AS f
            WHERE f.pid IS NULL
        ) AS c
        GROUP BY c.host, c.what
        HAVING argMaxIf(c.state, tuple(c.time, c.sequence, c.position), c.present) = 'detached'
            AND (c.what = 'probes' OR countIf(c.state = 'decoded') > 0)
    ) AS d
) AS g
GROUP BY g.host
