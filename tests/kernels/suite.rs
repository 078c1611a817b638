//! What runs in a guest: tests of sensor/tests/kernel, and conversations.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{place::checkout, process::output};
use serde_json::Value;

use crate::{check::Subject, conversation};

/// Not run in a guest: what they hold to is the speed of a real machine.
const ONLY_ON_REAL_MACHINES: [&str; 0] = [];

/// A program of tests, built; those of its tests that are to run, and the conversations.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    pub(crate) program: PathBuf,
    tests: Vec<String>,
    conversations: Vec<&'static str>,
}

impl Suite {
    /// Builds it; of a quick run or all of it.
    pub(crate) fn build(quick: bool) -> Result<Self> {
        let program = built()?;
        let list = output(&program, ["--list", "--format", "terse"])?;
        let tests = list
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .filter(|name| !ONLY_ON_REAL_MACHINES.contains(name) && (!quick || is_quick(name)))
            .map(str::to_owned)
            .collect();
        let conversations = conversation::ALL
            .iter()
            .map(|conversation| conversation.name);
        Ok(Self {
            program,
            tests,
            conversations: conversations
                .filter(|name| !quick || is_quick(name))
                .collect(),
        })
    }

    /// Names for the guest, its tests first: "kernel:NAME" and "conversation:NAME".
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
        tests.chain(conversations.map(|&name| (Subject::Conversation, name)))
    }
}

/// What CI has time for on each of its kernels: an emulated processor takes seconds to have one sensor's programs verified. Of each kind
/// of probe one test, and the peers that start fastest.
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
