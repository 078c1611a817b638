//! Requests made in sessions.

use maud::{Markup, html};

use super::{
    Page, cell,
    list::{Filter, List},
    table::{Column, column, figure, wide},
};
use crate::html::text_up_to;

pub(super) const PAGE: Page = Page {
    path: "/calls",
    name: Some("Calls"),
    under: "/calls",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "calls",
    path: "/calls",
    title: "Calls",
    about: "Requests of clients, the latest first. Method, name and size are kept; arguments and results never are.",
    select: &[
        "host",
        "session",
        "number",
        "time",
        "method",
        "name",
        "status",
        "duration_us",
        "request_bytes",
        "response_bytes",
        "error_text",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::Choice(
            "status",
            "Status",
            &["ok", "error", "tool_error", "cancelled", "unanswered"],
        ),
        Filter::Text("method", "Method"),
        Filter::Text("name", "Tool or prompt"),
        Filter::SERVER,
        Filter::HOST,
        Filter::USER,
    ],
    default: None,
    empty,
};

const COLUMNS: &[Column] = &[
    column("Time", |row, now| cell::time(row.text("time"), now)),
    wide("Call", |row, _| {
        html! {
            span.id { (cell::maybe(row.text("method"))) }
            @if let Some(name) = row.text("name") { " " strong { (text_up_to(name, 160)) } }
            @if let Some(error) = row.text("error_text") { " " span.sub { (text_up_to(error, 200)) } }
        }
    }),
    column("Status", |row, _| cell::word(row.text("status"))),
    figure("Took", |row, _| cell::duration(row.number("duration_us"))),
    figure("Asked", |row, _| cell::bytes(row.number("request_bytes"))),
    figure("Answered", |row, _| {
        cell::bytes(row.number("response_bytes"))
    }),
    column("Session", |row, _| {
        html! {
            (cell::session(row.text("host"), row.text("session")))
            " " span.sub { "call " (cell::maybe_number(row.number("number"))) " on " (cell::maybe(row.text("host"))) }
        }
    }),
];

fn empty() -> Markup {
    html! {
        p { strong { "No call was seen yet." } }
        p { "A session alone makes none: calls appear when a client lists or uses tools, prompts or resources. "
            a href="/sessions" { "Sessions" } }
    }
}
