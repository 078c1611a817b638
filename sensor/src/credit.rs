//! Processor time that looking into /proc may take: a share of one processor, of which a little is saved up.
//!
//! What a look costs shows when it is over, so one that costs more than there is runs into debt, and the next one comes when
//! that is paid.

use std::time::{Duration, Instant};

use crate::kernel::clock::thread_time;

/// Time that may be spent.
#[derive(Debug)]
pub(crate) struct Credit {
    /// One in this many.
    share: u32,
    /// What may be saved up.
    saved_max: Duration,
    left: Duration,
    /// Spent beyond what was there.
    owed: Duration,
    counted: Instant,
}

impl Credit {
    /// All that may be saved up is there.
    pub(crate) const fn new(share: u32, saved_max: Duration, now: Instant) -> Self {
        Self {
            share,
            saved_max,
            left: saved_max,
            owed: Duration::ZERO,
            counted: now,
        }
    }

    /// Whether there is any at this moment.
    pub(crate) fn is_left(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.counted) / self.share;
        self.counted = now;
        let paid = earned.min(self.owed);
        self.owed -= paid;
        self.left = (self.left + earned - paid).min(self.saved_max);
        self.owed.is_zero()
    }

    /// Does something, and takes what it costs this thread.
    pub(crate) fn pay<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = thread_time();
        let done = work();
        self.spend(thread_time().saturating_sub(before));
        done
    }

    /// Takes time that was spent.
    pub(crate) fn spend(&mut self, spent: Duration) {
        self.owed += spent.saturating_sub(self.left);
        self.left = self.left.saturating_sub(spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_spent_by_share() {
        let saved = Duration::from_millis(500);
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut credit = Credit::new(10, saved, start);
        assert!(credit.is_left(at(0)));
        credit.spend(Duration::from_millis(700));
        assert!(!credit.is_left(at(700)), "200 ms are owed");
        assert!(!credit.is_left(at(1900)));
        assert!(credit.is_left(at(2000)), "2 s of a tenth have passed");
        credit.spend(Duration::from_millis(1));
        assert!(!credit.is_left(at(2001)), "nothing was saved");
        assert!(credit.is_left(at(1_000_000)));
        assert_eq!(credit.left, saved);
    }

    #[test]
    fn what_is_done_is_paid() {
        let now = Instant::now();
        let mut credit = Credit::new(10, Duration::ZERO, now);
        assert_eq!(
            credit.pay(|| (0..1_000_000_u64).fold(1, u64::wrapping_add)) % 2,
            1
        );
        assert!(!credit.is_left(now));
    }
}
