//! One server: what is known of it, on which hosts, used by whom, for what.

use maud::html;

use super::{
    Answering, Asked, Document, Fault, Page, cell, chart, findings, needed,
    queries::queries,
    row::Row,
    section::{first_of, of_question},
    sessions,
    table::{Column, column, facts, figure, wide},
};
use crate::{
    html::{plain, text_up_to},
    inventory::{question::Question, show::Showable},
};

pub(super) const PAGE: Page = Page {
    path: "/server",
    name: None,
    under: "/servers",
    answer: |asked| -> Answering { Box::pin(async move { document(&asked).await }) },
};

/// Items of the long lists.
const ITEMS: usize = 50;

const REASONS: &[Column] = &[
    column("Verdict", |row, _| cell::word(row.text("verdict"))),
    column("Reason", |row, _| cell::maybe(row.text("code"))),
    wide("In words", |row, _| {
        html! { @if let Some(words) = row.text("words") { (text_up_to(words, 400)) } @else { (cell::unknown()) } }
    }),
    figure("Sessions", |row, _| {
        cell::maybe_number(row.number("sessions"))
    }),
    column("Last seen", |row, now| cell::time(row.text("seen"), now)),
];

const INSTANCES: &[Column] = &[
    column("Host", |row, _| cell::host(row.text("host"))),
    wide("Process", |row, _| {
        html! {
            (cell::maybe(row.text("exe")))
            " " span.sub {
                @if let Some(pid) = row.number("server_pid") { "pid " (pid) " " }
                "user " (cell::maybe(row.text("user")))
                @if let Some(container) = row.text("container") { " in " (text_up_to(container, 40)) }
            }
        }
    }),
    column("Started", |row, now| {
        cell::time(row.text("server_started"), now)
    }),
    column("Version", |row, _| cell::maybe(row.text("version"))),
    figure("Sessions", |row, _| {
        cell::maybe_number(row.number("sessions"))
    }),
    figure("Calls", |row, _| cell::maybe_number(row.number("calls"))),
    column("Last seen", |row, now| cell::time(row.text("seen"), now)),
];

const USE: &[Column] = &[
    wide("Call", |row, _| {
        html! {
            span.id { (cell::maybe(row.text("method"))) }
            @if let Some(name) = row.text("name") { " " strong { (text_up_to(name, 160)) } }
        }
    }),
    figure("Calls", |row, _| cell::maybe_number(row.number("calls"))),
    figure("Errors", |row, _| cell::maybe_number(row.number("errors"))),
    figure("Unanswered", |row, _| {
        cell::maybe_number(row.number("unanswered"))
    }),
    figure("Median time", |row, _| {
        cell::duration(row.number("median_us"))
    }),
    figure("95 % within", |row, _| cell::duration(row.number("p95_us"))),
    column("Last", |row, now| cell::time(row.text("last_call"), now)),
];

