//! `gnomon sensors disable` and `enable`: the fleet's kill switch.

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::escape;
use crate::format::Format;
use crate::policy::author;

const PATH: &str = "/api/v1/probes";
const EXAMPLES: &str = "\
Examples:
  gnomon sensors disable laptop-17 --reason \"ticket 4711\"
  gnomon sensors disable --all --reason \"kernel update\"
  gnomon sensors enable laptop-17
  gnomon sensors enable --all --reason \"done\"
  gnomon sql \"SELECT * FROM probe_orders ORDER BY ordered DESC\"

Sensors detach their probes within seconds, stay connected, and say so in `gnomon coverage`. The last
order that names a host or all of them holds, also over restarts (docs/do-no-harm.md).";

/// What sensors are to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Have a sensor detach its probes, or every sensor
    #[command(after_help = EXAMPLES)]
    Disable(Off),
    /// Have a sensor attach its probes again, or every sensor
    #[command(after_help = EXAMPLES)]
    Enable(On),
}

/// Whom it is for.
#[derive(Args, Debug)]
pub(crate) struct Whom {
    /// The host
    #[arg(
        value_name = "HOST",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    host: Option<String>,
    /// Every host
    #[arg(long)]
    all: bool,
}

/// An order to detach. It blinds a host, so it never is without a reason.
#[derive(Args, Debug)]
pub(crate) struct Off {
    #[command(flatten)]
    whom: Whom,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// An order to attach again.
#[derive(Args, Debug)]
pub(crate) struct On {
    #[command(flatten)]
    whom: Whom,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "enabled again")]
    reason: String,
}

/// As the `probe_orders` view has it.
#[derive(Deserialize, Serialize)]
struct Given {
    host: Option<String>,
    ordered: Option<String>,
    author: Option<String>,
    probes: String,
    reason: Option<String>,
}

impl Action {
    /// Gives the order.
    pub(crate) fn run(self, api: &Api, format: Format) -> Result<()> {
        let (word, Whom { host, .. }, reason) = match self {
            Self::Disable(Off { whom, reason }) => ("off", whom, reason),
            Self::Enable(On { whom, reason }) => ("on", whom, reason),
        };
        let whom = match host {
            Some(host) => ("host", host),
            None => ("scope", "all".to_owned()),
        };
        let parameters = [
            ("probes", word.to_owned()),
            whom,
            ("reason", reason),
            ("author", author()),
        ];
        let given: Given = api.post(PATH, &parameters, "text/plain", String::new())?;
        let mut out = io::stdout().lock();
        match format {
            Format::Json => writeln!(out, "{}", escape::json(&serde_json::to_string(&[given])?))?,
            Format::Csv | Format::Table => {
                let whom = given.host.as_deref().unwrap_or("every host");
                writeln!(
                    out,
                    "ordered: probes {} on {}",
                    given.probes,
                    escape::line(whom)
                )?;
            }
        }
        Ok(())
    }
}
