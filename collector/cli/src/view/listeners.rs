//! `gnomon listeners`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// What listens on the hosts, as last reported.
pub(crate) const VIEW: View = View {
    name: "listeners",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon listeners --mcp seen --state open          MCP servers that can be connected to
  gnomon listeners --mcp seen --exposure any        those that every network of the host reaches
  gnomon listeners --host laptop-17 --port 8000

Exposure, from the few to the many: unix (a socket file; column access says who may connect), loopback
(this host), host (a container's own network), private (private addresses), public, any (all addresses).";

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
        Column::new("user", &["user", "uid"], Kind::Text)
            .min(4)
            .rank(1),
        Column::new("mcp", &["mcp"], Kind::Text).min(7),
        Column::new("exposure", &["exposure"], Kind::Word).min(8),
        Column::new("state", &["state"], Kind::Text).min(6),
        Column::new("access", &["access"], Kind::Text)
            .min(6)
            .rank(4),
        Column::new("container", &["container"], Kind::Id)
            .min(8)
            .rank(5),
        Column::new("last seen", &["last_seen"], Kind::Time)
            .min(9)
            .rank(3),
    ]
}

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filters {
    /// On this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Of a process of this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// On this address, or of this unix socket
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// On this port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Whether MCP was seen on it
    #[arg(long, value_name = "MCP", ignore_case = true, value_parser = ["seen", "probed", "unknown"])]
    mcp: Option<String>,
    /// Who can reach it
    #[arg(long, value_name = "EXPOSURE", ignore_case = true,
        value_parser = ["unix", "loopback", "host", "private", "public", "any"])]
    exposure: Option<String>,
    /// Whether it listens now
    #[arg(long, value_name = "STATE", ignore_case = true, value_parser = ["open", "closed"])]
    state: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = Pairs::default()
            .with("host", self.host.as_ref())
            .with("user", self.user.as_ref())
            .with("address", self.address.as_ref())
            .with("port", self.port.as_ref())
            .with("mcp", self.mcp.as_ref())
            .with("exposure", self.exposure.as_ref())
            .with("state", self.state.as_ref());
        self.range.add(pairs).all()
    }
}
