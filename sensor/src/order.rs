//! The collector's order to have probes off: in memory, so that it is obeyed whatever the disk says, and as a file of the kill
//! switch, so that it holds after a restart before there is a connection.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gnomon_proto::v1::Probes;

use crate::off::Off;
use crate::redact;
use crate::switch::{NOTE_BYTES_MAX, ORDER_FILE};

/// Between author and reason.
const MARK: &str = ": ";
/// Bytes of author and of reason that are kept: together what is read of the file again.
const WORDS_BYTES_MAX: usize = (NOTE_BYTES_MAX - MARK.len()) / 2;

/// Shared by who hears it and who obeys it.
#[derive(Clone, Debug)]
pub struct Order {
    file: PathBuf,
    off: Arc<Mutex<Option<Off>>>,
}

impl Order {
    /// Kept in this folder. What an earlier run was ordered is the file's to say.
    #[must_use]
    pub fn kept_in(state_dir: &Path) -> Self {
        Self {
            file: state_dir.join(ORDER_FILE),
            off: Arc::default(),
        }
    }

    /// Where it is kept.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What was ordered in this run: why probes are to be off.
    #[must_use]
    pub fn off(&self) -> Option<Off> {
        self.off
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on.
    pub(crate) fn hear(&self, probes: &Probes) {
        let off = probes.off.then(|| Off::Ordered {
            note: Some(redact::text(&note(probes))),
        });
        *self.off.lock().unwrap_or_else(PoisonError::into_inner) = off;
    }

    /// Makes or takes away the file.
    ///
    /// # Errors
    /// The disk's: the order holds for this run only, or what was taken back holds until the file is gone.
    pub(crate) fn keep(&self, probes: &Probes) -> io::Result<()> {
        keep(&self.file, probes)
    }
}

fn keep(file: &Path, probes: &Probes) -> io::Result<()> {
    if !probes.off {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let mut written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(file)?;
    writeln!(written, "{}", note(probes))?;
    written.sync_all()?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Who and why.
fn note(probes: &Probes) -> String {
    format!("{}{MARK}{}", line(&probes.author), line(&probes.reason))
}

/// On one line, and not too long.
fn line(words: &str) -> String {
    let end = words.floor_char_boundary(WORDS_BYTES_MAX);
    let kept = words.get(..end).unwrap_or_default();
    kept.trim().replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::Switch;

    #[test]
    fn an_order_is_kept_until_it_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let order = Order::kept_in(folder.path());
        let file = order.file();
        let mut probes = Probes {
            off: true,
            author: "ann ".repeat(500),
            reason: format!("ticket\n{}", "it ".repeat(500)),
        };
        for _ in 0..2 {
            order.keep(&probes).expect("kept");
        }
        let kept = std::fs::read_to_string(file).expect("a file");
        assert!(
            kept.starts_with("ann ann ") && kept.contains(": ticket it it"),
            "{kept}"
        );
        assert_eq!(kept.lines().count(), 1, "{kept}");
        // What is heard and what is read again after a restart is told in the same words.
        order.hear(&probes);
        let mut switch = Switch::new(vec![file.to_owned()]);
        assert_eq!(switch.off(), order.off());
        probes.off = false;
        for _ in 0..2 {
            order.keep(&probes).expect("taken back");
        }
        assert!(!file.exists());
    }

    #[test]
    fn an_order_is_obeyed_where_it_cannot_be_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let order = Order::kept_in(&folder.path().join("no/such"));
        let mut switch = Switch::new(Vec::new()).obeying(order.clone());
        assert_eq!(switch.off(), None);
        let mut probes = Probes {
            off: true,
            author: "ann".to_owned(),
            reason: "password=hunter2hunter2".to_owned(),
        };
        order.hear(&probes);
        order.keep(&probes).expect_err("there is no such folder");
        let off = switch.off().expect("off").to_string();
        assert!(off.contains("ann") && !off.contains("hunter2"), "{off}");
        probes.off = false;
        order.hear(&probes);
        assert_eq!(switch.off(), None);
    }
}
