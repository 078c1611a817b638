SELECT
    x.server AS subject,
    toUInt8(countIf(x.shadow AND x.fresh) > 0) AS holds,
    multiIf(countIf(x.fresh) = 0, 'gone', countIf(x.fresh AND x.verdict = 'unknown') > 0, 'unknown',
            countIf(x.fresh AND x.verdict = 'sanctioned') > 0, 'sanctioned', 'approved') AS why,
    arraySort(groupUniqArrayIf(1000)(x.host, x.shadow)) AS hosts,
    arraySort(groupUniqArrayIf(1000)(x.user, x.shadow AND x.user != '')) AS users,
    countIf(x.shadow) AS sessions,
    minIf(x.started, x.shadow) AS first_seen,
    maxIf(x.last_seen, x.shadow) AS last_seen,
    arrayConcat(
        groupUniqArrayArrayIf(16)(x.codes, x.shadow AND x.fresh),
        if(countIf(x.shadow AND x.fresh AND x.remote) > 0, ['remote'], []),
        if(countIf(x.shadow AND x.fresh AND x.exposed) > 0, ['exposed'], []),
        if(uniqExactIf(x.host, x.shadow AND x.fresh) > 1, ['several_hosts'], [])) AS marks
FROM
(
    SELECT
        s.server AS server, s.host AS host, s.started AS started, s.last_seen AS last_seen,
        coalesce(nullIf(v.status, ''), 'unknown') AS verdict,
        verdict = 'shadow' AS shadow,
        s.received >= fromUnixTimestamp64Micro({seen_after:Int64}, 'UTC') AS fresh,
        ifNull(if(s.base_route = 'inbound', s.server_user, s.client_user), '') AS user,
        tupleElement(v.reasons, 1) AS codes,
        s.base_route IN ('direct', 'bridge') AS remote,
        s.base_route = 'inbound' OR (s.transport IN ('http', 'sse')
            AND arrayExists(a -> NOT match(a, '^(127\\.|\\[::1\\]|\\[::ffff:127\\.)'), s.server_serves)) AS exposed
    FROM session_fact AS s FINAL
    LEFT JOIN verdict_now AS v FINAL ON s.host = v.host AND s.id = v.session
) AS x
GROUP BY x.server
