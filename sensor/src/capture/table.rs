//! Segments → the HTTP connections of the interfaces: which there are, what each side says, when they are over.
//!
//! Bounded: connections, bytes that wait, time without a segment. A packet that is seen on more than one interface
//! (a bridge and its ports) is taken once, as a retransmission is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::numbers::{Fit, Numbers};
use super::reading::{Passed, Reading, is_head};
use super::segment::Segment;
use super::stream::{Piece, Stream};
use crate::event::{FlowVerdict, LossReason, UnixNs};
use crate::flow::Side;

/// A second of [`UnixNs`].
const SECOND_NS: u64 = 1_000_000_000;
/// A connection that is not HTTP is forgotten after so long without a segment: should it go on, it is met in its middle.
const IDLE_NS: u64 = 120 * SECOND_NS;
/// The same of one that is HTTP. An event stream may be silent; TCP's own keep-alive comes after two hours (tcp(7)).
const HTTP_IDLE_NS: u64 = 3 * 3600 * SECOND_NS;
/// How long a connection that is over is known, so that a late copy of its last packets opens no other.
const OVER_NS: u64 = 2 * SECOND_NS;
/// How often the table is searched for those.
const SWEEP_NS: u64 = SECOND_NS;

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections known at the same time.
    pub(super) connections_max: usize,
    /// Bytes that wait behind gaps, over all connections.
    pub(super) ahead_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            ahead_bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// A connection's number within this run; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnectionId(pub(super) u64);

/// What there is to say of HTTP connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A connection is HTTP. Addresses by side; A opened it, as far as that was seen.
    Http(ConnectionId, [SocketAddr; 2]),
    /// A side said something.
    Bytes(ConnectionId, Passed),
    /// A side has no more to say.
    End(ConnectionId, Side),
    /// It is over.
    Closed(ConnectionId),
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// By side.
    addresses: [SocketAddr; 2],
    numbers: [Numbers; 2],
    streams: [Stream; 2],
    /// Gaps of streams that are not followed any more.
    gaps: u64,
    reading: Reading,
    /// It was told as HTTP.
    told: bool,
    /// Sides whose end was told.
    ended: [bool; 2],
    /// Bytes of each side that went by while it was let go.
    skipped: [u64; 2],
    last: UnixNs,
    over: bool,
    /// Sequence number of the SYN of side A: another one on the same addresses may open another connection.
    syn: Option<u32>,
    /// Who sent another SYN since, and its number. The kernel of a live connection answers it by a challenge (RFC 5961, 4): only
    /// an answer that takes it opens another.
    offer: Option<(SocketAddr, u32)>,
    /// As last counted into the sum.
    ahead_bytes: usize,
}

/// Two addresses, the smaller one first.
type Key = (SocketAddr, SocketAddr);

/// All connections.
#[derive(Debug)]
pub(super) struct ConnectionTable {
    connections: HashMap<Key, Connection>,
    keys: HashMap<ConnectionId, Key>,
    next: u64,
    ahead_bytes: usize,
    lost: BTreeMap<LossReason, u64>,
    swept: UnixNs,
    limits: Limits,
}

