//! Delivers batches in order, and remembers which are on their way.

use std::collections::VecDeque;
use std::io;

use super::cursor::Cursor;
use super::segment::{HEADER_BYTES, RECORD_BYTES, Segment, head};
use super::{Disk, Sealed, Spool, SpoolId, SpoolLoss, count};

/// The reading side's state.
#[derive(Debug)]
pub(super) struct Reader {
    /// Segment and offset of the next record.
    number: u64,
    offset: u64,
    /// Delivered, not acknowledged; oldest first.
    pub(super) in_flight: VecDeque<InFlight>,
}

/// A batch on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) spool: SpoolId,
    pub(super) sequence: u64,
    pub(super) observations: u32,
    /// Its segment.
    pub(super) number: u64,
    /// The collector will never store it.
    pub(super) rejected: bool,
}

impl Reader {
    /// Before everything that is not acknowledged.
    pub(super) const fn at(cursor: &Cursor) -> Self {
        Self {
            number: cursor.number,
            offset: HEADER_BYTES,
            in_flight: VecDeque::new(),
        }
    }

    /// The first segment that still has something undelivered or unacknowledged, or may get it.
    pub(super) fn first_open(&self, segments: &VecDeque<Segment>) -> u64 {
        if let Some(front) = self.in_flight.front() {
            return front.number;
        }
        let here = segments
            .iter()
            .find(|segment| segment.number >= self.number);
        match here {
            Some(here) if here.number == self.number && self.offset >= here.bytes => {
                self.number + 1
            }
            Some(here) => here.number,
            None => self.number,
        }
    }

    pub(super) fn is_at_end(&self, segments: &VecDeque<Segment>) -> bool {
        segments.back().is_none_or(|last| {
            self.number > last.number || (self.number == last.number && self.offset >= last.bytes)
        })
    }

    /// A segment is gone; its batches on their way are nobody's any more.
    pub(super) fn forget(&mut self, number: u64) {
        self.in_flight.retain(|batch| batch.number != number);
        if self.number <= number {
            (self.number, self.offset) = (number + 1, HEADER_BYTES);
        }
    }
}

/// See [`Spool::next_batch`].
pub(super) fn next<D: Disk>(spool: &mut Spool<D>) -> io::Result<Option<Sealed>> {
    loop {
        let number = spool.reader.number;
        let here = spool
            .segments
            .iter()
            .find(|segment| segment.number >= number);
        let Some(segment) = here.cloned() else {
            return Ok(None);
        };
        if segment.number > number {
            (spool.reader.number, spool.reader.offset) = (segment.number, HEADER_BYTES);
        }
        if spool.reader.offset >= segment.bytes {
            if spool
                .segments
                .back()
                .is_some_and(|last| last.number == segment.number)
            {
                return Ok(None);
            }
            (spool.reader.number, spool.reader.offset) = (segment.number + 1, HEADER_BYTES);
            continue;
        }
        match read(spool, &segment)? {
            Some(batch)
                if spool
                    .cursor
                    .covers(segment.number, batch.spool, batch.sequence) => {}
            Some(batch) => {
                spool.reader.in_flight.push_back(InFlight {
                    spool: batch.spool,
                    sequence: batch.sequence,
                    observations: batch.observations,
                    number: segment.number,
                    rejected: false,
                });
                return Ok(Some(batch));
            }
            None => skip_rest(spool, &segment),
        }
    }
}

/// The record at the reader's place; none where it is not what was written.
fn read<D: Disk>(spool: &mut Spool<D>, segment: &Segment) -> io::Result<Option<Sealed>> {
    let name = segment.name();
    let offset = spool.reader.offset;
    let Some(head) = head(&spool.disk, &name, offset)? else {
        return Ok(None);
    };
    let end = offset + head.bytes();
    if end > segment.bytes {
        return Ok(None);
    }
    let bytes = spool
        .disk
        .read(&name, offset + RECORD_BYTES, head.length as usize)?;
    if !head.is_whole(&bytes) {
        return Ok(None);
    }
    spool.reader.offset = end;
    Ok(Some(Sealed {
        spool: segment.spool,
        sequence: head.sequence,
        observations: head.observations,
        bytes,
    }))
}

/// Counts what cannot be read of a segment, and goes to its end.
fn skip_rest<D: Disk>(spool: &mut Spool<D>, segment: &Segment) {
    let delivered = spool
        .reader
        .in_flight
        .back()
        .filter(|last| last.number == segment.number);
    let expected = match delivered {
        Some(last) => last.sequence + 1,
        None if spool
            .cursor
            .covers(segment.number, segment.spool, segment.first) =>
        {
            spool.cursor.sequence + 1
        }
        None => segment.first,
    };
    count(
        &mut spool.losses,
        SpoolLoss::Corrupt,
        segment.next().saturating_sub(expected),
        0,
    );
    spool.reader.offset = segment.bytes;
    if spool
        .segments
        .back()
        .is_some_and(|last| last.number == segment.number)
    {
        // Its numbers stay used up, so what follows goes into a segment of its own.
        spool.writer.close();
    }
    // Not counted again after a rewind, nor when the segment makes way.
    if let Some(known) = spool
        .segments
        .iter_mut()
        .find(|known| known.number == segment.number)
    {
        known.batches = expected - known.first;
    }
}

impl<D: Disk> Spool<D> {
    /// Batches and observations of a segment that were not acknowledged.
    pub(super) fn unacknowledged(&self, segment: &Segment) -> io::Result<(u64, u64)> {
        let name = segment.name();
        let (mut batches, mut observations) = (0, 0);
        let mut offset = HEADER_BYTES;
        while offset < segment.bytes {
            let Some(head) = head(&self.disk, &name, offset)? else {
                break;
            };
            if head.sequence >= segment.next() {
                break;
            }
            let rejected = (self.reader.in_flight.iter()).any(|batch| {
                batch.rejected && batch.sequence == head.sequence && batch.spool == segment.spool
            });
            if !rejected
                && !self
                    .cursor
                    .covers(segment.number, segment.spool, head.sequence)
            {
                batches += 1;
                observations += u64::from(head.observations);
            }
            offset += head.bytes();
        }
        Ok((batches, observations))
    }
}
