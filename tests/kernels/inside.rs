//! What a guest runs: tests, two at a time and each in a process of its own as they are written for, then conversations, and in the end
//! what is done to the guest itself.

use std::{
    path::Path,
    process::{Command, ExitCode},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use gnomon_tests::{place::checkout, process::Process};

use crate::{
    check::{Check, Subject},
    conversation::{self, Conversation},
    host::Treatment,
};

/// Of one test: many times what the slow ones take on a real machine.
const TEST_LIMIT: Duration = Duration::from_secs(300);

/// Tests at the same time.
const AT_ONCE: usize = 2;

/// `TIER PROGRAM SUBJECT:NAME…`: prints a line for each check, and before it what went wrong.
pub(crate) fn run(words: &[String]) -> Result<ExitCode> {
    let [tier, program, checks @ ..] = words else {
        bail!("inside takes a tier, a program of tests, and names");
    };
    let tier = tier.parse().context("the tier")?;
    let (mut tests, mut conversations, mut treatments) = (Vec::new(), Vec::new(), Vec::new());
    for word in checks {
        let (subject, name) = word
            .split_once(':')
            .and_then(|(subject, name)| Some((Subject::of_word(subject)?, name)))
            .with_context(|| format!("no check {word:?}"))?;
        match subject {
            Subject::Kernel => tests.push(name),
            Subject::Conversation => conversations.push(Conversation::find(name)?),
            Subject::Host => treatments.push(Treatment::find(name)?),
        }
    }
    let folder = tempfile::tempdir()?;
    all_tests(Path::new(program), &tests, folder.path());
    if !conversations.is_empty() {
        let begun = Instant::now();
        let held = conversation::hold(&conversations, tier)
            .unwrap_or_else(|error| conversation::none(&conversations, &error));
        for (name, done) in held {
            tell(Subject::Conversation, name, begun, &done);
        }
    }
    for treatment in treatments {
        let begun = Instant::now();
        let done = treatment.run(tier);
        tell(Subject::Host, treatment.name, begun, &done);
    }
    Ok(ExitCode::SUCCESS)
}

/// As .config/nextest.toml has it: those that mind take a lock of their own.
fn all_tests(program: &Path, tests: &[&str], folder: &Path) {
    let left = Mutex::new(tests.iter());
    let work = || {
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(name) = next else { return };
            let begun = Instant::now();
            tell(Subject::Kernel, name, begun, &test(program, name, folder));
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
}

fn tell(subject: Subject, name: &str, begun: Instant, done: &Result<()>) {
    let mut text = String::new();
    if let Err(error) = done {
        for line in format!("{error:#}").lines() {
            text += &format!("    {line}\n");
        }
    }
    let check = Check {
        subject,
        name: name.to_owned(),
        passed: done.is_ok(),
    };
    // In one piece: others tell too.
    println!("{text}{check} {:.1} s", begun.elapsed().as_secs_f32());
}

fn test(program: &Path, name: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command
        .args(["--exact", name])
        .current_dir(checkout().join("sensor"))
        .env("RUST_BACKTRACE", "0");
    let mut process = Process::start(&name.replace("::", "-"), folder, command)?;
    let said = |process: &Process| format!("{}{}", process.stdout(), process.stderr());
    let status = process.wait(TEST_LIMIT).with_context(|| said(&process))?;
    ensure!(status.success(), "{}", said(&process));
    Ok(())
}
