//! Small drawings: shares of a whole, and counts by the hour. The figures stand beside them as text.

use maud::{Markup, html};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::row::Row;

/// Verdicts, the worst first: the order of every drawing.
pub(super) const VERDICTS: [&str; 4] = ["shadow", "unknown", "sanctioned", "approved"];
/// Hours drawn.
pub(super) const HOURS: usize = 24;
const HEIGHT: u64 = 64;
const STEP: usize = 20;

/// A bar of shares.
pub(super) fn shares(label: &str, parts: &[(&str, u64)]) -> Markup {
    let total: u64 = parts.iter().map(|(_, count)| count).sum();
    let mut at = 0.0;
    let bars: Vec<(&str, u64, f64, f64)> = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| {
            #[allow(clippy::cast_precision_loss, reason = "a drawing")]
            let width = *count as f64 / total as f64 * 100.0;
            let from = at;
            at += width;
            (*name, *count, from, width)
        })
        .collect();
    html! {
        svg.shares viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.f-none x="0" y="0" width="100" height="4" {}
            @for (name, count, from, width) in bars {
                rect class={ "f-" (name) } x=(format!("{from:.3}")) y="0" width=(format!("{width:.3}")) height="4" {
                    title { (name) ": " (count) }
                }
            }
        }
    }
}

/// Sessions begun in each of the last hours, by verdict. `rows`: hour, verdict, sessions.
pub(super) fn hours(rows: &[Row], now: OffsetDateTime) -> Markup {
    let this_hour = now.unix_timestamp().div_euclid(3600);
    let mut counts = vec![[0_u64; VERDICTS.len()]; HOURS];
    for row in rows {
        let Some(at) = row.text("hour").and_then(|hour| slot(hour, this_hour)) else {
            continue;
        };
        let verdict = VERDICTS.iter().position(|v| row.text("verdict") == Some(v));
        if let Some(verdict) = verdict {
            counts[at][verdict] += row.number("sessions").unwrap_or(0);
        }
    }
    let most = counts
        .iter()
        .map(|hour| hour.iter().sum())
        .max()
        .unwrap_or(0);
    let width = HOURS * STEP;
    html! {
        figure.hours {
            svg viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label={ "Sessions begun in each of the last " (HOURS) " hours, at most " (most) " in one hour" } {
                @for (at, hour) in counts.iter().enumerate() {
                    g {
                        title { (name_of(this_hour, at)) ": " (hour.iter().sum::<u64>()) " sessions" @for (name, n) in VERDICTS.iter().zip(hour) { @if *n > 0 { ", " (n) " " (name) } } }
                        rect.f-none x=(at * STEP) y="0" width=(STEP - 4) height=(HEIGHT) {}
                        @for (name, y, height) in stack(hour, most) {
                            rect class={ "f-" (name) } x=(at * STEP) y=(y) width=(STEP - 4) height=(height) {}
                        }
                    }
                }
            }
            figcaption {
                span { (name_of(this_hour, 0)) }
                span { "at most " (most) " in an hour" }
                span { "now" }
            }
        }
    }
}

/// Which bar an hour is.
fn slot(hour: &str, this_hour: i64) -> Option<usize> {
    let at = OffsetDateTime::parse(hour, &Rfc3339).ok()?;
    let back = this_hour - at.unix_timestamp().div_euclid(3600);
    let back = usize::try_from(back).ok()?;
    (HOURS - 1).checked_sub(back)
}

fn name_of(this_hour: i64, at: usize) -> String {
    let back = i64::try_from(HOURS - 1 - at).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp((this_hour - back) * 3600);
    time.ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Name, top and height of each part of a bar; what is there is at least a hair high.
fn stack(hour: &[u64; VERDICTS.len()], most: u64) -> Vec<(&'static str, u64, u64)> {
    let mut top = HEIGHT;
    let mut parts = Vec::new();
    for (name, count) in VERDICTS.iter().zip(hour) {
        if *count > 0 && most > 0 {
            let height = (count.saturating_mul(HEIGHT) / most)
                .clamp(2, HEIGHT)
                .min(top);
            top -= height;
            parts.push((*name, top, height));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hours_fall_into_their_bars() {
        let now = OffsetDateTime::from_unix_timestamp(100 * 3600 + 5).expect("a time");
        assert_eq!(slot("1970-01-05T04:00:00Z", 100), Some(HOURS - 1));
        assert_eq!(slot("1970-01-04T05:00:00Z", 100), Some(0));
        assert_eq!(slot("1970-01-04T04:00:00Z", 100), None);
        assert_eq!(slot("1970-01-05T05:00:00Z", 100), None);
        let rows = [
            Row::of(json!({"hour": "1970-01-05T04:00:00Z", "verdict": "shadow", "sessions": 3})),
            Row::of(json!({"hour": "1970-01-05T04:00:00Z", "verdict": "approved", "sessions": 1})),
        ];
        let drawn = hours(&rows, now).into_string();
        assert!(
            drawn.contains("4 sessions, 3 shadow, 1 approved"),
            "{drawn}"
        );
        assert!(drawn.contains("at most 4 in one hour"), "{drawn}");
    }

    #[test]
    fn a_bar_never_leaves_its_frame() {
        for hour in [[1, 1_000_000, 1, 1], [u64::MAX / 4; 4], [0, 0, 0, 1]] {
            let most = hour.iter().sum();
            for (_, top, height) in stack(&hour, most) {
                assert!(top + height <= HEIGHT, "{hour:?}");
            }
        }
    }
}
