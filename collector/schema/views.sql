-- The analysts' contract: names and meanings stay, columns are only added. Made anew at each migration.
-- docs/views.md is made from the comments behind the columns.

-- One row for each MCP session, as known now, with the verdict in force.
CREATE OR REPLACE VIEW sessions {on_cluster} AS
SELECT
    s.id AS id, -- Identity of the session on its host.
    s.rev AS rev, -- Revision of what is known; grows with each change.
    if(s.state = 'open'
        AND s.host IN (SELECT r.host FROM sensor_hello AS r FINAL WHERE r.run != '')
        AND (s.host, s.run) NOT IN (SELECT r.host, r.run FROM sensor_hello AS r FINAL),
       'ended', s.state) AS state, -- open or ended; ended too once its sensor was started anew, since nobody saw the end.
    s.host AS host, -- Host that saw it, by the name in its certificate.
    s.transport AS transport, -- stdio, http or sse.
    s.channel AS channel, -- pipe, unix, tcp or pty.
    s.tls AS tls, -- TLS library that was read; null: plain text, or TLS that was not read.
    s.revision AS revision, -- Revision of MCP that was agreed.
    coalesce(nullIf(v.route, ''), s.base_route) AS route, -- local, direct, gateway, bridge, inbound or opaque.
    s.via AS via, -- Proxy or agent that carries it.
    v.leg AS leg, -- On the way through a gateway: client or upstream.
    v.gateway AS gateway, -- Gateway it passes, comes from, or goes round.
    s.client_name AS client_name, -- What the client calls itself (clientInfo).
    s.client_version AS client_version, -- Its version, by its own word.
    s.client_application AS client_application, -- AI application, named from the process.
    s.client_pid AS client_pid, -- Process of the client.
    s.client_exe AS client_exe, -- Its executable.
    s.client_argv AS client_argv, -- Its arguments, redacted; [] where unknown.
    s.client_user AS client_user, -- Its user.
    s.client_uid AS client_uid, -- Its user's number.
    s.client_container AS client_container, -- Container it runs in.
    s.client_started AS client_started, -- When the process started.
    s.server AS server, -- Identity in the inventory: the key; else the endpoint (with the host, where it is loopback); else what is known.
    s.server_key AS server_key, -- Package or canonical URL.
    s.server_strength AS server_strength, -- How sure the key is: claimed or verified.
    s.server_name AS server_name, -- What the server calls itself (serverInfo).
    s.server_version AS server_version, -- Its version, by its own word.
    s.server_endpoint AS server_endpoint, -- Canonical URL, redacted.
    s.server_pid AS server_pid, -- Process of the server.
    s.server_exe AS server_exe, -- Its executable.
    s.server_argv AS server_argv, -- Its arguments, redacted; [] where unknown.
    s.server_user AS server_user, -- Its user.
    s.server_uid AS server_uid, -- Its user's number.
    s.server_container AS server_container, -- Container it runs in.
    s.server_started AS server_started, -- When the process started.
    coalesce(nullIf(v.status, ''), 'unknown') AS verdict, -- approved, sanctioned, shadow or unknown.
    CAST(v.reasons, 'Array(Tuple(code String, text String))') AS reasons, -- Why, the decisive reason first: code and text.
    v.policy_version AS policy_version, -- Version of the policy the verdict was made with; 0: no policy yet.
    CAST(s.evidence, 'Array(Tuple(source String, fact String, quality String))') AS evidence, -- Facts behind it: source, fact, quality of the match.
    s.server_address AS server_address, -- Address that was connected to, from the kernel.
    s.client_address AS client_address, -- Address it came from, from the kernel.
    s.authority AS authority, -- Host header, as the client wrote it.
    s.path AS path, -- Path of the request.
    s.sni AS sni, -- Server name of the TLS handshake.
    s.started AS started, -- When it began, or was first seen.
    s.last_seen AS last_seen, -- When it was last seen.
    s.calls AS calls, -- Calls made in it so far.
    s.sensor_verdict AS sensor_verdict -- What the sensor said by its own policy, for comparison.
