//! `gnomon calls`.

use clap::Args;

use super::{Column, Kind, OfSession, Range, View};

/// Requests made in sessions.
pub(crate) const VIEW: View = View {
    name: "calls",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon calls --session ID
  gnomon calls --status error --since 1h
  gnomon calls --method tools/call --name read_file --format json";

fn columns() -> Vec<Column> {
    vec![
        Column::new("time", &["time"], Kind::Time).min(8),
        Column::new("host", &["host"], Kind::Identity)
            .min(6)
            .rank(1),
        Column::new("session", &["session"], Kind::Id)
            .min(8)
            .rank(2),
        Column::new("method", &["method"], Kind::Text).min(10),
        Column::new("name", &["name"], Kind::Identity).min(10),
        Column::new("status", &["status"], Kind::Word).min(10),
        Column::new("took", &["duration_us"], Kind::Duration).min(8),
        Column::new("asked", &["request_bytes"], Kind::Number)
            .min(5)
            .rank(3),
        Column::new("answered", &["response_bytes"], Kind::Number)
            .min(8)
            .rank(3),
        Column::new("error", &["error_text"], Kind::Text)
            .min(10)
            .rank(4),
    ]
}

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filters {
    #[command(flatten)]
    session: OfSession,
    /// Of this method, such as tools/call
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Of this tool or prompt
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Ended so
    #[arg(long, value_name = "STATUS", ignore_case = true,
        value_parser = ["ok", "error", "tool_error", "cancelled", "unanswered"])]
    status: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = (self.session.pairs())
            .with("method", self.method.as_ref())
            .with("name", self.name.as_ref())
            .with("status", self.status.as_ref());
        self.range.add(pairs).all()
    }
}
