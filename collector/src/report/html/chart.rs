//! Drawings: bars by day, and a map of the week. Inline SVG without styles of its own.

use maud::{Markup, html};
use serde_json::Value;
use time::{Date, format_description::well_known::Iso8601};

use super::super::{answered::Table, story::thousands};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;
/// Room for the numbers beside the bars.
const LEFT: f64 = 44.0;
/// Room for the days below them.
const BELOW: f64 = 18.0;
/// Days that are drawn: the longest period, and a day cut at each end.
const DAYS_MAX: usize = 402;
const WEEK: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Shades of the map.
const SHADES: f64 = 5.0;

/// Bars by day from `from` to `to` (RFC 3339); each column but `day` is a part of its bar.
pub(super) fn days(table: &Table, from: &str, to: &str) -> Markup {
    let (Some(first), Some(last), Some(at)) = (date(from), date(to), table.column("day")) else {
        return html! {};
    };
    let parts: Vec<(usize, &str)> = (table.heads.iter().enumerate())
        .filter(|(place, _)| *place != at)
        .map(|(place, head)| (place, head.name.as_str()))
        .collect();
    let all: Vec<Date> = std::iter::successors(Some(first), |day| day.next_day())
        .take_while(|day| *day <= last)
        .take(DAYS_MAX)
        .collect();
    let row_of = |day: Date| {
        table
            .cells
            .iter()
            .find(|row| row.get(at).and_then(Value::as_str).and_then(date) == Some(day))
    };
    let counts: Vec<Vec<u64>> = (all.iter())
        .map(|day| {
            let row = row_of(*day);
            let count = |place: usize| row.and_then(|row| row.get(place)?.as_u64()).unwrap_or(0);
            parts.iter().map(|(place, _)| count(*place)).collect()
        })
        .collect();
    let most = counts
        .iter()
        .map(|parts| parts.iter().sum::<u64>())
        .max()
        .unwrap_or(0)
        .max(1);
    let step = (WIDTH - LEFT) / float(all.len() as u64).max(1.0);
    let scale = (HEIGHT - BELOW - 8.0) / float(most);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ "Bars from " (first) " to " (last) ", at most " (most) } {
            line.axis x1=(LEFT) y1=(HEIGHT - BELOW) x2=(WIDTH) y2=(HEIGHT - BELOW) {}
            text.left x=(LEFT - 4.0) y="14" { (thousands(most)) }
            text.left x=(LEFT - 4.0) y=(HEIGHT - BELOW) { "0" }
            text x=(LEFT) y=(HEIGHT - 4.0) { (first) }
            text.right x=(WIDTH) y=(HEIGHT - 4.0) { (last) }
            @for (place, (day, counts)) in all.iter().zip(&counts).enumerate() {
                (bar(LEFT + step * float(place as u64), step, scale, &parts, counts, *day))
            }
        }
        @if parts.len() > 1 {
            p.legend { @for (_, name) in &parts { span class={ "key " (name) } {} (name) " " } }
        }
    }
}

fn bar(
    x: f64,
    step: f64,
    scale: f64,
    parts: &[(usize, &str)],
    counts: &[u64],
    day: Date,
) -> Markup {
    let mut y = HEIGHT - BELOW;
    let mut pieces = Vec::new();
    for ((_, name), count) in parts.iter().zip(counts).filter(|(_, count)| **count > 0) {
        // What is there is seen, however little it is.
        let height = (float(*count) * scale).max(0.8);
        y -= height;
        pieces.push((*name, *count, y, height));
    }
    html! {
        g {
            title { (day) ": " @for (at, (name, count, ..)) in pieces.iter().enumerate() { @if at > 0 { ", " } (thousands(*count)) " " (name) } }
            @for (name, _, y, height) in &pieces {
                rect class=(name) x=(round(x)) y=(round(*y)) width=(round((step - 1.0).max(step * 0.7))) height=(round(*height)) {}
            }
        }
    }
}

/// Seven rows of 24 hours, the darker the more.
pub(super) fn week(table: &Table) -> Markup {
    let columns = (
        table.column("weekday"),
        table.column("hour"),
        table.heads.len().checked_sub(1),
    );
    let (Some(weekday), Some(hour), Some(count)) = columns else {
        return html! {};
    };
    let mut counts = [[0_u64; 24]; 7];
    for row in &table.cells {
        let number = |place: usize| row.get(place).and_then(Value::as_u64);
        let day = number(weekday).and_then(|d| usize::try_from(d).ok()?.checked_sub(1));
        let (Some(day), Some(hour), Some(n)) = (
            day,
            number(hour).and_then(|h| usize::try_from(h).ok()),
            number(count),
        ) else {
            continue;
        };
        if let Some(cell) = counts.get_mut(day).and_then(|day| day.get_mut(hour)) {
            *cell = n;
        }
    }
    let most = counts.iter().flatten().copied().max().unwrap_or(0).max(1);
    let (wide, high) = ((WIDTH - LEFT) / 24.0, 16.0);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (high * 7.0 + BELOW) } role="img" aria-label={ "Calls by weekday and hour, at most " (most) } {
            @for (day, hours) in counts.iter().enumerate() {
                text.left x=(LEFT - 4.0) y=(float(day as u64) * high + 12.0) { (WEEK[day]) }
                @for (hour, n) in hours.iter().enumerate() {
                    rect class={ "heat h" (shade(*n, most)) } x=(round(LEFT + float(hour as u64) * wide)) y=(float(day as u64) * high)
                        width=(round(wide - 1.5)) height=(high - 1.5) {
                        title { (WEEK[day]) " " (hour) " h: " (thousands(*n)) }
                    }
                }
            }
            @for hour in [0_u64, 6, 12, 18] {
                text x=(round(LEFT + float(hour) * wide)) y=(high * 7.0 + 13.0) { (hour) " h" }
            }
        }
    }
}

/// 0 for nothing, else 1 to 5 by the root of the share of the most: single calls beside thousands stay visible.
fn shade(n: u64, most: u64) -> u8 {
    if n == 0 {
        return 0;
    }
    let share = (float(n) / float(most)).sqrt();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 5"
    )]
    let shade = (share * SHADES).ceil().clamp(1.0, SHADES) as u8;
    shade
}

#[allow(clippy::cast_precision_loss, reason = "drawn, not counted")]
fn float(n: u64) -> f64 {
    n as f64
}

fn round(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

fn date(text: &str) -> Option<Date> {
    Date::parse(text.get(..10)?, &Iso8601::DATE).ok()
}
