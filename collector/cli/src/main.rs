//! gnomon: the analyst's commands, over the collector's HTTP API and nothing else.
//!
//! One pass: `command` reads what is asked for, `place` finds the collector, `api` asks it, `answer`
//! holds rows and columns, `format` prints them. Everything that comes back was named by strangers at
//! some point, so every printer escapes what could steer a terminal.

mod answer;
mod api;
mod command;
mod escape;
mod format;
mod page;
mod place;
mod policy;
mod probes;
mod report;
mod show;
mod sql;
mod view;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

/// 0: fine; 1: something failed; 2: the command line is wrong, as clap or the collector finds.
fn main() -> ExitCode {
    let command = command::Command::parse();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if nobody_reads(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&escape::lines(&format!("{error:#}")));
            match error.is::<api::WrongQuestion>() {
                true => ExitCode::from(2),
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// A line for people, on standard error. It may be closed or full: that is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "gnomon: {text}");
}

/// `gnomon sessions | head` is no failure.
fn nobody_reads(error: &anyhow::Error) -> bool {
    (error.downcast_ref::<std::io::Error>()).is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}
