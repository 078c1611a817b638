//! What the collector has acknowledged, as a file.
//!
//! `magic[8] version:u32 clean:u32 number:u64 sequence:u64 next:u64 spool[16] writer[16] boot[16] crc:u32`,
//! numbers little-endian, 92 bytes. A file that is not exactly that is as good as none: everything on disk is
//! sent again, and the collector knows what it has.

use std::io;

use super::{BootId, Disk, SpoolId};

/// Name of the file.
pub(super) const NAME: &str = "cursor";

const MAGIC: [u8; 8] = *b"gncursor";
const VERSION: u32 = 1;
const BYTES: usize = 92;

/// The cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The sensor ended cleanly after this.
    pub(super) clean: bool,
    /// Segments before this one are done with.
    pub(super) number: u64,
    /// In that segment and later ones, of this spool …
    pub(super) spool: SpoolId,
    /// … everything up to this is acknowledged.
    pub(super) sequence: u64,
    /// The id that new batches got when this was written …
    pub(super) writer: SpoolId,
    /// … and the sequence that the next one was to get.
    pub(super) next: u64,
    /// The boot in which this was written.
    pub(super) boot: BootId,
}

impl Cursor {
    /// Has this batch of segment `number` been acknowledged?
    pub(super) fn covers(&self, number: u64, spool: SpoolId, sequence: u64) -> bool {
        number < self.number || self.spool == spool && sequence <= self.sequence
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(u32::from(self.clean).to_le_bytes());
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.next.to_le_bytes());
        bytes.extend(self.spool.0);
        bytes.extend(self.writer.0);
        bytes.extend(self.boot.0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        if bytes.len() != BYTES || crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (magic, content) = content.split_first_chunk::<8>()?;
        let (version, content) = content.split_first_chunk::<4>()?;
        let (clean, content) = content.split_first_chunk::<4>()?;
        let (number, content) = content.split_first_chunk::<8>()?;
        let (sequence, content) = content.split_first_chunk::<8>()?;
        let (next, content) = content.split_first_chunk::<8>()?;
        let (spool, content) = content.split_first_chunk::<16>()?;
        let (writer, content) = content.split_first_chunk::<16>()?;
        let (boot, _) = content.split_first_chunk::<16>()?;
        (*magic == MAGIC && u32::from_le_bytes(*version) == VERSION).then(|| Self {
            clean: u32::from_le_bytes(*clean) == 1,
            number: u64::from_le_bytes(*number),
            sequence: u64::from_le_bytes(*sequence),
            next: u64::from_le_bytes(*next),
            spool: SpoolId(*spool),
            writer: SpoolId(*writer),
            boot: BootId(*boot),
        })
    }
}

/// Reads the cursor; none where there is none that can be believed.
pub(super) fn load(disk: &impl Disk) -> io::Result<Option<Cursor>> {
    match disk.read(NAME, 0, BYTES + 1) {
        Ok(bytes) => Ok(Cursor::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the cursor.
pub(super) fn save(disk: &mut impl Disk, cursor: &Cursor) -> io::Result<()> {
    disk.replace(NAME, &cursor.encode())
}
