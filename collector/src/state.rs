//! The state folder: modes, the lock against a second collector, secrets, atomic files.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The collector's folder, held by this process alone.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    // Held open: the lock goes with it.
    _lock: File,
}

impl State {
    /// Opens or makes the folder and locks it.
    ///
    /// # Errors
    /// The folder cannot be made or written, or another collector holds it.
    pub fn open(folder: &Path) -> Result<Self> {
        private_folder(folder)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| {
                format!(
                    "opening {}: state_dir must be writable by this user",
                    path.display()
                )
            })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another gnomon-collector uses {}: stop it, or set another state_dir",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        Ok(Self {
            folder: folder.canonicalize().context("resolving state_dir")?,
            _lock: lock,
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The API's bearer token: 64 hex digits, made at first start.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn api_token(&self) -> Result<String> {
        let path = self.folder.join("api-token");
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().len() >= 32 => Ok(text.trim().to_owned()),
            Ok(_) => bail!(
                "{} holds no token: remove it, a new one is made at the next start",
                path.display()
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let token = random_hex()?;
                write_private(&path, format!("{token}\n").as_bytes())?;
                Ok(token)
            }
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }
}

/// Makes a folder that only its owner can enter, or tightens an existing one.
///
/// # Errors
/// It cannot be made or changed.
pub fn private_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| {
            format!(
                "making the folder {}: check state_dir and its permissions",
                folder.display()
            )
        })?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(|| {
        format!(
            "setting mode 0700 on {}: it belongs to another user",
            folder.display()
        )
    })
}

/// Writes a file of mode 0600 so that readers see all of it or the one before.
///
/// # Errors
/// The folder cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes, 0o600)
}

/// As [`write_private`], readable by others.
///
/// # Errors
/// The folder cannot be written.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes, 0o644)
}

fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = PathBuf::from(name);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// 32 random bytes from the kernel as 64 hex digits.
///
/// # Errors
/// The kernel's random source cannot be read.
pub fn random_hex() -> Result<String> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .context("reading /dev/urandom")?;
    Ok(hex(&bytes))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_collector_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let first = State::open(folder.path()).expect("first");
        let refused = State::open(folder.path()).expect_err("second");
        assert!(refused.to_string().contains("another gnomon-collector"));
        drop(first);
        State::open(folder.path()).expect("free again");
    }

    #[test]
    fn the_token_is_private_and_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let state = State::open(folder.path()).expect("state");
        let token = state.api_token().expect("made");
        assert_eq!(token, state.api_token().expect("read"));
        let mode = fs::metadata(folder.path().join("api-token"))
            .expect("file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
