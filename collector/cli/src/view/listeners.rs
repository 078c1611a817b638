//! `gnomon listeners`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// Listening sockets, as last reported.
pub(crate) const VIEW: View = View {
    name: "listeners",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon listeners --mcp seen
  gnomon listeners --host laptop-17";

fn columns() -> Vec<Column> {
    vec![
        Column::new("host", &["host"], Kind::Identity).min(6),
        Column::new("address", &["address"], Kind::Identity).min(9),
        Column::new("port", &["port"], Kind::Number).min(5),
        Column::new("path", &["path"], Kind::Identity)
            .min(6)
            .rank(1),
        Column::new("program", &["exe"], Kind::File).min(8),
        Column::new("pid", &["pid"], Kind::Number).min(5).rank(2),
        Column::new("user", &["user"], Kind::Text).min(4).rank(1),
        Column::new("mcp", &["mcp"], Kind::Text).min(7),
        Column::new("reach", &["exposure"], Kind::Text).min(8),
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
    ]
}

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filters {
    /// Seen on this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Of a process of this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// seen, probed or unknown
    #[arg(long, value_name = "MCP")]
    mcp: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = Pairs::default()
            .with("host", self.host.as_ref())
            .with("user", self.user.as_ref())
            .with("mcp", self.mcp.as_ref());
        self.range.add(pairs).all()
    }
}
