//! `gnomon sessions`.

use clap::Args;

use super::{Column, Kind, OfSession, Range, View};

/// MCP sessions, as known now.
pub(crate) const VIEW: View = View {
    name: "sessions",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon sessions --verdict shadow --since 24h
  gnomon sessions --server npm:@scope/name --format json
  gnomon sessions --host laptop-17 --state open
  gnomon calls --session 3f9a1c20          the id that the table shows is enough";

fn columns() -> Vec<Column> {
    vec![
        Column::new("started", &["started"], Kind::Time).min(8),
        Column::new("host", &["host"], Kind::Identity)
            .min(6)
            .rank(1),
        Column::new("user", &["client_user", "client_uid"], Kind::Text)
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
        Column::new("id", &["id"], Kind::Id).min(8),
    ]
}

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filters {
    #[command(flatten)]
    session: OfSession,
    /// Going on, or over
    #[arg(long, value_name = "STATE", ignore_case = true, value_parser = ["open", "ended"])]
    state: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = self.session.pairs().with("state", self.state.as_ref());
        self.range.add(pairs).all()
    }
}
