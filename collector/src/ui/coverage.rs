//! What sensors could not read.

use maud::{Markup, html};

use super::{
    Page, cell,
    list::{Filter, List},
    row::Row,
    table::{Column, column, wide},
};
use crate::html::{plain, text_up_to};

pub(super) const PAGE: Page = Page {
    path: "/coverage",
    name: Some("Coverage"),
    under: "/coverage",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "coverage",
    path: "/coverage",
    title: "Coverage",
    about: "What sensors could not read, or began to read late, and why. An inventory without this would claim too much.",
    select: &[
        "host",
        "what",
        "state",
        "reason",
        "pid",
        "exe",
        "user",
        "container",
        "first_seen",
        "last_seen",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::Choice(
            "state",
            "State",
            &["gap", "opaque", "late", "detached", "shed", "decoded"],
        ),
        Filter::HOST,
        Filter::USER,
    ],
    default: Some(("state", "gap")),
    empty,
};

const COLUMNS: &[Column] = &[
    column("State", |row, _| cell::word(row.text("state"))),
    column("What", |row, _| cell::maybe(row.text("what"))),
    wide("Why", |row, _| cell::maybe(row.text("reason"))),
    column("Process", |row, _| process(row)),
    column("Host", |row, _| cell::host(row.text("host"))),
    column("Last seen", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
];

/// Program, process id and user, of rows with `exe`, `pid`, `user`. Not every row is about a process.
pub(super) fn process(row: &Row) -> Markup {
    let exe = row.text("exe");
    html! {
        @match exe {
            Some(exe) => span title=(plain(exe, 400)) { (text_up_to(exe.rsplit('/').next().unwrap_or(exe), 60)) },
            None => (cell::unknown()),
        }
        " "
        span.sub {
            @if let Some(pid) = row.number("pid") { "pid " (pid) " " }
            "user " (cell::maybe(row.text("user")))
            @if let Some(container) = row.text("container") { " in " (text_up_to(container, 40)) }
        }
    }
}

fn empty() -> Markup {
    html! {
        p { strong { "No sensor has reported anything that it could not read." } }
        p { "That holds for hosts that have a sensor: " a href="/hosts" { "these" } ". What no sensor can see is in docs/threat-model.md." }
    }
}