impl ConnectionTable {
    /// An empty table.
    #[must_use]
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            connections: HashMap::new(),
            keys: HashMap::new(),
            next: 1,
            ahead_bytes: 0,
            lost: BTreeMap::new(),
            swept: 0,
            limits,
        }
    }

    /// Takes one segment.
    pub(super) fn push(&mut self, time: UnixNs, segment: &Segment<'_>, out: &mut Vec<Seen>) {
        if segment.from == segment.to {
            // A socket that is connected to itself has no two sides.
            return;
        }
        let key = key(segment);
        let opens = segment.syn && segment.acknowledged.is_none();
        if let Some(known) = self.connections.get_mut(&key) {
            if opens && known.syn != Some(segment.sequence) {
                if !known.over {
                    known.offer = Some((segment.from, segment.sequence));
                    return;
                }
                self.remove(key, out);
            } else if let Some(syn) = known.taken_offer(segment) {
                self.remove(key, out);
                self.push(time, &syn, out);
            }
        }
        if !self.connections.contains_key(&key) {
            if !opens && (segment.payload.is_empty() || segment.rst) {
                return;
            }
            self.open(time, key, segment, out);
        }
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        // What goes on behind its end is another connection's, once this one is forgotten.
        if !connection.over {
            connection.last = time;
        }
        connection.push(time, segment, out);
        let gaps = connection.take_gaps();
        self.lose(LossReason::SegmentMissed, gaps);
        self.weigh(key);
    }

    /// What follows from time passing.
    pub(super) fn tick(&mut self, now: UnixNs, out: &mut Vec<Seen>) {
        // Also when the clock was set back.
        if self.swept.saturating_add(SWEEP_NS) > now && now >= self.swept {
            return;
        }
        self.swept = now;
        let (mut over, mut gaps) = (Vec::new(), 0);
        for (key, connection) in &mut self.connections {
            // Of a clock that was set back.
            connection.last = connection.last.min(now);
            if connection.is_forgotten(now) {
                over.push(*key);
            } else if connection.ahead_bytes > 0 {
                connection.tick(now, out);
                gaps += connection.take_gaps();
            }
        }
        self.lose(LossReason::SegmentMissed, gaps);
        for key in over {
            self.remove(key, out);
        }
        self.ahead_bytes = self
            .connections
            .values_mut()
            .map(|connection| {
                connection.ahead_bytes = connection.waiting_bytes();
                connection.ahead_bytes
            })
            .sum();
    }

    /// What the pass decided about a connection.
    pub(super) fn judge(&mut self, id: ConnectionId, verdict: FlowVerdict) {
        let key = self.keys.get(&id);
        if let Some(connection) = key.and_then(|key| self.connections.get_mut(key)) {
            connection.reading.judge(verdict);
            if connection.reading.is_let_go() {
                connection.follow_anew();
            }
            let gaps = connection.take_gaps();
            self.lose(LossReason::SegmentMissed, gaps);
        }
    }

    /// What was lost since the last call, by reason.
    pub(super) fn take_lost(&mut self) -> BTreeMap<LossReason, u64> {
        std::mem::take(&mut self.lost)
    }

    fn lose(&mut self, reason: LossReason, count: u64) {
        if count > 0 {
            *self.lost.entry(reason).or_default() += count;
        }
    }

    fn open(&mut self, time: UnixNs, key: Key, segment: &Segment<'_>, out: &mut Vec<Seen>) {
        if self.connections.len() >= self.limits.connections_max {
            self.evict(out);
        }
        let id = ConnectionId(self.next);
        self.next += 1;
        let connection = Connection {
            id,
            addresses: [segment.from, segment.to],
            numbers: Default::default(),
            streams: Default::default(),
            gaps: 0,
            reading: Reading::default(),
            told: false,
            ended: [false; 2],
            skipped: [0; 2],
            last: time,
            over: false,
            syn: segment.syn.then_some(segment.sequence),
            offer: None,
            ahead_bytes: 0,
        };
        self.connections.insert(key, connection);
        self.keys.insert(id, key);
    }

    fn remove(&mut self, key: Key, out: &mut Vec<Seen>) {
        let Some(mut connection) = self.connections.remove(&key) else {
            return;
        };
        self.keys.remove(&connection.id);
        self.ahead_bytes -= connection.ahead_bytes;
        connection.close(out);
    }

    /// Makes room for many at once: what is over or not HTTP first, then what was silent longest.
    fn evict(&mut self, out: &mut Vec<Seen>) {
        let mut ages: Vec<(bool, UnixNs, Key)> = self
            .connections
            .iter()
            .map(|(key, connection)| {
                let read = connection.told && !connection.over;
                (read, connection.last, *key)
            })
            .collect();
        let share = (self.limits.connections_max / 16).clamp(1, ages.len());
        ages.select_nth_unstable(share - 1);
        for (read, _, key) in ages.into_iter().take(share) {
            self.lose(LossReason::TableFull, u64::from(read));
            self.remove(key, out);
        }
    }

    /// Counts what a connection keeps. When all keep too much, those that keep most let go.
    fn weigh(&mut self, key: Key) {
        self.reweigh(key);
        if self.ahead_bytes <= self.limits.ahead_bytes_max {
            return;
        }
        let mut heaviest: Vec<(usize, Key)> = self
            .connections
            .iter()
            .map(|(key, connection)| (connection.ahead_bytes, *key))
            .collect();
        heaviest.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        for (_, key) in heaviest {
            if self.ahead_bytes <= self.limits.ahead_bytes_max / 8 * 7 {
                return;
            }
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.streams.iter_mut().for_each(Stream::shed);
                // What begins like a head and does not go on may not hold up the others.
                if connection.reading.pending_bytes() > 0 {
                    connection.reading = Reading::LetGo;
                }
                let told = u64::from(connection.told);
                self.lose(LossReason::ReassemblyFull, told);
            }
            self.reweigh(key);
        }
    }

    fn reweigh(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(&key) {
            let bytes = connection.waiting_bytes();
            self.ahead_bytes = self.ahead_bytes - connection.ahead_bytes + bytes;
            connection.ahead_bytes = bytes;
        }
    }
}