const CLIENTS: &[Column] = &[
    column("Host", |row, _| cell::host(row.text("host"))),
    column("User", |row, _| cell::maybe(row.text("user"))),
    wide("Client", |row, _| {
        let exe = row.text("exe");
        html! {
            @match row.text("application") {
                Some(application) => (text_up_to(application, 60)),
                None => (cell::maybe(exe)),
            }
            @if let Some(name) = row.text("name") {
                " " span.sub { "calls itself " (text_up_to(name, 60)) " " (text_up_to(row.text("version").unwrap_or_default(), 40)) }
            }
        }
    }),
    figure("Sessions", |row, _| {
        cell::maybe_number(row.number("sessions"))
    }),
    figure("Calls", |row, _| cell::maybe_number(row.number("calls"))),
    column("Last seen", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
];

const EVIDENCE: &[Column] = &[
    column("Source", |row, _| cell::maybe(row.text("source"))),
    wide("Fact", |row, _| cell::maybe(row.text("fact"))),
    column("Match", |row, _| cell::maybe(row.text("quality"))),
    figure("Sessions", |row, _| {
        cell::maybe_number(row.number("sessions"))
    }),
];

const TOOLS: &[Column] = &[
    wide("Tool", |row, _| {
        html! { strong { (cell::maybe(row.text("tool"))) } }
    }),
    column("Definition", |row, _| {
        html! { span.id title=(plain(row.text("digest").unwrap_or_default(), 200)) { (text_up_to(&cell::shortened(row.text("digest").unwrap_or_default()), 40)) } }
    }),
    column("Before it", |row, _| match row.text("previous") {
        Some(digest) => {
            html! { span.id title=(plain(digest, 200)) { (text_up_to(&cell::shortened(digest), 40)) } }
        }
        None => cell::none(),
    }),
    column("First seen", |row, now| cell::time(row.text("first"), now)),
    column("Last seen", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
];

async fn document(asked: &Asked) -> Result<Document, Fault> {
    let [key] = asked.named(["key"])?;
    let key = needed(key, "key")?;
    let question = Question::new(
        "SELECT * EXCEPT (hosts, users, clients), arraySlice(hosts, 1, 50) AS some_hosts, length(hosts) AS host_count, \
         arraySlice(users, 1, 50) AS some_users, length(users) AS user_count, clients FROM servers \
         WHERE server = {key:String} LIMIT 1",
    )
    .with("key", key);
    let rows = asked.rows(&question).await?;
    let Some(row) = rows.first() else {
        return Err(Fault::Missing {
            what: "there is no server of this key".to_owned(),
            advice: "it may be older than the retention; see the list of servers".to_owned(),
        });
    };
    let of = |sql: &str| Question::new(sql).with("key", key);
    let reasons = of(
        "SELECT verdict, tupleElement(reasons[1], 'code') AS code, any(tupleElement(reasons[1], 'text')) AS words, \
         count() AS sessions, max(last_seen) AS seen FROM sessions WHERE server = {key:String} \
         GROUP BY verdict, code ORDER BY sessions DESC, verdict, code LIMIT 20",
    );
    let instances = of(
        "SELECT host, server_pid, server_started, any(server_exe) AS exe, any(server_user) AS user, \
         any(server_container) AS container, any(server_version) AS version, count() AS sessions, sum(calls) AS calls, \
         max(last_seen) AS seen FROM sessions WHERE server = {key:String} GROUP BY host, server_pid, server_started \
         ORDER BY seen DESC, host, server_pid LIMIT 10",
    );
    let shown = |section: &str| {
        let showable = Showable::named("server");
        showable.and_then(|showable| showable.question(section, key))
    };
    let narrow = [("key", key)];
    let about = [("server", key)];
    let (found, reasons, seen, instances) = tokio::try_join!(
        first_of(asked, "Findings", &findings::LIST, &about, 10, "None."),
        of_question(asked, "Why", REASONS, &reasons, "No session tells."),
        first_of(asked, "Sessions", &sessions::LIST, &narrow, 10, "None."),
        of_question(asked, "Instances", INSTANCES, &instances, "None."),
    )?;
    let mut sections = Vec::new();
    for (title, section, columns, empty) in [
        ("Used by", "clients", CLIENTS, "Nobody was seen."),
        ("Used for", "calls", USE, "No call was seen."),
        (
            "Tool definitions",
            "tools",
            TOOLS,
            "None was listed while a sensor looked.",
        ),
        ("Evidence", "evidence", EVIDENCE, "None is on record."),
    ] {
        if let Some(question) = shown(section) {
            sections.push(of_question(asked, title, columns, &question, empty).await?);
        }
    }
    let body = html! {
        header.head {
            p.crumb { a href="/servers" { "Servers" } }
            h1 { (text_up_to(key, 400)) " " (cell::word(row.text("verdict"))) }
            (shares(row))
        }
        (known(row, asked))
        (queries(&[&question]))
        (found) (reasons) (seen) (instances)
        @for section in &sections { (section) }
    };
    Ok(Document {
        title: format!("Server {}", plain(key, 80)),
        body,
    })
}

fn shares(row: &Row) -> maud::Markup {
    let parts: Vec<(&str, u64)> = chart::VERDICTS
        .iter()
        .map(|verdict| (*verdict, row.number(verdict).unwrap_or(0)))
        .collect();
    html! {
        (chart::shares("Sessions by verdict", &parts))
        p.about {
            @for (at, (verdict, count)) in parts.iter().filter(|(_, count)| *count > 0).enumerate() {
                @if at > 0 { " · " }
                (cell::number(*count)) " " (verdict)
            }
            " of " (cell::count(row.number("sessions").unwrap_or(0), "session", "sessions"))
        }
    }
}

fn known(row: &Row, asked: &Asked) -> maud::Markup {
    let list = |column: &str| cell::items_up_to(&row.texts(column), ITEMS, cell::item);
    let of = |count: &str, shown: maud::Markup| {
        html! {
            (shown)
            @if row.number(count).is_some_and(|count| count > ITEMS as u64) { " of " (cell::maybe_number(row.number(count))) }
        }
    };
    facts(&[
        ("Calls itself", list("names")),
        ("Versions", list("versions")),
        ("Identity", html! { (cell::maybe(row.text("strength"))) }),
        ("Endpoints", list("endpoints")),
        ("Transports", list("transports")),
        ("Routes", list("routes")),
        (
            "Hosts",
            of(
                "host_count",
                cell::items_up_to(&row.texts("some_hosts"), ITEMS, cell::host_item),
            ),
        ),
        (
            "Users",
            of(
                "user_count",
                cell::items_up_to(&row.texts("some_users"), ITEMS, cell::item),
            ),
        ),
        ("Clients", list("clients")),
        ("Owner", cell::unknown()),
        ("Instances", cell::maybe_number(row.number("instances"))),
        (
            "Sessions",
            html! { (cell::maybe_number(row.number("sessions"))) ", " (cell::maybe_number(row.number("open"))) " open" },
        ),
        ("Calls", cell::maybe_number(row.number("calls"))),
        ("First seen", cell::time(row.text("first_seen"), asked.now)),
        ("Last seen", cell::time(row.text("last_seen"), asked.now)),
    ])
}
