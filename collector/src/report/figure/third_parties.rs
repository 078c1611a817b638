//! Whom the servers outside belong to, and in what rhythm they are asked.

use super::{Figure, Section, Shape, cadence::cadence};

pub(super) const SECTION: Section = Section {
    id: "third_parties",
    title: "Third parties",
    text: "Remote servers outside the own network: their address is public, or, where it is not known, their name is. They are \
           grouped by the registrable domain of the name they were called by (a client's word), else by address (the kernel's). TLS \
           is not read in this version: servers behind https are missing here, and they are most of what third parties offer. Decide \
           for each: route through the gateway, or retire.",
    figures: &[
        Figure::value(
            "third_parties.count",
            "Third parties",
            "",
            "",
            "SELECT uniqExact(r.party) AS parties\nFROM remotes AS r\n\
             WHERE r.direction = 'out' AND r.place = 'public' AND r.started < {to} AND r.last_seen >= {from}",
        ),
        Figure::value(
            "third_parties.calls",
            "Calls to them",
            "",
            "",
            "SELECT count() AS calls\nFROM calls AS c\n\
             INNER JOIN remotes AS r ON c.host = r.host AND c.session = r.session\n\
             WHERE {called} AND r.direction = 'out' AND r.place = 'public'",
        ),
        Figure::rows(
            "third_parties.list",
            "Third parties, most sessions first",
            Shape::Table,
            "",
            "SELECT r.party AS party, count() AS sessions, countIf(r.verdict = 'shadow') AS shadow, uniqExact(r.server) AS servers,\n       \
             arraySort(groupUniqArray(5)(r.address)) AS addresses, uniqExact(r.host) AS hosts,\n       \
             arraySort(groupUniqArray(5)(r.user)) AS users, arraySort(groupUniqArray(5)(r.application)) AS applications,\n       \
             min(r.started) AS first_seen, max(r.last_seen) AS last_seen\n\
             FROM remotes AS r\nWHERE r.direction = 'out' AND r.place = 'public' AND r.started < {to} AND r.last_seen >= {from}\n\
             GROUP BY r.party\nORDER BY sessions DESC, party\nLIMIT {limit}",
        ),
        Figure::rows(
            "third_parties.cadence",
            "In what rhythm they are asked",
            Shape::Table,
            "As in the section on cadence.",
            cadence!(
                "r.party",
                "party",
                "INNER JOIN remotes AS r ON c.host = r.host AND c.session = r.session",
                " AND r.direction = 'out' AND r.place = 'public'"
            ),
        ),
        Figure::rows(
            "third_parties.week",
            "Calls to third parties over the week",
            Shape::Week,
            "Hours are UTC.",
            "SELECT toDayOfWeek(c.time) AS weekday, toHour(c.time) AS hour, count() AS calls\nFROM calls AS c\n\
             INNER JOIN remotes AS r ON c.host = r.host AND c.session = r.session\n\
             WHERE {called} AND r.direction = 'out' AND r.place = 'public'\nGROUP BY weekday, hour\nORDER BY weekday, hour\nLIMIT {limit}",
        ),
        Figure::rows(
            "third_parties.internal",
            "Remote servers inside the own network",
            Shape::Table,
            "Private, shared and link-local addresses, and names in no public domain. A sensor: the host with a sensor that has the address.",
            "SELECT r.party AS party, count() AS sessions, countIf(r.verdict = 'shadow') AS shadow, uniqExact(r.server) AS servers,\n       \
             arraySort(groupUniqArray(5)(r.address)) AS addresses, min(r.sensor_host) AS sensor, uniqExact(r.host) AS hosts, max(r.last_seen) AS last_seen\n\
             FROM remotes AS r\nWHERE r.direction = 'out' AND r.place != 'public' AND r.started < {to} AND r.last_seen >= {from}\n\
             GROUP BY r.party\nORDER BY sessions DESC, party\nLIMIT {limit}",
        ),
    ],
};
