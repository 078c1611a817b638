//! What the table of each section shows. The names are the API's; one that is not known here, of a newer
//! collector, shows all of its columns.

use crate::view::{self, Column, Kind, View};

/// A section with a single row is written as lines of names and values.
pub(super) const RECORDS: [&str; 2] = ["server", "finding"];

/// The table of a section.
pub(super) fn view(section: &str) -> View {
    let columns: fn() -> Vec<Column> = match section {
        "findings" => view::findings::VIEW.columns,
        "sessions" => view::sessions::VIEW.columns,
        "listeners" => view::listeners::VIEW.columns,
        "sensors" => view::sensors::VIEW.columns,
        "verdicts" => verdicts,
        "verdict_history" => verdict_history,
        "instances" => instances,
        "clients" => clients,
        "calls" => calls,
        "tools" => tools,
        "history" => history,
        _ => Vec::new,
    };
    View {
        name: "show",
        columns,
    }
}

fn verdicts() -> Vec<Column> {
    vec![
        Column::new("verdict", &["verdict"], Kind::Word).min(10),
        Column::new("route", &["route"], Kind::Text).min(7),
        Column::new("gateway", &["gateway"], Kind::Text)
            .min(7)
            .rank(1),
        Column::new("why", &["reasons"], Kind::Reasons).min(20),
        Column::new("sessions", &["sessions"], Kind::Number).min(8),
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
    ]
}

fn verdict_history() -> Vec<Column> {
    vec![
        Column::new("decided", &["decided"], Kind::Time).min(8),
        Column::new("verdict", &["verdict"], Kind::Word).min(10),
        Column::new("route", &["route"], Kind::Text).min(7),
        Column::new("policy", &["policy_version"], Kind::Number).min(6),
        Column::new("why", &["reasons"], Kind::Reason).min(12),
        Column::new("host", &["host"], Kind::Identity)
            .min(6)
            .rank(1),
        Column::new("session", &["session"], Kind::Start)
            .min(8)
            .rank(2),
    ]
}

fn instances() -> Vec<Column> {
    vec![
        Column::new("host", &["host"], Kind::Identity).min(6),
        Column::new("pid", &["pid"], Kind::Number).min(5),
        Column::new("user", &["user"], Kind::Text).min(4),
        Column::new("command", &["argv", "exe"], Kind::Command).min(16),
        Column::new("container", &["container"], Kind::Start)
            .min(8)
            .rank(2),
        Column::new("version", &["version"], Kind::Text)
            .min(7)
            .rank(1),
        Column::new("sessions", &["sessions"], Kind::Number).min(8),
        Column::new("open", &["open"], Kind::Number).min(4).rank(3),
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
    ]
}

fn clients() -> Vec<Column> {
    vec![
        Column::new("host", &["host"], Kind::Identity).min(6),
        Column::new("client", &["application", "name", "exe"], Kind::File).min(12),
        Column::new("version", &["version"], Kind::Text)
            .min(7)
            .rank(1),
        Column::new("user", &["user"], Kind::Text).min(4),
        Column::new("sessions", &["sessions"], Kind::Number).min(8),
        Column::new("calls", &["calls"], Kind::Number).min(5),
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
    ]
}

fn calls() -> Vec<Column> {
    vec![
        Column::new("method", &["method"], Kind::Text).min(10),
        Column::new("name", &["name"], Kind::Text).min(8),
        Column::new("calls", &["calls"], Kind::Number).min(5),
        Column::new("errors", &["errors"], Kind::Number).min(6),
        Column::new("rate", &["error_rate"], Kind::Number).min(4),
        Column::new("median", &["median_us"], Kind::Duration)
            .min(8)
            .rank(1),
        Column::new("p95", &["p95_us"], Kind::Duration)
            .min(8)
            .rank(2),
        Column::new("last", &["last_call"], Kind::Time).min(8),
    ]
}

fn tools() -> Vec<Column> {
    vec![
        Column::new("tool", &["tool"], Kind::Text).min(12),
        Column::new("digest", &["digest"], Kind::Start).min(12),
        Column::new("before", &["previous"], Kind::Start)
            .min(12)
            .rank(2),
        Column::new("first", &["first"], Kind::Time).min(8),
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
        Column::new("hosts", &["hosts"], Kind::Text).min(6).rank(1),
    ]
}

fn history() -> Vec<Column> {
    vec![
        Column::new("time", &["time"], Kind::Text).min(27),
        Column::new("event", &["event"], Kind::Word).min(8),
        Column::new("severity", &["severity"], Kind::Word).min(8),
        Column::new("reason", &["reason"], Kind::Text).min(10),
        Column::new("tags", &["tags"], Kind::Text).min(10),
        Column::new("sessions", &["sessions"], Kind::Number)
            .min(8)
            .rank(1),
    ]
}
