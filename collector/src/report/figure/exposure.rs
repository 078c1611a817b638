//! Who can reach the MCP servers of our hosts.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "exposure",
    title: "Exposure",
    text: "Listening sockets that were open within the period, by who can reach them. Beyond the host are those on a private or \
           public address or on all addresses (any). An MCP server there can be used by whoever reaches it, with the rights of the user it runs \
           as. Decide: bind it to loopback, put it behind the gateway, or retire it.",
    figures: &[
        Figure::value(
            "exposure.beyond_host",
            "Listeners with MCP seen that can be reached from beyond their host",
            "",
            "",
            "SELECT count() AS listeners\nFROM listeners AS l\n\
             WHERE l.mcp = 'seen' AND l.exposure IN ('private', 'public', 'any') AND {listened}",
        ),
        Figure::value(
            "exposure.inbound_count",
            "Addresses of other machines that came in",
            "",
            "",
            "SELECT uniqExact(r.address) AS addresses\nFROM remotes AS r\n\
             WHERE r.direction = 'in' AND r.started < {to} AND r.last_seen >= {from}",
        ),
        Figure::rows(
            "exposure.grades",
            "Listeners by exposure",
            Shape::Table,
            "Every listening socket, and those of them on which MCP was seen.",
            "SELECT l.exposure AS exposure, countIf(l.mcp = 'seen') AS mcp_seen, count() AS listeners, uniqExact(l.host) AS hosts\n\
             FROM listeners AS l\nWHERE {listened}\nGROUP BY exposure\n\
             ORDER BY mcp_seen DESC, listeners DESC, exposure\nLIMIT {limit}",
        ),
        Figure::rows(
            "exposure.mcp",
            "Listeners with MCP seen, the most exposed first",
            Shape::Table,
            "",
            "SELECT l.exposure AS exposure, l.host AS host, l.address AS address, l.port AS port, l.path AS path, l.exe AS exe, l.user AS user,\n       \
             l.container AS container, l.first_seen AS first_seen, l.last_seen AS last_seen\n\
             FROM listeners AS l\nWHERE l.mcp = 'seen' AND {listened}\n\
             ORDER BY indexOf(['public', 'any', 'private', 'host', 'unix', 'loopback'], ifNull(l.exposure, 'public')), host, address, port, path\nLIMIT {limit}",
        ),
        Figure::rows(
            "exposure.inbound",
            "Who came in from other machines",
            Shape::Table,
            "By the kernel's address. A sensor: the host with a sensor that has the address. Containers with an address of their own appear here too.",
            "SELECT r.host AS host, r.server AS server, r.address AS address, r.place AS place, r.sensor_host AS sensor,\n       \
             count() AS sessions, countIf(r.verdict = 'shadow') AS shadow, max(r.last_seen) AS last_seen\n\
             FROM remotes AS r\nWHERE r.direction = 'in' AND r.started < {to} AND r.last_seen >= {from}\n\
             GROUP BY host, server, address, place, sensor\nORDER BY place = 'public' DESC, sessions DESC, host, server, address\nLIMIT {limit}",
        ),
    ],
};
