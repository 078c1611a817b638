//! One finding: what it is, whom it is about, what became of it.

use maud::html;

use super::{
    Answering, Asked, Document, Fault, Page, cell, findings, link, listeners, needed,
    queries::queries,
    row::Row,
    section::{first_of, of_question},
    sessions,
    table::{Column, column, facts, figure},
};
use crate::{
    html::{lines, text_up_to},
    inventory::question::Question,
};

pub(super) const PAGE: Page = Page {
    path: "/finding",
    name: None,
    under: "/findings",
    answer: |asked| -> Answering { Box::pin(async move { document(&asked).await }) },
};

/// Characters of a finding's text.
const TEXT_CHARS_MAX: usize = 20_000;

const HISTORY: &[Column] = &[
    column("Time", |row, now| cell::time(row.text("time"), now)),
    column("Event", |row, _| cell::maybe(row.text("event"))),
    column("Severity", |row, _| cell::word(row.text("severity"))),
    column("Why", |row, _| {
        html! { @if let Some(reason) = row.text("reason") { (text_up_to(reason, 200)) } }
    }),
    figure("Sessions", |row, _| {
        cell::maybe_number(row.number("sessions"))
    }),
];

async fn document(asked: &Asked) -> Result<Document, Fault> {
    let [id] = asked.named(["id"])?;
    let id = needed(id, "id")?;
    let question = Question::new(
        "SELECT id, class, severity, state, subject_kind, subject, calls_itself, program, text, tags, arraySlice(hosts, 1, 100) AS some_hosts, \
         length(hosts) AS host_count, arraySlice(users, 1, 100) AS some_users, length(users) AS user_count, sessions, \
         first_seen, last_seen, opened, closed, closed_reason FROM findings WHERE id = {id:String} LIMIT 1",
    )
    .with("id", id);
    let rows = asked.rows(&question).await?;
    let Some(row) = rows.first() else {
        return Err(Fault::Missing {
            what: "there is no finding of this id".to_owned(),
            advice: "it may be older than the retention; see the list of findings".to_owned(),
        });
    };
    let history = Question::new(
        "SELECT number, time, event, severity, reason, sessions FROM finding_history WHERE id = {id:String} \
         ORDER BY number DESC LIMIT 100",
    )
    .with("id", id);
    let history = of_question(asked, "History", HISTORY, &history, "Nothing is on record.").await?;
    let seen = sessions_of(asked, row).await?;
    let class = row.text("class").unwrap_or("finding");
    let body = html! {
        header.head {
            p.crumb { a href="/findings" { "Findings" } }
            h1 { (text_up_to(&findings::named(class), 80)) " " (cell::word(row.text("severity"))) @if row.text("state") == Some("closed") { " " (cell::word(Some("closed"))) } }
            p.about { (findings::subject(row)) }
        }
        @if let Some(text) = row.text("text") { p.prose { (lines(text, TEXT_CHARS_MAX)) } }
        (facts(&[
            ("State", html! {
                (cell::maybe(row.text("state")))
                @if let Some(reason) = row.text("closed_reason") { ": " (text_up_to(reason, 80)) }
            }),
            ("About", html! { (cell::maybe(row.text("subject_kind"))) " " (findings::subject(row)) }),
            ("Opened", cell::time(row.text("opened"), asked.now)),
            ("Closed", match row.text("closed") {
                Some(closed) => cell::time(Some(closed), asked.now),
                None => html! { "no" },
            }),
            ("First seen", cell::time(row.text("first_seen"), asked.now)),
            ("Last seen", cell::time(row.text("last_seen"), asked.now)),
            ("Hosts", html! {
                (cell::items_up_to(&row.texts("some_hosts"), 100, cell::host_item))
                @if row.number("host_count") > Some(100) { " of " (cell::maybe_number(row.number("host_count"))) }
            }),
            ("Users", html! {
                (cell::items_up_to(&row.texts("some_users"), 100, cell::item))
                @if row.number("user_count") > Some(100) { " of " (cell::maybe_number(row.number("user_count"))) }
            }),
            ("Sessions", cell::maybe_number(row.number("sessions"))),
            ("Tags", match row.texts("tags") {
                tags if tags.is_empty() => cell::none(),
                tags => cell::items_up_to(&tags, 50, cell::item),
            }),
            ("Id", html! { span.id { (text_up_to(id, 300)) } }),
        ]))
        (queries(&[&question]))
        (seen)
        (history)
    };
    Ok(Document {
        title: findings::named(class),
        body,
    })
}

/// Sessions of a server or host that is the subject; of a listener, who serves there.
async fn sessions_of(asked: &Asked, row: &Row) -> Result<maud::Markup, Fault> {
    let filter = match (row.text("subject_kind"), row.text("subject")) {
        (Some("server"), Some(server)) => ("key", server),
        (Some("host"), Some(host)) => ("host", host),
        (Some("listener"), Some(listener)) => return serving(asked, listener).await,
        _ => return Ok(html! {}),
    };
    let listed = first_of(
        asked,
        "Sessions",
        &sessions::LIST,
        &[filter],
        10,
        "None within the retention.",
    )
    .await?;
    let more = match filter {
        ("key", server) => Some((link::server(server), "All that is known of this server")),
        ("host", host) => Some((link::host(host), "All that is known of this host")),
        _ => None,
    };
    Ok(html! {
        (listed)
        @if let Some((address, words)) = more { p { a href=(address) { (words) } } }
    })
}

/// The listener that is the subject, `HOST ADDRESS:PORT` with an IPv6 address in brackets, as the list has it.
async fn serving(asked: &Asked, subject: &str) -> Result<maud::Markup, Fault> {
    let (host, place) = subject.split_once(' ').unwrap_or((subject, ""));
    let (address, port) = place.rsplit_once(':').unwrap_or((place, ""));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let filters = [("host", host), ("address", address), ("port", port)];
    let listed = first_of(
        asked,
        "Who serves there",
        &listeners::LIST,
        &filters,
        10,
        "It is not in the inventory any more.",
    )
    .await?;
    Ok(html! {
        (listed)
        p { a href=(link::host(host)) { "All that is known of this host" } }
    })
}
