//! What goes past the gateway without an exception.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "shadow",
    title: "Shadow",
    text: "Shadow is what neither passed an approved gateway nor is covered by an exception that has not ended. Unknown is not \
           fine: there the evidence does not suffice, and the reasons say what is missing. Each share names what it is a share of.",
    figures: &[
        Figure::value(
            "shadow.servers",
            "Servers with shadow sessions",
            "",
            "",
            "SELECT uniqExactIf(s.server, s.verdict = 'shadow') AS servers\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "shadow.server_share",
            "… of all servers of the period",
            "%",
            "",
            "SELECT round(100 * uniqExactIf(s.server, s.verdict = 'shadow') / nullIf(uniqExact(s.server), 0), 1) AS percent\n\
             FROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "shadow.sessions",
            "Shadow sessions",
            "",
            "",
            "SELECT countIf(s.verdict = 'shadow') AS sessions\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "shadow.session_share",
            "… of all sessions of the period",
            "%",
            "",
            "SELECT round(100 * countIf(s.verdict = 'shadow') / nullIf(count(), 0), 1) AS percent\n\
             FROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "shadow.call_share",
            "Calls in shadow sessions, of all calls of the period",
            "%",
            "",
            "SELECT round(100 * countIf(s.verdict = 'shadow') / nullIf(count(), 0), 1) AS percent\n\
             FROM calls AS c\nLEFT JOIN sessions AS s ON c.host = s.host AND c.session = s.id\nWHERE {called}",
        ),
        Figure::value(
            "shadow.unknown_share",
            "Sessions without enough evidence, of all sessions of the period",
            "%",
            "",
            "SELECT round(100 * countIf(s.verdict = 'unknown') / nullIf(count(), 0), 1) AS percent\n\
             FROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::rows(
            "shadow.days",
            "Sessions begun on each day, by verdict",
            Shape::Days,
            "Days are UTC.",
            "SELECT toDate(s.started) AS day,\n       countIf(s.verdict = 'shadow') AS shadow, countIf(s.verdict = 'unknown') AS unknown,\n       \
             countIf(s.verdict = 'sanctioned') AS sanctioned, countIf(s.verdict = 'approved') AS approved\n\
             FROM sessions AS s\nWHERE s.started >= {from} AND s.started < {to}\nGROUP BY day\nORDER BY day\nLIMIT {limit}",
        ),
        Figure::rows(
            "shadow.verdicts",
            "By verdict and route",
            Shape::Table,
            "",
            "SELECT s.verdict AS verdict, s.route AS route, count() AS sessions, uniqExact(s.server) AS servers,\n       \
             uniqExact(s.host) AS hosts, uniqExact(s.client_user) AS users\n\
             FROM sessions AS s\nWHERE {in_period}\nGROUP BY verdict, route\n\
             ORDER BY indexOf(['shadow', 'unknown', 'sanctioned', 'approved'], verdict), sessions DESC, route\nLIMIT {limit}",
        ),
        Figure::rows(
            "shadow.reasons",
            "Why: the decisive reason",
            Shape::Table,
            "Codes are explained in docs/policy.md.",
            "SELECT s.verdict AS verdict, tupleElement(s.reasons[1], 1) AS reason, count() AS sessions, uniqExact(s.server) AS servers,\n       \
             uniqExact(s.host) AS hosts\n\
             FROM sessions AS s\nWHERE {in_period}\nGROUP BY verdict, reason\nORDER BY sessions DESC, verdict, reason\nLIMIT {limit}",
        ),
    ],
};
