//! The embedded ClickHouse: a child process that is started, watched, restarted and stopped.
//!
//! The child is this same program with the hidden subcommand `engine` ([`gnomon_engine::run`]). It
//! listens on loopback, on a port that the kernel picks, and answers nobody who does not send a header
//! that is random per start ([`config`]). It dies with the collector (parent-death signal).

mod config;
mod supervisor;

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::store::Connection;
use supervisor::Supervisor;

/// Longest time from start to an open port. It is about 0.2 s; a journal to recover takes longer.
const START_S_MAX: u64 = 120;

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    supervisor: Supervisor,
    connection: watch::Receiver<Option<Connection>>,
}

/// What to start.
#[derive(Debug)]
pub struct Settings {
    /// The program that has the hidden subcommand `engine`.
    pub program: PathBuf,
    /// `libchdb.so`.
    pub library: PathBuf,
    /// Folder for data, configuration and log; made if absent.
    pub folder: PathBuf,
    /// Memory of the engine, bytes, at most.
    pub memory_bytes_max: u64,
}

impl Engine {
    /// Starts the engine and waits until it answers.
    ///
    /// # Errors
    /// The first start fails: with what ClickHouse said, and what to do about it.
    pub async fn start(settings: Settings) -> Result<Self> {
        let prepared = config::Prepared::new(&settings.folder, settings.memory_bytes_max)?;
        let (supervisor, mut connection, mut failure) = Supervisor::start(settings, prepared)?;
        let ready = tokio::time::timeout(Duration::from_secs(START_S_MAX), async {
            tokio::select! {
                biased;
                Ok(_) = connection.wait_for(Option::is_some) => Ok(()),
                text = &mut failure => {
                    let text = text.unwrap_or_else(|_| "the engine's supervisor ended".to_owned());
                    Err(anyhow::anyhow!("{text}"))
                }
            }
        })
        .await;
        match ready {
            Ok(Ok(())) => Ok(Self {
                supervisor,
                connection,
            }),
            Ok(Err(error)) => {
                supervisor.stop();
                Err(error)
            }
            Err(_) => {
                supervisor.stop();
                bail!(
                    "the ClickHouse engine did not open its port within {START_S_MAX} s: see its log in the state folder"
                )
            }
        }
    }

    /// The way to the engine now; `None` while it is being restarted.
    #[must_use]
    pub fn connection(&self) -> watch::Receiver<Option<Connection>> {
        self.connection.clone()
    }

    /// Stops the engine: asked first, killed after ten seconds. All acknowledged data is on disk either way.
    pub async fn stop(self) {
        let connection = self.connection.borrow().clone();
        self.supervisor.stopping();
        if let Some(connection) = connection {
            let ask = format!(
                "KILL QUERY WHERE query LIKE '%{}%' AND query NOT LIKE 'KILL%' ASYNC",
                gnomon_engine::KEEPALIVE_MARK
            );
            let _ = tokio::time::timeout(
                Duration::from_secs(2),
                connection.writer.query_raw(&ask).execute(),
            )
            .await;
            // The client and its pooled connections end here: see `supervisor`.
            drop(connection);
        }
        let _ = tokio::task::spawn_blocking(move || self.supervisor.stop()).await;
    }
}

/// Finds the engine's library: the setting, `GNOMON_CHDB`, beside the program, or in
/// `.tools/clickhouse/` of a folder above the program.
///
/// # Errors
/// It is nowhere: the text names the places and the setting for a ClickHouse of one's own.
pub fn library(setting: Option<&Path>, program: &Path) -> Result<PathBuf> {
    let named = setting
        .map(Path::to_path_buf)
        .or_else(|| env::var_os("GNOMON_CHDB").map(PathBuf::from));
    if let Some(path) = named {
        if path.is_file() {
            return Ok(path);
        }
        bail!("no ClickHouse engine at {}: {INSTEAD}", path.display());
    }
    let beside = program.parent().map(|folder| folder.join("libchdb.so"));
    let above = program
        .ancestors()
        .chain(env::current_dir().iter().flat_map(|cwd| cwd.ancestors()))
        .map(|folder| folder.join(".tools/clickhouse/libchdb.so"))
        .collect::<Vec<_>>();
    beside.into_iter().chain(above).find(|path| path.is_file()).with_context(|| {
        format!("no ClickHouse engine (libchdb.so) beside the program or in .tools/clickhouse of a folder above: {INSTEAD}")
    })
}

const INSTEAD: &str = "run deploy/setup.sh, set clickhouse.library, or use a ClickHouse server of your own: \
    [clickhouse] url = \"https://host:8443\", user, password_file";
