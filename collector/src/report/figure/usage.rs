//! Who uses MCP, with what, where.

use super::{Figure, Section, Shape};

/// Sessions of the period with their calls within it, grouped by the columns in front.
macro_rules! usage {
    ($key:literal, $names:literal, $more:literal) => {
        concat!(
            "SELECT ", $key, ", count() AS sessions, countIf(s.verdict = 'shadow') AS shadow, uniqExact(s.server) AS servers,\n       ",
            $more, " sum(ifNull(k.calls, 0)) AS calls, max(s.last_seen) AS last_used\n",
            "FROM sessions AS s\n",
            "LEFT JOIN (SELECT c.host AS host, c.session AS session, count() AS calls FROM calls AS c WHERE {called} GROUP BY c.host, c.session) AS k\n    ",
            "ON s.host = k.host AND s.id = k.session\n",
            "WHERE {in_period}\nGROUP BY ", $names, "\nORDER BY sessions DESC, ", $names, "\nLIMIT {limit}"
        )
    };
}

pub(super) const SECTION: Section = Section {
    id: "usage",
    title: "Who uses it",
    text: "By AI application, user and host. Unknown: the process at that end is not on a host with a sensor, or ended before it could \
           be named.",
    figures: &[
        Figure::rows(
            "usage.applications",
            "By AI application",
            Shape::Table,
            "Named from the process; where that is no known application, by what the client calls itself.",
            usage!(
                "coalesce(s.client_application, s.client_name) AS application",
                "application",
                "uniqExact(s.client_user) AS users, uniqExact(s.host) AS hosts,"
            ),
        ),
        Figure::rows(
            "usage.users",
            "By user",
            Shape::Table,
            "",
            usage!(
                "s.client_user AS user",
                "user",
                "uniqExact(coalesce(s.client_application, s.client_name)) AS applications, uniqExact(s.host) AS hosts,"
            ),
        ),
        Figure::rows(
            "usage.hosts",
            "By host",
            Shape::Table,
            "Owner and group are from the asset list.",
            "SELECT u.host AS host, n.operating_system AS operating_system, a.owner AS owner, a.host_group AS host_group, u.sessions AS sessions,\n       \
             u.shadow AS shadow, u.servers AS servers, u.users AS users, u.last_used AS last_used\n\
             FROM\n(\n    SELECT s.host AS host, count() AS sessions, countIf(s.verdict = 'shadow') AS shadow, uniqExact(s.server) AS servers,\n           \
             uniqExact(s.client_user) AS users, max(s.last_seen) AS last_used\n    FROM sessions AS s\n    WHERE {in_period}\n    GROUP BY s.host\n) AS u\n\
             LEFT JOIN sensors AS n ON u.host = n.host\n\
             LEFT JOIN (SELECT t.host AS host, min(t.owner) AS owner, min(t.host_group) AS host_group FROM assets AS t WHERE t.host IS NOT NULL GROUP BY t.host) AS a\n    \
             ON u.host = a.host\nORDER BY sessions DESC, host\nLIMIT {limit}",
        ),
        Figure::rows(
            "usage.groups",
            "By group of the asset list",
            Shape::Table,
            "Unknown: hosts that are on no list, or in no group of it.",
            "SELECT a.host_group AS host_group, uniqExact(s.host) AS hosts, count() AS sessions, countIf(s.verdict = 'shadow') AS shadow,\n       \
             uniqExact(s.server) AS servers, uniqExact(s.client_user) AS users\n\
             FROM sessions AS s\n\
             LEFT JOIN (SELECT t.host AS host, min(t.host_group) AS host_group FROM assets AS t WHERE t.host IS NOT NULL GROUP BY t.host) AS a ON s.host = a.host\n\
             WHERE {in_period}\nGROUP BY host_group\nORDER BY sessions DESC, host_group\nLIMIT {limit}",
        ),
        Figure::rows(
            "usage.tools",
            "Most called",
            Shape::Table,
            "Tools, prompts and resources by name; errors are those of the protocol and those that a tool reports.",
            "SELECT s.server AS server, c.method AS method, c.name AS name, count() AS calls,\n       \
             round(100 * countIf(c.status IN ('error', 'tool_error')) / count(), 1) AS error_percent,\n       \
             countIf(c.status = 'unanswered') AS unanswered, round(quantileExact(0.5)(c.duration_us) / 1000, 1) AS median_ms\n\
             FROM calls AS c\nINNER JOIN sessions AS s ON c.host = s.host AND c.session = s.id\nWHERE {called}\n\
             GROUP BY server, method, name\nORDER BY calls DESC, server, method, name\nLIMIT {limit}",
        ),
    ],
};
