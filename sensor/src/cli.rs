//! The commands of the sensor, a file each.

mod doctor;
mod replay;
mod run;
mod watch;

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use gnomon_policy::Policy;
use gnomon_sensor::kernel;
use gnomon_sensor::kernel::confine::{Means, confine};
use gnomon_sensor::observation::HostName;
use gnomon_sensor::output::{self, escaped};
use gnomon_sensor::own;

/// Sees every MCP conversation of this Linux host.
#[derive(Parser)]
#[command(name = "gnomon-sensor", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Watch(watch::Arguments),
    Run(run::Arguments),
    Doctor(doctor::Arguments),
    Replay(replay::Arguments),
}

/// How observations are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A readable line each.
    Text,
    /// A JSON object a line.
    Json,
}

impl From<Format> for output::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// Runs the command. 0: fine, 1: it failed, 2: it was called wrongly.
pub(crate) fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Watch(arguments) => watch::watch(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says something on standard error, line by line; whether anybody reads it or not.
fn complain(text: &str) {
    let lines: Vec<String> = text.lines().map(escaped).map(String::from).collect();
    let _ = writeln!(io::stderr(), "gnomon-sensor: {}", lines.join("\n"));
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

/// Takes the reader's place in the queue for processors, then gives up every right that is not needed from here on. To be
/// called before there is a second thread, and after whatever needs those rights. Where the kernel cannot do it, the sensor
/// works with more rights than it needs, and says so.
fn give_up_rights() {
    own::step_forward();
    own::spare();
    // Afterwards the kernel hides them.
    kernel::find_pages();
    // Whether packets have to be captured shows when programs are refused.
    if let Err(error) = confine(Means::Capture) {
        complain(&format!(
            "{:#}; the sensor has more rights than it needs",
            anyhow::Error::from(error)
        ));
    }
}

/// The policy of a file, or the empty one. Warnings go to standard error.
fn policy(file: Option<&Path>) -> Result<Policy> {
    let Some(path) = file else {
        return Ok(Policy::empty());
    };
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "{}: cannot read the policy; give the right file with --policy",
            path.display()
        )
    })?;
    let now = time::OffsetDateTime::now_utc();
    match Policy::parse(&text, &path.display().to_string(), now) {
        Ok((policy, warnings)) => {
            for warning in warnings {
                complain(&warning.to_string());
            }
            Ok(policy)
        }
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            bail!("the policy cannot be used:\n  {}", errors.join("\n  "))
        }
    }
}

/// The kernel's node name.
fn host_name() -> HostName {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    HostName::new(if name.trim().is_empty() {
        "localhost"
    } else {
        name.trim()
    })
}

/// Set by the first signal that asks to stop, the end of the terminal among them; a second one ends the program at once.
fn stop_signal() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot take signals")?;
    }
    Ok(stop)
}

/// `30s`, `5m`, `2h`, or seconds.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        other => {
            return Err(format!(
                "unknown unit {other:?}: use s, m or h, such as 30s"
            ));
        }
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is no duration, such as 30s"))?;
    Ok(std::time::Duration::from_secs(number.saturating_mul(unit)))
}
