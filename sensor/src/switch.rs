//! The kill switch: while one of its files is there, no probe is attached.
//!
//! A file, because whatever manages hosts can make one, it holds over a restart, and it needs no sensor that answers.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::off::Off;
use crate::order::Order;
use crate::redact;

/// Of the whole host: every sensor on it, `watch` included.
pub const HOST_FILE: &str = "/etc/gnomon/disabled";
/// In the state folder: of the sensor that has it.
pub const STATE_FILE: &str = "disabled";

/// In the state folder: the collector's order. The sensor makes it and takes it away.
pub const ORDER_FILE: &str = "disabled-by-collector";

/// The files are looked for this often; detaching takes less than a second more.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Bytes of a file's first line that are told.
pub(crate) const NOTE_BYTES_MAX: usize = 200;

/// Looks for the files.
#[derive(Debug)]
pub struct Switch {
    files: Vec<PathBuf>,
    order: Option<Order>,
    looked: Option<Instant>,
    found: Option<Off>,
}

impl Switch {
    /// One with these files.
    #[must_use]
    pub const fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            order: None,
            looked: None,
            found: None,
        }
    }

    /// It obeys this, too.
    #[must_use]
    pub fn obeying(self, order: Order) -> Self {
        Self {
            order: Some(order),
            ..self
        }
    }

    /// Why probes are to be off, as of the last look.
    pub fn off(&mut self) -> Option<Off> {
        if let Some(off) = self.order.as_ref().and_then(Order::off) {
            return Some(off);
        }
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            self.found = self.files.iter().find_map(|file| look(file));
        }
        self.found.clone()
    }
}

/// A file that is there switches off, whatever it is and whether it can be read.
fn look(file: &Path) -> Option<Off> {
    let is_file = match fs::symlink_metadata(file) {
        Ok(metadata) => metadata.is_file(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return None;
        }
        Err(_) => false,
    };
    let note = if is_file { note(file) } else { None };
    if file.file_name().is_some_and(|name| name == ORDER_FILE) {
        return Some(Off::Ordered { note });
    }
    Some(Off::Switched {
        file: file.to_owned(),
        note,
    })
}

/// Who did it and why, where somebody wrote that into it.
fn note(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(file).ok()?;
    file.take(NOTE_BYTES_MAX as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| redact::text(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_switches_off_and_its_absence_on_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(STATE_FILE);
        let mut switch = Switch::new(vec![folder.path().join("no/such"), file.clone()]);
        assert_eq!(switch.off(), None);
        fs::write(&file, "maintenance of db-7\nsecond line\n").expect("written");
        let deadline = Instant::now() + 10 * LOOK_EVERY;
        let off = loop {
            assert!(Instant::now() < deadline, "never off");
            if let Some(off) = switch.off() {
                break off.to_string();
            }
        };
        assert!(
            off.contains("(maintenance of db-7)") && !off.contains("second"),
            "{off}"
        );
        assert!(off.contains(&file.display().to_string()), "{off}");
        fs::remove_file(&file).expect("removed");
        while switch.off().is_some() {
            assert!(Instant::now() < deadline, "never on again");
        }
        let order = folder.path().join(ORDER_FILE);
        fs::write(&order, "ann: maintenance\n").expect("written");
        let off = look(&order).expect("off").to_string();
        assert!(
            off.contains("collector (ann: maintenance)") && off.contains("sensors enable"),
            "{off}"
        );
    }

    #[test]
    fn whatever_is_there_switches_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/no/such/file", &link).expect("a link");
        for (file, note) in [(link.as_path(), None), (folder.path(), None)] {
            let off = look(file).expect("off");
            assert_eq!(
                off,
                Off::Switched {
                    file: file.to_owned(),
                    note
                }
            );
        }
        // A regular file in place of the folder is no switch.
        let file = folder.path().join("file");
        fs::write(&file, "password=hunter2hunter2\n").expect("written");
        assert_eq!(look(&file.join(STATE_FILE)), None);
        let told = look(&file).expect("off").to_string();
        assert!(!told.contains("hunter2"), "{told}");
    }
}