FROM session_fact AS s FINAL
LEFT JOIN verdict_now AS v FINAL ON s.host = v.host AND s.id = v.session;

-- One row for each server of the inventory, over all hosts.
CREATE OR REPLACE VIEW servers {on_cluster} AS
SELECT
    x.server AS server, -- Identity in the inventory (see sessions.server).
    argMax(x.server_strength, x.last_seen) AS strength, -- How sure the key is: claimed or verified.
    argMax(x.server_name, x.last_seen) AS name, -- What it last called itself.
    arraySort(groupUniqArray(100)(x.server_name)) AS names, -- All names it gave itself.
    arraySort(groupUniqArray(100)(x.server_version)) AS versions, -- All versions it claimed.
    arraySort(groupUniqArray(100)(x.server_endpoint)) AS endpoints, -- URLs it was reached by.
    arraySort(groupUniqArray(100)(x.transport)) AS transports, -- Transports seen.
    arraySort(groupUniqArray(100)(x.route)) AS routes, -- Routes seen.
    arraySort(groupUniqArray(1000)(x.host)) AS hosts, -- Hosts it was seen on or from.
    uniqExact(x.host, x.server_pid, x.server_started) AS instances, -- Running servers seen.
    arraySort(groupUniqArray(100)(coalesce(x.client_application, x.client_name))) AS clients, -- AI applications that used it.
    arraySort(groupUniqArray(1000)(x.client_user)) AS users, -- Users whose clients used it.
    multiIf(countIf(x.verdict = 'shadow') > 0, 'shadow', countIf(x.verdict = 'unknown') > 0, 'unknown', countIf(x.verdict = 'sanctioned') > 0, 'sanctioned', 'approved') AS verdict, -- The worst verdict among its sessions: shadow, unknown, sanctioned, approved.
    countIf(x.verdict = 'approved') AS approved, -- Sessions approved.
    countIf(x.verdict = 'sanctioned') AS sanctioned, -- Sessions under an exception.
    countIf(x.verdict = 'shadow') AS shadow, -- Shadow sessions.
    countIf(x.verdict = 'unknown') AS unknown, -- Sessions without enough evidence.
    min(x.started) AS first_seen, -- Start of its first session.
    max(x.last_seen) AS last_seen, -- When it was last seen in use.
    count() AS sessions, -- Sessions in all.
    sum(x.calls) AS calls, -- Calls in all.
    countIf(x.state = 'open') AS open -- Sessions open now.
FROM sessions AS x
GROUP BY x.server;

-- One row for each request of a client but ping, initialize and server/discover. Payloads are not kept.
CREATE OR REPLACE VIEW calls {on_cluster} AS
SELECT
    c.host AS host, -- Host that saw it.
    c.session AS session, -- Session it belongs to (sessions.id of the same host).
    c.number AS number, -- Position in its session, from 1.
    c.time AS time, -- When it was made.
    c.method AS method, -- Method, such as tools/call.
    c.name AS name, -- Tool, prompt or redacted resource.
    c.status AS status, -- ok, error, tool_error, cancelled or unanswered.
    c.duration_us AS duration_us, -- Time to the answer, microseconds.
    c.request_bytes AS request_bytes, -- Size of the request's JSON, bytes.
    c.response_bytes AS response_bytes, -- Size of the answer's JSON, bytes.
    c.error_text AS error_text -- Text of the error, redacted; null for tool_error: what a tool itself says is content, which is not kept.
FROM call_fact AS c FINAL;

