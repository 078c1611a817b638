//! `gnomon-sensor run`: the agent.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// Watch this host and send what is seen to the collector.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Settings.
    #[arg(long, value_name = "FILE", default_value = gnomon_sensor::config::DEFAULT_PATH)]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    bail!("{}", arguments.config.display())
}
