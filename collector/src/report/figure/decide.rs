//! What to decide: each server that is shadow or unknown, with a proposal by a rule that is written down.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "decide",
    title: "What to decide",
    text: "An inventory alone is better documented exposure: each of these servers wants one of five decisions. Approve it by \
           a gateway in the policy; route it through the gateway; except it, with an author, a reason and an end; give it an owner; or \
           retire it. The proposal follows from the facts by the first rule that fits: a server that a gateway fronts and that is \
           used past it → route; not enough evidence → complete the evidence that the verdict's reason names; reached outside the own \
           network → route or retire; not used for the last quarter of the period → retire; several hosts or users → own, then route \
           or approve; else → own, then except with an end, or retire. A decision is put on record by the policy: gnomon policy apply FILE.",
    figures: &[
        Figure::value(
            "decide.open",
            "Servers that want a decision",
            "",
            "Shadow or unknown within the period.",
            "SELECT uniqExactIf(s.server, s.verdict IN ('shadow', 'unknown')) AS servers\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::rows(
            "decide.servers",
            "Servers that want a decision, most used first",
            Shape::Table,
            "Known as: of a server known by its content alone, the name it gives itself, else its program or script.",
            "SELECT x.server AS server,\n       \
             if(startsWith(x.server, 'bin:'), if(x.claimed IS NOT NULL, concat('calls itself ', x.claimed), x.program), NULL) AS known_as,\n       \
             x.verdict AS verdict,\n       \
             multiIf(x.bypass > 0, 'route through the gateway: it fronts this server',\n               \
             x.verdict = 'unknown', 'complete the evidence, then decide',\n               \
             ifNull(r.outside, 0) > 0, 'route through the gateway, or retire',\n               \
             x.last_used < {heard}, 'retire: not used lately',\n               \
             x.hosts > 1 OR x.users > 1, 'name an owner, then route or approve',\n               \
             'name an owner, then except with an end, or retire') AS proposal,\n       \
             x.reason AS reason, x.hosts AS hosts, x.users AS users, x.sessions AS sessions, x.last_used AS last_used\n\
             FROM\n(\n    SELECT s.server AS server, if(countIf(s.verdict = 'shadow') > 0, 'shadow', 'unknown') AS verdict,\n           \
             countIf(arrayExists(r -> tupleElement(r, 1) = 'bypass', s.reasons)) AS bypass,\n           \
             argMax(s.server_name, s.last_seen) AS claimed, argMax({program}, s.last_seen) AS program,\n           \
             arrayStringConcat(arraySort(groupUniqArray(3)(tupleElement(s.reasons[1], 1))), ', ') AS reason,\n           \
             uniqExact(s.host) AS hosts, uniqExact(s.client_user) AS users, count() AS sessions, max(s.last_seen) AS last_used\n    \
             FROM sessions AS s\n    WHERE {in_period} AND s.verdict IN ('shadow', 'unknown')\n    GROUP BY s.server\n) AS x\n\
             LEFT JOIN\n(\n    SELECT m.server AS server, count() AS outside FROM remotes AS m\n    \
             WHERE m.direction = 'out' AND m.place = 'public' GROUP BY m.server\n) AS r ON x.server = r.server\n\
             ORDER BY x.verdict, x.sessions DESC, x.server\nLIMIT {limit}",
        ),
    ],
};