-- What a sensor cannot read, and why; the last word on each process, and of its present run on the host as a whole.
-- The present run is the last that said how its probes are, as each does; where none did, the last that said anything.
CREATE OR REPLACE VIEW coverage {on_cluster} AS
SELECT
    c.host AS host, -- Host.
    c.what AS what, -- What it is about: a hook, all probes together (probes), a library, a flow.
    argMax(c.state, tuple(c.time, c.sequence, c.position)) AS state, -- decoded, opaque, late, detached or shed.
    argMax(tuple(c.reason), tuple(c.time, c.sequence, c.position)).1 AS reason, -- Why.
    c.pid AS pid, -- Process.
    c.exe AS exe, -- Its executable.
    argMax(c.argv, c.time) AS argv, -- Its arguments, redacted; [] where unknown.
    argMax(tuple(c.user), c.time).1 AS user, -- Its user.
    argMax(tuple(c.container), c.time).1 AS container, -- Container it runs in.
    min(c.time) AS first_seen, -- First report; of the host as a whole the present run's.
    max(c.time) AS last_seen -- Last report.
FROM coverage_fact AS c
WHERE c.pid IS NOT NULL
    OR (c.host, c.run) IN
    (
        SELECT p.host, argMax(p.run, tuple(p.what = 'probes', p.received, p.time, p.sequence)) FROM coverage_fact AS p
        WHERE p.pid IS NULL GROUP BY p.host
    )
GROUP BY c.host, c.what, c.pid, c.exe;

-- One row for each sensor.
CREATE OR REPLACE VIEW sensors {on_cluster} AS
SELECT
    h.host AS host, -- Host, by the name in its certificate.
    h.host_name AS host_name, -- Node name the kernel gave, for people.
    h.sensor_version AS sensor_version, -- Version of the sensor.
    h.kernel_release AS kernel_release, -- Kernel it runs on.
    h.operating_system AS operating_system, -- Operating system.
    h.machine AS machine, -- Processor type.
    if(ifNull(b.batches, 0) = 0, h.received, least(assumeNotNull(b.first_received), h.received)) AS first_seen, -- First batch received, within the retention.
    if(ifNull(b.batches, 0) = 0, h.received, greatest(assumeNotNull(b.last_received), h.received)) AS last_seen, -- Last sign of life.
    ifNull(b.batches, 0) AS batches, -- Batches stored.
    ifNull(b.observations, 0) AS observations, -- Observations stored.
    t.tier AS tier, -- Hook to tier, as last reported.
    t.messages AS messages, -- MCP messages, as last reported.
    t.bytes AS bytes, -- Bytes looked at, as last reported.
    t.lost AS lost, -- What was lost, by reason, as last reported.
    t.ring_bytes AS ring_bytes, -- Size of the ring buffer.
    t.map_bytes AS map_bytes, -- Memory of the BPF maps.
    t.cpu_ms AS cpu_ms, -- CPU time used, milliseconds, as last reported.
    t.rss_bytes AS rss_bytes, -- Memory used, as last reported.
    nullIf(p.probes, '') AS probes -- on or off, as its present run last said (coverage has the reason).
FROM sensor_hello AS h FINAL
LEFT JOIN
(
    SELECT host, min(received) AS first_received, max(received) AS last_received, count() AS batches,
           sum(observations) AS observations
    FROM batch_ledger FINAL GROUP BY host
) AS b ON h.host = b.host
LEFT JOIN
(
    SELECT l.host AS host, l.told.1 AS tier, l.told.2 AS messages, l.told.3 AS bytes, l.told.4 AS lost,
           l.told.5 AS ring_bytes, l.told.6 AS map_bytes, l.told.7 AS cpu_ms, l.told.8 AS rss_bytes
    FROM
    (
        SELECT f.host AS host,
               argMax(tuple(f.tier, f.messages, f.bytes, f.lost, f.ring_bytes, f.map_bytes, f.cpu_ms, f.rss_bytes), f.time) AS told
        FROM stats_fact AS f GROUP BY f.host
    ) AS l
) AS t ON h.host = t.host
LEFT JOIN
(
    SELECT c.host AS host, if(c.state = 'decoded', 'on', 'off') AS probes FROM coverage AS c WHERE c.what = 'probes'
) AS p ON h.host = p.host;

