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
    about: "What listens on hosts with a sensor, who can reach it, and whether MCP was seen on it. What does not listen any more is closed.",
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
        "access",
        "state",
        "namespace",
        "first_seen",
        "last_seen",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::Choice("mcp", "MCP", &["seen", "probed", "unknown"]),
        Filter::Choice(
            "exposure",
            "Reach",
            &["any", "public", "private", "host", "loopback", "unix"],
        ),
        Filter::Choice("state", "State", &["open", "closed"]),
        Filter::Text("port", "Port"),
        Filter::HOST,
        Filter::USER,
    ],
    default: None,
    empty,
};

const COLUMNS: &[Column] = &[
    column("MCP", |row, _| {
        html! { (mcp(row)) @if row.text("state") == Some("closed") { " " span.sub { "closed" } } }
    }),
    column("Reach", |row, _| {
        html! {
            @match row.text("exposure") {
                Some(far @ ("any" | "public" | "private")) => span.word.doubt { (far) },
                near => (cell::maybe(near)),
            }
            @if let Some(access) = row.text("access") { " " span.sub { (text_up_to(access, 60)) } }
        }
    }),
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
            @if let Some(namespace) = row.number("namespace") { " in network namespace " (namespace) }
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
