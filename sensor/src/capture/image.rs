//! What a process runs, as /proc tells while it lives.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use crate::event::{EndKey, Exec, ProcessKey};
use crate::host::read_bounded;
use crate::kernel::{arguments, clock::Clock};

/// Nanoseconds of a clock tick in /proc: `USER_HZ`, 100 on every architecture that Linux runs us on.
const TICK_NS: u64 = 10_000_000;
/// As at exec.
const ARGV_BYTES_MAX: u64 = 16 * 1024;
/// Longest `stat` or `status` that is read.
const TEXT_BYTES_MAX: u64 = 64 * 1024;
/// Bits of a minor number in the kernel's `dev_t` (`MINORBITS`, include/linux/kdev_t.h).
const MINOR_BITS: u32 = 20;
/// What an unset audit id reads as.
const UNSET: u32 = u32::MAX;

/// Who a process is; none when it is gone.
#[must_use]
pub(super) fn key(pid: u32) -> Option<ProcessKey> {
    let stat = read_bounded(&format!("/proc/{pid}/stat"), TEXT_BYTES_MAX)?;
    let (_, start_ns) = parent_and_start(&stat)?;
    Some(ProcessKey { pid, start_ns })
}

/// The process that a process was made by; none when it is gone, or was made by none of this pid namespace.
#[must_use]
pub(super) fn parent(pid: u32) -> Option<u32> {
    let stat = read_bounded(&format!("/proc/{pid}/stat"), TEXT_BYTES_MAX)?;
    let (parent, _) = parent_and_start(&stat)?;
    (parent != 0).then_some(parent)
}

/// What a process runs; none when it is gone, or runs no image, as a kernel thread.
#[must_use]
pub(super) fn image(pid: u32, clock: &Clock) -> Option<Exec> {
    let folder = format!("/proc/{pid}");
    let stat = read_bounded(&format!("{folder}/stat"), TEXT_BYTES_MAX)?;
    let (parent, start_ns) = parent_and_start(&stat)?;
    let status = read_bounded(&format!("{folder}/status"), TEXT_BYTES_MAX)?;
    let number = |name: &str| {
        let text = read_bounded(&format!("{folder}/{name}"), TEXT_BYTES_MAX)?;
        text.trim().parse().ok().filter(|id| *id != UNSET)
    };
    let exe = fs::metadata(format!("{folder}/exe")).ok()?;
    let mut argv = Vec::new();
    let file = File::open(format!("{folder}/cmdline")).ok()?;
    file.take(ARGV_BYTES_MAX + 1).read_to_end(&mut argv).ok()?;
    let argv_truncated = argv.len() as u64 > ARGV_BYTES_MAX;
    argv.truncate(usize::try_from(ARGV_BYTES_MAX).unwrap_or(usize::MAX));
    let (argv, more) = arguments(&argv);
    Some(Exec {
        process: ProcessKey { pid, start_ns },
        parent: (parent != 0).then(|| key(parent)).flatten(),
        started: clock.unix_ns(start_ns),
        exe: link(&format!("{folder}/exe")),
        exe_inode: Some(EndKey {
            device: libc::major(exe.dev()) << MINOR_BITS | libc::minor(exe.dev()),
            inode: exe.ino(),
        }),
        argv,
        argv_truncated: argv_truncated || more,
        cwd: link(&format!("{folder}/cwd")),
        uid: uid(&status)?,
        login_uid: number("loginuid"),
        login_session: number("sessionid"),
        // The pass asks for containers by /proc.
        cgroup: 0,
    })
}

/// proc(5), stat: fields 4 and 22; the second field may hold anything, so count from its end. Time in nanoseconds since
/// boot, in steps of a tick.
fn parent_and_start(stat: &str) -> Option<(u32, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let ticks: u64 = fields.nth(17)?.parse().ok()?;
    Some((parent, ticks.saturating_mul(TICK_NS)))
}

/// The real user: the first number.
fn uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn link(path: &str) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let text = String::from_utf8_lossy(target.as_os_str().as_bytes()).into_owned();
    Some(
        text.strip_suffix(" (deleted)")
            .map(str::to_owned)
            .unwrap_or(text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "7 (a) 9 9) S 3 7 7 0 -1 4194304 1 2 3 4 25 17 0 0 20 0 1 0 99 1 1";
        assert_eq!(parent_and_start(stat), Some((3, 990_000_000)));
        assert_eq!(parent_and_start("7 (a"), None);
        assert_eq!(uid("Name:\tx\nUid:\t5\t6\t7\t8\n"), Some(5));
    }

    #[test]
    fn this_process_is_known() {
        let own = std::process::id();
        let image = image(own, &Clock::measure()).expect("it lives");
        assert_eq!(Some(image.process), key(own));
        assert_eq!(
            image.exe.as_deref().map(std::path::Path::new),
            std::env::current_exe().ok().as_deref()
        );
        assert!(image.parent.is_some() && !image.argv.is_empty());
        assert!(key(u32::MAX).is_none());
    }
}