impl Connection {
    fn push(&mut self, time: UnixNs, segment: &Segment<'_>, out: &mut Vec<Seen>) {
        if self.over {
            return;
        }
        let from = if self.addresses[0] == segment.from {
            Side::A
        } else {
            Side::B
        };
        if segment.rst {
            if self.is_reset(from, segment) {
                self.close(out);
            }
            return;
        }
        let length = segment.length + u32::from(segment.syn) + u32::from(segment.fin);
        let fit = self.numbers[from.index()].fit(segment.sequence);
        if fit == Fit::Foreign {
            return;
        }
        let receiver = &mut self.numbers[from.other().index()];
        let acknowledged = segment
            .acknowledged
            .filter(|number| receiver.acknowledge(*number));
        // The kernel drops what acknowledges bytes that it has not sent (RFC 9293, 3.10.7.4), with its data and its FIN.
        if acknowledged != segment.acknowledged && !fit.is_agreed() {
            return;
        }
        match self.numbers[from.index()].send(segment.sequence, length) {
            Fit::Near | Fit::Foreign => {}
            Fit::Agreed(number) => self.acknowledge(from, number, out),
            Fit::Behind(bytes) => self.skip(from, bytes),
        }
        if self.reading.is_let_go() && !self.wakes(segment) {
            self.skipped[from.index()] += u64::from(segment.length);
            if self.is_finished(from, segment) {
                self.close(out);
            }
            return;
        }
        let mut sequence = segment.sequence;
        if segment.syn {
            self.streams[from.index()].open(sequence);
            // It counts as a byte; data may come with it (RFC 7413).
            sequence = sequence.wrapping_add(1);
        }
        let mut pieces = Vec::new();
        if segment.length > 0 || segment.fin {
            self.streams[from.index()].push(
                time,
                sequence,
                segment.payload,
                segment.length,
                segment.fin,
                &mut pieces,
            );
        }
        self.pass(from, pieces, out);
        if let Some(acknowledged) = acknowledged {
            self.acknowledge(from.other(), acknowledged, out);
        }
        self.tell_ends(out);
    }

    /// The other side has everything of this one before `number`.
    fn acknowledge(&mut self, from: Side, number: u32, out: &mut Vec<Seen>) {
        let mut pieces = Vec::new();
        self.streams[from.index()].acknowledged(number, &mut pieces);
        self.pass(from, pieces, out);
    }

