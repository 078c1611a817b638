//! The spool: sealed batches on disk until the collector has stored them.
//!
//! Laptops sleep and travel, collectors restart. Every batch is written here first and sent from
//! here, so that what is sent again is the same to the byte.
//!
//! # On disk
//! A folder (0700) with files (0600), used by one process at a time (`lock`):
//! - `<number>.segment`, numbers in hex and rising: a header (magic, version, spool id, boot id, first
//!   sequence, CRC), then records (length, CRC, sequence, count of observations, payload). The layout
//!   is in `segment.rs`.
//! - `cursor`: what the collector has acknowledged, replaced atomically on every ack.
//!
//! # Names of batches
//! A batch is known by (spool id, sequence); sequences count from 1 without gaps. A name is never
//! used for two contents that could both have been sent: the collector would throw the second away as
//! a duplicate. So a spool goes on with its id only where nothing that was sent can have been
//! forgotten: within one boot of the machine, or after a clean end. Otherwise what is on disk is sent
//! under the old id, and new batches get a new one.
//!
//! # When is it safe
//! - Written data is synced when a segment is full and at a clean end, not at every batch: waking the
//!   disk ten times a second is harm. `kill -9` loses nothing that was appended; a power cut loses at
//!   most what the kernel had not written back, and that is what the collector had not acknowledged.
//! - A last record that is cut off (killed while writing) is removed and counted.
//! - A record that is whole but wrong is a damaged disk: the rest of its segment is skipped and
//!   counted.
//! - The segments take at most `bytes_max`. The oldest is dropped for a new batch, and what of it was
//!   not acknowledged is counted.
//! - A full disk refuses the append and leaves the spool as it was; the caller keeps the batch or
//!   counts it. The number is not used up.
//!
//! # Invariants (the model in `tests.rs` holds them over crashes at each write)
//! 1. What was appended is delivered, or counted as lost, or (power cut only) gone.
//! 2. Delivered again under one name is the same to the byte.
//! 3. What was acknowledged is not delivered again, as long as the cursor could be written.
//! 4. Batches are delivered in the order they were appended.

mod cursor;
mod disk;
mod reader;
mod segment;
mod writer;

pub use disk::{BootId, Disk, Folder, FolderError};

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;

use cursor::Cursor;
use reader::{InFlight, Reader};
use segment::Segment;
use writer::Writer;

/// Names a spool: 16 random bytes, made when the spool was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpoolId(pub [u8; 16]);

impl fmt::Debug for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpoolId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// A batch as it is on disk and goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Of which spool.
    pub spool: SpoolId,
    /// Its number there, from 1.
    pub sequence: u64,
    /// How many observations are in it.
    pub observations: u32,
    /// The encoded batch.
    pub bytes: Vec<u8>,
}

/// Why batches are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpoolLoss {
    /// The spool was at its cap; the oldest made way.
    Full,
    /// The process was killed while writing it.
    Torn,
    /// The disk gave back other bytes than were written.
    Corrupt,
    /// The collector can never store it.
    Rejected,
}

impl SpoolLoss {
    /// Stable name in output and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "spool_full",
            Self::Torn => "spool_torn",
            Self::Corrupt => "spool_corrupt",
            Self::Rejected => "rejected",
        }
    }
}

/// How much is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Batches.
    pub batches: u64,
    /// Observations in them, where that is still known.
    pub observations: u64,
}

/// Losses since the spool was opened.
pub type Losses = BTreeMap<SpoolLoss, Loss>;

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It could never fit.
    #[error("a batch of {bytes} bytes is more than the spool may hold")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The disk is full or broken; the spool is as it was before.
    #[error("the spool cannot be written")]
    Disk(#[source] io::Error),
}

/// The spool, owned by one task.
#[derive(Debug)]
pub struct Spool<D> {
    disk: D,
    bytes_max: u64,
    /// Oldest first; the writer appends to the last.
    segments: VecDeque<Segment>,
    writer: Writer,
    reader: Reader,
    cursor: Cursor,
    /// The cursor on disk is the one above.
    is_saved: bool,
    losses: Losses,
}

impl<D: Disk> Spool<D> {
    /// Opens what is on disk, or makes it. `bytes_max` bounds all segments together.
    ///
    /// # Errors
    /// The disk cannot be read or a damaged end cannot be cut off.
    pub fn open(mut disk: D, bytes_max: u64) -> io::Result<Self> {
        let mut losses = Losses::new();
        let cursor = cursor::load(&disk)?;
        let first = cursor.as_ref().map_or(0, |cursor| cursor.number);
        let segments = segment::load(&mut disk, first, &mut losses)?;
        let (writer, cursor) = writer::resume(disk.boot(), &segments, cursor);
        let reader = Reader::at(&cursor);
        let mut spool = Self {
            disk,
            bytes_max,
            segments,
            writer,
            reader,
            cursor,
            is_saved: true,
            losses,
        };
        if spool.cursor.clean {
            // From here on an unclean end has to show; if that cannot be, the id is given up.
            let shows = spool
                .save_cursor()
                .and_then(|()| spool.disk.sync(cursor::NAME));
            if shows.is_err() {
                spool.writer.start_anew();
            }
        }
        Ok(spool)
    }

