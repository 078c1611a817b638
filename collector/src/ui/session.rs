//! One session: both ends, the verdict with its reasons, the evidence, the calls.

use maud::{Markup, html};

use super::{
    Answering, Asked, Document, Fault, Page, calls, cell, needed,
    queries::queries,
    row::Row,
    section::{first_of, of_question, section},
    table::{Column, column, facts, table, wide},
};
use crate::{
    html::{plain, text_up_to},
    inventory::question::Question,
};

pub(super) const PAGE: Page = Page {
    path: "/session",
    name: None,
    under: "/sessions",
    answer: |asked| -> Answering { Box::pin(async move { document(&asked).await }) },
};

/// Arguments of a process that are shown.
const ARGUMENTS_MAX: usize = 40;

const EVIDENCE: &[Column] = &[
    column("Source", |row, _| cell::maybe(row.text("source"))),
    wide("Fact", |row, _| cell::maybe(row.text("fact"))),
    column("Match", |row, _| cell::maybe(row.text("quality"))),
];

const HISTORY: &[Column] = &[
    column("From", |row, now| cell::time(row.text("decided"), now)),
    column("Verdict", |row, _| cell::word(row.text("verdict"))),
    column("Route", |row, _| cell::maybe(row.text("route"))),
    wide("Why", |row, _| cell::maybe(row.text("reason"))),
    column("Policy", |row, _| policy(row.number("policy_version"))),
];

async fn document(asked: &Asked) -> Result<Document, Fault> {
    let [host, id] = asked.named(["host", "id"])?;
    let (host, id) = (needed(host, "host")?, needed(id, "id")?);
    let of = |sql: &str| Question::new(sql).with("host", host).with("id", id);
    let question =
        of("SELECT * FROM sessions WHERE host = {host:String} AND id = {id:String} LIMIT 1");
    let rows = asked.rows(&question).await?;
    let Some(row) = rows.first() else {
        return Err(Fault::Missing {
            what: "there is no session of this id on this host".to_owned(),
            advice: "it may be older than the retention; see the list of sessions".to_owned(),
        });
    };
    let history = of(
        "SELECT decided, verdict, route, tupleElement(reasons[1], 'text') AS reason, policy_version FROM verdicts \
         WHERE host = {host:String} AND session = {id:String} ORDER BY decided DESC LIMIT 20",
    );
    let narrow = [("host", host), ("session", id)];
    let (called, history) = tokio::try_join!(
        first_of(asked, "Calls", &calls::LIST, &narrow, 50, "None was seen."),
        of_question(
            asked,
            "Verdicts so far",
            HISTORY,
            &history,
            "Not judged yet: the verdict is unknown until it is."
        ),
    )?;
    let body = html! {
        header.head {
            p.crumb { a href="/sessions" { "Sessions" } " on " (cell::host(Some(host))) }
            h1 { (cell::client(row)) " → " (cell::server(row.text("server"), row.text("server_name"))) }
            p.about { (cell::word(row.text("verdict"))) " " (cell::maybe(row.text("state"))) " · session " span.id { (text_up_to(id, 300)) } }
        }
        (reasons(row))
        (known(row, asked))
        div.ends {
            (section(html! { "Client" }, end(row, "client", asked)))
            (section(html! { "Server" }, end(row, "server", asked)))
        }
        (queries(&[&question]))
        (called)
        (evidence(row, asked))
        (history)
    };
    Ok(Document {
        title: format!("Session {}", plain(id, 40)),
        body,
    })
}

fn reasons(row: &Row) -> Markup {
    let reasons = row.nested("reasons");
    html! {
        @if reasons.is_empty() { p.empty { "No reason is on record." } }
        ul.reasons {
            @for reason in &reasons {
                li { span.id { (cell::maybe(reason.text("code"))) } " " (cell::maybe(reason.text("text"))) }
            }
        }
    }
}

fn policy(version: Option<u64>) -> Markup {
    match version {
        Some(0) => html! { "none" },
        version => cell::maybe_number(version),
    }
}