-- What sensors could not read in the past: the last word of each of their runs on each process and thing.
CREATE OR REPLACE VIEW coverage_history {on_cluster} AS
SELECT
    c.host AS host, -- Host.
    c.run AS run, -- Run of its sensor; empty: told by a sensor or stored by a collector that did not say.
    c.what AS what, -- As in coverage.
    argMax(c.state, tuple(c.time, c.sequence, c.position)) AS state, -- decoded, opaque, late, detached or shed, when that run last spoke of it.
    argMax(tuple(c.reason), tuple(c.time, c.sequence, c.position)).1 AS reason, -- Why.
    c.pid AS pid, -- Process.
    c.exe AS exe, -- Its executable.
    min(c.time) AS first_seen, -- First report.
    max(c.time) AS last_seen, -- Last report; what holds of the host as a whole is said once, and holds until the run ends.
    (c.host, c.run) IN
    (
        SELECT p.host, argMax(p.run, tuple(p.what = 'probes', p.received, p.time, p.sequence)) FROM coverage_fact AS p
        WHERE p.pid IS NULL GROUP BY p.host
    ) AS present -- 1: that run is the present one.
FROM coverage_fact AS c
GROUP BY c.host, c.run, c.what, c.pid, c.exe;

-- One row for each listener: an address, port and network namespace of a host on which something listens, or listened.
CREATE OR REPLACE VIEW listeners {on_cluster} AS
SELECT
    l.host AS host, -- Host.
    l.address AS address, -- Address it listens on; of a unix socket its path, or its abstract name after @.
    nullIf(l.port, 0) AS port, -- Port; null for a unix socket.
    if(l.now.7 != 'seen' AND l.stays, l.mcp.4, l.now.10) AS path, -- The HTTP path MCP was seen on first.
    l.now.1 AS channel, -- tcp or unix.
    l.now.2 AS pid, -- Process that serves there; where nobody was seen to, the one that holds the socket.
    l.now.3 AS exe, -- Its executable.
    l.now.4 AS argv, -- Its arguments, redacted; [] where unknown.
    l.now.5 AS user, -- Its user.
    l.now.6 AS container, -- Container it runs in.
    if(l.stays, 'seen', l.now.7) AS mcp, -- seen: MCP was observed on it while this process listened; probed; unknown.
    l.now.8 AS tls, -- TLS library, if any.
    l.now.9 AS exposure, -- Who can reach it by its address: unix, loopback, host (a network namespace of its own), private, public or any.
    l.first_seen AS first_seen, -- First report.
    l.last_seen AS last_seen, -- Last report.
    if(l.now.17 = 'closed' OR l.stale, 'closed', 'open') AS state, -- open or closed; closed too once its sensor was started anew and did not report it within a minute.
    if(l.now.17 = 'closed' OR l.stale, l.last_seen, NULL) AS closed, -- When it was last known, if it is closed.
    if(l.now.7 != 'seen' AND l.stays, l.mcp.5, l.now.11) AS paths, -- All HTTP paths MCP was seen on, at most 16.
    nullIf(l.namespace, 0) AS namespace, -- Inode of its network namespace; null: the host's own.
    l.now.12 AS access, -- Who may connect to a unix socket: mode, owner and group of its file, or abstract (everybody).
    l.now.13 AS opened, -- Since when it listens; null: since before the sensor.
    l.now.14 AS uid, -- Its user's number.
    l.now.15 AS started, -- When the process started: with the pid it tells processes apart.
    if(l.mcp.1 > toDateTime64(0, 6, 'UTC'), l.mcp.1, NULL) AS mcp_seen, -- Last report that MCP was seen on this address, by whichever process.
    CAST(l.now.16, 'Array(Tuple(source String, fact String, quality String))') AS evidence -- What it rests on: who opened it, where it was seen.
