//! `gnomon servers`.

use clap::Args;

use super::{Column, Kind, OfSession, Range, View};

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
    #[command(flatten)]
    session: OfSession,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        self.range.add(self.session.pairs()).all()
    }
}
