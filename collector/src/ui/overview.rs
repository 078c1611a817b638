//! The overview: how it stands, what wants somebody, what cannot be seen.

use maud::{Markup, html};

use super::{
    Answering, Asked, Document, Fault, Page, cell, chart, coverage, findings, link,
    queries::queries,
    row::Row,
    section::{first_of, section},
    servers,
};
use crate::{
    html::{plain, text_up_to},
    inventory::question::Question,
};

pub(super) const PAGE: Page = Page {
    path: "/",
    name: Some("Overview"),
    under: "/",
    answer: |asked| -> Answering { Box::pin(async move { document(&asked).await }) },
};

/// A sensor that is silent for longer is pointed out. It tells of itself once a minute.
const SILENT_MIN: u32 = 15;
/// Rows of the lists.
const ROWS: u64 = 8;
/// Severities, the worst first.
const SEVERITIES: [&str; 4] = ["critical", "high", "medium", "low"];

/// The questions of the figures.
struct Questions {
    servers: Question,
    sessions: Question,
    findings: Question,
    hosts: Question,
    hours: Question,
    policy: Question,
}

impl Questions {
    fn new() -> Self {
        let verdicts = chart::VERDICTS
            .map(|verdict| format!("countIf(verdict = '{verdict}') AS {verdict}_count"))
            .join(", ");
        let severities = SEVERITIES
            .map(|severity| format!("countIf(severity = '{severity}') AS {severity}_count"))
            .join(", ");
        let back = chart::HOURS - 1;
        Self {
            servers: Question::new(format!("SELECT count() AS total, {verdicts} FROM servers")),
            sessions: Question::new(format!(
                "SELECT count() AS total, {verdicts}, countIf(state = 'open') AS open_count, sum(calls) AS call_count, \
                 uniqExact(client_user) AS user_count FROM sessions"
            )),
            findings: Question::new(format!(
                "SELECT count() AS total, {severities} FROM findings WHERE state = 'open'"
            )),
            hosts: Question::new(format!(
                "SELECT count() AS total, countIf(last_seen < now() - INTERVAL {SILENT_MIN} MINUTE) AS silent_count, \
                 countIf(arraySum(mapValues(lost)) > 0) AS losing_count FROM sensors"
            )),
            hours: Question::new(format!(
                "SELECT toStartOfHour(started) AS hour, verdict, count() AS sessions FROM sessions \
                 WHERE started >= toStartOfHour(now('UTC')) - INTERVAL {back} HOUR GROUP BY hour, verdict ORDER BY hour, verdict"
            )),
            policy: Question::new(
                "SELECT version, applied, author FROM policies ORDER BY version DESC LIMIT 1",
            ),
        }
    }
}

async fn document(asked: &Asked) -> Result<Document, Fault> {
    let [] = asked.named([])?;
    let questions = Questions::new();
    let (servers, sessions, findings, hosts, hours, policy) = tokio::try_join!(
        asked.rows(&questions.servers),
        asked.rows(&questions.sessions),
        asked.rows(&questions.findings),
        asked.rows(&questions.hosts),
        asked.rows(&questions.hours),
        asked.rows(&questions.policy),
    )?;
    let (wanting, shadow, unread) = tokio::try_join!(
        first_of(
            asked,
            "Findings to decide",
            &findings::LIST,
            &[("state", "open")],
            ROWS,
            "No finding is open."
        ),
        first_of(
            asked,
            "Shadow servers",
            &servers::LIST,
            &[("verdict", "shadow")],
            ROWS,
            "No server is used that neither passes an approved gateway nor has an exception."
        ),
        first_of(
            asked,
            "What could not be read",
            &coverage::LIST,
            &[],
            ROWS,
            "No sensor has reported anything that it could not read."
        ),
    )?;
    let body = html! {
        h1.quiet { "Overview" }
        div.tiles {
            (servers_tile(servers.first()))
            (findings_tile(findings.first()))
            (sessions_tile(sessions.first()))
            (hosts_tile(hosts.first()))
        }
        (policy_line(policy.first(), asked))
        (beginning(sessions.first(), hosts.first()))
        (section(
            html! { "Sessions begun in the last " (chart::HOURS) " hours" },
            html! { (chart::hours(&hours, asked.now)) (legend()) },
        ))
        (queries(&[
            &questions.servers,
            &questions.findings,
            &questions.sessions,
            &questions.hosts,
            &questions.hours,
            &questions.policy,
        ]))
        (wanting) (shadow) (unread)
    };
    Ok(Document {
        title: "Overview".to_owned(),
        body,
    })
}

/// A figure, what it is of, and its parts, each with its list.
fn tile(
    name: &str,
    (figure, words): (Option<u64>, &str),
    address: &str,
    tone: &str,
    under: Markup,
) -> Markup {
    html! {
        div class={ "tile " (tone) } {
            h2 { (name) }
            p.figure { a href=(address) { @match figure { Some(figure) => (cell::number(figure)), None => (cell::unknown()) } } " " span.sub { (words) } }
            (under)
        }
    }
}