fn known(row: &Row, asked: &Asked) -> Markup {
    let word = |column: &str| cell::maybe(row.text(column));
    // What most sessions have no need of is left out rather than shown as unknown.
    let gateway = html! {
        @match (row.text("gateway"), row.text("leg")) {
            (None, _) => (cell::none()),
            (Some(gateway), leg) => { (text_up_to(gateway, 80)) @if let Some(leg) = leg { " (" (text_up_to(leg, 20)) ")" } }
        }
    };
    facts(&[
        ("Route", word("route")),
        ("Gateway", gateway),
        (
            "Via",
            match row.text("via") {
                Some(via) => text_up_to(via, 160),
                None => cell::none(),
            },
        ),
        (
            "Transport",
            html! { (word("transport")) " over " (word("channel")) },
        ),
        (
            "TLS",
            match row.text("tls") {
                Some(tls) => text_up_to(tls, 40),
                None => html! { "none read" },
            },
        ),
        ("Revision", word("revision")),
        ("Started", cell::time(row.text("started"), asked.now)),
        ("Last seen", cell::time(row.text("last_seen"), asked.now)),
        ("Calls", cell::maybe_number(row.number("calls"))),
        ("Policy", policy(row.number("policy_version"))),
        (
            "The sensor’s own verdict",
            cell::word(row.text("sensor_verdict")),
        ),
    ])
}

/// One end: who it is, and its process.
fn end(row: &Row, side: &str, asked: &Asked) -> Markup {
    let name = |column: &str| format!("{side}_{column}");
    let word = |column: &str| cell::maybe(row.text(&name(column)));
    // Over stdio there is no address: that is known.
    let is_stdio = row.text("transport") == Some("stdio");
    let wire = |column: &str| match row.text(column) {
        None if is_stdio => cell::none(),
        value => cell::maybe(value),
    };
    let arguments = row.texts(&name("argv"));
    let mut rows = vec![(
        "Calls itself",
        html! { (word("name")) " " (row.text(&name("version")).map(|v| text_up_to(v, 60)).unwrap_or_default()) },
    )];
    if side == "client" {
        rows.push(("Application", word("application")));
    } else {
        rows.push(("Key", html! { (word("key")) @if let Some(strength) = row.text("server_strength") { " (" (text_up_to(strength, 20)) ")" } }));
        rows.push(("Endpoint", wire("server_endpoint")));
        rows.push(("Host header", wire("authority")));
        rows.push(("Path", wire("path")));
        rows.push(("SNI", wire("sni")));
    }
    rows.extend([
        ("Address", wire(&name("address"))),
        ("Program", word("exe")),
        (
            "Arguments",
            html! {
                @if arguments.is_empty() { (cell::unknown()) } @else {
                    span.argv tabindex="0" {
                        @for argument in arguments.iter().take(ARGUMENTS_MAX) { code { (text_up_to(argument, 160)) } " " }
                        @if arguments.len() > ARGUMENTS_MAX { span.sub { "and " (arguments.len() - ARGUMENTS_MAX) " more" } }
                    }
                }
            },
        ),
        (
            "User",
            html! { (word("user")) @if let Some(uid) = row.number(&name("uid")) { " (" (uid) ")" } },
        ),
        ("Process", match row.number(&name("pid")) { Some(pid) => html! { (pid) }, None => cell::unknown() }),
        ("Container", match row.text(&name("container")) { Some(container) => text_up_to(container, 80), None => cell::none() }),
        ("Process started", cell::time(row.text(&name("started")), asked.now)),
    ]);
    facts(&rows)
}

fn evidence(row: &Row, asked: &Asked) -> Markup {
    let facts = row.nested("evidence");
    section(
        html! { "Evidence" },
        html! {
            @if facts.is_empty() { p.empty { "None is on record." } }
            @else { (table("Evidence", EVIDENCE, &facts, asked.now)) }
        },
    )
}
