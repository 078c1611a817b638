use serde_json::{json, value::to_raw_value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::*;
use crate::{
    inventory::query::Answer,
    report::{
        answered::{Answered, SCHEMA},
        figure::{Figure, SECTIONS},
        period::{Period, text as rfc3339},
        story,
    },
};

/// Everything that could steer a page, a terminal or a reader.
const HOSTILE: &str = "</td></style><script>alert(1)</script><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}\u{200b}\"'&";

fn table(figure: &Figure) -> Table {
    let columns: Vec<(&str, &str, Value)> = match figure.shape {
        Shape::Value("%") => vec![("percent", "Nullable(Float64)", json!(12.5))],
        Shape::Value(_) if figure.id.ends_with("since") || figure.id.ends_with("list_read") => {
            vec![(
                "at",
                "DateTime64(6, 'UTC')",
                json!("2026-10-01T08:00:00.000000Z"),
            )]
        }
        Shape::Value(_) => vec![("n", "UInt64", json!(1234))],
        Shape::Days => vec![
            ("day", "Date", json!("2026-11-02")),
            ("shadow", "UInt64", json!(3)),
            ("unknown", "UInt64", json!(1)),
        ],
        Shape::Week => vec![
            ("weekday", "UInt8", json!(1)),
            ("hour", "UInt8", json!(13)),
            ("calls", "UInt64", json!(7)),
        ],
        Shape::Table => vec![
            ("server", "String", json!(HOSTILE)),
            ("party", "String", json!(HOSTILE)),
            ("host_group", "Nullable(String)", json!(HOSTILE)),
            ("verdict", "LowCardinality(String)", json!("shadow")),
            ("severity", "String", json!(HOSTILE)),
            (
                "text",
                "String",
                json!(if figure.id == "findings.list" {
                    "long ".repeat(200_000)
                } else {
                    HOSTILE.to_owned()
                }),
            ),
            ("hosts", "Array(String)", json!(["a", HOSTILE])),
            (
                "candidates",
                "Array(Tuple(sessions UInt64, user String))",
                json!([{"sessions": 3, "user": HOSTILE}]),
            ),
            ("user", "Nullable(String)", json!(null)),
            ("calls", "UInt64", json!(1_234_567)),
            ("active_days", "UInt64", json!(5)),
            ("rhythm", "String", json!("in bursts")),
            ("port", "Nullable(UInt32)", json!(8080)),
            (
                "last_seen",
                "DateTime64(6, 'UTC')",
                json!("2026-11-02T10:20:30.123456Z"),
            ),
        ],
    };
    let heads: Vec<Value> = columns
        .iter()
        .map(|(name, kind, _)| json!({"name": name, "type": kind}))
        .collect();
    let row: serde_json::Map<String, Value> = columns
        .iter()
        .map(|(name, _, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Table::read(Answer {
        columns: to_raw_value(&heads).expect("json"),
        rows: to_raw_value(&[row]).expect("json"),
        truncated: false,
        total: None,
    })
    .expect("an answer")
}

/// A report with every figure answered but one.
fn report() -> Report {
    let now = OffsetDateTime::parse("2026-11-22T12:00:00Z", &Rfc3339).expect("a time");
    let period = Period::parse(Some("30d"), None, None, now).expect("a period");
    let sections = SECTIONS.iter().map(|section| {
        let figures = section.figures.iter().map(|figure| Answered {
            figure: *figure,
            sql: figure.sql(&period),
            outcome: match figure.id {
                "usage.tools" => Err(format!("Code: 159. {HOSTILE}")),
                _ => Ok(table(figure)),
            },
        });
        AnsweredSection::new(section, figures.collect())
    });
    let mut report = Report {
        schema: SCHEMA,
        kind: "report",
        made: rfc3339(now),
        version: "0.0.0",
        from: rfc3339(period.from),
        to: rfc3339(period.to),
        period: period.length(),
        policy_version: 3,
        retention_days: 395,
        complete: false,
        moved: true,
        notes: Vec::new(),
        unseen: vec!["Inside TLS.".to_owned()],
        answers: Vec::new(),
        sections: sections.collect(),
    };
    report.notes = story::notes(&report, &period, now);
    report.answers = story::answers(&report);
    report
}

/// The first page, and a section with each kind of drawing.
#[test]
fn the_page_is_what_it_was() {
    let report = report();
    let cadence = report.sections.iter().find(|s| s.id == "third_parties");
    let shown = html! {
        (front(&report))
        @if let Some(section) = cadence { (section_of(&report, section)) }
    };
    insta::assert_snapshot!(shown.into_string().replace('>', ">\n"));
}

#[test]
fn text_of_others_stays_text() {
    let page = page(&report()).into_string();
    for markup in [
        "<script",
        "<img",
        "onerror=alert(2)>",
        "\u{1b}",
        "\u{202e}",
        "\u{200b}",
    ] {
        assert!(!page.contains(markup), "{markup:?}");
    }
    assert!(page.contains("&lt;script&gt;"));
    assert!(page.contains("\\u{202e}"));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("bytes more"));
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let page = page(&report()).into_string();
    for outside in [
        "http://",
        "https://",
        "src=",
        "url(",
        "@import",
        "<link",
        "style=\"",
        "javascript:",
    ] {
        let found = page.match_indices(outside).any(|(at, _)| {
            // The queries and the texts of hosts may say so as text.
            !page[..at].ends_with("img ") && !page[..at].ends_with("&lt;img ")
        });
        assert!(!found, "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_section_and_figure_has_its_place() {
    let report = report();
    let page = page(&report).into_string();
    for section in SECTIONS {
        assert!(
            page.contains(&format!("id=\"{}\"", section.id)),
            "{}",
            section.id
        );
        for figure in section.figures {
            assert_eq!(
                page.matches(&format!("id=\"{}\"", figure.id)).count(),
                1,
                "{}",
                figure.id
            );
        }
    }
    for clause in &report.answers {
        let at = anchor(clause.figures).expect("a figure");
        assert!(page.contains(&format!("id=\"{at}\"")), "{at}");
        for id in clause.figures {
            assert!(report.figure(id).is_some(), "{id}");
        }
    }
}

#[test]
fn the_shown_policy_is_one() {
    let (_, warnings) = crate::policy::parse(RECORD, "policy.toml").expect("a policy");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn notes_say_what_the_figures_lack() {
    let now = OffsetDateTime::parse("2026-11-22T12:00:00Z", &Rfc3339).expect("a time");
    let period =
        Period::parse(Some("90d"), None, Some("2026-11-20T00:00:00Z"), now).expect("a period");
    let mut report = report();
    report.retention_days = 30;
    report.policy_version = 0;
    let notes = story::notes(&report, &period, now).join("\n");
    for said in [
        "1 figure could not be answered",
        "came in while the report was made",
        "kept 30 days: of the time before 2026-10-23",
        "of 2026-10-01T08:00:00Z: before it",
        "No policy was in force",
        "The period is over.",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    report.retention_days = 395;
    report.moved = false;
    report.policy_version = 2;
    let period = Period::parse(Some("7d"), None, None, now).expect("a period");
    assert_eq!(story::notes(&report, &period, now).len(), 1);
}

#[test]
fn json_has_the_contract() {
    let report = report();
    let value: Value =
        serde_json::from_str(&serde_json::to_string(&report).expect("json")).expect("json");
    assert_eq!(
        (&value["schema"], &value["kind"], &value["complete"]),
        (&json!(1), &json!("report"), &json!(false))
    );
    assert_eq!(value["answers"].as_array().map(Vec::len), Some(10));
    for section in value["sections"].as_array().expect("sections") {
        for figure in section["figures"].as_array().expect("figures") {
            for key in ["id", "title", "note", "sql", "error"] {
                assert!(figure.get(key).is_some(), "{key}: {figure}");
            }
            let is_value = figure.get("value").is_some();
            assert_ne!(is_value, figure.get("rows").is_some(), "{figure}");
            let fine = figure["error"].is_null();
            assert_eq!(fine, figure["id"] != "usage.tools");
        }
    }
}
