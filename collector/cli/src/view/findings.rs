//! `gnomon findings`.

use clap::Args;

use super::{Column, Kind, Pairs, Range, View};

/// What is worth a decision.
pub(crate) const VIEW: View = View {
    name: "findings",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon findings                              what is open, the worst first
  gnomon findings --severity critical --host laptop-17
  gnomon findings --state all --since 7d --format csv > findings.csv
  gnomon show finding ID                       what one is about and what to decide

docs/findings.md tells of each class and its tags.";

fn columns() -> Vec<Column> {
    vec![
        Column::new("severity", &["severity"], Kind::Word).min(8),
        Column::new("class", &["class"], Kind::Text).min(13),
        Column::new(
            "subject",
            &["subject", "calls_itself", "program"],
            Kind::Identity,
        )
        .min(16),
        Column::new("state", &["state"], Kind::Word)
            .min(6)
            .rank(5)
            .parting(),
        Column::new("hosts", &["hosts"], Kind::Text).min(6),
        Column::new("users", &["users"], Kind::Text).min(5).rank(3),
        Column::new("tags", &["tags"], Kind::Text).min(8).rank(1),
        Column::new("sessions", &["sessions"], Kind::Number)
            .min(8)
            .rank(4),
        Column::new("first seen", &["first_seen"], Kind::Time)
            .min(10)
            .rank(6),
        Column::new("last seen", &["last_seen"], Kind::Time)
            .min(9)
            .rank(2),
        Column::new("why closed", &["closed_reason"], Kind::Text)
            .min(10)
            .rank(7),
        Column::new("id", &["id"], Kind::Start).min(12),
    ]
}

const STATES: [&str; 3] = ["open", "closed", "all"];
const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filters {
    /// open, closed or all
    #[arg(long, value_name = "STATE", value_parser = STATES, default_value = "open", ignore_case = true)]
    state: String,
    /// low, medium, high or critical
    #[arg(long, value_name = "SEVERITY", value_parser = SEVERITIES, ignore_case = true)]
    severity: Option<String>,
    /// Of this class, such as shadow_server
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Seen on this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Of this user's sessions
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// About this server of the inventory
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// With this tag, such as bypass
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let state = Some(self.state.to_lowercase()).filter(|state| state != "all");
        let severity = self.severity.as_ref().map(|word| word.to_lowercase());
        let pairs = Pairs::default()
            .with("state", state.as_ref())
            .with("severity", severity.as_ref())
            .with("class", self.class.as_ref())
            .with("host", self.host.as_ref())
            .with("user", self.user.as_ref())
            .with("server", self.server.as_ref())
            .with("tag", self.tag.as_ref());
        self.range.add(pairs).all()
    }
}