FROM
(
    SELECT x.host AS host, x.address AS address, x.port AS port, x.namespace AS namespace, x.first_seen AS first_seen,
           x.last_seen AS last_seen, x.now AS now, x.mcp AS mcp,
           x.mcp.2 IS NOT NULL AND x.mcp.2 = x.now.2 AND x.mcp.3 IS NOT DISTINCT FROM x.now.15 AS stays,
           x.host IN
           (
               SELECT h.host FROM sensor_hello AS h FINAL
               LEFT JOIN (SELECT f.host AS host, f.run AS run, min(f.received) AS began FROM listener_fact AS f GROUP BY f.host, f.run) AS r
                   ON r.host = h.host AND r.run = h.run
               WHERE h.run != '' AND if(r.host = '', h.received, r.began) < now64(6) - INTERVAL 1 MINUTE
           )
           AND (x.host, x.now.18) NOT IN (SELECT h.host, h.run FROM sensor_hello AS h FINAL) AS stale
    FROM
    (
        SELECT n.host AS host, n.address AS address, n.port AS port, n.namespace AS namespace,
               min(n.first_seen) AS first_seen, max(n.last_seen) AS last_seen, argMaxMerge(n.told) AS now, argMaxIfMerge(n.seen) AS mcp
        FROM listener_now AS n GROUP BY n.host, n.address, n.port, n.namespace
    ) AS x
) AS l;

-- Every version of every tool definition, by server and tool.
CREATE OR REPLACE VIEW tools {on_cluster} AS
SELECT
    t.server AS server, -- Server, as the sensor keyed it.
    t.tool AS tool, -- Name of the tool.
    t.digest AS digest, -- Canonical digest of the definition.
    min(t.first) AS first, -- When it was first seen.
    argMax(tuple(t.previous), t.time).1 AS previous, -- Digest before it.
    arraySort(groupUniqArray(1000)(t.host)) AS hosts, -- Hosts it was seen on.
    max(t.time) AS last_seen, -- Last report.
    any(n.name) AS server_name -- What the server last called itself.
FROM tool_fact AS t
LEFT JOIN
(
    SELECT s.server AS server, argMax(s.server_name, s.last_seen) AS name FROM session_fact AS s GROUP BY s.server
) AS n ON t.server = n.server
GROUP BY t.server, t.tool, t.digest;

-- History of verdicts: a row each time one changed. On a past day: argMax(verdict, decided) WHERE decided <= that day.
CREATE OR REPLACE VIEW verdicts {on_cluster} AS
SELECT
    v.host AS host, -- Host.
    v.session AS session, -- Session (sessions.id of the same host).
    v.decided AS decided, -- From when on it held.
    v.rev AS rev, -- Revision of the session it was made from.
    v.policy_version AS policy_version, -- Version of the policy; 0: no policy yet.
    v.status AS verdict, -- approved, sanctioned, shadow or unknown.
    v.route AS route, -- Route under that policy.
    v.leg AS leg, -- client or upstream, on the way through a gateway.
    v.gateway AS gateway, -- Gateway it passes, comes from, or goes round.
    CAST(v.reasons, 'Array(Tuple(code String, text String))') AS reasons -- Why: code and text.
FROM verdict_fact AS v;

-- Every policy that was in force.
CREATE OR REPLACE VIEW policies {on_cluster} AS
SELECT
    p.version AS version, -- Counts up from 1.
    p.applied AS applied, -- When it came into force.
    p.author AS author, -- Who applied it.
    p.digest AS digest, -- SHA-256 of the text.
    p.toml AS toml -- The text.
FROM policy_version AS p FINAL;

-- Every order to sensors to have their probes off or on (docs/do-no-harm.md). The last that names a host or all holds.
CREATE OR REPLACE VIEW probe_orders {on_cluster} AS
SELECT
    nullIf(o.host, '') AS host, -- Host it is for; null: all.
    o.ordered AS ordered, -- When it was given.
    o.author AS author, -- Who gave it.
    if(o.off = 1, 'off', 'on') AS probes, -- off or on.
    o.reason AS reason -- Why.
