//! Every view that is listed, its order, and by what it is narrowed.

use super::View;

/// Begins a condition on the session of a call.
pub(super) const SESSION_OF_CALL: &str = "(host, session) IN (SELECT host, id FROM sessions WHERE ";

/// Every listing there is.
pub const VIEWS: [View; 12] = [
    View {
        name: "sessions",
        order: "started DESC, host, id",
        time: "last_seen",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("user", "lowerUTF8(client_user) = lowerUTF8({user:String})"),
            (
                "server",
                "(lowerUTF8(server) = lowerUTF8({server:String}) OR lowerUTF8(server_name) = lowerUTF8({server:String}))",
            ),
            ("session", "id = {session:String}"),
            (
                "client",
                "(lowerUTF8(client_application) = lowerUTF8({client:String}) OR lowerUTF8(client_name) = lowerUTF8({client:String}))",
            ),
            ("key", "server = {key:String}"),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String})",
            ),
            ("route", "lowerUTF8(route) = lowerUTF8({route:String})"),
            ("state", "lowerUTF8(state) = lowerUTF8({state:String})"),
        ],
    },
    View {
        name: "servers",
        order: "last_seen DESC, server",
        time: "last_seen",
        filters: &[
            (
                "host",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({host:String}), hosts)",
            ),
            (
                "user",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({user:String}), users)",
            ),
            (
                "server",
                "(lowerUTF8(server) = lowerUTF8({server:String}) OR arrayExists(x -> lowerUTF8(x) = lowerUTF8({server:String}), names))",
            ),
            (
                "session",
                "server IN (SELECT server FROM sessions WHERE id = {session:String})",
            ),
            ("key", "server = {key:String}"),
            (
                "client",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({client:String}), clients)",
            ),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String})",
            ),
            (
                "route",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({route:String}), routes)",
            ),
        ],
    },
    View {
        name: "calls",
        order: "time DESC, host, session, number DESC",
        time: "time",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("session", "session = {session:String}"),
            ("method", "lowerUTF8(method) = lowerUTF8({method:String})"),
            ("name", "lowerUTF8(name) = lowerUTF8({name:String})"),
            ("status", "lowerUTF8(status) = lowerUTF8({status:String})"),
            ("user", "lowerUTF8(client_user) = lowerUTF8({user:String}))"),
            (
                "server",
                "lowerUTF8(server) = lowerUTF8({server:String}) OR lowerUTF8(server_name) = lowerUTF8({server:String}))",
            ),
            ("key", "server = {key:String})"),
            (
                "client",
                "lowerUTF8(client_application) = lowerUTF8({client:String}) OR lowerUTF8(client_name) = lowerUTF8({client:String}))",
            ),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String}))",
            ),
            ("route", "lowerUTF8(route) = lowerUTF8({route:String}))"),
        ],
    },
    View {
        name: "sensors",
        order: "host",
        time: "last_seen",
        filters: &[("host", "lowerUTF8(host) = lowerUTF8({host:String})")],
    },
    View {
        name: "coverage",
        order: "last_seen DESC, host, what",
        time: "last_seen",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("user", "lowerUTF8(user) = lowerUTF8({user:String})"),
            // A gap is everything but what is read.
            (
                "state",
                "if(lowerUTF8({state:String}) = 'gap', state != 'decoded', lowerUTF8(state) = lowerUTF8({state:String}))",
            ),
        ],
    },
    View {
        name: "listeners",
        order: "host, address, port",
        time: "last_seen",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("user", "lowerUTF8(user) = lowerUTF8({user:String})"),
            ("mcp", "lowerUTF8(mcp) = lowerUTF8({mcp:String})"),
            (
                "exposure",
                "lowerUTF8(exposure) = lowerUTF8({exposure:String})",
            ),
            ("state", "lowerUTF8(state) = lowerUTF8({state:String})"),
            ("address", "address = {address:String}"),
            ("port", "toString(port) = {port:String}"),
        ],
    },
    View {
        name: "tools",
        order: "server, tool, first DESC",
        time: "last_seen",
        filters: &[
            (
                "host",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({host:String}), hosts)",
            ),
            (
                "server",
                "(lowerUTF8(server) = lowerUTF8({server:String}) OR lowerUTF8(server_name) = lowerUTF8({server:String}))",
            ),
            ("tool", "lowerUTF8(tool) = lowerUTF8({tool:String})"),
        ],
    },
    View {
        name: "verdicts",
        order: "decided DESC, host, session",
        time: "decided",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("session", "session = {session:String}"),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String})",
            ),
        ],
    },
    View {
        name: "findings",
        // What is open first, the worst of it first.
        order: "state = 'closed', indexOf(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, id",
        time: "last_seen",
        filters: &[
            ("finding", "id = {finding:String}"),
            ("state", "lowerUTF8(state) = lowerUTF8({state:String})"),
            (
                "severity",
                "lowerUTF8(severity) = lowerUTF8({severity:String})",
            ),
            ("class", "lowerUTF8(class) = lowerUTF8({class:String})"),
            (
                "host",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({host:String}), hosts)",
            ),
            (
                "user",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({user:String}), users)",
            ),
            (
                "server",
                "(subject_kind = 'server' AND lowerUTF8(subject) = lowerUTF8({server:String}))",
            ),
            (
                "subject",
                "lowerUTF8(subject) = lowerUTF8({subject:String})",
            ),
            (
                "tag",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({tag:String}), tags)",
            ),
        ],
    },
    View {
        name: "finding_history",
        order: "time DESC, id, number DESC",
        time: "time",
        filters: &[("finding", "id = {finding:String}")],
    },
    View {
        name: "probe_orders",
        order: "ordered DESC, host",
        time: "ordered",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("author", "lowerUTF8(author) = lowerUTF8({author:String})"),
        ],
    },
    View {
        name: "policies",
        order: "version DESC",
        time: "applied",
        filters: &[("author", "lowerUTF8(author) = lowerUTF8({author:String})")],
    },
];
