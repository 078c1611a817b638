//! Sequence numbers of one direction: which of them its receiver's kernel would take.
//!
//! Whoever can send this host a packet can write any numbers into it. The kernel takes what lies in its window, and ignores the
//! rest (RFC 9293, 3.10.7.4). Of that window we know what was seen to be sent and to be acknowledged.

/// What lies further from what was seen than this is not of this direction: RFC 7323 allows windows of 1 GiB, real ones are a
/// hundredth.
pub(super) const FAR_BYTES: u64 = 64 * 1024 * 1024;

/// The numbers of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// The one after the furthest byte that was sent.
    sent: Option<u32>,
    /// The receiver has everything before this one.
    acknowledged: Option<u32>,
    /// What the receiver is said to have, far ahead: forged, or the capture missed that much.
    afar: Option<u32>,
}

/// What a segment's numbers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It belongs here.
    Near,
    /// So many bytes before it went by unseen: both sides agree on it.
    Behind(u64),
    /// It is not of this connection.
    Foreign,
}

impl Numbers {
    /// A segment with `length` numbers, of which SYN and FIN take one each.
    pub(super) fn send(&mut self, sequence: u32, length: u32) -> Fit {
        let end = sequence.wrapping_add(length);
        if self.is_near(sequence) {
            self.sent = further(self.sent, end);
            return Fit::Near;
        }
        if self.afar.is_none_or(|afar| !is_near(sequence, afar)) {
            return Fit::Foreign;
        }
        let before = self.sent.or(self.acknowledged).unwrap_or(sequence);
        *self = Self {
            sent: Some(end),
            acknowledged: self.afar,
            afar: None,
        };
        Fit::Behind(sequence.wrapping_sub(before).into())
    }

    /// The receiver says what it has. False where that cannot be.
    pub(super) fn acknowledge(&mut self, number: u32) -> bool {
        let near = self.is_near(number);
        if near {
            self.acknowledged = further(self.acknowledged, number);
        } else {
            self.afar = Some(number);
        }
        near
    }

    /// Whether a RST with this number ends the connection: one before what the receiver has is of an earlier time (RFC 9293,
    /// 3.10.7.4). None while no number of this direction is known.
    pub(super) fn resets(&self, sequence: u32) -> Option<bool> {
        let distance = ahead_of(sequence, self.acknowledged.or(self.sent)?);
        Some(distance >= 0 && u64::from(distance.unsigned_abs()) <= FAR_BYTES)
    }

    /// Whether a RST that acknowledges this number refuses what was sent (RFC 9293, 3.5.2).
    pub(super) fn is_refused_by(&self, acknowledged: Option<u32>) -> bool {
        acknowledged.is_some() && acknowledged == self.sent
    }

    /// The first number is as good as any.
    fn is_near(&self, number: u32) -> bool {
        let mut known = self.sent.iter().chain(&self.acknowledged).peekable();
        known.peek().is_none() || known.any(|known| is_near(number, *known))
    }
}

/// How far a sequence number lies behind another, in bytes, negative before it: RFC 9293, 3.4.
#[allow(clippy::cast_possible_wrap)] // that is the arithmetic
pub(super) const fn ahead_of(sequence: u32, other: u32) -> i32 {
    sequence.wrapping_sub(other) as i32
}

fn is_near(sequence: u32, other: u32) -> bool {
    u64::from(ahead_of(sequence, other).unsigned_abs()) <= FAR_BYTES
}

fn further(known: Option<u32>, number: u32) -> Option<u32> {
    match known {
        Some(known) if ahead_of(number, known) <= 0 => Some(known),
        _ => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_counts_from_what_the_receiver_has() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.resets(7), None);
        assert_eq!(numbers.send(u32::MAX - 9, 100), Fit::Near);
        assert_eq!(numbers.resets(90), Some(true));
        assert_eq!(numbers.resets(89), Some(false), "of an earlier time");
        assert!(numbers.acknowledge(40));
        assert_eq!(
            numbers.resets(40),
            Some(true),
            "the rest was lost behind us"
        );
        for number in [39, 1 << 30, 1 << 31] {
            assert_eq!(numbers.resets(number), Some(false), "{number}");
        }
        assert!(numbers.is_refused_by(Some(90)) && !numbers.is_refused_by(Some(91)));
        assert!(!Numbers::default().is_refused_by(None));
    }

    #[test]
    fn what_comes_from_afar_moves_nothing_unless_both_sides_say_so() {
        let mut numbers = Numbers::default();
        numbers.send(0, 10);
        assert_eq!(numbers.send(1 << 30, 10), Fit::Foreign);
        assert!(!numbers.acknowledge(1 << 29));
        assert_eq!(numbers.send(1 << 30, 10), Fit::Foreign);
        assert_eq!(numbers.send(10, 10), Fit::Near);
        assert!(!numbers.acknowledge(1 << 30));
        assert_eq!(numbers.send(1 << 30, 10), Fit::Behind((1 << 30) - 20));
        assert_eq!(numbers.send((1 << 30) + 10, 10), Fit::Near);
        assert_eq!(numbers.send(20, 10), Fit::Foreign);
    }
}
