//! Programs that do not speak MCP: the scripts of tests/peers/negatives.
//!
//! They run under user ids that nobody else on the machine has, so that what a sensor says of them can be told
//! from what it says of others, and in a process-id namespace each, so that nothing of them stays behind.

use std::{
    env, fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    peers::{Plan, server_time},
    place::{checkout, peer, tool},
    process::Process,
};

/// User id of the bystanders.
pub const USER: u32 = 61_987;
/// User id of the MCP session that shows that the sensor was looking.
pub const CONTROL_USER: u32 = 61_988;

/// Time for a Python driver's one session.
const CONTROL_LIMIT: Duration = Duration::from_secs(90);

/// What lets a user of his own read this machine's tools wherever they are installed (root's home, say), and write
/// what others of his programs wrote.
const CAPABILITIES: &str = "+dac_override,+dac_read_search";

/// Bystanders of one test or benchmark, with their files in its folder.
#[derive(Debug)]
pub struct Bystanders {
    folder: PathBuf,
    started: u32,
}

impl Bystanders {
    /// Keeps files and output in `folder`, which is made.
    ///
    /// # Errors
    /// The folder cannot be made or handed to their user.
    pub fn new(folder: &Path) -> Result<Self> {
        let home = folder.join("home");
        fs::create_dir_all(&home).context("a home for the bystanders")?;
        for path in [folder, home.as_path()] {
            chown(path, Some(USER), Some(USER)).context("handing it to their user")?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            started: 0,
        })
    }

    /// Names of all scripts, in alphabetical order.
    ///
    /// # Errors
    /// The checkout lacks their folder.
    pub fn names() -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(peer("negatives")).context("tests/peers/negatives")? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "sh")
                && let Some(name) = path.file_stem()
            {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        ensure!(!names.is_empty(), "tests/peers/negatives holds no script");
        Ok(names)
    }

    /// Runs a script to its end and gives what it printed last.
    ///
    /// # Errors
    /// It failed, or did not end within `limit`: with its standard error.
    pub fn run(&mut self, name: &str, limit: Duration) -> Result<String> {
        self.started += 1;
        let work = self.folder.join(format!("{name}-{}", self.started));
        fs::create_dir(&work).context("its folder")?;
        chown(&work, Some(USER), Some(USER)).context("handing it to its user")?;
        let script = peer("negatives").join(format!("{name}.sh"));
        ensure!(script.is_file(), "there is no {}", script.display());
        let mut command = as_user(USER, &script, true);
        command
            .current_dir(&work)
            .env("HOME", self.folder.join("home"))
            .env("CARGO_HOME", self.folder.join("home/cargo"))
            .env("CHECKOUT", checkout())
            .env("VENV", tool("peers/python/negatives")?)
            .env("MODULES", tool("peers/negatives/node_modules")?)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(rustup) = rustup_home() {
            command.env("RUSTUP_HOME", rustup);
        }
        let mut process =
            Process::start(&format!("{name}-{}", self.started), &self.folder, command)?;
        let status = process.wait(limit);
        let said = || format!("{name}: {}{}", process.stdout(), process.stderr());
        let status: ExitStatus = status.with_context(said)?;
        ensure!(status.success(), "{status}: {}", said());
        let last = process
            .stdout()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        fs::remove_dir_all(&work).context("removing its folder")?;
        Ok(last)
    }

    /// One real MCP session under [`CONTROL_USER`]. Silence about the others proves nothing if this is not seen.
    ///
    /// # Errors
    /// The session did not take place.
    pub fn control(&mut self) -> Result<()> {
        self.started += 1;
        let plan = Plan::stdio(1, server_time()?).calling(
            "get_current_time",
            serde_json::json!({"timezone": "UTC"}),
            1,
        );
        let file = self.folder.join(format!("control-{}.json", self.started));
        fs::write(&file, serde_json::to_vec(&plan)?).context("the control's plan")?;
        let mut command = as_user(CONTROL_USER, &tool("peers/python/mcp1/bin/python")?, false);
        command
            .arg(peer("python/client1.py"))
            .arg(&file)
            .env("HOME", self.folder.join("home"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process =
            Process::start(&format!("control-{}", self.started), &self.folder, command)?;
        let status = process.wait(CONTROL_LIMIT)?;
        ensure!(
            status.success(),
            "the control session failed ({status}): {}",
            process.stderr()
        );
        Ok(())
    }
}

/// `program` under a user id of its own; `alone` in a process-id namespace that ends with it.
fn as_user(user: u32, program: &Path, alone: bool) -> Command {
    let user = user.to_string();
    let mut command;
    if alone {
        command = Command::new("unshare");
        command.args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
            "setpriv",
        ]);
    } else {
        command = Command::new("setpriv");
    }
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
        .args(["--inh-caps", CAPABILITIES, "--ambient-caps", CAPABILITIES])
        // Without it access(2) answers as if there were no capabilities, and linkers believe it.
        .args(["--securebits", "+no_setuid_fixup"])
        // A change of user takes back the death signal that was set before.
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program);
    command
}

/// Where rustup keeps toolchains: HOME is another one for bystanders.
fn rustup_home() -> Option<PathBuf> {
    let path = match env::var_os("RUSTUP_HOME") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var_os("HOME")?).join(".rustup"),
    };
    path.is_dir().then_some(path)
}
