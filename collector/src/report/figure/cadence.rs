//! When and how steadily servers are asked: the words for "a cadence nobody can describe".

use super::{Figure, Section, Shape};

/// The rhythm of calls, for each value of `$key`; `$join` and `$where` narrow the calls `c`.
///
/// Gaps are between one call and the next to the same. A clock's rhythm: the middle eight tenths of gaps differ by at most a
/// half; bursts: half of all calls fall within five single minutes.
macro_rules! cadence {
    ($key:literal, $name:literal, $join:literal, $where:literal) => {
        concat!(
            "SELECT y.key AS ", $name, ", y.calls AS calls, y.active_days AS active_days,\n",
            "       round(y.calls / y.active_days, 1) AS calls_per_active_day,\n",
            "       multiIf(y.calls < 10, 'too few calls to tell',\n",
            "               g.p10 > 1 AND g.p90 <= 1.5 * g.p10, concat('like a clock: every ', formatReadableTimeDelta(round(g.p50))),\n",
            "               y.crowd >= 0.5 AND y.minutes > 5, 'in bursts',\n",
            "               y.night >= 0.25 AND y.weekend > 0.1, 'at any hour of the week',\n",
            "               y.night >= 0.25, 'at any hour',\n",
            "               y.night < 0.05 AND y.weekend < 0.05, 'by day, Monday to Friday',\n",
            "               'at no steady rhythm') AS rhythm,\n",
            "       round(g.p50, 1) AS median_gap_s, round(100 * y.night, 1) AS night_percent, round(100 * y.weekend, 1) AS weekend_percent,\n",
            "       y.peak AS busiest_minute_calls, y.last_call AS last_call, if(y.last_call < {heard}, y.last_call, NULL) AS silent_since\n",
            "FROM\n(\n",
            "    SELECT z.key AS key, sum(z.n) AS calls, uniqExact(toDate(z.minute)) AS active_days, count() AS minutes,\n",
            "           sumIf(z.n, toHour(z.minute) >= 22 OR toHour(z.minute) < 6) / calls AS night,\n",
            "           sumIf(z.n, toDayOfWeek(z.minute) > 5) / calls AS weekend,\n",
            "           arraySum(arraySlice(arrayReverseSort(groupArray(z.n)), 1, 5)) / calls AS crowd,\n",
            "           max(z.n) AS peak, max(z.last_call) AS last_call\n",
            "    FROM\n    (\n",
            "        SELECT ", $key, " AS key, toStartOfMinute(c.time) AS minute, count() AS n, max(c.time) AS last_call\n",
            "        FROM calls AS c ", $join, "\n        WHERE {called}", $where, "\n        GROUP BY key, minute\n    ) AS z\n",
            "    GROUP BY z.key\n) AS y\n",
            "LEFT JOIN\n(\n",
            "    SELECT w.key AS key, quantileExact(0.1)(w.gap) AS p10, quantileExact(0.5)(w.gap) AS p50, quantileExact(0.9)(w.gap) AS p90\n",
            "    FROM\n    (\n",
            "        SELECT ", $key, " AS key, dateDiff('millisecond', lagInFrame(c.time) OVER calls_before, c.time) / 1000 AS gap,\n",
            "               row_number() OVER calls_before AS position\n",
            "        FROM calls AS c ", $join, "\n        WHERE {called}", $where, "\n",
            "        WINDOW calls_before AS (PARTITION BY ", $key, " ORDER BY c.time, c.host, c.session, c.number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)\n",
            "    ) AS w\n    WHERE w.position > 1\n    GROUP BY w.key\n) AS g ON y.key = g.key\n",
            "ORDER BY calls DESC, y.key\nLIMIT {limit}"
        )
    };
}
pub(super) use cadence;

pub(super) const SECTION: Section = Section {
    id: "cadence",
    title: "Cadence",
    text: "When servers are asked, how often, and how steadily. Like a clock is a program with a timer, not a person; at any hour is \
           an agent that works alone, or people in several time zones; bursts are loops. Silent since: not one call in the last quarter of \
           the period: retire it. All times are UTC: night is 22 to 6 h.",
    figures: &[
        Figure::rows(
            "cadence.days",
            "Calls on each day",
            Shape::Days,
            "",
            "SELECT toDate(c.time) AS day, count() AS calls\nFROM calls AS c\nWHERE {called}\nGROUP BY day\nORDER BY day\nLIMIT {limit}",
        ),
        Figure::rows(
            "cadence.week",
            "Calls over the week",
            Shape::Week,
            "",
            "SELECT toDayOfWeek(c.time) AS weekday, toHour(c.time) AS hour, count() AS calls\nFROM calls AS c\nWHERE {called}\n\
             GROUP BY weekday, hour\nORDER BY weekday, hour\nLIMIT {limit}",
        ),
        Figure::rows(
            "cadence.servers",
            "Servers and their rhythm, most calls first",
            Shape::Table,
            "Gaps are between one call and the next to the same server. Like a clock: the middle eight tenths of the gaps differ by at most a half. In \
             bursts: half of all calls fall within five minutes.",
            cadence!(
                "s.server",
                "server",
                "INNER JOIN sessions AS s ON c.host = s.host AND c.session = s.id",
                ""
            ),
        ),
        Figure::rows(
            "cadence.bursts",
            "Busiest minutes",
            Shape::Table,
            "",
            "SELECT toStartOfMinute(c.time) AS minute, s.server AS server, s.host AS host, s.client_user AS user,\n       \
             coalesce(s.client_application, s.client_name) AS application, count() AS calls, uniqExact(c.session) AS sessions\n\
             FROM calls AS c\nINNER JOIN sessions AS s ON c.host = s.host AND c.session = s.id\nWHERE {called}\n\
             GROUP BY minute, server, host, user, application\nORDER BY calls DESC, minute, server, host, user, application\nLIMIT 20",
        ),
    ],
};
