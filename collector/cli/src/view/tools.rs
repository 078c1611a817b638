//! `gnomon tools`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// Versions of tool definitions.
pub(crate) const VIEW: View = View {
    name: "tools",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon tools --server npm:@scope/name
  gnomon tools --tool send_mail --format json       every version of one tool, by digest
  gnomon tools --since 24h                          reported since yesterday";

fn columns() -> Vec<Column> {
    vec![
        Column::new("server", &["server", "server_name"], Kind::Identity).min(16),
        Column::new("tool", &["tool"], Kind::Text).min(10),
        Column::new("digest", &["digest"], Kind::Id).min(8),
        Column::new("previous", &["previous"], Kind::Id).min(8),
        Column::new("hosts", &["hosts"], Kind::Text).min(6).rank(1),
        Column::new("first seen", &["first"], Kind::Time).min(10),
        Column::new("last seen", &["last_seen"], Kind::Time)
            .min(9)
            .rank(2),
    ]
}

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filters {
    /// Seen on this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Of this server, by its identity (of bin:… the start is enough) or by what it calls itself
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// Of this name
    #[arg(long, value_name = "TOOL")]
    tool: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = Pairs::default()
            .with("host", self.host.as_ref())
            .with("server", self.server.as_ref())
            .with("tool", self.tool.as_ref());
        self.range.add(pairs).all()
    }
}
