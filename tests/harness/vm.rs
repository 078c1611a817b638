//! A guest: another kernel, in a virtual machine, on this host's files.
//!
//! The guest sees all files of the host at their own paths, read-only (virtiofs), so that test programs and peers run as they are;
//! what it writes to /tmp and the like is its own. One with another processor has a root of its own, with the checkout in it. QEMU emulates the processor, for build machines often have no other way:
//! count on a tenth of the speed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{
    deadline::poll,
    place::{checkout, tool},
    process::Process,
};

/// Time for the host's side of the shared files to be ready.
const SHARE_LIMIT: Duration = Duration::from_secs(30);
/// Virtual seconds in which a kernel tests itself after boot; costs next to nothing, for idle time is skipped.
const SELF_TEST_S: u32 = 30;
/// Where Debian puts the program that shares files, of QEMU 7 and of its own package.
const VIRTIOFSD: [&str; 2] = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];

/// What a guest's processor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Processor {
    /// As the host's.
    X86,
    /// An arm64 one, with a root of its own.
    Arm64,
}

impl Processor {
    /// The end of a kernel's name.
    const fn suffix(self) -> &'static str {
        match self {
            Self::X86 => "",
            Self::Arm64 => "-arm64",
        }
    }

    /// The machine and the name of its console.
    const fn machine(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::X86 => ("qemu-system-x86_64", &["-cpu", "qemu64"], "ttyS0"),
            Self::Arm64 => (
                "qemu-system-aarch64",
                &["-machine", "virt", "-cpu", "cortex-a57"],
                "ttyAMA0",
            ),
        }
    }

    /// What a guest has as its root.
    fn root(self) -> PathBuf {
        match self {
            Self::X86 => PathBuf::from("/"),
            Self::Arm64 => checkout().join(".tools/arm64/root"),
        }
    }
}

/// A kernel that `deploy/setup.sh kernels` has fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// What it runs on.
    pub processor: Processor,
    /// Major and minor number, for order.
    number: (u32, u32),
    folder: PathBuf,
}

impl Kernel {
    /// The kernel of that name, as in `6.12` or `6.12-arm64`.
    ///
    /// # Errors
    /// Set-up has not fetched it.
    pub fn find(name: &str) -> Result<Self> {
        let of = if name.ends_with(Processor::Arm64.suffix()) {
            "arm64"
        } else {
            "kernels"
        };
        let all = Self::fetched()?;
        all.into_iter()
            .find(|kernel| kernel.name() == name)
            .with_context(|| format!("no kernel {name}: deploy/setup.sh {of}"))
    }

    /// All of the host's processor, the oldest first.
    ///
    /// # Errors
    /// Set-up has fetched none.
    pub fn all() -> Result<Vec<Self>> {
        let mut all = Self::fetched()?;
        all.retain(|kernel| kernel.processor == Processor::X86);
        Ok(all)
    }

    fn fetched() -> Result<Vec<Self>> {
        let folder = checkout().join(".tools/kernels");
        let entries =
            fs::read_dir(&folder).context("no kernels to boot: deploy/setup.sh kernels")?;
        let mut kernels: Vec<Self> = entries
            .filter_map(|entry| Self::of_folder(entry.ok()?.path()))
            .collect();
        ensure!(
            !kernels.is_empty(),
            "no kernels to boot: deploy/setup.sh kernels"
        );
        kernels.sort();
        Ok(kernels)
    }

    fn of_folder(folder: PathBuf) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        let (number, processor) = match name.strip_suffix(Processor::Arm64.suffix()) {
            Some(number) => (number, Processor::Arm64),
            None => (name, Processor::X86),
        };
        let (major, minor) = number.split_once('.')?;
        let number = (major.parse().ok()?, minor.parse().ok()?);
        let complete = folder.join("vmlinuz").is_file() && folder.join("initrd").is_file();
        complete.then_some(Self {
            processor,
            number,
            folder,
        })
    }

    /// As in `6.12` or `6.12-arm64`.
    #[must_use]
    pub fn name(&self) -> String {
        let (major, minor) = self.number;
        format!("{major}.{minor}{}", self.processor.suffix())
    }

    /// As `uname -r` says it.
    #[must_use]
    pub fn release(&self) -> String {
        let text = fs::read_to_string(self.folder.join("release")).unwrap_or_default();
        text.trim().to_owned()
    }
}

/// How a guest's processors and its clock run.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// One processor; its clock counts instructions, one a nanosecond, and skips idle time. What a program costs is then a number
    /// that is the same on a busy host. Not for what waits for answers: a deadline may pass while the host fetches a file.
    Counted,
    /// That many processors, in real time.
    Smp(u32),
}

/// A guest that is to run a command.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What it boots.
    pub kernel: Kernel,
    /// How.
    pub mode: Mode,
    /// Its memory in MiB.
    pub memory_mb: u32,
}

