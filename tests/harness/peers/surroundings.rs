//! As whom, in which network and with which home a peer runs.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use crate::{place::peer, place::tool, process::Process};

/// Time for the namespace to have its loopback interface.
const LOOPBACK_LIMIT: Duration = Duration::from_secs(20);

/// Where peers run; by default as we do.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// A user of that number, who may read all files but is nobody else: what the inventory says of that user is
    /// about these peers, and all of it.
    pub uid: Option<u32>,
    /// The network namespace of that process.
    pub network_of: Option<u32>,
    /// An own home.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// The same command in these surroundings; its process id stays that of what is started.
    #[must_use]
    pub(super) fn around(&self, command: &Command) -> Command {
        let mut words: Vec<String> = Vec::new();
        let mut add = |added: &[&str]| words.extend(added.iter().map(|word| (*word).to_owned()));
        if let Some(pid) = self.network_of {
            add(&["nsenter", &format!("--net=/proc/{pid}/ns/net"), "--"]);
        }
        if let Some(uid) = self.uid {
            let uid = uid.to_string();
            let reads = "+dac_override,+dac_read_search";
            add(&[
                "setpriv",
                "--reuid",
                &uid,
                "--regid",
                &uid,
                "--clear-groups",
            ]);
            add(&["--inh-caps", reads, "--ambient-caps", reads, "--"]);
            // A change of user takes away the wish to die with the parent, so it is made again.
            add(&["setpriv", "--pdeathsig", "KILL", "--"]);
        }
        let Some((first, rest)) = words.split_first() else {
            return self.at_home(Command::new(command.get_program()), command);
        };
        let mut around = Command::new(first);
        around.args(rest).arg(command.get_program());
        self.at_home(around, command)
    }

    fn at_home(&self, mut around: Command, command: &Command) -> Command {
        around.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            around.current_dir(folder);
        }
        if let Some(home) = &self.home {
            around.env("HOME", home);
            around.env_remove("XDG_CONFIG_HOME");
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => around.env(name, value),
                None => around.env_remove(name),
            };
        }
        around
    }
}

/// A network namespace with a loopback interface and nothing else, for as long as the value lives.
#[derive(Debug)]
pub struct Loopback(Process);

impl Loopback {
    /// Makes one; its output goes to `folder`.
    ///
    /// # Errors
    /// The kernel refuses it, or set-up has not installed the peers' Python.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new("unshare");
        command
            .arg("--net")
            .arg(tool("peers/python/mcp1/bin/python")?)
            .arg(peer("python/loopback.py"));
        let mut process = Process::start("loopback", folder, command)?;
        process.says("loopback: up", LOOPBACK_LIMIT)?;
        Ok(Self(process))
    }

    /// The process that holds it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }
}
