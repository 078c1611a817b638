//! Sequence numbers of one direction: which of them belong to it, and which of them move it.
//!
//! Whoever can send this host a packet can write any numbers into it. The kernel takes what lies in its window, and ignores the
//! rest (RFC 9293, 3.10.7.4). That window is not known here, so segments are taken that lie near what was seen. What a forged
//! one would end or skip by a guess is held to more: a RST has to have the very number that comes next (RFC 5961, 3.2), and what
//! nobody was seen to send counts as received only when its sender goes on behind it.

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
    /// What the receiver is said to have, which nobody was seen to send: forged, or the capture missed it.
    claimed: Option<u32>,
}

/// What a segment's numbers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It belongs here.
    Near,
    /// The same, and everything before this number went by, seen or not: both sides agree on it.
    Agreed(u32),
    /// So many bytes before it went by unseen: both sides agree on it, and it is far from what was seen.
    Behind(u64),
    /// It is not of this connection.
    Foreign,
}

impl Fit {
    /// The other side has said the same.
    #[must_use]
    pub(super) const fn is_agreed(self) -> bool {
        matches!(self, Self::Agreed(_) | Self::Behind(_))
    }
}

impl Numbers {
    /// What a segment that begins with this number would be.
    #[must_use]
    pub(super) fn fit(&self, sequence: u32) -> Fit {
        let claimed = self.claimed.filter(|claimed| {
            let behind = ahead_of(sequence, *claimed);
            behind >= 0 && is_near(sequence, *claimed)
        });
        let near = self.is_near(sequence);
        match claimed {
            Some(claimed) if near && self.is_unsent(claimed) => Fit::Agreed(claimed),
            _ if near => Fit::Near,
            Some(_) => {
                let before = self.sent.or(self.acknowledged).unwrap_or(sequence);
                Fit::Behind(sequence.wrapping_sub(before).into())
            }
            None => Fit::Foreign,
        }
    }

    /// A segment with `length` numbers, of which SYN and FIN take one each.
    pub(super) fn send(&mut self, sequence: u32, length: u32) -> Fit {
        let end = sequence.wrapping_add(length);
        let fit = self.fit(sequence);
        match fit {
            Fit::Foreign => return fit,
            Fit::Near => {
                // What was said to be received before anything was seen to be sent.
                if self.sent.is_none()
                    && let Some(known) = self.acknowledged.filter(|known| ahead_of(*known, end) > 0)
                {
                    (self.acknowledged, self.claimed) = (None, Some(known));
                }
                self.sent = further(self.sent, end);
            }
            Fit::Agreed(claimed) => {
                self.acknowledged = further(self.acknowledged, claimed);
                self.sent = further(self.sent, end);
            }
            Fit::Behind(_) => (self.sent, self.acknowledged) = (Some(end), self.claimed),
        }
        // It was sent by now, or it was never true.
        let open = |claimed: &u32| !fit.is_agreed() && self.is_open(*claimed);
        self.claimed = self.claimed.filter(open);
        fit
    }

    /// The receiver says what it has. False where that cannot be: then it counts once its sender goes on behind it.
    pub(super) fn acknowledge(&mut self, number: u32) -> bool {
        let obeyed = self.is_near(number) && !self.is_unsent(number);
        if obeyed {
            self.acknowledged = further(self.acknowledged, number);
        } else {
            self.claimed = Some(number);
        }
        obeyed
    }

    /// Whether a RST with this number ends the connection. The kernel obeys the number that it expects next, and asks back at
    /// any other (RFC 5961, 3.2): what the receiver has, or, where not all of it was acknowledged yet, what was sent. None while
    /// no number of this direction is known.
    pub(super) fn resets(&self, sequence: u32) -> Option<bool> {
        let mut known = self.sent.iter().chain(&self.acknowledged).peekable();
        known.peek()?;
        Some(known.any(|known| *known == sequence))
    }

    /// Whether a RST that acknowledges this number refuses what was sent (RFC 9293, 3.5.2).
    pub(super) fn is_refused_by(&self, acknowledged: Option<u32>) -> bool {
        acknowledged.is_some() && acknowledged == self.sent
    }

    /// Nobody was seen to send what lies before this number. What is sent before anything is seen does not show.
    fn is_unsent(&self, number: u32) -> bool {
        self.sent.is_some_and(|sent| ahead_of(number, sent) > 0)
    }

    /// A claim that the sender may still bear out.
    fn is_open(&self, claimed: u32) -> bool {
        self.is_unsent(claimed) || !self.is_near(claimed)
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
    fn a_reset_has_the_number_that_comes_next() {
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
        // What lies in a window, but is not what comes next, is asked back for.
        for number in [39, 41, 89, 91, 1 << 20, 1 << 30, 1 << 31] {
            assert_eq!(numbers.resets(number), Some(false), "{number}");
        }
        assert_eq!(numbers.resets(90), Some(true));
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

    #[test]
    fn what_nobody_was_seen_to_send_is_not_received_before_its_sender_goes_on_behind_it() {
        let mut numbers = Numbers::default();
        numbers.send(0, 10);
        assert!(!numbers.acknowledge(1000));
        assert_eq!(numbers.send(10, 10), Fit::Near);
        assert_eq!(numbers.send(20, 10), Fit::Near);
        assert!(numbers.acknowledge(30));
        assert_eq!(numbers.send(1000, 10), Fit::Agreed(1000));
        assert_eq!(numbers.send(1010, 10), Fit::Near);
        // What was sent after all is no claim any more.
        assert!(!numbers.acknowledge(1030));
        assert_eq!(numbers.send(1020, 20), Fit::Near);
        assert_eq!(numbers.send(1040, 10), Fit::Near);
        assert!(numbers.acknowledge(1050));
    }

    #[test]
    fn what_is_received_before_anything_is_seen_to_be_sent_counts_once_it_was_sent() {
        let mut numbers = Numbers::default();
        assert!(numbers.acknowledge(100) && numbers.acknowledge(5000));
        assert_eq!(numbers.send(100, 10), Fit::Near);
        assert_eq!(numbers.resets(5000), Some(false));
        assert_eq!(numbers.send(110, 10), Fit::Near);
        assert_eq!(numbers.send(5000, 10), Fit::Agreed(5000));
    }
}
