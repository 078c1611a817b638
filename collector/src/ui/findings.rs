//! Findings: what is worth somebody's decision.

use maud::{Markup, html};

use super::{
    Page, cell, link,
    list::{Filter, List},
    row::Row,
    table::{Column, column, figure, wide},
};
use crate::html::text_up_to;

pub(super) const PAGE: Page = Page {
    path: "/findings",
    name: Some("Findings"),
    under: "/findings",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "findings",
    path: "/findings",
    title: "Findings",
    about: "What is worth a decision, the worst first: approve, route through the gateway, grant an exception that ends, assign an owner, or retire.",
    select: &[
        "id",
        "class",
        "severity",
        "state",
        "subject_kind",
        "subject",
        "calls_itself",
        "program",
        "substring(text, 1, 2000) AS words",
        "length(hosts) AS host_count",
        "arraySlice(hosts, 1, 2) AS some_hosts",
        "length(users) AS user_count",
        "arraySlice(users, 1, 2) AS some_users",
        "sessions",
        "first_seen",
        "last_seen",
    ],
    columns: COLUMNS,
    filters: &[
        Filter::Choice("state", "State", &["open", "closed"]),
        Filter::Choice(
            "severity",
            "Severity",
            &["critical", "high", "medium", "low"],
        ),
        Filter::Text("class", "Class"),
        Filter::Text("server", "Server"),
        Filter::HOST,
        Filter::USER,
    ],
    default: Some(("state", "open")),
    empty,
};

const COLUMNS: &[Column] = &[
    column("Severity", |row, _| {
        html! {
            (cell::word(row.text("severity")))
            @if row.text("state") == Some("closed") { " " span.sub { "closed" } }
        }
    }),
    wide("Finding", |row, _| {
        html! {
            (title(row)) " " (subject(row))
            @if let Some(sentence) = sentence(row) { " " span.sub { (text_up_to(sentence, 180)) } }
        }
    }),
    column("Hosts", |row, _| {
        some(row, "host_count", "some_hosts", cell::host_item)
    }),
    column("Users", |row, _| {
        some(row, "user_count", "some_users", cell::item)
    }),
    figure("Sessions", |row, _| {
        cell::maybe_number(row.number("sessions"))
    }),
    column("First seen", |row, now| {
        cell::time(row.text("first_seen"), now)
    }),
    column("Last seen", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
];

/// What kind it is, as a link to all of it.
fn title(row: &Row) -> Markup {
    let class = named(row.text("class").unwrap_or("finding"));
    match row.text("id") {
        Some(id) => html! { a.strong href=(link::finding(id)) { (text_up_to(&class, 80)) } },
        None => text_up_to(&class, 80),
    }
}

/// A class in words: `shadow_server` as `Shadow server`.
pub(super) fn named(class: &str) -> String {
    let words = class.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The first sentence of its text, without the subject where it begins with that.
fn sentence(row: &Row) -> Option<&str> {
    let words = row.text("words")?;
    let subject = row.text("subject").unwrap_or_default();
    let words = words.strip_prefix(subject).unwrap_or(words).trim_start();
    let end = words.find(". ").map_or(words.len(), |at| at + 1);
    words[..end].lines().next().filter(|line| !line.is_empty())
}

/// What a finding is about, as a link where that has a page.
pub(super) fn subject(row: &Row) -> Markup {
    let subject = row.text("subject");
    match row.text("subject_kind") {
        // A digest says nothing to people: what it calls itself and what runs there follow.
        Some("server") => html! {
            (cell::server(subject, row.text("calls_itself")))
            @if let Some(program) = row.text("program") { " " span.sub { (text_up_to(program, 160)) } }
        },
        Some("host") => cell::host(subject),
        _ => cell::maybe(subject),
    }
}

/// The first of many, and how many there are. A finding may be about no host or user.
fn some(row: &Row, count: &str, some: &str, show: fn(&str) -> Markup) -> Markup {
    let shown = row.texts(some);
    let count = row.number(count).unwrap_or(0);
    let more = count.saturating_sub(shown.len() as u64);
    html! {
        @if shown.is_empty() { (cell::unknown()) } @else { (cell::items(&shown, show)) }
        @if more > 0 { " " span.sub { "and " (more) " more" } }
    }
}

fn empty() -> Markup {
    html! {
        p { strong { "There has been no finding yet." } }
        p { "A finding opens within seconds of a shadow server being used on a host with a sensor. "
            a href="/servers" { "Servers" } " · " a href="/hosts" { "Hosts with a sensor" } }
    }
}
