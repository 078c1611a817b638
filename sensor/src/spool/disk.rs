//! What the spool asks of a disk, and the real one.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Names one boot of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// A flat folder of files. Tests have one that crashes.
pub trait Disk {
    /// All files.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Size in bytes.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn size(&self, name: &str) -> io::Result<u64>;
    /// At most `length` bytes from `offset`; fewer where the file ends.
    ///
    /// # Errors
    /// `NotFound`, or the disk's.
    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Adds to the end, making the file if need be. On an error a part may have been written.
    ///
    /// # Errors
    /// The disk's, `StorageFull` among them.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Cuts off.
    ///
    /// # Errors
    /// The disk's.
    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()>;
    /// Puts a file in the place of another, as a whole or not at all.
    ///
    /// # Errors
    /// The disk's; the old file is still there then.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file and its name safe against a power cut.
    ///
    /// # Errors
    /// The disk's.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The disk's.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// This boot.
    fn boot(&self) -> BootId;
}

/// A folder of the file system, locked for this process and closed to other users.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    boot: BootId,
    /// Held for its lock.
    _lock: File,
}

/// Why a folder cannot be used: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("{} is in use by another sensor; stop that one first", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be made or opened.
    #[error("the spool folder {} cannot be used; check state_dir, its owner and the disk", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

const LOCK: &str = "lock";
const REPLACEMENT: &str = "replacement";

impl Folder {
    /// Makes the folder if need be, closes it to others, and locks it.
    ///
    /// # Errors
    /// See [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let fault = |source| FolderError::Io {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(fault)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(fault)?;
        let lock = options()
            .write(true)
            .create(true)
            .open(path.join(LOCK))
            .map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        Ok(Self {
            path: path.to_owned(),
            boot: boot(),
            _lock: lock,
        })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Files are the owner's alone, and a link in the place of one is not followed.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options
}

/// Where there is no boot id, every start counts as a new boot.
fn boot() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let known = u128::from_str_radix(&hex, 16).map(u128::to_be_bytes);
    BootId(known.unwrap_or_else(|_| super::writer::random()))
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(std::fs::symlink_metadata(self.at(name))?.len())
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = options().read(true).open(self.at(name))?;
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            match file.read_at(&mut bytes[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        options()
            .append(true)
            .create(true)
            .open(self.at(name))?
            .write_all(bytes)
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        options().write(true).open(self.at(name))?.set_len(size)
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (replacement, own) = (self.at(REPLACEMENT), self.at(name));
        let file = options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&replacement)?;
        file.write_all_at(bytes, 0)?;
        file.set_len(bytes.len() as u64)?;
        // The two files change places, for a new one each time costs the file system more than all else; not every
        // file system can do that, and the first time there is only one.
        renameat_with(CWD, &replacement, CWD, &own, RenameFlags::EXCHANGE)
            .or_else(|_| std::fs::rename(&replacement, &own))
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        options().read(true).open(self.at(name))?.sync_all()?;
        File::open(&self.path)?.sync_all()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.at(name))
    }

    fn boot(&self) -> BootId {
        self.boot
    }
}