FROM probe_order AS o FINAL;

-- One row for each finding: what is worth somebody's decision, opened once, closed when it is gone. docs/findings.md tells of each class.
CREATE OR REPLACE VIEW findings {on_cluster} AS
SELECT
    f.id AS id, -- Identity, made of class and subject alone: it stays when the finding comes back.
    f.class AS class, -- What kind it is: shadow_server, exposed_listener, coverage_lost, sensor_silent.
    f.severity AS severity, -- low, medium, high or critical.
    if(f.event = 'closed', 'closed', 'open') AS state, -- open or closed.
    f.subject_kind AS subject_kind, -- What it is about: server, listener or host.
    f.subject AS subject, -- Whom it is about: sessions.server, the host and address of a listener, a host.
    f.text AS text, -- What it is, why it matters, what to decide.
    f.tags AS tags, -- What is true of this case; docs/findings.md lists them by class.
    f.hosts AS hosts, -- Hosts it was seen on, at most 1000.
    f.users AS users, -- Users of the clients, or of the server where the client is elsewhere; at most 1000.
    f.sessions AS sessions, -- Sessions it is about.
    f.first_seen AS first_seen, -- When it was first seen.
    f.last_seen AS last_seen, -- When it was last seen.
    f.opened AS opened, -- When it was opened, the last time.
    f.closed AS closed, -- When it was closed; null while it is open.
    f.reason AS closed_reason, -- Why: gone, approved, sanctioned, unknown, returned; null while it is open.
    f.number AS changes, -- How often it was opened, changed or closed: rows of finding_history.
    k.calls_itself AS calls_itself, -- Where the subject is a server known by its content alone (bin:…): the name it gives itself, its own word; else null.
    k.program AS program -- The same: its program, or the script where that is an interpreter, as last seen.
FROM finding_fact AS f FINAL
LEFT JOIN
(
    SELECT p.server AS server, argMax(p.server_name, p.last_seen) AS calls_itself, argMax(p.program, p.last_seen) AS program
    FROM
    (
        SELECT s.server AS server, s.server_name AS server_name, s.last_seen AS last_seen,
               if(match(ifNull(s.server_exe, ''), '/(node|bun|deno|python[0-9.]*)$'),
                  coalesce(nullIf(arrayFirst((word, at) -> at > 1 AND word != 'run' AND NOT startsWith(word, '-'),
                      s.server_argv, arrayEnumerate(s.server_argv)), ''), s.server_exe), s.server_exe) AS program
        FROM session_fact AS s
        WHERE startsWith(s.server, 'bin:')
    ) AS p
    GROUP BY p.server
) AS k ON f.subject = k.server
WHERE (f.id, f.number) IN (SELECT n.id, max(n.number) FROM finding_fact AS n GROUP BY n.id);

-- What became of each finding: a row each time it was opened, changed, closed or opened again.
CREATE OR REPLACE VIEW finding_history {on_cluster} AS
SELECT
    f.id AS id, -- The finding (findings.id).
    f.number AS number, -- Position in its history, from 1.
    f.time AS time, -- When it happened.
    f.event AS event, -- opened, changed (its severity or tags), closed or reopened.
    f.severity AS severity, -- From then on.
    f.tags AS tags, -- From then on.
    f.reason AS reason, -- Why it was closed; else null.
    f.hosts AS hosts, -- Hosts as last known before the next change.
    f.sessions AS sessions -- Sessions as last known before the next change.
FROM finding_fact AS f FINAL;

