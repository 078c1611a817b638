//! What runs in a guest: tests of sensor/tests/kernel, conversations, and what is done to the guest itself.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    place::{checkout, program},
    process::output,
    vm::Processor,
};
use serde_json::Value;

use crate::{check::Subject, conversation, host};

/// Where `deploy/test-arm64.sh` says which program of tests it has built.
const ARM64_TESTS: &str = "GNOMON_ARM64_TESTS";

/// Tests that are not built for another processor, which has no 32-bit programs of this one.
const ONLY_X86: [&str; 1] = ["calls::calls_of_32_bit_programs_are_copied"];

/// A program of tests, built; those of its tests that are to run, and the rest.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    /// `gnomon-kernels`, as the guest runs it.
    pub(crate) own: PathBuf,
    /// The program of tests.
    pub(crate) program: PathBuf,
    tests: Vec<String>,
    conversations: Vec<&'static str>,
    treatments: Vec<&'static str>,
}

impl Suite {
    /// Builds it, or finds it built for another processor; of a quick run or all of it.
    pub(crate) fn build(quick: bool, processor: Processor) -> Result<Self> {
        let here = built()?;
        let list = output(&here, ["--list", "--format", "terse"])?;
        let (own, program) = match processor {
            Processor::X86 => (program("gnomon-kernels")?, here),
            Processor::Arm64 => for_arm64()?,
        };
        let built = |name: &&str| processor == Processor::X86 || !ONLY_X86.contains(name);
        let tests = list
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .filter(built)
            .filter(|name| !quick || is_quick(name))
            .map(str::to_owned)
            .collect();
        let chosen = |name: &&'static str| !quick || is_quick(name);
        let conversations = conversation::ALL.iter().map(|known| known.name);
        let treatments = host::ALL.iter().map(|known| known.name);
        Ok(Self {
            own,
            program,
            tests,
            conversations: conversations.filter(chosen).collect(),
            treatments: treatments.filter(chosen).collect(),
        })
    }

    /// Names for the guest, in the order in which they run: "kernel:NAME", "conversation:NAME" and "host:NAME".
    pub(crate) fn words(&self) -> Vec<String> {
        self.expected()
            .map(|(subject, name)| format!("{subject}:{name}"))
            .collect()
    }

    /// All that a guest is to tell of.
    pub(crate) fn expected(&self) -> impl Iterator<Item = (Subject, &str)> {
        let tests = self
            .tests
            .iter()
            .map(|name| (Subject::Kernel, name.as_str()));
        let conversations = self.conversations.iter();
        let treatments = self.treatments.iter();
        tests
            .chain(conversations.map(|&name| (Subject::Conversation, name)))
            .chain(treatments.map(|&name| (Subject::Host, name)))
    }
}

/// What CI has time for on each of its kernels: of each kind of probe one test, and the peers that start fastest.
fn is_quick(name: &str) -> bool {
    const QUICK: [&str; 7] = [
        "attaching::the_sensor_does_not_watch_itself",
        "calls::a_call_that_wrote_less_than_asked_is_copied_as_far_as_it_went",
        "processes::processes_are_told_with_what_they_run",
        "processes::sockets_are_told_as_they_change",
        "verdicts::a_flow_judged_not_mcp_falls_silent_and_is_looked_at_again",
        "rmcp_over_pipes",
        "rmcp_over_http",
    ];
    QUICK.contains(&name)
}

fn for_arm64() -> Result<(PathBuf, PathBuf)> {
    let tests = env::var_os(ARM64_TESTS).context("nothing is built for arm64: make test-arm64")?;
    let tests = PathBuf::from(tests);
    let folder = tests.ancestors().nth(2).context("a program in target")?;
    Ok((folder.join("gnomon-kernels"), tests))
}

fn built() -> Result<PathBuf> {
    let cargo = Command::new("cargo")
        .args([
            "test",
            // As everything else is built: another selection would unify features differently.
            "--workspace",
            "--test",
            "kernel",
            "--no-run",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(checkout())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    ensure!(
        cargo.status.success(),
        "the tests of the kernel side are not to be built"
    );
    let text = String::from_utf8_lossy(&cargo.stdout);
    let program = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "kernel")
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    program.context("cargo names no program of the test kernel")
}
