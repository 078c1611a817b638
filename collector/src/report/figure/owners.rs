//! Whose the servers are, as far as use tells.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "owners",
    title: "Owners",
    text: "This version keeps no owners of servers, so every server is without one on record. Use points at candidates: who runs \
           it most, and who owns, by the asset list, the hosts it runs on. A candidate is a person to ask, not an owner. A server \
           that one person alone uses leaves with that person.",
    figures: &[
        Figure::value(
            "owners.without",
            "Servers without an owner on record",
            "",
            "All of them: owners cannot be recorded yet.",
            "SELECT uniqExact(s.server) AS servers\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "owners.with_candidate",
            "… of them with a candidate: a user who was seen using them",
            "",
            "",
            "SELECT uniqExactIf(s.server, s.client_user IS NOT NULL) AS servers\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "owners.single_user",
            "Servers that exactly one user uses",
            "",
            "The same user name on several hosts counts as one.",
            "SELECT count() AS servers\nFROM\n(\n    SELECT s.server AS server FROM sessions AS s\n    WHERE {in_period}\n    \
             GROUP BY s.server HAVING uniqExact(s.client_user) = 1\n) AS x",
        ),
        Figure::rows(
            "owners.candidates",
            "Servers and the candidates for their owners",
            Shape::Table,
            "Users by their sessions, the busiest three; host owners are from the asset list.",
            "SELECT x.server AS server, uniqExact(x.user) AS users, sum(x.sessions) AS sessions,\n       \
             CAST(arraySlice(arrayReverseSort(groupArrayIf((x.sessions, assumeNotNull(x.user)), x.user IS NOT NULL)), 1, 3),\n            \
             'Array(Tuple(sessions UInt64, user String))') AS candidates,\n       \
             arraySlice(arraySort(arrayDistinct(arrayFlatten(groupArray(x.host_owners)))), 1, 5) AS host_owners\n\
             FROM\n(\n    SELECT s.server AS server, s.client_user AS user, count() AS sessions,\n           \
             groupUniqArray(5)(a.owner) AS host_owners\n    \
             FROM sessions AS s\n    LEFT JOIN (SELECT t.host AS host, min(t.owner) AS owner FROM assets AS t WHERE t.host IS NOT NULL GROUP BY t.host) AS a ON s.host = a.host\n    \
             WHERE {in_period}\n    GROUP BY s.server, s.client_user\n) AS x\nGROUP BY x.server\n\
             ORDER BY sessions DESC, server\nLIMIT {limit}",
        ),
    ],
};
