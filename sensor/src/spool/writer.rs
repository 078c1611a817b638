//! Appends batches, and makes room for them.

use std::collections::VecDeque;
use std::io;

use super::cursor::Cursor;
use super::segment::{End, HEADER_BYTES, Segment, record};
use super::{AppendError, BootId, Disk, Spool, SpoolId, SpoolLoss, count};

/// A segment is closed when it is this large, or an eighth of the cap.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;

/// The writing side's state.
#[derive(Debug)]
pub(super) struct Writer {
    /// The id that the next batch gets.
    pub(super) spool: SpoolId,
    /// The sequence that the next batch gets.
    pub(super) sequence: u64,
    /// The number that the next segment gets.
    number: u64,
    /// The last segment may be appended to.
    is_open: bool,
}

/// Sixteen bytes that nobody else has.
pub(super) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the kernel has random bytes once it has booted");
    bytes
}

impl Writer {
    const fn new(number: u64, spool: SpoolId, sequence: u64) -> Self {
        Self {
            spool,
            sequence,
            number,
            is_open: false,
        }
    }

    /// The segment that is being written is gone or must not be written any more.
    pub(super) const fn close(&mut self) {
        self.is_open = false;
    }

    /// Is there a segment that the next batch may go into?
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Goes on under a new id.
    pub(super) fn start_anew(&mut self) {
        *self = Self::new(self.number, SpoolId(random()), 1);
    }
}

/// Decides under which id the writing goes on (module documentation of the spool).
pub(super) fn resume(
    boot: BootId,
    segments: &VecDeque<Segment>,
    cursor: Option<Cursor>,
) -> (Writer, Cursor) {
    let last = segments.back();
    let number = last
        .map_or(0, |last| last.number)
        .max(cursor.map_or(0, |cursor| cursor.number));
    let fresh = Writer::new(number + 1, SpoolId(random()), 1);
    let same_boot = last.filter(|last| last.boot == boot).map(|last| last.spool);
    let trusted = cursor.filter(|cursor| cursor.boot == boot || cursor.clean);
    let spool = same_boot.or(trusted.map(|cursor| cursor.writer));
    let damaged = last.is_some_and(|last| last.end == End::Damaged);
    let writer = match spool.filter(|_| !damaged) {
        Some(spool) => {
            let on_disk = last
                .filter(|last| last.spool == spool)
                .map_or(1, Segment::next);
            let noted = cursor
                .filter(|cursor| cursor.writer == spool)
                .map_or(1, |cursor| cursor.next);
            let acked = cursor
                .filter(|cursor| cursor.spool == spool)
                .map_or(0, |cursor| cursor.sequence);
            let sequence = on_disk.max(noted).max(acked + 1);
            // A segment is of one boot and one spool, and its batches are numbered without gaps.
            let is_open = last.is_some_and(|last| {
                let continues = last.spool == spool && last.next() == sequence;
                last.boot == boot && continues && last.end == End::Clean
            });
            Writer {
                is_open,
                ..Writer::new(number + 1, spool, sequence)
            }
        }
        None => fresh,
    };
    let start = Cursor {
        clean: false,
        number: 0,
        spool: writer.spool,
        sequence: 0,
        writer: writer.spool,
        next: writer.sequence,
        boot,
    };
    (writer, cursor.unwrap_or(start))
}

/// See [`Spool::append`].
pub(super) fn append<D: Disk>(
    spool: &mut Spool<D>,
    observations: u32,
    seal: impl FnOnce(SpoolId, u64) -> Vec<u8>,
) -> Result<(), AppendError> {
    let payload = seal(spool.writer.spool, spool.writer.sequence);
    let bytes = payload.len();
    let record = record(spool.writer.sequence, observations, &payload)
        .filter(|record| record.len() as u64 + HEADER_BYTES <= spool.bytes_max)
        .ok_or(AppendError::TooLarge { bytes })?;
    make_room(spool, record.len() as u64 + HEADER_BYTES).map_err(AppendError::Disk)?;
    write(spool, &record).map_err(AppendError::Disk)
}

/// Drops the oldest segments until `needed` bytes fit under the cap.
fn make_room<D: Disk>(spool: &mut Spool<D>, needed: u64) -> io::Result<()> {
    while spool.bytes() + needed > spool.bytes_max {
        let Some(oldest) = spool.segments.front().cloned() else {
            break;
        };
        let (batches, observations) = spool.unacknowledged(&oldest)?;
        if spool.segments.len() == 1 {
            // Without a segment only the cursor remembers which numbers are used up.
            spool.save_cursor()?;
            spool.writer.close();
        }
        spool.disk.remove(&oldest.name())?;
        spool.segments.pop_front();
        spool.reader.forget(oldest.number);
        count(&mut spool.losses, SpoolLoss::Full, batches, observations);
    }
    Ok(())
}

/// Appends to the last segment, or begins one. After an error everything is as before.
fn write<D: Disk>(spool: &mut Spool<D>, record: &[u8]) -> io::Result<()> {
    let segment_max = SEGMENT_BYTES_MAX.min(spool.bytes_max / 8);
    let fits =
        (spool.segments.back()).is_some_and(|last| last.bytes + record.len() as u64 <= segment_max);
    if spool.writer.is_open && fits {
        let last = spool
            .segments
            .back_mut()
            .expect("an open segment is the last one");
        if let Err(error) = spool.disk.append(&last.name(), record) {
            // What was written of it must not stay in front of the next record.
            spool.writer.is_open = spool.disk.truncate(&last.name(), last.bytes).is_ok();
            return Err(error);
        }
        last.bytes += record.len() as u64;
        last.batches += 1;
    } else {
        begin(spool, record)?;
    }
    spool.writer.sequence += 1;
    Ok(())
}

/// Header and first record go in one write, so that a segment on disk has a batch.
fn begin<D: Disk>(spool: &mut Spool<D>, record: &[u8]) -> io::Result<()> {
    if let Some(last) = spool.segments.back().filter(|_| spool.writer.is_open) {
        spool.disk.sync(&last.name())?;
    }
    let segment = Segment {
        number: spool.writer.number,
        spool: spool.writer.spool,
        boot: spool.disk.boot(),
        first: spool.writer.sequence,
        batches: 1,
        bytes: HEADER_BYTES + record.len() as u64,
        end: End::Clean,
    };
    spool.writer.number += 1;
    let mut bytes = segment.header();
    bytes.extend(record);
    if let Err(error) = spool.disk.append(&segment.name(), &bytes) {
        let _ = spool.disk.remove(&segment.name());
        return Err(error);
    }
    spool.segments.push_back(segment);
    spool.writer.is_open = true;
    Ok(())
}
