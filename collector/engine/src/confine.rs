//! Takes away from the engine what it has no business with: other files, and connections outwards.
//!
//! SQL has functions that read files and open connections. The analyst's grants refuse nearly all of
//! them, but the scalar `file()` needs no grant, and the engine may run as root. Landlock (Linux 5.13;
//! connections from 6.7) makes the refusal the kernel's. On an older kernel the grants and the check
//! of the statement stand alone; that is said once, on standard error.

use std::{io::Write, path::Path};

use anyhow::{Context, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};

/// The newest interface these rules are written for: files, truncation, TCP connections.
const INTERFACE: ABI = ABI::V4;

/// What the engine reads of the system: libraries, time zones, its own process, processor and memory figures.
const SYSTEM: [&str; 20] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ld.so.cache",
    "/dev/urandom",
    "/dev/random",
    "/proc/self",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/filesystems",
    "/proc/sys",
    "/sys/devices",
    "/sys/fs/cgroup",
];

/// What this process may reach beside [`SYSTEM`].
#[derive(Debug)]
pub(crate) struct Reach<'a> {
    /// Folders to read and write.
    pub(crate) whole: &'a [&'a Path],
    /// Folders to write in without reading files: a log is no answer to a query.
    pub(crate) write: &'a [&'a Path],
    /// Files and folders to read.
    pub(crate) read: &'a [&'a Path],
}

/// Confines this process for good.
///
/// # Errors
/// A folder of ours cannot be opened, or the kernel refuses the rules.
pub(crate) fn confine(reach: &Reach<'_>) -> Result<()> {
    let reading = AccessFs::from_read(INTERFACE) & !AccessFs::Execute;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(INTERFACE))
        .context("rules on files")?
        .handle_access(AccessNet::ConnectTcp)
        .context("rules on connections")?
        .create()
        .context("making the rules")?;
    let all = AccessFs::from_all(INTERFACE) & !AccessFs::Execute;
    // Names may be listed: the log's turning over looks for old files to remove.
    let blind = all & !AccessFs::ReadFile;
    let whole = reach.whole.iter().map(|folder| (folder, all));
    for (folder, rights) in whole.chain(reach.write.iter().map(|folder| (folder, blind))) {
        let place = PathFd::new(folder).with_context(|| format!("opening {}", folder.display()))?;
        rules = rules
            .add_rule(PathBeneath::new(place, rights))
            .context("a rule")?;
    }
    for path in reach
        .read
        .iter()
        .copied()
        .chain(SYSTEM.iter().map(Path::new))
    {
        // What this machine does not have needs no rule.
        if let Ok(place) = PathFd::new(path) {
            // Rights on a folder's entries cannot be given on a file.
            let rights = if path.is_dir() {
                reading
            } else {
                AccessFs::ReadFile.into()
            };
            rules = rules
                .add_rule(PathBeneath::new(place, rights))
                .context("a rule")?;
        }
    }
    if let Ok(null) = PathFd::new("/dev/null") {
        let both = AccessFs::ReadFile | AccessFs::WriteFile;
        rules = rules
            .add_rule(PathBeneath::new(null, both))
            .context("a rule")?;
    }
    let done = rules.restrict_self().context("applying the rules")?;
    if done.ruleset != RulesetStatus::FullyEnforced {
        // Nobody may be reading.
        let _ = writeln!(
            std::io::stderr(),
            "gnomon-engine: not fully confined ({:?}): Landlock of Linux 6.7 is wanted",
            done.ruleset
        );
    }
    Ok(())
}
