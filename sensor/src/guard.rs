//! The crash guard: a sensor that keeps ending badly, or a host that goes down with it, is not helped by attaching again.
//!
//! Before probes are attached a mark is written, and taken away when they are detached; what is left of it tells the next
//! start how this one ended. The rule is [`ledger`]'s, the file is here: small, replaced as a whole, and safe against a
//! power cut, or it would say nothing about a host that went down.

mod ledger;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use ledger::Cause;
use ledger::{Ledger, Moment, Watcher};

use crate::kernel::clock::Clock;
use crate::off::Off;

/// Name of the file in the state folder.
const FILE: &str = "guard.json";
const LOCK: &str = "guard.lock";
const REPLACEMENT: &str = "guard.json.new";
/// Far above what is written.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Others hold the lock for one write; who is stopped while holding it is not waited for.
const LOCK_WITHIN: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(10);
/// While it keeps probes off, the file is looked for this often: deleting it lets them on again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Speaks against this version alone.
const SENSOR: &str = env!("CARGO_PKG_VERSION");

/// Remembers how watches end.
#[derive(Debug)]
pub struct Guard {
    folder: PathBuf,
    me: Watcher,
    trip: Option<Cause>,
    looked: Instant,
}

impl Guard {
    /// Reads what is remembered in a folder, which is made if need be, and settles how earlier watches ended. With `forgive`
    /// all of it is forgotten.
    ///
    /// # Errors
    /// The folder or the file cannot be used.
    pub fn open(folder: &Path, forgive: Forgive) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        own(folder)?;
        let mut guard = Self {
            folder: folder.to_owned(),
            me: this_process()?,
            trip: None,
            looked: Instant::now(),
        };
        let now = now()?;
        guard.change(|ledger| {
            if forgive == Forgive::All {
                *ledger = Ledger::default();
            }
            ledger.settle(&now, SENSOR, lives);
        })?;
        Ok(guard)
    }

    /// Why probes are to stay off.
    pub fn off(&mut self) -> Option<Off> {
        if self.trip.is_some() && self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            if !self.file().exists() {
                self.trip = None;
            }
        }
        self.trip.map(|cause| Off::Guarded {
            cause,
            file: self.file(),
        })
    }

    /// Probes are about to be attached.
    pub fn attaching(&mut self) {
        let me = self.me.clone();
        self.note(move |ledger, now| ledger.begin(me, SENSOR, now));
    }

    /// They are attached, and all is well; to be said once a minute.
    pub fn beat(&mut self) {
        let me = self.me.clone();
        self.note(move |ledger, now| ledger.beat(&me, &now));
    }

    /// They are detached.
    pub fn detached(&mut self) {
        let me = self.me.clone();
        self.note(move |ledger, _| ledger.end(&me));
    }

    /// A disk that is full is no reason to stop watching, and is told once by whoever else writes to it.
    fn note(&mut self, change: impl FnOnce(&mut Ledger, Moment)) {
        let outcome = now().and_then(|now| self.change(|ledger| change(ledger, now)));
        if let Err(error) = outcome {
            tracing::warn!(%error, file = %self.file().display(), "the crash guard cannot be written; make room or repair the disk");
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Ledger)) -> io::Result<()> {
        let _lock = self.lock()?;
        let mut ledger = self.read()?;
        let before = ledger.clone();
        change(&mut ledger);
        self.trip = ledger.trip();
        if ledger == before {
            return Ok(());
        }
        self.write(&ledger)
    }

    fn lock(&self) -> io::Result<File> {
        let file = options()
            .write(true)
            .create(true)
            .open(self.folder.join(LOCK))?;
        let until = Instant::now() + LOCK_WITHIN;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::park_timeout(LOCK_RETRY);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "another sensor holds its lock",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn read(&self) -> io::Result<Ledger> {
        let file = match options().read(true).open(self.file()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ledger::default()),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        if let Some(ledger) = Ledger::parse(&bytes) {
            return Ok(ledger);
        }
        tracing::warn!(file = %self.file().display(), "the crash guard's file cannot be read: the last watch counts as ended badly");
        let ledger = Ledger::in_doubt(&now()?, SENSOR);
        self.write(&ledger)?;
        Ok(ledger)
    }

    fn write(&self, ledger: &Ledger) -> io::Result<()> {
        let new = self.folder.join(REPLACEMENT);
        let mut file = options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        file.write_all(&ledger.bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, self.file())?;
        File::open(&self.folder)?.sync_all()
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

/// What is done with what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgive {
    /// It counts.
    Nothing,
    /// Somebody has looked and wants the probes on again.
    All,
}

/// Somebody else's folder becomes ours while we may still do that: without CAP_DAC_OVERRIDE root writes to its own only.
fn own(folder: &Path) -> io::Result<()> {
    let us = rustix::process::geteuid().as_raw();
    if std::fs::metadata(folder)?.uid() != us {
        std::os::unix::fs::chown(folder, Some(us), None)?;
    }
    Ok(())
}

/// Closed to others, and never through a link.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

fn now() -> io::Result<Moment> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(Moment {
        boot: boot.trim().to_owned(),
        ms: Clock::measure().now_boot_ns() / 1_000_000,
    })
}

fn this_process() -> io::Result<Watcher> {
    let pid = std::process::id();
    let started =
        started(pid).ok_or_else(|| io::Error::other("/proc does not show this process"))?;
    Ok(Watcher { pid, started })
}

fn lives(watcher: &Watcher) -> bool {
    started(watcher.pid) == Some(watcher.started)
}

/// proc(5), stat: field 22, in ticks since the boot; the second field may hold anything, so count from its end.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path) -> Guard {
        Guard::open(folder, Forgive::Nothing).expect("a folder of ours")
    }

    /// Leaves what a process leaves behind that was killed.
    fn killed(folder: &Path) {
        let mut guard = open(folder);
        guard.me.started += 1;
        guard.attaching();
    }

    #[test]
    fn two_killed_watches_keep_the_probes_off_until_somebody_decides() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        killed(folder);
        let mut guard = open(folder);
        assert_eq!(guard.off(), None);
        guard.attaching();
        guard.beat();
        guard.detached();
        killed(folder);
        let off = open(folder).off().expect("off").to_string();
        assert!(
            off.contains("guard.json") && off.contains("--force-attach"),
            "{off}"
        );
        assert!(open(folder).off().is_some(), "still");

        assert_eq!(Guard::open(folder, Forgive::All).expect("open").off(), None);
        assert_eq!(open(folder).off(), None, "forgotten");
    }

    #[test]
    fn deleting_the_file_lets_them_on_again_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        killed(folder.path());
        killed(folder.path());
        let mut guard = open(folder.path());
        assert!(guard.off().is_some());
        std::fs::remove_file(folder.path().join(FILE)).expect("removed");
        let deadline = Instant::now() + 10 * LOOK_EVERY;
        while guard.off().is_some() {
            assert!(Instant::now() < deadline, "still off");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_counts_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        for rubbish in [&b"rubbish"[..], &[b'7'; 2 * FILE_BYTES_MAX as usize]] {
            std::fs::write(&file, rubbish).expect("written");
            assert_eq!(open(folder.path()).off(), None);
            assert!(std::fs::metadata(&file).expect("a file").len() < FILE_BYTES_MAX);
            killed(folder.path());
            assert!(open(folder.path()).off().is_some());
        }
    }

    #[test]
    fn it_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        killed(folder.path());
        let mode = std::fs::metadata(folder.path().join(FILE))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);
    }
}
