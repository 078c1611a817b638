//! The segments of one direction → its bytes in order, each once, with what is missing between them.
//!
//! A gap waits for a retransmission. It is given up when the receiver has acknowledged what lies behind it (then the
//! bytes arrived and only the capture missed them, so they will not come again), when too much waits behind it, or when
//! it has waited too long. Of bytes that come twice and differ the first ones count.

use std::collections::BTreeMap;

use super::numbers::{FAR_BYTES, ahead_of};
use crate::event::UnixNs;

/// Bytes that may wait behind a gap.
const AHEAD_BYTES_MAX: usize = 1024 * 1024;
/// Pieces that may wait behind a gap: many small ones cost more than their bytes.
const AHEAD_PIECES_MAX: usize = 1024;
/// How long a gap waits, where no acknowledgement is seen: longer than a retransmission takes (RFC 6298: one second at first).
const GAP_NS: u64 = 3_000_000_000;

/// Bytes in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Bytes before these that were never seen.
    pub(super) lost: u64,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Sequence number of the next byte; none before the first segment.
    next: Option<u32>,
    /// The same as a count that does not wrap.
    position: u64,
    /// What came before what it follows, by position; pieces do not overlap.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
    waits_since: UnixNs,
    /// Gaps given up since the last piece, in bytes.
    lost: u64,
    /// Gaps given up since they were last asked for.
    gaps: u64,
    /// Where the sender has no more to say.
    end: Option<u64>,
}

impl Stream {
    /// The connection is opened: the first byte is the one after the SYN.
    pub(super) fn open(&mut self, syn: u32) {
        if self.next.is_none() {
            self.next = Some(syn.wrapping_add(1));
        }
    }

    /// Takes a segment's bytes. `length` is what it carried, which may be more than was captured of it.
    pub(super) fn push(
        &mut self,
        time: UnixNs,
        sequence: u32,
        bytes: &[u8],
        length: u32,
        fin: bool,
        out: &mut Vec<Piece>,
    ) {
        let Some((at, skipped)) = self.place(sequence) else {
            return;
        };
        self.next.get_or_insert(sequence);
        if let Some(new) = u64::from(length).checked_sub(skipped)
            && fin
        {
            // Of two, the one that is reached first.
            let end = at + new;
            self.end = Some(self.end.map_or(end, |known| known.min(end)));
        }
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(skipped..).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        if self.ahead.is_empty() && at == self.position {
            self.give(bytes.to_vec(), out);
            return;
        }
        if self.ahead.is_empty() {
            self.waits_since = time;
        }
        self.keep(at, bytes);
        self.drain(out);
        while self.ahead_bytes > AHEAD_BYTES_MAX || self.ahead.len() > AHEAD_PIECES_MAX {
            self.give_up(out);
        }
    }

    /// The receiver has everything before `sequence`; a number from afar is not its own.
    pub(super) fn acknowledged(&mut self, sequence: u32, out: &mut Vec<Piece>) {
        let Some(next) = self.next else { return };
        let distance = ahead_of(sequence, next);
        let bytes = u64::from(distance.unsigned_abs());
        if distance <= 0 || bytes > FAR_BYTES || self.is_ended() {
            return;
        }
        let mut target = self.position + bytes;
        // The FIN counts as a byte.
        if let Some(end) = self.end {
            target = target.min(end);
        }
        while self.position < target {
            match self.ahead.first_key_value() {
                Some((at, _)) if *at <= target => self.give_up(out),
                _ => self.skip_to(target),
            }
        }
        self.drain(out);
    }

    /// Gives up a gap that has waited too long.
    pub(super) fn tick(&mut self, now: UnixNs, out: &mut Vec<Piece>) {
        if !self.ahead.is_empty() && self.waits_since.saturating_add(GAP_NS) <= now {
            self.waits_since = now;
            self.give_up(out);
        }
    }

    /// Everything up to the FIN was given.
    #[must_use]
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some_and(|end| self.position >= end)
    }

    /// Bytes that wait behind a gap.
    #[must_use]
    pub(super) const fn ahead_bytes(&self) -> usize {
        self.ahead_bytes
    }

    /// Lets go of what waits behind a gap: those bytes are as good as never seen.
    pub(super) fn shed(&mut self) {
        self.ahead.clear();
        self.ahead_bytes = 0;
    }

    /// Gaps given up since the last call of [`Self::take_gaps`].
    #[must_use]
    pub(super) const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Gaps given up since the last call.
    pub(super) fn take_gaps(&mut self) -> u64 {
        std::mem::take(&mut self.gaps)
    }

    /// Where a segment begins, and how many of its bytes were given already; none where it is from afar. The first one sets
    /// the beginning.
    fn place(&self, sequence: u32) -> Option<(u64, u64)> {
        let Some(next) = self.next else {
            return Some((0, 0));
        };
        let distance = ahead_of(sequence, next);
        let bytes = u64::from(distance.unsigned_abs());
        if distance < 0 {
            Some((self.position, bytes))
        } else {
            (bytes <= FAR_BYTES).then_some((self.position + bytes, 0))
        }
    }

    /// Keeps what nothing is known of yet.
    fn keep(&mut self, mut at: u64, mut bytes: &[u8]) {
        let before = self.ahead.range(..=at).next_back();
        if let Some((start, known)) = before {
            let skipped = (start + known.len() as u64).saturating_sub(at);
            bytes = from(bytes, skipped);
            at += skipped;
        }
        while !bytes.is_empty() {
            let known = self.ahead.range(at..).next();
            let known = known.map(|(start, known)| (*start, start + known.len() as u64));
            let hole = known.map_or(u64::MAX, |(start, _)| start - at);
            let hole = usize::try_from(hole).unwrap_or(usize::MAX);
            let (new, _) = bytes.split_at(hole.min(bytes.len()));
            if !new.is_empty() {
                self.ahead_bytes += new.len();
                self.ahead.insert(at, new.to_vec());
            }
            let Some((_, end)) = known else { return };
            bytes = from(bytes, end - at);
            at = end;
        }
    }

    /// Gives what follows what was given.
    fn drain(&mut self, out: &mut Vec<Piece>) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.position {
                return;
            }
            let bytes = entry.remove();
            self.ahead_bytes -= bytes.len();
            self.give(bytes, out);
        }
    }

    fn give_up(&mut self, out: &mut Vec<Piece>) {
        if let Some((at, _)) = self.ahead.first_key_value() {
            let at = *at;
            self.skip_to(at);
            self.drain(out);
        }
    }

    fn skip_to(&mut self, position: u64) {
        let skipped = position.saturating_sub(self.position);
        if skipped > 0 {
            self.lost += skipped;
            self.gaps += 1;
            self.advance(skipped);
        }
    }

    fn give(&mut self, bytes: Vec<u8>, out: &mut Vec<Piece>) {
        self.advance(bytes.len() as u64);
        out.push(Piece {
            lost: std::mem::take(&mut self.lost),
            bytes,
        });
    }

    #[allow(clippy::cast_possible_truncation)] // sequence numbers wrap
    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        self.next = self.next.map(|next| next.wrapping_add(bytes as u32));
    }
}

fn from(bytes: &[u8], skipped: u64) -> &[u8] {
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