-- What each sensor said of itself, once a minute. Counts begin anew when a sensor is started.
CREATE OR REPLACE VIEW stats {on_cluster} AS
SELECT
    t.host AS host, -- Host.
    t.time AS time, -- When it was said.
    t.tier AS tier, -- Hook to tier.
    t.messages AS messages, -- MCP messages since the sensor's start.
    t.bytes AS bytes, -- Bytes looked at since the sensor's start.
    t.lost AS lost, -- What was lost since the sensor's start, by reason (docs/losses.md).
    t.ring_bytes AS ring_bytes, -- Size of the ring buffer.
    t.map_bytes AS map_bytes, -- Memory of the BPF maps.
    t.cpu_ms AS cpu_ms, -- CPU time used since the sensor's start, milliseconds.
    t.rss_bytes AS rss_bytes -- Memory used.
FROM stats_fact AS t FINAL;

-- Addresses of hosts with a sensor, as told with their sessions; loopback and link-local ones left out.
CREATE OR REPLACE VIEW addresses {on_cluster} AS
SELECT
    a.host AS host, -- Host.
    a.address AS address, -- One of its addresses, without port.
    min(a.started) AS first_seen, -- First session told with it.
    max(a.seen) AS last_seen -- Last session told with it.
FROM
(
    SELECT f.host AS host, f.started AS started, f.last_seen AS seen,
           replaceOne(toString(toIPv6OrDefault(arrayJoin(f.host_addresses))), '::ffff:', '') AS address
    FROM session_fact AS f FINAL
) AS a
WHERE a.address NOT IN ('::', '::1') AND NOT match(a.address, '^(127[.]|169[.]254[.]|fe[89ab])')
GROUP BY a.host, a.address;

-- One row for each session with its other end on another machine: where that is. A local bridge's far side is told by the bridge's own session.
CREATE OR REPLACE VIEW remotes {on_cluster} AS
SELECT
    p.host AS host, -- Host that saw it.
    p.session AS session, -- Session (sessions.id of the same host).
    p.direction AS direction, -- out: the server is elsewhere; in: the client is.
    p.server AS server, -- Server (see sessions.server).
    p.verdict AS verdict, -- approved, sanctioned, shadow or unknown.
    p.route AS route, -- Route (see sessions.route).
    p.user AS user, -- User of the process at this end.
    p.application AS application, -- AI application, where the client is at this end.
    p.address AS address, -- Address of the other end, from the kernel, without port.
    p.name AS name, -- Name the server was called by, as the client wrote it; null where the client is elsewhere.
    p.place AS place, -- public; internal: private, shared or link-local address, or a name that is in no public domain; unknown.
    multiIf(p.place = 'public' AND ifNull(p.name_ip, '') = '' AND cutToFirstSignificantSubdomain(concat('http://', ifNull(p.name, ''))) != '',
        cutToFirstSignificantSubdomain(concat('http://', ifNull(p.name, ''))), coalesce(if(p.name_ip IS NULL, p.name, NULL), p.address, p.name)) AS party, -- Who that is: registrable domain of the name where it is public, else name or address. By ClickHouse's cutToFirstSignificantSubdomain.
    h.sensor_host AS sensor_host, -- Host with a sensor that has this address; null: none is known.
    p.started AS started, -- When the session began, or was first seen.
    p.last_seen AS last_seen -- When it was last seen.
