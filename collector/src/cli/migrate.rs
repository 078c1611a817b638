//! `gnomon-collector migrate`

use std::path::PathBuf;

use anyhow::Result;
use gnomon_collector::{config::Config, server::Backend, state::State};

pub(super) async fn run(config: Option<PathBuf>) -> Result<()> {
    let config = Config::load(config.as_deref())?;
    let state = State::open(&config.state_dir)?;
    Backend::open(&config, &state, super::program()?)
        .await?
        .close()
        .await;
    super::say("the schema is up to date");
    Ok(())
}
