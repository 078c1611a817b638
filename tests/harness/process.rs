//! A child process whose output goes to files, and which ends with the value.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::deadline::poll;

/// Signals that the tests send.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A polite stop.
    Terminate,
    /// No warning.
    Kill,
}

impl Signal {
    fn option(self) -> &'static str {
        match self {
            Self::Interrupt => "-INT",
            Self::Terminate => "-TERM",
            Self::Kill => "-KILL",
        }
    }
}

/// A running child. Dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `folder/NAME.out` and `folder/NAME.err`.
    ///
    /// # Errors
    /// The program cannot be started or the files not be made.
    pub fn start(name: &str, folder: &Path, command: Command) -> Result<Self> {
        let mut command = dying_with_us(&command);
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).context("a file for its output")?)
            .stderr(File::create(&stderr).context("a file for its errors")?)
            .spawn()
            .with_context(|| format!("starting {name}: {}", command.get_program().display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it complained about so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Sends a signal to this process alone.
    ///
    /// # Errors
    /// `kill` cannot be run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Command::new("kill")
            .arg(signal.option())
            .arg(self.pid().to_string())
            .status()
            .context("kill")?;
        Ok(())
    }

    /// Kills what it started, and what that started, but not this process.
    ///
    /// # Errors
    /// `kill` cannot be run.
    pub fn kill_descendants(&self) -> Result<()> {
        let mut found = children_of(self.pid());
        let mut next = 0;
        while let Some(&pid) = found.get(next) {
            found.extend(children_of(pid));
            next += 1;
        }
        for pid in found {
            Command::new("kill")
                .args([Signal::Kill.option(), &pid.to_string()])
                .status()
                .context("kill")?;
        }
        Ok(())
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// The system refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("end of {}", self.name);
        poll(&what, limit, || self.ended())
    }

    /// Waits until its output or errors hold a line that starts with `mark`, and gives that line.
    ///
    /// # Errors
    /// It ended first, or did not say so within `limit`; with the end of what it said.
    pub fn says(&mut self, mark: &str, limit: Duration) -> Result<String> {
        let what = format!("{} says {mark:?}", self.name);
        let found = poll(&what, limit, || {
            let (out, err) = (self.stdout(), self.stderr());
            if let Some(line) = out
                .lines()
                .chain(err.lines())
                .find(|line| line.starts_with(mark))
            {
                return Ok(Some(line.to_owned()));
            }
            if let Some(status) = self.ended()? {
                anyhow::bail!("{} ended with {status}", self.name);
            }
            Ok(None)
        });
        found.with_context(|| format!("{} said:\n{}{}", self.name, self.stdout(), self.stderr()))
    }
}

/// The processes that any thread of `pid` started and that still run.
fn children_of(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let words: Vec<String> = lists.collect();
    words
        .iter()
        .flat_map(|list| list.split_whitespace())
        .filter_map(|word| word.parse().ok())
        .collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, killed by the kernel when the thread that starts it ends, however that happens: a test
/// runner that gives up on us must not leave sensors behind.
fn dying_with_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// Runs a command to its end and gives its standard output.
///
/// # Errors
/// It cannot be started, or failed: with its standard error.
pub fn output<I, S>(program: &Path, arguments: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| program.display().to_string())?;
    anyhow::ensure!(
        output.status.success(),
        "{} failed ({}): {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a process of that id is there (also as a zombie).
#[must_use]
pub fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The process and all its descendants, as they are now.
///
/// # Errors
/// /proc cannot be read.
pub fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // A process that ended meanwhile has no parent any more.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        // The name in parentheses may hold anything, so the fields are counted after its end.
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(&parent) = tree.get(at) {
        tree.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    Ok(tree)
}
