//! What could not be seen on hosts with a sensor.

use super::{Figure, Section, Shape};

/// What each sensor lost from one of its reports to the next; a count that fell began anew with its sensor. The period
/// begins with the last count before it, however long its sensor was away since: up to 31 days.
macro_rules! lost {
    () => {
        "    SELECT e.host AS host, e.time AS time, e.reason AS reason, toUInt64(e.n - if(e.n >= e.n_before, e.n_before, 0)) AS lost\n    \
         FROM\n    (\n        SELECT q.host AS host, q.time AS time, q.reason AS reason, q.n AS n,\n               \
         lagInFrame(q.n) OVER (PARTITION BY q.host, q.reason ORDER BY q.time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n_before\n        \
         FROM\n        (\n            SELECT t.host AS host, t.time AS time, arrayJoin(mapKeys(t.lost)) AS reason, t.lost[reason] AS n FROM stats AS t\n            \
         WHERE t.time >= {from} AND t.time < {to}\n            UNION ALL\n            \
         SELECT o.host AS host, max(o.at) AS time, o.reason AS reason, argMax(o.n, o.at) AS n\n            \
         FROM\n            (\n                SELECT b.host AS host, b.time AS at, arrayJoin(mapKeys(b.lost)) AS reason, b.lost[reason] AS n FROM stats AS b\n                \
         WHERE b.time >= {from} - INTERVAL 31 DAY AND b.time < {from}\n            ) AS o\n            GROUP BY o.host, o.reason\n        \
         ) AS q\n    ) AS e\n    WHERE e.time >= {from}"
    };
}

pub(super) const SECTION: Section = Section {
    id: "blind",
    title: "What could not be seen",
    text: "What sensors report that they could not read, what they lost, and by which means they see. A loss makes the figures above \
           too small, never too large (docs/losses.md). What this version cannot see anywhere is listed below, as in the README.",
    figures: &[
        Figure::value(
            "blind.processes",
            "Processes that could not be read fully",
            "",
            "Opaque, late, detached or shed when last heard of.",
            "SELECT uniqExact(g.host, g.pid, g.exe) AS processes\nFROM coverage AS g\n\
             WHERE g.pid IS NOT NULL AND g.state != 'decoded' AND g.first_seen < {to} AND g.last_seen >= {from}",
        ),
        Figure::value(
            "blind.off",
            "Hosts whose probes are off",
            "",
            "By the kill switch or the crash guard, as last reported (docs/do-no-harm.md): nothing of what happens there is in the figures above.",
            "SELECT uniqExact(g.host) AS hosts\nFROM coverage AS g\n\
             WHERE g.what = 'probes' AND g.pid IS NULL AND g.state = 'detached' AND g.first_seen < {to}",
        ),
        Figure::rows(
            "blind.states",
            "What could not be read, and why",
            Shape::Table,
            "",
            "SELECT g.state AS state, g.what AS what, g.reason AS reason, uniqExactIf((g.host, g.pid, g.exe), g.pid IS NOT NULL) AS processes, uniqExact(g.host) AS hosts,\n       \
             arraySort(groupUniqArray(5)(g.exe)) AS programs, max(g.last_seen) AS last_seen\n\
             FROM coverage_history AS g\nWHERE g.state != 'decoded' AND g.first_seen < {to} AND (g.last_seen >= {from} OR (g.pid IS NULL AND g.present = 1))\nGROUP BY state, what, reason\n\
             ORDER BY hosts DESC, processes DESC, state, what, reason\nLIMIT {limit}",
        ),
        Figure::value(
            "blind.lost",
            "Losses counted by sensors within the period",
            "",
            "Calls, messages, streams or batches, by reason below. At least: what a sensor counted between its last word and its end is not in it.",
            concat!("SELECT sum(d.lost) AS lost\nFROM\n(\n", lost!(), "\n) AS d"),
        ),
        Figure::rows(
            "blind.losses",
            "Losses by reason",
            Shape::Table,
            "What each means for the inventory: docs/losses.md.",
            concat!(
                "SELECT d.reason AS reason, sum(d.lost) AS lost, uniqExact(d.host) AS hosts, min(d.time) AS first_seen, max(d.time) AS last_seen\n\
                 FROM\n(\n",
                lost!(),
                "\n) AS d\nWHERE d.lost > 0\nGROUP BY reason\nORDER BY lost DESC, reason\nLIMIT {limit}"
            ),
        ),
        Figure::rows(
            "blind.tiers",
            "By which means sensors see",
            Shape::Table,
            "Hook by hook: the tier in use, or off. As last reported.",
            "SELECT x.hook AS hook, x.tier AS tier, uniqExact(x.host) AS hosts\n\
             FROM\n(\n    SELECT n.host AS host, arrayJoin(mapKeys(n.tier)) AS hook, n.tier[hook] AS tier FROM sensors AS n WHERE n.first_seen < {to}\n) AS x\n\
             GROUP BY hook, tier\nORDER BY hook, tier\nLIMIT {limit}",
        ),
        Figure::rows(
            "blind.ends",
            "Sessions of which an end is not named",
            Shape::Table,
            "Its process was on another machine, or ended before it could be named.",
            "SELECT s.route AS route, s.transport AS transport, count() AS sessions, countIf(s.client_pid IS NULL) AS client_unknown,\n       \
             countIf(s.server_pid IS NULL) AS server_unknown, countIf(s.revision IS NULL) AS revision_unknown\n\
             FROM sessions AS s\nWHERE {in_period} AND (s.client_pid IS NULL OR s.server_pid IS NULL)\nGROUP BY route, transport\n\
             ORDER BY sessions DESC, route, transport\nLIMIT {limit}",
        ),
        Figure::rows(
            "blind.sensors",
            "Versions of sensors and kernels",
            Shape::Table,
            "",
            "SELECT n.sensor_version AS sensor_version, n.operating_system AS operating_system, n.kernel_release AS kernel_release, n.machine AS machine,\n       \
             count() AS hosts\nFROM sensors AS n\nWHERE n.first_seen < {to}\nGROUP BY sensor_version, operating_system, kernel_release, machine\n\
             ORDER BY hosts DESC, sensor_version, operating_system, kernel_release, machine\nLIMIT {limit}",
        ),
    ],
};