/// Parts of a figure that are not 0, each with its list.
fn parts(parts: &[(&str, Option<u64>, String)]) -> Markup {
    let there: Vec<_> = parts
        .iter()
        .filter(|(_, count, _)| count.is_some_and(|count| count > 0))
        .collect();
    html! {
        ul.parts {
            @for (name, count, address) in there {
                li { a href=(address) { (cell::maybe_number(*count)) " " span class={ "tone-" (cell::tone(name)) } { (name) } } }
            }
        }
    }
}

fn by_verdict(row: Option<&Row>, path: &str) -> Markup {
    let counts: Vec<(&str, Option<u64>)> = chart::VERDICTS
        .iter()
        .map(|verdict| {
            let count = row.and_then(|row| row.number(&format!("{verdict}_count")));
            (*verdict, count)
        })
        .collect();
    let drawn: Vec<(&str, u64)> = counts
        .iter()
        .map(|(verdict, count)| (*verdict, count.unwrap_or(0)))
        .collect();
    let listed: Vec<_> = counts
        .iter()
        .map(|(verdict, count)| (*verdict, *count, link::to(path, &[("verdict", verdict)])))
        .collect();
    html! {
        (chart::shares("By verdict", &drawn))
        (parts(&listed))
    }
}

fn number(row: Option<&Row>, column: &str) -> Option<u64> {
    row.and_then(|row| row.number(column))
}

fn servers_tile(row: Option<&Row>) -> Markup {
    let total = number(row, "total");
    let words = if total == Some(1) {
        "seen in use"
    } else {
        "MCP servers in use"
    };
    let tone = if number(row, "shadow_count") > Some(0) {
        "bad"
    } else {
        "calm"
    };
    tile(
        "Servers",
        (total, words),
        "/servers",
        tone,
        by_verdict(row, "/servers"),
    )
}

fn sessions_tile(row: Option<&Row>) -> Markup {
    let under = html! {
        (by_verdict(row, "/sessions"))
        p.sub {
            a href="/sessions?state=open" { (cell::maybe_number(number(row, "open_count"))) " open now" }
            " · " a href="/calls" { (cell::maybe_number(number(row, "call_count"))) " calls" }
            " · " (cell::maybe_number(number(row, "user_count"))) " users"
        }
    };
    tile(
        "Sessions",
        (number(row, "total"), "in the inventory"),
        "/sessions",
        "calm",
        under,
    )
}

fn findings_tile(row: Option<&Row>) -> Markup {
    let listed: Vec<_> = SEVERITIES
        .iter()
        .map(|severity| {
            let address = link::to("/findings", &[("severity", severity), ("state", "open")]);
            (
                *severity,
                number(row, &format!("{severity}_count")),
                address,
            )
        })
        .collect();
    let urgent = listed.iter().take(2).any(|(_, count, _)| *count > Some(0));
    tile(
        "Findings",
        (number(row, "total"), "open"),
        "/findings",
        if urgent { "bad" } else { "calm" },
        parts(&listed),
    )
}

fn hosts_tile(row: Option<&Row>) -> Markup {
    let silent = number(row, "silent_count");
    let losing = number(row, "losing_count");
    let under = html! {
        p.sub {
            @match silent {
                Some(0) => { "all heard of in the last " (SILENT_MIN) " minutes" }
                silent => { span.tone-doubt { (cell::maybe_number(silent)) " not heard of for " (SILENT_MIN) " minutes" } }
            }
        }
        p.sub {
            @match losing {
                Some(0) => { "nothing lost" }
                losing => { span.tone-doubt { (cell::maybe_number(losing)) " lost some of what they saw" } }
            }
        }
        p.sub { "Hosts without a sensor are not seen." }
    };
    tile(
        "Hosts",
        (number(row, "total"), "with a sensor"),
        "/hosts",
        "calm",
        under,
    )
}

fn policy_line(row: Option<&Row>, asked: &Asked) -> Markup {
    html! {
        p.policy {
            @match row {
                Some(row) => {
                    "Judged by policy version " (cell::maybe_number(row.number("version"))) ", applied "
                    (cell::time(row.text("applied"), asked.now)) " by " (text_up_to(&plain(row.text("author").unwrap_or("unknown"), 80), 200)) "."
                }
                None => {
                    strong { "No policy is in force, so every session is shadow." }
                    " Say which gateway is approved: " code { "gnomon policy apply FILE" } ", with deploy/policy.example.toml to start from."
                }
            }
        }
    }
}

/// What to do while there is nothing.
fn beginning(sessions: Option<&Row>, hosts: Option<&Row>) -> Markup {
    let none = |row| number(row, "total") == Some(0);
    html! {
        @if none(sessions) {
            div.empty {
                @if none(hosts) {
                    p { strong { "No sensor has sent anything yet." } " " a href="/hosts" { "How to start one" } }
                } @else {
                    p { strong { "No MCP session was seen yet." } " Use an AI application with an MCP server on a host with a sensor: it appears here within a second." }
                }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            @for verdict in chart::VERDICTS {
                li { svg.swatch viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" { rect class={ "f-" (verdict) } width="10" height="10" {} } " " (verdict) }
            }
        }
    }
}
