//! `gnomon-collector serve`

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result};
use gnomon_collector::{config::Config, server};
use tokio::signal::unix::{SignalKind, signal};

pub(super) async fn run(config: Option<PathBuf>) -> Result<()> {
    let config = Config::load(config.as_deref())?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watching for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("watching for SIGTERM")?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    server::serve(config, super::program()?, stop, |endpoint| {
        // Nobody may be reading: that is no reason to end.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(
            out,
            "gnomon-collector: ready api={} ingest={}",
            endpoint.api, endpoint.ingest
        );
        let _ = out.flush();
    })
    .await
}
