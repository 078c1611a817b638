//! The denominator: which hosts there should be, and which of them have a sensor.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "hosts",
    title: "Hosts without a sensor",
    text: "What runs on a host without a sensor is not in this report. The denominator is the asset list of the collector's settings \
           ([assets], docs/report.md): with none, the share of hosts that are covered cannot be said. Traffic names some all the same: \
           addresses that spoke MCP with our hosts and belong to no host with a sensor. A sensor that gave no sign of life for 24 hours is \
           silent: its host is off, away, or somebody stopped it. Decide: roll the sensor out there, or strike the host off the list.",
    figures: &[
        Figure::value(
            "hosts.listed",
            "Hosts on the asset list",
            "",
            "0: there is no list, or it is empty.",
            "SELECT count() AS hosts\nFROM assets AS a",
        ),
        Figure::value(
            "hosts.covered",
            "… of them with a sensor",
            "",
            "",
            "SELECT countIf(a.host IS NOT NULL) AS hosts\nFROM assets AS a",
        ),
        Figure::value(
            "hosts.covered_share",
            "… of all hosts on the list",
            "%",
            "",
            "SELECT round(100 * countIf(a.host IS NOT NULL) / nullIf(count(), 0), 1) AS percent\nFROM assets AS a",
        ),
        Figure::value(
            "hosts.silent_count",
            "Sensors silent for more than 24 hours",
            "",
            "At the end of the period.",
            "SELECT count() AS sensors\nFROM sensors AS n\nWHERE n.first_seen < {to} AND n.last_seen < {to} - INTERVAL 24 HOUR",
        ),
        Figure::value(
            "hosts.peers_count",
            "Addresses within the own network that spoke MCP with our hosts and belong to no host with a sensor",
            "",
            "",
            "SELECT uniqExact(r.address) AS addresses\nFROM remotes AS r\n\
             WHERE r.place = 'internal' AND r.sensor_host IS NULL AND r.started < {to} AND r.last_seen >= {from}",
        ),
        Figure::value(
            "hosts.list_read",
            "Asset list last read",
            "",
            "It is read when it changes.",
            "SELECT maxOrNull(a.loaded) AS loaded\nFROM assets AS a",
        ),
        Figure::value(
            "hosts.since",
            "Oldest word of a sensor that is kept",
            "",
            "Before this nothing is known.",
            "SELECT minOrNull(n.first_seen) AS since\nFROM sensors AS n",
        ),
        Figure::rows(
            "hosts.without_sensor",
            "Hosts on the asset list without a sensor",
            Shape::Table,
            "",
            "SELECT a.name AS name, a.address AS address, a.owner AS owner, a.host_group AS host_group\n\
             FROM assets AS a\nWHERE a.host IS NULL\nORDER BY host_group, name\nLIMIT {limit}",
        ),
        Figure::rows(
            "hosts.unlisted",
            "Sensors on hosts that are on no asset list",
            Shape::Table,
            "Missing on the list, or there under another name.",
            "SELECT n.host AS host, n.host_name AS host_name, n.operating_system AS operating_system, n.last_seen AS last_seen\n\
             FROM sensors AS n\nWHERE n.first_seen < {to} AND n.host NOT IN (SELECT assumeNotNull(a.host) FROM assets AS a WHERE a.host IS NOT NULL)\n\
             ORDER BY host\nLIMIT {limit}",
        ),
        Figure::rows(
            "hosts.silent",
            "Silent sensors",
            Shape::Table,
            "",
            "SELECT n.host AS host, n.host_name AS host_name, n.operating_system AS operating_system, n.first_seen AS first_seen, n.last_seen AS last_seen\n\
             FROM sensors AS n\nWHERE n.first_seen < {to} AND n.last_seen < {to} - INTERVAL 24 HOUR\nORDER BY last_seen, host\nLIMIT {limit}",
        ),
        Figure::rows(
            "hosts.peers",
            "Addresses that spoke MCP with our hosts and belong to no host with a sensor",
            Shape::Table,
            "Within the own network; those outside are third parties, or under exposure. Containers with an address of their own appear here too.",
            "SELECT r.address AS address, arraySort(groupUniqArray(5)(r.name)) AS names, arraySort(groupUniqArray(2)(multiIf(r.direction = 'in', 'client', 'server'))) AS roles,\n       \
             count() AS sessions, arraySort(groupUniqArray(5)(r.host)) AS spoke_with, min(r.started) AS first_seen, max(r.last_seen) AS last_seen\n\
             FROM remotes AS r\nWHERE r.place = 'internal' AND r.sensor_host IS NULL AND r.started < {to} AND r.last_seen >= {from}\n\
             GROUP BY address\nORDER BY sessions DESC, address\nLIMIT {limit}",
        ),
    ],
};