/// What a guest's command left.
#[derive(Debug)]
pub struct Ended {
    /// Exit status of the command.
    pub status: i32,
    /// What it printed, errors included.
    pub output: String,
    /// What the kernel printed.
    pub console: String,
}

impl Guest {
    /// A guest with memory enough for a sensor and a few peers.
    #[must_use]
    pub const fn new(kernel: Kernel, mode: Mode) -> Self {
        Self {
            kernel,
            mode,
            memory_mb: 2048,
        }
    }

    /// Boots, runs `script` by `sh` as root, and ends. `look` is told each quarter of a second or so what the command has
    /// printed so far.
    ///
    /// # Errors
    /// A part is missing, the guest did not boot, its kernel failed, or the command did not end within `limit`; with the end of
    /// what was printed.
    pub fn run(&self, script: &str, limit: Duration, mut look: impl FnMut(&str)) -> Result<Ended> {
        let job = job_folder()?;
        let surroundings = format!(
            "export PATH='{}'\n",
            env::var("PATH").unwrap_or_default().replace('\'', "")
        );
        fs::write(job.path().join("command"), surroundings + script)?;
        let mut share = share(job.path(), &self.kernel.processor.root())?;
        let mut machine = Process::start("machine", job.path(), self.machine(job.path()))?;
        let ended = poll("the guest's end", limit, || {
            look(&text(&job.path().join("output")));
            machine.ended()
        });
        let console = printable(&machine.stdout());
        let output = text(&job.path().join("output"));
        let said = || {
            format!(
                "kernel {}: command:\n{}\nconsole:\n{}{}",
                self.kernel.name(),
                tail(&output),
                tail(&console),
                tail(&machine.stderr())
            )
        };
        ended.with_context(said)?;
        let status = text(&job.path().join("status"));
        let Ok(status) = status.trim().parse() else {
            bail!("the guest ended before its command did: {}", said());
        };
        // It ends with the machine.
        share.wait(SHARE_LIMIT)?;
        Ok(Ended {
            status,
            output,
            console,
        })
    }

    fn machine(&self, job: &Path) -> Command {
        let memory = format!("{}M", self.memory_mb);
        let (program, kind, terminal) = self.kernel.processor.machine();
        let mut command = Command::new(program);
        command.args(kind);
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ]);
        command.args(["-serial", "stdio", "-accel", "tcg"]);
        command.args(["-m", &memory, "-numa", "node,memdev=memory"]);
        command.args([
            "-object",
            &format!("memory-backend-memfd,id=memory,size={memory},share=on"),
        ]);
        command.args([
            "-device",
            "vhost-user-fs-pci,chardev=host,tag=host,queue-size=1024",
        ]);
        command.args([
            "-chardev",
            &format!("socket,id=host,path={}", job.join("share.sock").display()),
        ]);
        let mut line = format!(
            "console={terminal} panic=-1 quiet lsm=landlock,lockdown,bpf tsc=reliable clocksource=tsc gnomon.guest={} gnomon.job={}",
            checkout().join("tests/kernels/guest").display(),
            job.display()
        );
        match self.mode {
            Mode::Counted => {
                command.args(["-smp", "1", "-icount", "shift=0,sleep=off"]);
                line += &format!(" gnomon.idle={SELF_TEST_S}");
            }
            Mode::Smp(processors) => {
                command.args(["-smp", &processors.to_string()]);
            }
        }
        command
            .arg("-kernel")
            .arg(self.kernel.folder.join("vmlinuz"));
        command
            .arg("-initrd")
            .arg(self.kernel.folder.join("initrd"));
        command.args(["-append", &line]);
        command
    }
}

/// A folder that host and guest both write to. Not in /tmp: a guest has its own.
fn job_folder() -> Result<TempDir> {
    let parent = checkout().join("target/vm");
    fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
    tempfile::tempdir_in(&parent).with_context(|| parent.display().to_string())
}

fn share(job: &Path, root: &Path) -> Result<Process> {
    let server = VIRTIOFSD.into_iter().find(|path| Path::new(path).exists());
    let server = server.context("there is no virtiofsd: deploy/setup.sh kernels")?;
    tool("kernels")?;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh"])
        .arg(checkout().join("tests/kernels/guest/share.sh"))
        .arg(job)
        .arg(server)
        .arg(root)
        .arg(checkout());
    let mut process = Process::start("share", job, command)?;
    poll("the shared files are ready", SHARE_LIMIT, || {
        if let Some(status) = process.ended()? {
            bail!(
                "sharing files with a guest ended with {status}: {}",
                process.stderr()
            );
        }
        Ok(job.join("share.sock").exists().then_some(()))
    })?;
    Ok(process)
}

fn text(file: &Path) -> String {
    fs::read(file).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// The console's text without what moves the cursor.
fn printable(console: &str) -> String {
    console
        .chars()
        .filter(|&sign| sign == '\n' || !sign.is_control())
        .collect()
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n") + "\n"
}
