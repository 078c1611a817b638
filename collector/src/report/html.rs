//! The report as one self-contained page: no script, nothing loaded, laid out for a screen, a phone and A4.
//!
//! Everything that comes from hosts passes [`crate::html`]; the drawings are made here. The page's own policy allows
//! its one style by digest and nothing else, so that it is as safe as a file as it is from the collector.

mod cell;
mod chart;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    answered::{Answered, AnsweredSection, Report, Table},
    figure::Shape,
};
use crate::html::text;

const STYLE: &str = include_str!("html/style.css");
/// Rows of a table that are drawn; JSON and the query have them all.
const ROWS_DRAWN: usize = 40;

/// The whole page.
#[must_use]
pub fn page(report: &Report) -> Markup {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light";
                title { "MCP discovery report, " (day(&report.from)) " to " (day(&report.to)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (front(report))
                main {
                    @for section in &report.sections { (section_of(report, section)) }
                }
                footer {
                    p { "Made by gnomon-collector " (report.version) " at " (cell::time(&report.made)) " UTC. "
                        "Facts of the period that arrive later, a new policy and another asset list can still move its figures. Every figure has its query: paste it into " code { "gnomon sql" } ". All times are UTC. "
                        "Text of others is shown as it is; what is invisible in it is written out as " code { "\\u{…}" } "." }
                }
            }
        }
    }
}

/// The first page: the answer in ten lines, and what to know before it is used.
fn front(report: &Report) -> Markup {
    html! {
        header {
            p.kind { "MCP discovery report" }
            h1 { (report.period) " to " (day(&report.to)) }
            p.meta {
                (cell::time(&report.from)) " to " (cell::time(&report.to)) " UTC"
                " · policy " @if report.policy_version == 0 { "none" } @else { "version " (report.policy_version) }
            }
        }
        div.tiles {
            (tile(report, "totals.servers", "MCP servers", "totals"))
            (tile(report, "shadow.server_share", "of them with shadow sessions", "shadow"))
            (tile(report, "decide.open", "want a decision", "decide"))
            (tile(report, "exposure.beyond_host", "exposed beyond their host", "exposure"))
            (tile(report, "findings.open", "findings open", "findings"))
            (tile(report, "hosts.covered_share", "of listed hosts have a sensor", "hosts"))
        }
        @if !report.notes.is_empty() {
            ul.notes { @for note in &report.notes { li { (text(note)) } } }
        }
        section.answers {
            h2 { "The answer" }
            ol {
                @for clause in &report.answers {
                    li {
                        p.claim { (clause.claim) }
                        p { (crate::html::text_up_to(&clause.answer, 900)) }
                        p.decision { (clause.decision) " " @if let Some(at) = anchor(clause.figures) { a href={ "#" (at) } { "Figures" } } }
                    }
                }
            }
        }
        nav {
            @for section in &report.sections { a href={ "#" (section.id) } { (section.title) } " " }
        }
    }
}

/// The section that most of a clause is about: that of its first figure.
fn anchor<'a>(figures: &[&'a str]) -> Option<&'a str> {
    figures.first()?.split('.').next()
}

fn tile(report: &Report, id: &str, title: &str, at: &str) -> Markup {
    let Some(answered) = report.figure(id) else {
        return html! {};
    };
    html! {
        a.tile href={ "#" (at) } {
            b { (value(answered)) }
            span { (title) }
        }
    }
}

fn section_of(report: &Report, section: &AnsweredSection) -> Markup {
    let single = |f: &&Answered| matches!(f.figure.shape, Shape::Value(_));
    let values: Vec<&Answered> = section.figures.iter().filter(single).collect();
    let drawn: Vec<&Answered> = section.figures.iter().filter(|f| !single(f)).collect();
    html! {
        section id=(section.id) {
            h2 { (section.title) }
            p.about { (section.text) }
            @if section.id == "blind" && !report.unseen.is_empty() {
                h3 { "What this version cannot see anywhere" }
                ul { @for point in &report.unseen { li { (point) } } }
            }
            @if !values.is_empty() {
                div.values {
                    @for answered in values {
                        div.value id=(answered.figure.id) {
                            b { (value(answered)) }
                            span { (answered.figure.title) }
                            @if !answered.figure.note.is_empty() { small { (answered.figure.note) } }
                            (query(answered))
                        }
                    }
                }
            }
            @for answered in drawn { (figure(report, answered)) }
            @if section.id == "decide" { (record()) }
        }
    }
}

/// What decisions look like in a policy.
const RECORD: &str = "\
# An exception that ends
[[sanction]]
servers = [\"npm:@scope/name\"]
hosts = [\"web-*\"]
reason = \"why it may be used without the gateway\"
author = \"who answers for it\"
until = 2099-03-31

# A gateway: what passes it is approved
[[gateway]]
name = \"corp\"
names = [\"mcp.corp.example\"]
addresses = [\"10.0.0.5:443\"]
";

/// How a decision gets on record.
fn record() -> Markup {
    html! {
        div.figure {
            h3 { "To put a decision on record" }
            p.note { "Add it to the policy (gnomon policy show > policy.toml), then gnomon policy apply policy.toml. docs/policy.md has every key." }
            pre { code { (RECORD) } }
        }
    }
}

fn value(answered: &Answered) -> Markup {
    let Shape::Value(unit) = answered.figure.shape else {
        return html! {};
    };
    let (Ok(table), value) = (&answered.outcome, answered.value()) else {
        return html! { span.unknown { "not answered" } };
    };
    let kind = table.heads.first().map_or("", |head| &head.kind);
    html! {
        @match value {
            // A share of nothing, or a time that never was.
            Value::Null => span.unknown { "–" },
            _ => { (cell::value(value, kind)) @if !unit.is_empty() { " " (unit) } },
        }
    }
}

fn figure(report: &Report, answered: &Answered) -> Markup {
    html! {
        div.figure id=(answered.figure.id) {
            h3 { (answered.figure.title) }
            @if !answered.figure.note.is_empty() { p.note { (answered.figure.note) } }
            @match &answered.outcome {
                Err(why) => p.trouble { "Not answered: " (text(why)) },
                Ok(table) if table.cells.is_empty() => p.none { "None." },
                Ok(table) => @match answered.figure.shape {
                    Shape::Days => (chart::days(table, &report.from, &report.to)),
                    Shape::Week => (chart::week(table)),
                    _ => (rows(table)),
                },
            }
            (query(answered))
        }
    }
}

fn rows(table: &Table) -> Markup {
    let left = table.cells.len().saturating_sub(ROWS_DRAWN);
    html! {
        table {
            thead { tr { @for head in &table.heads { th.num[cell::is_number(&head.kind)] { (label(&head.name)) } } } }
            tbody {
                @for row in table.cells.iter().take(ROWS_DRAWN) {
                    tr {
                        @for (head, value) in table.heads.iter().zip(row) {
                            td.num[cell::is_number(&head.kind)] data-label=(label(&head.name)) { (cell::cell(value, head)) }
                        }
                    }
                }
            }
        }
        @if left > 0 {
            p.more { "… " (left) @if table.cut() { " or more" } " further rows: the query has them." }
        }
    }
}

/// A column's name, for people.
fn label(name: &str) -> String {
    name.replace("_percent", " %")
        .replace("_ms", ", ms")
        .replace("_gap_s", " gap, s")
        .replace('_', " ")
}

fn query(answered: &Answered) -> Markup {
    html! {
        details {
            summary { "Query " code { (answered.figure.id) } }
            pre { code { (answered.sql) } }
        }
    }
}

/// The day of a time in RFC 3339.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

#[cfg(test)]
mod tests;