    /// The SYN of another connection that this answer takes.
    fn taken_offer(&self, answer: &Segment<'_>) -> Option<Segment<'static>> {
        let (from, sequence) = self.offer.filter(|_| answer.syn)?;
        let taken = from == answer.to && answer.acknowledged == Some(sequence.wrapping_add(1));
        taken.then_some(Segment {
            from,
            to: answer.from,
            sequence,
            acknowledged: None,
            syn: true,
            fin: false,
            rst: false,
            payload: b"",
            length: 0,
        })
    }

    /// Whether a RST is one that the other side's kernel obeys.
    fn is_reset(&self, from: Side, segment: &Segment<'_>) -> bool {
        let resets = self.numbers[from.index()].resets(segment.sequence);
        resets.unwrap_or_else(|| {
            self.numbers[from.other().index()].is_refused_by(segment.acknowledged)
        })
    }

    /// The capture missed so much of a side that its stream cannot wait for it.
    fn skip(&mut self, from: Side, bytes: u64) {
        self.skipped[from.index()] += bytes;
        if !self.reading.is_let_go() {
            let stream = std::mem::take(&mut self.streams[from.index()]);
            self.gaps += 1 + stream.gaps();
        }
    }

    /// Both sides' bytes count anew.
    fn follow_anew(&mut self) {
        let streams = std::mem::take(&mut self.streams);
        self.gaps += streams.iter().map(Stream::gaps).sum::<u64>();
    }

    /// Gaps since the last call, once it is HTTP.
    fn take_gaps(&mut self) -> u64 {
        if !self.told {
            return 0;
        }
        let of_streams = self.streams.iter_mut().map(Stream::take_gaps);
        of_streams.sum::<u64>() + std::mem::take(&mut self.gaps)
    }

    fn tick(&mut self, now: UnixNs, out: &mut Vec<Seen>) {
        for from in [Side::A, Side::B] {
            let mut pieces = Vec::new();
            self.streams[from.index()].tick(now, &mut pieces);
            self.pass(from, pieces, out);
        }
        self.tell_ends(out);
    }

    /// A connection that was let go begins anew with a segment that begins like a head.
    fn wakes(&mut self, segment: &Segment<'_>) -> bool {
        let wakes = is_head(segment.payload);
        if wakes {
            self.reading = Reading::default();
            self.follow_anew();
        }
        wakes
    }

    /// Of a connection that was let go: both sides have said that they are done. Nobody asks when exactly.
    fn is_finished(&mut self, from: Side, segment: &Segment<'_>) -> bool {
        self.ended[from.index()] |= segment.fin;
        self.ended == [true; 2]
    }

    fn pass(&mut self, from: Side, pieces: Vec<Piece>, out: &mut Vec<Seen>) {
        let mut passed = Vec::new();
        for mut piece in pieces {
            piece.lost += std::mem::take(&mut self.skipped[from.index()]);
            self.reading.push(from, piece, &mut passed);
        }
        if self.reading.is_let_go() {
            self.follow_anew();
        }
        if self.reading.is_http() && !std::mem::replace(&mut self.told, true) {
            out.push(Seen::Http(self.id, self.addresses));
        }
        out.extend(
            passed
                .into_iter()
                .map(|passed| Seen::Bytes(self.id, passed)),
        );
    }

    fn tell_ends(&mut self, out: &mut Vec<Seen>) {
        for from in [Side::A, Side::B] {
            let ended = &mut self.ended[from.index()];
            if self.streams[from.index()].is_ended() && !std::mem::replace(ended, true) && self.told
            {
                out.push(Seen::End(self.id, from));
            }
        }
        if self.ended == [true; 2] {
            self.close(out);
        }
    }

    /// Nothing more comes of it.
    fn close(&mut self, out: &mut Vec<Seen>) {
        if !std::mem::replace(&mut self.over, true) && self.told {
            out.push(Seen::Closed(self.id));
        }
        self.streams.iter_mut().for_each(Stream::shed);
        self.reading = Reading::LetGo;
    }

    fn is_forgotten(&self, now: UnixNs) -> bool {
        let kept = if self.over {
            OVER_NS
        } else if self.told {
            HTTP_IDLE_NS
        } else {
            IDLE_NS
        };
        self.last.saturating_add(kept) <= now
    }

    fn waiting_bytes(&self) -> usize {
        let ahead: usize = self.streams.iter().map(Stream::ahead_bytes).sum();
        ahead + self.reading.pending_bytes()
    }
}

fn key(segment: &Segment<'_>) -> Key {
    let (from, to) = (segment.from, segment.to);
    (from.min(to), from.max(to))
}

#[cfg(test)]
mod tests;
