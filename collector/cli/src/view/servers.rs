//! `gnomon servers`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// Servers of the inventory, over all hosts.
pub(crate) const VIEW: View = View {
    name: "servers",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon servers
  gnomon servers --verdict shadow --format csv > shadow.csv
  gnomon servers --user ann";

fn columns() -> Vec<Column> {
    vec![
        Column::new("server", &["server", "name"], Kind::Identity).min(16),
        Column::new("verdict", &["verdict"], Kind::Word).min(10),
        Column::new("hosts", &["hosts"], Kind::Text).min(6),
        Column::new("clients", &["clients"], Kind::Text)
            .min(8)
            .rank(1),
        Column::new("users", &["users"], Kind::Text).min(5).rank(3),
        Column::new("routes", &["routes"], Kind::Text)
            .min(7)
            .rank(2),
        Column::new("versions", &["versions"], Kind::Text)
            .min(7)
            .rank(5),
        Column::new("sessions", &["sessions"], Kind::Number).min(8),
        Column::new("calls", &["calls"], Kind::Number).min(5),
        Column::new("first seen", &["first_seen"], Kind::Time)
            .min(10)
            .rank(4),
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
    /// Whose client this user runs
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Of this server: its identity or the name it gives itself
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// Of this session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// By this AI application or client name
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// approved, sanctioned, shadow or unknown
    #[arg(long, value_name = "VERDICT", value_parser = super::VERDICTS)]
    verdict: Option<String>,
    /// local, direct, gateway, bridge, inbound or opaque
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = Pairs::default()
            .with("host", self.host.as_ref())
            .with("user", self.user.as_ref())
            .with("server", self.server.as_ref())
            .with("session", self.session.as_ref())
            .with("client", self.client.as_ref())
            .with("verdict", self.verdict.as_ref())
            .with("route", self.route.as_ref());
        self.range.add(pairs).all()
    }
}
