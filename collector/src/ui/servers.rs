//! The servers of the inventory.

use maud::{Markup, html};

use super::{
    Page, cell,
    list::{Filter, List},
    row::Row,
    table::{Column, column, figure, wide},
};

pub(super) const PAGE: Page = Page {
    path: "/servers",
    name: Some("Servers"),
    under: "/servers",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "servers",
    path: "/servers",
    title: "Servers",
    about: "Every MCP server that was seen in use, over all hosts, the latest first. The verdict is the worst of its sessions.",
    select: &[
        "server",
        "name",
        "strength",
        "verdict",
        "length(hosts) AS host_count",
        "arraySlice(hosts, 1, 3) AS some_hosts",
        "length(users) AS user_count",
        "arraySlice(users, 1, 3) AS some_users",
        "length(clients) AS client_count",
        "arraySlice(clients, 1, 3) AS some_clients",
        "routes",
        "transports",
        "sessions",
        "open",
        "calls",
        "first_seen",
        "last_seen",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::VERDICT,
        Filter::ROUTE,
        Filter::SERVER,
        Filter::HOST,
        Filter::USER,
        Filter::CLIENT,
    ],
    default: None,
    empty,
};

const COLUMNS: &[Column] = &[
    column("Verdict", |row, _| cell::word(row.text("verdict"))),
    wide("Server", |row, _| {
        cell::server(row.text("server"), row.text("name"))
    }),
    column("Hosts", |row, _| {
        some(row, "host_count", "some_hosts", cell::host_item)
    }),
    column("Users", |row, _| {
        some(row, "user_count", "some_users", cell::item)
    }),
    column("Clients", |row, _| {
        some(row, "client_count", "some_clients", cell::item)
    }),
    column("Route", |row, _| {
        cell::items(&row.texts("routes"), cell::item)
    }),
    figure("Sessions", |row, _| {
        html! {
            (cell::maybe_number(row.number("sessions")))
            @if let Some(open) = row.number("open").filter(|open| *open > 0) { " " span.sub { (open) " open" } }
        }
    }),
    figure("Calls", |row, _| cell::maybe_number(row.number("calls"))),
    column("Last seen", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
];

/// The first of many, and how many there are.
fn some(row: &Row, count: &str, some: &str, show: fn(&str) -> Markup) -> Markup {
    let shown = row.texts(some);
    let count = row.number(count).unwrap_or(0);
    let more = count.saturating_sub(shown.len() as u64);
    html! {
        (cell::items(&shown, show))
        @if more > 0 { " " span.sub { "and " (more) " more" } }
    }
}

fn empty() -> Markup {
    html! {
        p { strong { "No MCP server was seen yet." } }
        p { "Servers appear by themselves once a sensor sees a client use one: start an AI application on a host with a sensor. "
            a href="/hosts" { "Which hosts have one" } }
    }
}
