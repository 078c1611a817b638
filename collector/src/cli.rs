//! Subcommands, a file each. Exit status: 0 fine, 1 failure, 2 usage.

mod certify;
mod check_config;
mod engine;
mod migrate;
mod serve;

use std::{env, io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

#[derive(Debug, Parser)]
#[command(
    name = "gnomon-collector",
    version,
    about = "Takes in what Gnomon's sensors saw, keeps it in ClickHouse, answers questions",
    after_help = "Examples:\n  gnomon-collector serve --config /etc/gnomon/collector.toml\n  \
        gnomon-collector check-config --config collector.toml\n  \
        gnomon-collector certify --host web-01 --out ./web-01\n\n\
        Log lines go to standard error; GNOMON_LOG=debug shows more."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take in, keep, answer; until Ctrl-C or SIGTERM
    Serve(Settings),
    /// Bring the database's schema up to date, and end
    Migrate(Settings),
    /// Check the settings, and end
    CheckConfig(Settings),
    /// Make key and certificate for a host's sensor
    Certify(certify::Certify),
    /// The embedded ClickHouse (started by serve and migrate)
    #[command(hide = true)]
    Engine(engine::Arguments),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// Settings, TOML; without it: all defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Cli {
    pub(crate) fn run(self) -> ExitCode {
        let done = match self.command {
            // Before any thread: the engine wants the process to itself.
            Command::Engine(arguments) => arguments.run(),
            Command::CheckConfig(settings) => check_config::run(settings.config.as_deref()),
            Command::Certify(certify) => certify.run(),
            Command::Serve(settings) => with_runtime(serve::run(settings.config)),
            Command::Migrate(settings) => with_runtime(migrate::run(settings.config)),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                warn(&format!("gnomon-collector: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// A line on standard error. It may be closed or full: that is no reason to fail.
fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line on standard output, likewise.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "gnomon-collector: {line}");
}

fn with_runtime(work: impl Future<Output = Result<()>>) -> Result<()> {
    let filter = EnvFilter::try_from_env("GNOMON_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // It would tell of a full standard error on standard error, and panic.
        .log_internal_errors(false)
        .init();
    // Another part of the program may bring a second provider: say which one is meant.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let done = runtime.block_on(work);
    // A blocked thread must not keep the process alive.
    runtime.shutdown_background();
    done
}

/// This very program, which also has the engine's subcommand.
fn program() -> Result<PathBuf> {
    env::current_exe().context("finding this program's own file")
}
