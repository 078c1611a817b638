//! What is different from before.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "changes",
    title: "What changed",
    text: "Against everything that is still kept from before the period. A server is new where it was never seen before, gone where it \
           was seen in the period of the same length before this one and not since, silent where its last sign lies before the last quarter of \
           this period. New servers want a decision; gone and silent ones can be retired, their exceptions with them.",
    figures: &[
        Figure::value(
            "changes.new_count",
            "New servers",
            "",
            "",
            "SELECT count() AS servers\nFROM servers AS v\nWHERE v.first_seen >= {from} AND v.first_seen < {to}",
        ),
        Figure::rows(
            "changes.new",
            "New servers",
            Shape::Table,
            "",
            "SELECT v.server AS server, v.name AS name, v.verdict AS verdict, v.hosts AS hosts, v.users AS users, v.sessions AS sessions,\n       \
             v.first_seen AS first_seen\n\
             FROM servers AS v\nWHERE v.first_seen >= {from} AND v.first_seen < {to}\nORDER BY first_seen DESC, server\nLIMIT {limit}",
        ),
        Figure::rows(
            "changes.gone",
            "Gone servers",
            Shape::Table,
            "",
            "SELECT v.server AS server, v.name AS name, v.verdict AS verdict, v.hosts AS hosts, v.users AS users, v.last_seen AS last_seen\n\
             FROM servers AS v\nWHERE v.last_seen >= {before} AND v.last_seen < {from}\nORDER BY last_seen DESC, server\nLIMIT {limit}",
        ),
        Figure::rows(
            "changes.silent",
            "Silent servers",
            Shape::Table,
            "",
            "SELECT v.server AS server, v.name AS name, v.verdict AS verdict, v.hosts AS hosts, v.users AS users, v.last_seen AS last_seen\n\
             FROM servers AS v\nWHERE v.last_seen >= {from} AND v.last_seen < {heard}\nORDER BY last_seen, server\nLIMIT {limit}",
        ),
        Figure::rows(
            "changes.versions",
            "New versions of known servers",
            Shape::Table,
            "By the server's own word.",
            "SELECT x.server AS server, x.version AS version, x.first_seen AS first_seen, x.hosts AS hosts, x.sessions AS sessions\n\
             FROM\n(\n    SELECT s.server AS server, s.server_version AS version, min(s.started) AS first_seen, uniqExact(s.host) AS hosts, count() AS sessions\n    \
             FROM sessions AS s\n    WHERE s.server_version IS NOT NULL AND s.started < {to}\n    GROUP BY s.server, s.server_version\n) AS x\n\
             WHERE x.first_seen >= {from} AND x.server IN (SELECT s.server FROM sessions AS s WHERE s.started < {from})\n\
             ORDER BY first_seen DESC, server, version\nLIMIT {limit}",
        ),
        Figure::rows(
            "changes.tools",
            "Tool definitions that changed",
            Shape::Table,
            "A changed definition changes what a model is told to do: look at it before it is used on.",
            "SELECT t.server AS server, t.tool AS tool, t.first AS changed, t.previous AS previous, t.digest AS digest, t.hosts AS hosts\n\
             FROM tools AS t\nWHERE t.first >= {from} AND t.first < {to} AND t.previous IS NOT NULL\nORDER BY changed DESC, server, tool, digest\nLIMIT {limit}",
        ),
        Figure::rows(
            "changes.verdicts",
            "Verdicts that changed",
            Shape::Table,
            "Sessions by their servers: by a new policy, an exception that began or ended, or because more became known.",
            "SELECT s.server AS server, x.was AS was, x.became AS became, count() AS sessions, uniqExact(x.host) AS hosts,\n       \
             min(x.decided) AS first_change, max(x.decided) AS last_change\n\
             FROM\n(\n    SELECT v.host AS host, v.session AS session, v.decided AS decided, toString(v.verdict) AS became,\n           \
             lagInFrame(toString(v.verdict)) OVER (PARTITION BY v.host, v.session ORDER BY v.decided ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS was\n    \
             FROM verdicts AS v\n    WHERE v.decided < {to}\n          \
             AND (v.host, v.session) IN (SELECT u.host, u.session FROM verdicts AS u WHERE u.decided >= {from} AND u.decided < {to})\n) AS x\n\
             INNER JOIN sessions AS s ON x.host = s.host AND x.session = s.id\n\
             WHERE x.decided >= {from} AND x.was != '' AND x.was != x.became\nGROUP BY server, was, became\n\
             ORDER BY sessions DESC, server, was, became\nLIMIT {limit}",
        ),
    ],
};
