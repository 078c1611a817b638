//! How much there is.

use super::{Figure, Section};

pub(super) const SECTION: Section = Section {
    id: "totals",
    title: "How much there is",
    text: "Everything that spoke MCP on a host with a sensor within the period. A session counts where it overlaps the period, \
           a call where it was made within it. What two hosts with a sensor say to each other is seen on both, and counts on both. Verdicts are those in force when the report was made.",
    figures: &[
        Figure::value(
            "totals.servers",
            "MCP servers",
            "",
            "A server counts once, on however many hosts: by its package or URL, else by its content.",
            "SELECT uniqExact(s.server) AS servers\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "totals.endpoints",
            "URLs they were reached by",
            "",
            "Servers over HTTP only; those over stdio have none.",
            "SELECT uniqExact(s.server_endpoint) AS endpoints\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "totals.sessions",
            "Sessions",
            "",
            "",
            "SELECT count() AS sessions\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "totals.calls",
            "Calls",
            "",
            "Requests of clients but ping, initialize and server/discover.",
            "SELECT count() AS calls\nFROM calls AS c\nWHERE {called}",
        ),
        Figure::value(
            "totals.clients",
            "AI applications",
            "",
            "Named from the process; where that is no known application, by what the client calls itself.",
            "SELECT uniqExact(coalesce(s.client_application, s.client_name)) AS clients\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "totals.users",
            "Users whose programs spoke it",
            "",
            "A user name counts once over all hosts. Users of programs on machines without a sensor are not known.",
            "SELECT uniqExact(s.client_user) AS users\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "totals.hosts",
            "Hosts where it was seen",
            "",
            "",
            "SELECT uniqExact(s.host) AS hosts\nFROM sessions AS s\nWHERE {in_period}",
        ),
        Figure::value(
            "totals.sensors",
            "Hosts with a sensor",
            "",
            "Whether or not MCP was seen there, and whether or not the sensor is heard now.",
            "SELECT count() AS sensors\nFROM sensors AS n\nWHERE n.first_seen < {to}",
        ),
    ],
};
