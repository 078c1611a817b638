//! What new readers read first, kept for a moment.
//!
//! Bytes that a writer splices are copied by their reader, once the kernel side knows that they are spliced:
//! that is when the writer's call returns, and the reader may be back before. The first read of each reader
//! therefore comes with its bytes, which are taken only when the word of splicing follows.

use std::collections::VecDeque;

use super::Lane;
use crate::event::UnixNs;

/// First reads kept at a time, of at most one record (60 KiB) each: 2 MiB in all.
const READS_MAX: usize = 32;
/// A call that moved bytes returns within this time of their arrival, or its bytes are given up.
const KEPT_NS: u64 = 1_000_000_000;

/// First reads by lane, in the order of their arrival.
#[derive(Debug, Default)]
pub struct Reserve(VecDeque<(UnixNs, Lane, Vec<u8>)>);

impl Reserve {
    /// Keeps what was read of a lane.
    pub fn keep(&mut self, now: UnixNs, lane: Lane, bytes: Vec<u8>) {
        self.forget(now);
        if bytes.is_empty() {
            return;
        }
        if self.0.len() == READS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, lane, bytes));
    }

    /// All that was read of a lane.
    pub fn take(&mut self, lane: Lane) -> Vec<u8> {
        let mut taken = Vec::new();
        self.0.retain(|(_, kept, bytes)| {
            if *kept == lane {
                taken.extend_from_slice(bytes);
            }
            *kept != lane
        });
        taken
    }

    /// Lets go of what nobody asked for in time.
    pub fn forget(&mut self, now: UnixNs) {
        self.0
            .retain(|(since, ..)| (*since..since.saturating_add(KEPT_NS)).contains(&now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{FlowId, Side};

    const LANE: Lane = Lane {
        flow: FlowId(1),
        from: Side::A,
    };

    #[test]
    fn what_was_read_is_given_once_in_order_and_not_for_long() {
        let mut reserve = Reserve::default();
        reserve.keep(1, LANE, b"one ".to_vec());
        reserve.keep(2, LANE.back(), b"other".to_vec());
        reserve.keep(3, LANE, b"two".to_vec());
        assert_eq!(reserve.take(LANE), b"one two");
        assert_eq!(reserve.take(LANE), b"");
        reserve.forget(2 + KEPT_NS);
        assert_eq!(reserve.take(LANE.back()), b"");
    }

    #[test]
    fn it_stays_small() {
        let mut reserve = Reserve::default();
        for time in 0..100 {
            reserve.keep(time, LANE, vec![0; 10]);
        }
        assert_eq!(reserve.take(LANE).len(), READS_MAX * 10);
    }
}