    /// The id that new batches get.
    pub const fn id(&self) -> SpoolId {
        self.writer.spool
    }

    /// Seals a batch and appends it. `seal` gets the batch's name and gives its bytes.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was changed then, but older segments may have made way.
    pub fn append(
        &mut self,
        observations: u32,
        seal: impl FnOnce(SpoolId, u64) -> Vec<u8>,
    ) -> Result<(), AppendError> {
        writer::append(self, observations, seal)
    }

    /// The next batch that was not delivered since opening or [`rewind`](Self::rewind).
    ///
    /// # Errors
    /// The disk cannot be read; asking again asks the disk again.
    pub fn next_batch(&mut self) -> io::Result<Option<Sealed>> {
        reader::next(self)
    }

    /// Deliver again from the first batch that was not acknowledged: after a lost connection.
    pub fn rewind(&mut self) {
        self.reader = Reader::at(&self.cursor);
    }

    /// The collector has stored everything of `spool` up to `sequence`. Of batches that were not
    /// delivered since the last rewind it is not believed.
    ///
    /// # Errors
    /// The cursor could not be written: after a restart, batches will be sent again.
    pub fn ack(&mut self, spool: SpoolId, sequence: u64) -> io::Result<()> {
        while let Some(front) = self.reader.in_flight.front() {
            if front.spool != spool || front.sequence > sequence {
                break;
            }
            let InFlight {
                number,
                spool,
                sequence,
                ..
            } = *front;
            self.reader.in_flight.pop_front();
            self.cursor = Cursor {
                number,
                spool,
                sequence,
                ..self.cursor
            };
            self.is_saved = false;
        }
        if self.is_saved {
            return Ok(());
        }
        self.save_cursor()?;
        self.remove_finished();
        Ok(())
    }

    /// The collector can never store this batch: count it, and go on as if it were acknowledged.
    /// Batches before it stay: a rejection acknowledges nothing else.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub fn reject(&mut self, spool: SpoolId, sequence: u64) -> io::Result<()> {
        let found = (self.reader.in_flight.iter_mut())
            .find(|batch| batch.spool == spool && batch.sequence == sequence && !batch.rejected);
        let Some(batch) = found else { return Ok(()) };
        batch.rejected = true;
        let observations = u64::from(batch.observations);
        count(&mut self.losses, SpoolLoss::Rejected, 1, observations);
        // An ack of a later batch passes it; alone at the front it has to go by itself.
        while let Some(front) = self.reader.in_flight.front().filter(|front| front.rejected) {
            let (spool, sequence) = (front.spool, front.sequence);
            self.ack(spool, sequence)?;
        }
        Ok(())
    }

    /// Batches delivered and not yet acknowledged.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.reader.in_flight.len()
    }

    /// Everything was delivered since the last rewind.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.reader.is_at_end(&self.segments)
    }

    /// Nothing is left to deliver or to be acknowledged.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.reader.in_flight.is_empty() && self.is_at_end()
    }

    /// Losses since opening.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Ends cleanly: after this the next opening goes on with the same id, whatever happens to power.
    ///
    /// # Errors
    /// Something could not be synced; the next opening then counts as after an unclean end.
    pub fn close(mut self) -> io::Result<D> {
        if let Some(last) = self.segments.back() {
            self.disk.sync(&last.name())?;
        }
        let cursor = Cursor {
            clean: true,
            ..self.cursor_now()
        };
        cursor::save(&mut self.disk, &cursor)?;
        self.disk.sync(cursor::NAME)?;
        Ok(self.disk)
    }

    fn cursor_now(&self) -> Cursor {
        Cursor {
            clean: false,
            writer: self.writer.spool,
            next: self.writer.sequence,
            boot: self.disk.boot(),
            ..self.cursor
        }
    }

    fn save_cursor(&mut self) -> io::Result<()> {
        self.cursor = self.cursor_now();
        self.is_saved = false;
        cursor::save(&mut self.disk, &self.cursor)?;
        self.is_saved = true;
        Ok(())
    }

    /// Removes segments that are wholly acknowledged. One that cannot be removed is tried again. The
    /// one that is being written stays until it has some size.
    fn remove_finished(&mut self) {
        while let Some(front) = self.segments.front() {
            let finished = self.reader.first_open(&self.segments) > front.number;
            let is_written = self.segments.len() == 1 && self.writer.is_open();
            let stays = is_written && front.bytes < segment::RECYCLE_BYTES_MIN;
            if !finished || stays || self.disk.remove(&front.name()).is_err() {
                break;
            }
            if is_written {
                self.writer.close();
            }
            self.segments.pop_front();
        }
    }
}

fn count(losses: &mut Losses, reason: SpoolLoss, batches: u64, observations: u64) {
    let loss = losses.entry(reason).or_default();
    loss.batches += batches;
    loss.observations += observations;
}

#[cfg(test)]
mod tests;
