//! `gnomon sessions`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// MCP sessions, as known now.
pub(crate) const VIEW: View = View {
    name: "sessions",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon sessions --verdict shadow --since 24h
  gnomon sessions --server npm:@scope/name --format json
  gnomon sessions --host laptop-17 --state open";

fn columns() -> Vec<Column> {
    vec![
        Column::new("started", &["started"], Kind::Time).min(8),
        Column::new("host", &["host"], Kind::Identity)
            .min(6)
            .rank(1),
        Column::new("user", &["client_user"], Kind::Text)
            .min(4)
            .rank(4),
        Column::new(
            "client",
            &["client_application", "client_name", "client_exe"],
            Kind::File,
        )
        .min(10),
        Column::new(
            "server",
            &["server", "server_name", "server_exe"],
            Kind::Identity,
        )
        .min(16),
        Column::new("transport", &["transport"], Kind::Text)
            .min(5)
            .rank(3),
        Column::new("revision", &["revision"], Kind::Text)
            .min(10)
            .rank(5),
        Column::new("route", &["route"], Kind::Text).min(7),
        Column::new("verdict", &["verdict"], Kind::Word).min(10),
        Column::new("why", &["reasons"], Kind::Reason)
            .min(8)
            .rank(2),
        Column::new("calls", &["calls"], Kind::Number).min(5),
        Column::new("id", &["id"], Kind::Text).min(8).rank(6),
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
    /// This session
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
    /// open or ended
    #[arg(long, value_name = "STATE")]
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
            .with("server", self.server.as_ref())
            .with("session", self.session.as_ref())
            .with("client", self.client.as_ref())
            .with("verdict", self.verdict.as_ref())
            .with("route", self.route.as_ref())
            .with("state", self.state.as_ref());
        self.range.add(pairs).all()
    }
}
