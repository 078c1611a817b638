//! One host: its sensor, what that cannot see, and what runs there.

use maud::{Markup, html};

use super::{
    Answering, Asked, Document, Fault, Page, cell, coverage, findings, link, listeners, needed,
    queries::queries,
    row::Row,
    section::{first_of, section},
    servers, sessions,
    table::facts,
};
use crate::{
    html::{plain, text_up_to},
    inventory::question::Question,
};

pub(super) const PAGE: Page = Page {
    path: "/host",
    name: None,
    under: "/hosts",
    answer: |asked| -> Answering { Box::pin(async move { document(&asked).await }) },
};

async fn document(asked: &Asked) -> Result<Document, Fault> {
    let [name] = asked.named(["name"])?;
    let name = needed(name, "name")?;
    let question = Question::new("SELECT * FROM sensors WHERE host = {host:String} LIMIT 1")
        .with("host", name);
    let rows = asked.rows(&question).await?;
    let Some(row) = rows.first() else {
        return Err(Fault::Missing {
            what: "no sensor of a host of this name has sent anything".to_owned(),
            advice: "see the list of hosts".to_owned(),
        });
    };
    let here = [("host", name)];
    let seen_on = [("host", name), ("mcp", "seen")];
    let open = [("host", name), ("state", "open")];
    let gaps = [("host", name), ("state", "gap")];
    let (found, used, seen, listening, unread) = tokio::try_join!(
        first_of(asked, "Open findings", &findings::LIST, &open, 10, "None."),
        first_of(
            asked,
            "Servers",
            &servers::LIST,
            &here,
            10,
            "None was seen in use on this host."
        ),
        first_of(
            asked,
            "Sessions",
            &sessions::LIST,
            &here,
            10,
            "None was seen on this host."
        ),
        first_of(
            asked,
            "Listeners on which MCP was seen",
            &listeners::LIST,
            &seen_on,
            10,
            "None."
        ),
        first_of(
            asked,
            "What could not be read",
            &coverage::LIST,
            &gaps,
            10,
            "Nothing was reported."
        ),
    )?;
    let body = html! {
        header.head {
            p.crumb { a href="/hosts" { "Hosts" } }
            h1 { (text_up_to(name, 300)) }
            p.about { "Last sign of life " (cell::time(row.text("last_seen"), asked.now)) }
        }
        (known(row, asked))
        div.ends {
            (section(html! { "Hooks" }, hooks(row)))
            (section(html! { "Lost" }, lost(row)))
        }
        (queries(&[&question]))
        (found) (used) (seen) (listening)
        p.note { a href=(link::to("/listeners", &here)) { "Everything that listens here" } }
        (unread)
    };
    Ok(Document {
        title: format!("Host {}", plain(name, 80)),
        body,
    })
}

fn known(row: &Row, asked: &Asked) -> Markup {
    let word = |column: &str| cell::maybe(row.text(column));
    facts(&[
        ("Calls itself", word("host_name")),
        ("Sensor", word("sensor_version")),
        ("System", word("operating_system")),
        ("Kernel", word("kernel_release")),
        ("Processor", word("machine")),
        ("First seen", cell::time(row.text("first_seen"), asked.now)),
        ("Batches", cell::maybe_number(row.number("batches"))),
        (
            "Observations",
            cell::maybe_number(row.number("observations")),
        ),
        ("MCP messages", cell::maybe_number(row.number("messages"))),
        ("Bytes looked at", cell::bytes(row.number("bytes"))),
        ("Memory", cell::bytes(row.number("rss_bytes"))),
        ("BPF maps", cell::bytes(row.number("map_bytes"))),
        ("Ring buffer", cell::bytes(row.number("ring_bytes"))),
        (
            "CPU time",
            cell::duration(row.number("cpu_ms").map(|ms| ms.saturating_mul(1000))),
        ),
    ])
}

/// Each hook and its tier.
fn hooks(row: &Row) -> Markup {
    let hooks = row.pairs("tier");
    html! {
        @if hooks.is_empty() { p.empty { "The sensor has not told yet; it does so once a minute." } }
        ul.pairs {
            @for (hook, tier) in hooks {
                li { span.id { (text_up_to(hook, 80)) } span { (standing(tier.as_str().unwrap_or("unknown"))) } }
            }
        }
    }
}

/// A tier, or why there is none.
fn standing(tier: &str) -> Markup {
    html! {
        @if tier.starts_with("off") { (text_up_to(tier, 300)) } @else { "tier " (text_up_to(tier, 20)) }
    }
}

/// What was lost, by reason, as last told. docs/losses.md says what each means.
fn lost(row: &Row) -> Markup {
    let lost: Vec<(&str, u64)> = row
        .pairs("lost")
        .iter()
        .map(|(reason, count)| (*reason, count.as_u64().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect();
    html! {
        @if row.number("messages").is_none() {
            p.empty { "The sensor has not told yet; it does so once a minute." }
        } @else if lost.is_empty() {
            p.empty { "Nothing, since the sensor was started." }
        } @else {
            ul.pairs {
                @for (reason, count) in &lost {
                    li { span.id { (text_up_to(reason, 80)) } span { (cell::number(*count)) } }
                }
            }
            p.note { "Since the sensor was started. docs/losses.md says what each reason means for the inventory." }
        }
    }
}
