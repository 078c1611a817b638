//! What the kernel refuses of the programs, each alone: what it would have seen is seen in another way, or is said to be missing.
//!
//! strace has the system call fail, and the one after it, since a program that was refused is loaded again for the verifier's words.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::{Watch, client_is_told},
    deadline::settle,
    peers::{Peers, Plan, Sdk, rmcp_stdio},
    place::program,
};
use serde_json::{Value, json};

/// What the kernel is made to say, and how the sensor quotes it.
const REFUSAL: &str = "EACCES";
const QUOTED: &str = "Permission denied";
/// Time after a client's end within which all of it has been told.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// A call of bpf(2) that the sensor makes when it starts: how many came before it, and its words.
struct Call {
    number: usize,
    words: String,
}

/// What there is nothing to see without (names as the kernel keeps them); the last one where no family has programs of its own.
const REQUIRED: [&str; 3] = ["sched_process_e", "sched_process_f", "sys_exit"];

impl Call {
    /// `prog_name="…"`, of which the kernel keeps 15 characters.
    fn program(&self) -> String {
        let from = self.words.find("prog_name=").unwrap_or_default();
        let words = self.words[from..].split(',');
        words.take(1).collect()
    }

    /// Packets are captured without it.
    fn is_required(&self) -> bool {
        let program = self.program();
        REQUIRED.iter().any(|name| program.contains(name))
    }

    /// Loads one of our programs, and the kernel takes it. What is only tried has no name, or fails anyhow.
    fn is_ours(&self) -> bool {
        let tried = ["prog_name=\"\"", "prog_name=\"aya_name_check\""];
        self.words.contains("BPF_PROG_LOAD")
            && !self.words.contains(") = -1 ")
            && !tried.iter().any(|name| self.words.contains(name))
    }
}

/// A sensor whose calls of bpf(2) are written to `log`. The tracer stands aside: the process that is started is the sensor.
fn traced(folder: &Path, log: &Path, refused: Option<usize>) -> Result<Watch> {
    let mut command = Command::new("strace");
    command
        .args(["-D", "-qq", "-e", "trace=bpf", "-e", "signal=none", "-o"])
        .arg(log);
    if let Some(first) = refused {
        let next = first + 1;
        command.args([
            "-e",
            &format!("inject=bpf:error={REFUSAL}:when={first}..{next}"),
        ]);
    }
    // The best that this kernel allows: with one tier alone there is nothing to fall back on.
    command
        .arg(program("gnomon-sensor")?)
        .env_remove("GNOMON_TIER");
    Watch::start_by(folder, command)
}

/// The calls of a start at which nothing is refused.
fn calls(folder: &Path) -> Result<Vec<Call>> {
    let log = folder.join("calls");
    traced(folder, &log, None)?.stop()?;
    let text = fs::read_to_string(&log).context("strace wrote nothing")?;
    let calls = text.lines().zip(1..);
    Ok(calls
        .map(|(line, number)| Call {
            number,
            words: line.to_owned(),
        })
        .collect())
}

/// Whether it is said that something was refused: the row of what is missing or read in another way, with the reason.
fn says_so(said: &[Value]) -> bool {
    said.iter()
        .filter(|told| told["kind"] == "coverage")
        .filter_map(|told| told["reason"].as_str())
        .any(|reason| reason.contains(QUOTED))
}

/// Without any program packets are captured, and pipes are not seen: that, too, is said.
fn captures(said: &[Value]) -> bool {
    let mut coverage = said.iter().filter(|told| told["kind"] == "coverage");
    coverage.any(|told| told["what"] == "ebpf" && told["state"] == "detached")
}

fn refuse(call: &Call, folder: &Path) -> Result<()> {
    let log: PathBuf = folder.join("refused");
    let watch = traced(folder, &log, Some(call.number))?;
    let refused = fs::read_to_string(&log).context("strace wrote nothing")?;
    let refused = refused.lines().find(|line| line.contains("(INJECTED)"));
    ensure!(
        refused.is_some_and(|line| line.contains(&call.program())),
        "another call was refused: {refused:?}"
    );
    settle(TOLD_WITHIN, || {
        ensure!(says_so(&watch.said()?), "nothing says what was refused");
        Ok(())
    })?;
    if call.is_required() {
        ensure!(captures(&watch.said()?), "nothing is captured");
        watch.stop()?;
        return Ok(());
    }
    ensure!(!captures(&watch.said()?), "all programs are given up");
    let plan = Plan::stdio(1, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 3);
    let tally = Peers::new(folder).run(Sdk::Rmcp, &plan)?;
    settle(TOLD_WITHIN, || client_is_told(&watch.said()?, &tally))?;
    watch.stop()?;
    Ok(())
}

#[test]
fn what_one_refused_program_would_see_is_seen_otherwise_or_said_to_be_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let calls = calls(folder.path()).expect("a sensor under strace");
    let ours: Vec<&Call> = calls.iter().filter(|call| call.is_ours()).collect();
    assert!(ours.len() > 6, "only {} programs", ours.len());
    for call in ours {
        let outcome = refuse(call, folder.path());
        outcome.unwrap_or_else(|error| panic!("{error:#}\nrefused: {}", call.words));
    }
}