FROM
(
    SELECT e.host AS host, e.session AS session, e.direction AS direction, e.server AS server, e.verdict AS verdict, e.route AS route,
           e.user AS user, e.application AS application, e.address AS address, e.name AS name, e.name_ip AS name_ip,
           e.started AS started, e.last_seen AS last_seen, coalesce(e.address, e.name_ip) AS ip,
           IPv4StringToNumOrNull(ifNull(ip, '')) AS number,
           multiIf(
               ip IS NULL AND e.name IS NULL, 'unknown',
               ip IS NULL AND match(ifNull(e.name, ''), '^(localhost|.*[.]localhost)$'), 'loopback',
               ip IS NULL AND (position(ifNull(e.name, ''), '.') = 0
                   OR match(ifNull(e.name, ''), '[.](local|internal|lan|intranet|corp|home|private|test|invalid|localdomain|home[.]arpa)$')), 'internal',
               ip IS NULL, 'public',
               ip IN ('::', '::1') OR ifNull(bitShiftRight(number, 24), 0) = 127, 'loopback',
               match(ifNull(ip, ''), '^f([cd]|e[89ab])'), 'internal',
               ifNull(bitShiftRight(number, 24), 0) = 10 OR ifNull(bitShiftRight(number, 20), 0) = 2753
                   OR ifNull(bitShiftRight(number, 16), 0) IN (49320, 43518) OR ifNull(bitShiftRight(number, 22), 0) = 401, 'internal',
               'public') AS place
    FROM
    (
        SELECT s.host AS host, s.id AS session, s.server AS server, s.verdict AS verdict, s.route AS route,
               if(s.server_pid IS NOT NULL AND s.client_pid IS NULL, 'in', 'out') AS direction,
               if(direction = 'in', s.server_user, s.client_user) AS user,
               if(direction = 'in', NULL, coalesce(s.client_application, s.client_name)) AS application,
               replaceOne(toString(toIPv6OrNull(extract(ifNull(if(direction = 'in', s.client_address, s.server_address), ''), '^[[]?([0-9a-fA-F.:]+?)[]]?:[0-9]+$'))), '::ffff:', '') AS address,
               nullIf(if(direction = 'in', '', lower(trim(TRAILING '.' FROM extract(ifNull(s.server_endpoint, ''), '^[a-z]+://[[]?([^]/?#]+?)[]]?(?::[0-9]*)?(?:[/?#]|$)')))), '') AS name,
               replaceOne(toString(toIPv6OrNull(ifNull(name, ''))), '::ffff:', '') AS name_ip,
               s.started AS started, s.last_seen AS last_seen
        FROM sessions AS s
        WHERE ifNull(s.transport, '') != 'stdio' AND (s.client_pid IS NULL OR s.server_pid IS NULL)
    ) AS e
) AS p
LEFT JOIN (SELECT d.address AS address, min(d.host) AS sensor_host FROM addresses AS d GROUP BY d.address) AS h ON p.address = h.address
WHERE p.place != 'loopback' AND ifNull(h.sensor_host, '') != p.host;

-- The asset list: the hosts that there should be, from the file in the collector's settings, and which have a sensor.
CREATE OR REPLACE VIEW assets {on_cluster} AS
SELECT
    a.name AS name, -- Name in the list.
    a.address AS address, -- Address in the list.
    a.owner AS owner, -- Owner in the list.
    a.host_group AS host_group, -- Group in the list.
    coalesce(n.host, i.host) AS host, -- Host of its sensor: by name (its certificate's or the kernel's node name, in either case of letters), else by address; null: none.
    multiIf(n.host IS NOT NULL, 'name', i.host IS NOT NULL, 'address', NULL) AS matched_by, -- name or address; null: no sensor.
    coalesce(n.seen, i.seen) AS sensor_last_seen, -- Last sign of life of that sensor.
    a.loaded AS loaded -- When the list was read.
FROM (SELECT * FROM asset_list FINAL) AS a
LEFT JOIN
(
    SELECT m.name AS name, min(m.host) AS host, max(m.seen) AS seen
    FROM (SELECT arrayJoin(arrayDistinct([lower(v.host), lower(v.host_name)])) AS name, v.host AS host, v.last_seen AS seen FROM sensors AS v) AS m
    GROUP BY m.name
) AS n ON lower(a.name) = n.name
LEFT JOIN
(
    SELECT d.address AS address, min(d.host) AS host, max(d.last_seen) AS seen FROM addresses AS d GROUP BY d.address
) AS i ON ifNull(a.address, '') = i.address
WHERE a.name != '' AND a.loaded = (SELECT max(l.loaded) FROM asset_list AS l);
