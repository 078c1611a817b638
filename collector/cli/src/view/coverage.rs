//! `gnomon coverage`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// What sensors read by which hook, what they cannot, and why.
pub(crate) const VIEW: View = View {
    name: "coverage",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon coverage --state gap
  gnomon coverage --host laptop-17";

fn columns() -> Vec<Column> {
    vec![
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
        Column::new("host", &["host"], Kind::Identity).min(6),
        Column::new("what", &["what"], Kind::Text).min(8),
        Column::new("state", &["state"], Kind::Word).min(8),
        Column::new("program", &["exe"], Kind::File).min(8),
        Column::new("pid", &["pid"], Kind::Number).min(5).rank(1),
        Column::new("user", &["user"], Kind::Text).min(4).rank(2),
        Column::new("reason", &["reason"], Kind::Text).min(12),
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
    /// How it stands; gap: anything but decoded
    #[arg(long, value_name = "STATE", ignore_case = true,
        value_parser = ["gap", "decoded", "opaque", "late", "detached", "shed"])]
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
            .with("state", self.state.as_ref());
        self.range.add(pairs).all()
    }
}
