//! What a guest runs: tests one after the other, each in a process of its own as they are written for, then conversations.

use std::{path::Path, process::Command, process::ExitCode, time::Duration, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use gnomon_tests::{place::checkout, process::Process};

use crate::{
    check::{Check, Subject},
    conversation::{self, Conversation},
};

/// Of one test: many times what the slow ones take on a real machine.
const TEST_LIMIT: Duration = Duration::from_secs(300);

/// `TIER PROGRAM SUBJECT:NAME…`: prints a line for each check, and before it what went wrong.
pub(crate) fn run(words: &[String]) -> Result<ExitCode> {
    let [tier, program, checks @ ..] = words else {
        bail!("inside takes a tier, a program of tests, and names");
    };
    let tier = tier.parse().context("the tier")?;
    let folder = tempfile::tempdir()?;
    let mut conversations = Vec::new();
    for (number, word) in checks.iter().enumerate() {
        let (subject, name) = word
            .split_once(':')
            .and_then(|(subject, name)| Some((Subject::of_word(subject)?, name)))
            .with_context(|| format!("no check {word:?}"))?;
        match subject {
            Subject::Kernel => {
                let begun = Instant::now();
                let done = test(Path::new(program), name, number, folder.path());
                tell(subject, name, begun, &done);
            }
            Subject::Conversation => conversations.push(Conversation::find(name)?),
        }
    }
    if !conversations.is_empty() {
        let begun = Instant::now();
        let held = conversation::hold(&conversations, tier)
            .unwrap_or_else(|error| conversation::none(&conversations, &error));
        for (name, done) in held {
            tell(Subject::Conversation, name, begun, &done);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(subject: Subject, name: &str, begun: Instant, done: &Result<()>) {
    if let Err(error) = done {
        for line in format!("{error:#}").lines() {
            println!("    {line}");
        }
    }
    let check = Check {
        subject,
        name: name.to_owned(),
        passed: done.is_ok(),
    };
    println!("{check} {:.1} s", begun.elapsed().as_secs_f32());
}

fn test(program: &Path, name: &str, number: usize, folder: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command
        .args(["--exact", name])
        .current_dir(checkout().join("sensor"))
        .env("RUST_BACKTRACE", "0");
    let mut process = Process::start(&format!("test-{number}"), folder, command)?;
    let said = |process: &Process| format!("{}{}", process.stdout(), process.stderr());
    let status = process.wait(TEST_LIMIT).with_context(|| said(&process))?;
    ensure!(status.success(), "{}", said(&process));
    Ok(())
}
