//! Change management and audit: what is on record.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "audit",
    title: "Change management and audit",
    text: "On record is what passes an approved gateway (where the gateway's own log has it) or is covered by an exception of the \
           policy, which has an author, a reason and an end. Everything else went through neither, and lands in no audit log that this inventory \
           knows of. What the gateway does with its log is not seen here.",
    figures: &[
        Figure::value(
            "audit.gateway_share",
            "Calls that passed an approved gateway, of all calls of the period",
            "%",
            "",
            "SELECT round(100 * countIf(s.verdict = 'approved') / nullIf(count(), 0), 1) AS percent\n\
             FROM calls AS c\nLEFT JOIN sessions AS s ON c.host = s.host AND c.session = s.id\nWHERE {called}",
        ),
        Figure::value(
            "audit.approved_servers",
            "Servers all of whose sessions passed an approved gateway",
            "",
            "",
            "SELECT count() AS servers\nFROM\n(\n    SELECT s.server AS server FROM sessions AS s\n    WHERE {in_period}\n    \
             GROUP BY s.server HAVING countIf(s.verdict != 'approved') = 0\n) AS x",
        ),
        Figure::value(
            "audit.excepted_servers",
            "Servers with sessions under an exception",
            "",
            "",
            "SELECT uniqExactIf(s.server, s.verdict = 'sanctioned') AS servers\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::rows(
            "audit.gateways",
            "Sessions by gateway",
            Shape::Table,
            "Leg client: on the way to it; upstream: its own connections. Shadow beside a gateway's name: round it.",
            "SELECT s.gateway AS gateway, s.leg AS leg, s.verdict AS verdict, count() AS sessions, uniqExact(s.server) AS servers,\n       \
             uniqExact(s.host) AS hosts, max(s.last_seen) AS last_seen\n\
             FROM sessions AS s\nWHERE {in_period} AND s.gateway IS NOT NULL\nGROUP BY gateway, leg, verdict\n\
             ORDER BY gateway, leg, sessions DESC, verdict\nLIMIT {limit}",
        ),
        Figure::rows(
            "audit.exceptions",
            "Exceptions in use",
            Shape::Table,
            "",
            "SELECT tupleElement(s.reasons[1], 2) AS exception, s.server AS server, count() AS sessions, uniqExact(s.host) AS hosts,\n       \
             uniqExact(s.client_user) AS users, max(s.last_seen) AS last_seen\n\
             FROM sessions AS s\nWHERE {in_period} AND s.verdict = 'sanctioned'\nGROUP BY exception, server\n\
             ORDER BY sessions DESC, server, exception\nLIMIT {limit}",
        ),
        Figure::rows(
            "audit.policies",
            "Policies taken into force within the period",
            Shape::Table,
            "",
            "SELECT p.version AS version, p.applied AS applied, p.author AS author, p.digest AS digest\n\
             FROM policies AS p\nWHERE p.applied >= {from} AND p.applied < {to}\nORDER BY version DESC\nLIMIT {limit}",
        ),
    ],
};
