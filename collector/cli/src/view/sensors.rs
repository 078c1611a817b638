//! `gnomon sensors`.

use clap::Args;

use crate::probes;

use super::{Column, Kind, Pairs, Range, View};

/// Sensors and how they do.
pub(crate) const VIEW: View = View {
    name: "sensors",
    columns,
};

const EXAMPLES: &str = "\
Examples:
  gnomon sensors
  gnomon sensors --since 10m --format json
  gnomon sensors disable laptop-17 --reason \"ticket 4711\"";

fn columns() -> Vec<Column> {
    vec![
        Column::new("host", &["host"], Kind::Identity).min(8),
        Column::new("version", &["sensor_version"], Kind::Text).min(7),
        Column::new("kernel", &["kernel_release"], Kind::Text)
            .min(8)
            .rank(1),
        Column::new("system", &["operating_system"], Kind::Text)
            .min(10)
            .rank(2),
        Column::new("probes", &["probes"], Kind::Word).min(6),
        Column::new("observed", &["observations"], Kind::Number).min(8),
        Column::new("messages", &["messages"], Kind::Number).min(8),
        Column::new("lost", &["lost"], Kind::Text).min(4),
        Column::new("cpu ms", &["cpu_ms"], Kind::Number)
            .min(6)
            .rank(3),
        Column::new("memory", &["rss_bytes"], Kind::Number)
            .min(6)
            .rank(4),
        Column::new("last seen", &["last_seen"], Kind::Time).min(9),
    ]
}

/// A listing, or an order.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Asked {
    #[command(subcommand)]
    pub(crate) action: Option<probes::Action>,
    #[command(flatten)]
    pub(crate) filters: Filters,
}

/// Narrows the listing; all that are given must hold.
#[derive(Args, Debug)]
pub(crate) struct Filters {
    /// This host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    range: Range,
}

impl Filters {
    /// As the API takes them.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = Pairs::default().with("host", self.host.as_ref());
        self.range.add(pairs).all()
    }
}
