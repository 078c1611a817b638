//! MCP sessions.

use maud::{Markup, html};

use super::{
    Page, cell,
    list::{Filter, List},
    row::Row,
    table::{Column, column, figure, roomy, wide},
};

pub(super) const PAGE: Page = Page {
    path: "/sessions",
    name: Some("Sessions"),
    under: "/sessions",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "sessions",
    path: "/sessions",
    title: "Sessions",
    about: "Which client spoke MCP to which server, on which host, and whether it may. The latest first.",
    select: &[
        "host",
        "id",
        "state",
        "started",
        "last_seen",
        "client_application",
        "client_name",
        "client_exe",
        "client_user",
        "server",
        "server_name",
        "transport",
        "revision",
        "route",
        "verdict",
        "tupleElement(reasons[1], 'code') AS reason",
        "calls",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::VERDICT,
        Filter::Choice("state", "State", &["open", "ended"]),
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
    column("Session", |row, _| {
        html! {
            (cell::session(row.text("host"), row.text("id")))
            " " span.sub { (cell::maybe(row.text("state"))) }
        }
    }),
    column("Started", |row, now| cell::time(row.text("started"), now)),
    column("Host", |row, _| {
        html! {
            (cell::host(row.text("host")))
            " " span.sub { "user " (cell::maybe(row.text("client_user"))) }
        }
    }),
    column("Client", |row, _| cell::client(row)),
    wide("Server", |row, _| {
        cell::server(row.text("server"), row.text("server_name"))
    }),
    roomy("Way", |row, _| way(row)),
    roomy("Verdict", |row, _| {
        html! {
            (cell::word(row.text("verdict")))
            @if let Some(reason) = row.text("reason") { " " span.sub { (crate::html::text_up_to(reason, 60)) } }
        }
    }),
    figure("Calls", |row, _| cell::maybe_number(row.number("calls"))),
];

/// Route, transport and revision.
fn way(row: &Row) -> Markup {
    html! {
        (cell::maybe(row.text("route")))
        " " span.sub { (cell::maybe(row.text("transport"))) " · " (cell::maybe(row.text("revision"))) }
    }
}

fn empty() -> Markup {
    html! {
        p { strong { "No MCP session was seen yet." } }
        p { "Sessions appear within a second of an AI application opening one on a host with a sensor. Those that were open "
            "before the sensor started are seen from their next message on. " a href="/hosts" { "Which hosts have a sensor" } }
    }
}
