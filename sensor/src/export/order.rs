//! The collector's order to have probes off, kept as a file of the kill switch: so it holds before there is a connection.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use gnomon_proto::v1::Probes;

/// Bytes of author and of reason that are kept.
const WORDS_BYTES_MAX: usize = 100;

/// Makes or takes away the file.
pub(super) fn keep(file: &Path, probes: &Probes) -> io::Result<()> {
    if !probes.off {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let note = format!("{}: {}\n", line(&probes.author), line(&probes.reason));
    let mut written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(file)?;
    written.write_all(note.as_bytes())?;
    written.sync_all()?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// On one line, and not too long.
fn line(words: &str) -> String {
    let end = words.floor_char_boundary(WORDS_BYTES_MAX);
    words
        .get(..end)
        .unwrap_or_default()
        .replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_kept_until_it_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("order");
        let mut probes = Probes {
            off: true,
            author: "ann".to_owned(),
            reason: format!("ticket\n{}", "\u{e9}".repeat(500)),
        };
        for _ in 0..2 {
            keep(&file, &probes).expect("kept");
        }
        let kept = std::fs::read_to_string(&file).expect("a file");
        assert!(kept.starts_with("ann: ticket \u{e9}"), "{kept}");
        assert!(kept.len() < 200 && kept.lines().count() == 1, "{kept}");
        probes.off = false;
        for _ in 0..2 {
            keep(&file, &probes).expect("taken back");
        }
        assert!(!file.exists());
    }
}
