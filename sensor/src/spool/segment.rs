//! A file of batches.
//!
//! Header, 56 bytes: `magic[8] version:u32 spool[16] boot[16] first:u64 crc:u32`.
//! Record: `length:u32 crc:u32 sequence:u64 observations:u32`, then `length` bytes. The record's CRC
//! covers the other fields and the payload. Numbers are little-endian, CRCs are CRC-32 (IEEE).

use std::collections::VecDeque;
use std::io;

use super::{BootId, Disk, Losses, SpoolId, SpoolLoss, count};

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: u64 = 56;
/// Bytes of a record beside its payload.
pub(super) const RECORD_BYTES: u64 = 20;
/// An acknowledged segment is removed when it is this large, though it is still being written.
pub(super) const RECYCLE_BYTES_MIN: u64 = 1 << 20;

const MAGIC: [u8; 8] = *b"gnspool\n";
const VERSION: u32 = 1;
const SUFFIX: &str = ".segment";

/// A segment, as far as it is known without its payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its place in the order of segments.
    pub(super) number: u64,
    /// Whose batches.
    pub(super) spool: SpoolId,
    /// The boot that wrote it.
    pub(super) boot: BootId,
    /// The first batch's sequence.
    pub(super) first: u64,
    /// How many batches.
    pub(super) batches: u64,
    /// Bytes that are good; there may be garbage behind them.
    pub(super) bytes: u64,
    /// What is behind them.
    pub(super) end: End,
}

/// What follows the good bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing: it can be appended to.
    Clean,
    /// Something that was never a batch and could not be cut off.
    Garbage,
    /// A batch that is damaged, but may have been sent: its number is used up.
    Damaged,
}

impl Segment {
    /// The file's name.
    pub(super) fn name(&self) -> String {
        format!("{:016x}{SUFFIX}", self.number)
    }

    /// The sequence that follows its last batch.
    pub(super) const fn next(&self) -> u64 {
        self.first + self.batches
    }

    /// The header of a new segment's file.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.spool.0);
        bytes.extend(self.boot.0);
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn decode(number: u64, bytes: &[u8]) -> Option<Self> {
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        let (magic, rest) = content.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (spool, rest) = rest.split_first_chunk::<16>()?;
        let (boot, rest) = rest.split_first_chunk::<16>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let good = *magic == MAGIC
            && u32::from_le_bytes(*version) == VERSION
            && rest.is_empty()
            && crc32fast::hash(content) == u32::from_le_bytes(*crc);
        good.then(|| Self {
            number,
            spool: SpoolId(*spool),
            boot: BootId(*boot),
            first: u64::from_le_bytes(*first),
            batches: 0,
            bytes: HEADER_BYTES,
            end: End::Clean,
        })
    }
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordHead {
    /// Of the payload.
    pub(super) length: u32,
    crc: u32,
    /// The batch's number.
    pub(super) sequence: u64,
    /// How many observations the batch has.
    pub(super) observations: u32,
}

impl RecordHead {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (observations, _) = rest.split_first_chunk::<4>()?;
        Some(Self {
            length: u32::from_le_bytes(*length),
            crc: u32::from_le_bytes(*crc),
            sequence: u64::from_le_bytes(*sequence),
            observations: u32::from_le_bytes(*observations),
        })
    }

    fn checksum(length: u32, sequence: u64, observations: u32, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&length.to_le_bytes());
        hasher.update(&sequence.to_le_bytes());
        hasher.update(&observations.to_le_bytes());
        hasher.update(payload);
        hasher.finalize()
    }

    /// Of the whole record.
    pub(super) const fn bytes(&self) -> u64 {
        RECORD_BYTES + self.length as u64
    }

    /// Is `payload` what was written?
    pub(super) fn is_whole(&self, payload: &[u8]) -> bool {
        payload.len() == self.length as usize
            && self.crc == Self::checksum(self.length, self.sequence, self.observations, payload)
    }
}

/// A record's bytes; none for a payload of 4 GiB and more.
pub(super) fn record(sequence: u64, observations: u32, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok()?;
    let crc = RecordHead::checksum(length, sequence, observations, payload);
    let mut bytes = Vec::with_capacity(payload.len() + RECORD_BYTES as usize);
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(observations.to_le_bytes());
    bytes.extend(payload);
    Some(bytes)
}

/// Reads a record's head.
pub(super) fn head(disk: &impl Disk, name: &str, offset: u64) -> io::Result<Option<RecordHead>> {
    Ok(RecordHead::decode(&disk.read(
        name,
        offset,
        RECORD_BYTES as usize,
    )?))
}

/// All segments from number `first` on, in order. What is before is acknowledged and removed; files
/// without a good header are removed and counted; a damaged end is cut off and counted.
pub(super) fn load(
    disk: &mut impl Disk,
    first: u64,
    losses: &mut Losses,
) -> io::Result<VecDeque<Segment>> {
    let mut numbers: Vec<u64> = (disk.names()?.iter())
        .filter_map(|name| u64::from_str_radix(name.strip_suffix(SUFFIX)?, 16).ok())
        .collect();
    numbers.sort_unstable();
    let mut segments = VecDeque::new();
    for (index, &number) in numbers.iter().enumerate() {
        let name = format!("{number:016x}{SUFFIX}");
        if number < first {
            disk.remove(&name)?;
            continue;
        }
        match Segment::decode(number, &disk.read(&name, 0, HEADER_BYTES as usize)?) {
            Some(segment) => {
                let is_last = index + 1 == numbers.len();
                segments.push_back(walk(disk, segment, is_last, losses)?);
            }
            None => {
                // Killed while it was made, or damaged; either way at most this file's batches.
                let torn = disk.size(&name)? < HEADER_BYTES;
                let reason = if torn {
                    SpoolLoss::Torn
                } else {
                    SpoolLoss::Corrupt
                };
                count(losses, reason, 1, 0);
                disk.remove(&name)?;
            }
        }
    }
    Ok(segments)
}

/// Counts a segment's batches and finds its good end. Payloads are read in the last segment only: what
/// is wrong in older ones shows when they are delivered.
fn walk(
    disk: &mut impl Disk,
    mut segment: Segment,
    is_last: bool,
    losses: &mut Losses,
) -> io::Result<Segment> {
    let name = segment.name();
    let size = disk.size(&name)?;
    while segment.bytes < size {
        let head = head(disk, &name, segment.bytes)?;
        let Some(head) = head.filter(|head| segment.bytes + head.bytes() <= size) else {
            segment.end = End::Garbage;
            break;
        };
        let known = head.sequence == segment.next();
        let payload = segment.bytes + RECORD_BYTES;
        if !known || is_last && !head.is_whole(&disk.read(&name, payload, head.length as usize)?) {
            count(losses, SpoolLoss::Corrupt, 1, 0);
            segment.end = End::Damaged;
            break;
        }
        segment.batches += 1;
        segment.bytes += head.bytes();
    }
    if is_last && segment.end == End::Garbage {
        count(losses, SpoolLoss::Torn, 1, 0);
        if disk.truncate(&name, segment.bytes).is_ok() {
            segment.end = End::Clean;
        }
    }
    Ok(segment)
}
