//! Listening sockets.

use maud::{Markup, html};

use super::{
    Page, cell,
    coverage::process,
    list::{Filter, List},
    row::Row,
    table::{Column, column, wide},
};
use crate::html::text_up_to;

pub(super) const PAGE: Page = Page {
    path: "/listeners",
    name: Some("Listeners"),
    under: "/listeners",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "listeners",
    path: "/listeners",
    title: "Listeners",
    about: "Listening sockets on hosts with a sensor: what answers there, who can reach it, and whether MCP was seen on it.",
    select: &[
        "host",
        "address",
        "port",
        "path",
        "channel",
        "pid",
        "exe",
        "user",
        "container",
        "mcp",
        "tls",
        "exposure",
        "first_seen",
        "last_seen",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::Choice("mcp", "MCP", &["seen", "probed", "unknown"]),
        Filter::Text("host", "Host"),
        Filter::Text("user", "User"),
    ],
    default: None,
    empty,
};

const COLUMNS: &[Column] = &[
    column("MCP", |row, _| mcp(row)),
    column("Reach", |row, _| cell::maybe(row.text("exposure"))),
    wide("Address", |row, _| address(row)),
    column("Process", |row, _| process(row)),
    column("Host", |row, _| cell::host(row.text("host"))),
    column("Last seen", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
];

fn mcp(row: &Row) -> Markup {
    match row.text("mcp") {
        Some(seen @ ("seen" | "probed")) => html! { span.word.fair { (seen) } },
        _ => cell::unknown(),
    }
}

/// Address and port, or the path of a unix socket; with the HTTP path behind a port.
fn address(row: &Row) -> Markup {
    let address = row.text("address");
    let path = row.text("path");
    html! {
        span.id {
            @match (address, row.number("port")) {
                (Some(address), Some(port)) => {
                    @if address.contains(':') { "[" (text_up_to(address, 60)) "]" } @else { (text_up_to(address, 60)) }
                    ":" (port)
                },
                (Some(address), None) if Some(address) != path => (text_up_to(address, 160)),
                _ => {},
            }
            @if let Some(path) = path { (text_up_to(path, 160)) }
            @if address.is_none() && path.is_none() { (cell::unknown()) }
        }
        " " span.sub {
            (cell::maybe(row.text("channel")))
            @if let Some(tls) = row.text("tls") { " · TLS by " (text_up_to(tls, 40)) }
        }
    }
}

fn empty() -> Markup {
    html! {
        p { strong { "No listening socket was reported yet." } }
        p { "Sensors report what listens on their host by themselves. " a href="/hosts" { "Which hosts have a sensor" } }
    }
}
