//! Hosts with a sensor.

use maud::{Markup, html};

use super::{
    Page, cell,
    list::{Filter, List},
    row::Row,
    table::{Column, column, figure, wide},
};
use crate::html::text_up_to;

pub(super) const PAGE: Page = Page {
    path: "/hosts",
    name: Some("Hosts"),
    under: "/hosts",
    answer: |asked| LIST.answer(asked),
};

pub(super) static LIST: List = List {
    view: "sensors",
    path: "/hosts",
    title: "Hosts",
    about: "Hosts with a sensor, and how their sensors do. A host that is not here is not seen.",
    select: &[
        "host",
        "host_name",
        "sensor_version",
        "kernel_release",
        "operating_system",
        "first_seen",
        "last_seen",
        "observations",
        "tier",
        "messages",
        "lost",
        "cpu_ms",
        "rss_bytes",
    ],
    columns: COLUMNS,
    filters: &[Filter::HOST],
    default: None,
    empty,
};

const COLUMNS: &[Column] = &[
    wide("Host", |row, _| {
        html! {
            (cell::host(row.text("host")))
            @if let Some(name) = row.text("host_name").filter(|name| Some(*name) != row.text("host")) {
                " " span.sub { "calls itself " (text_up_to(name, 60)) }
            }
        }
    }),
    column("Last sign of life", |row, now| {
        cell::time(row.text("last_seen"), now)
    }),
    column("System", |row, _| {
        html! {
            (cell::maybe(row.text("operating_system")))
            " " span.sub { "kernel " (cell::maybe(row.text("kernel_release"))) }
        }
    }),
    column("Sensor", |row, _| cell::maybe(row.text("sensor_version"))),
    column("Hooks", |row, _| tiers(row)),
    figure("Observed", |row, _| {
        cell::maybe_number(row.number("observations"))
    }),
    figure("Messages", |row, _| {
        cell::maybe_number(row.number("messages"))
    }),
    column("Lost", |row, _| lost(row)),
    figure("Memory", |row, _| cell::bytes(row.number("rss_bytes"))),
];

/// How many hooks work at which tier.
pub(super) fn tiers(row: &Row) -> Markup {
    let hooks = row.pairs("tier");
    if hooks.is_empty() {
        return cell::unknown();
    }
    let mut tiers: Vec<(&str, usize)> = Vec::new();
    for (_, tier) in &hooks {
        let tier = tier.as_str().unwrap_or_default();
        match tiers.iter_mut().find(|(known, _)| *known == tier) {
            Some((_, count)) => *count += 1,
            None => tiers.push((tier, 1)),
        }
    }
    tiers.sort_unstable();
    html! {
        @for (at, (tier, count)) in tiers.iter().enumerate() {
            @if at > 0 { ", " }
            (count) " at tier " (text_up_to(tier, 20))
        }
    }
}

/// What was lost in all; reasons are on the host's page. A sensor that told nothing yet lost an unknown number.
fn lost(row: &Row) -> Markup {
    if row.number("messages").is_none() {
        return cell::unknown();
    }
    let reasons: Vec<(&str, u64)> = row
        .pairs("lost")
        .iter()
        .map(|(name, count)| (*name, count.as_u64().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let most = reasons.iter().max_by_key(|(_, count)| *count);
    html! {
        @match most {
            None => (cell::none()),
            Some((reason, count)) => {
                (cell::number(*count)) " " (text_up_to(reason, 40))
                @if reasons.len() > 1 { " " span.sub { "and " (reasons.len() - 1) " other reasons" } }
            }
        }
    }
}

fn empty() -> Markup {
    html! {
        p { strong { "No sensor has sent anything yet." } }
        p { "On this machine " code { "make run" } " starts one. Elsewhere: certify a host with "
            code { "gnomon-collector certify --host NAME --out FOLDER" } ", then run " code { "gnomon-sensor run" }
            " there with what it wrote." }
    }
}
