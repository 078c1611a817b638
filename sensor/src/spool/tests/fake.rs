//! A disk in memory that fills up, is cut off in the middle of a write, and loses power.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::super::{BootId, Disk};

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// What a power cut leaves at least.
    synced: BTreeMap<String, Vec<u8>>,
    boot: u8,
    is_full: bool,
    /// Writes until the process is killed within one; its share of bytes that get through.
    fuel: Option<(u32, u8)>,
    is_dead: bool,
}

impl Fake {
    pub(super) fn set_full(&self, is_full: bool) {
        self.0.lock().unwrap().is_full = is_full;
    }

    /// Kills the process within the `writes`-th write from now, of which `share`/255 gets through.
    pub(super) fn kill_at(&self, writes: u32, share: u8) {
        self.0.lock().unwrap().fuel = Some((writes, share));
    }

    pub(super) fn is_dead(&self) -> bool {
        self.0.lock().unwrap().is_dead
    }

    /// The next process.
    pub(super) fn revive(&self) {
        let mut state = self.0.lock().unwrap();
        (state.is_dead, state.fuel) = (false, None);
    }

    /// An orderly reboot.
    pub(super) fn reboot(&self) {
        self.0.lock().unwrap().boot += 1;
    }

    /// Of each file some prefix of what was not synced is left; of a replaced file the old or the new.
    pub(super) fn cut_power(&self, share: u8) {
        let mut state = self.0.lock().unwrap();
        let State {
            files,
            synced,
            boot,
            ..
        } = &mut *state;
        *boot += 1;
        for (name, content) in files.iter_mut() {
            let safe = synced.get(name).cloned().unwrap_or_default();
            if content.starts_with(&safe) {
                let unsafe_bytes = content.len() - safe.len();
                content.truncate(safe.len() + unsafe_bytes * usize::from(share) / 255);
            } else if share < 128 {
                *content = safe;
            }
        }
        files.retain(|name, content| !content.is_empty() || synced.contains_key(name));
        *synced = files.clone();
    }

    pub(super) fn damage(&self, suffix: &str, at: usize) {
        let mut state = self.0.lock().unwrap();
        let file = state
            .files
            .iter_mut()
            .find(|(name, _)| name.ends_with(suffix))
            .unwrap();
        file.1[at] ^= 1;
    }
}

impl State {
    /// How many of `bytes` get through, and whether the write succeeds.
    fn write(&mut self, bytes: usize) -> (usize, io::Result<()>) {
        if self.is_dead {
            return (0, Err(io::Error::other("dead")));
        }
        if let Some((writes, share)) = &mut self.fuel {
            if *writes == 0 {
                self.is_dead = true;
                return (
                    bytes * usize::from(*share) / 255,
                    Err(io::Error::other("killed")),
                );
            }
            *writes -= 1;
        }
        if self.is_full && bytes > 0 {
            return (bytes / 2, Err(io::ErrorKind::StorageFull.into()));
        }
        (bytes, Ok(()))
    }

    fn file(&self, name: &str) -> io::Result<&Vec<u8>> {
        self.files
            .get(name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Fake {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().file(name)?.len() as u64)
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = self.0.lock().unwrap();
        let file = state.file(name)?;
        Ok(file
            .iter()
            .skip(offset as usize)
            .take(length)
            .copied()
            .collect())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let (through, result) = state.write(bytes.len());
        if !(state.is_dead && through == 0) {
            state
                .files
                .entry(name.to_owned())
                .or_default()
                .extend(&bytes[..through]);
        }
        result
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.write(0).1?;
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        file.truncate(size as usize);
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.write(bytes.len()).1?;
        state.files.insert(name.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.write(0).1?;
        let content = state.file(name)?.clone();
        state.synced.insert(name.to_owned(), content);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.write(0).1?;
        state.synced.remove(name);
        state
            .files
            .remove(name)
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn boot(&self) -> BootId {
        BootId([self.0.lock().unwrap().boot; 16])
    }
}
