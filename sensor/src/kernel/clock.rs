//! The kernel's clock and ours.
#![allow(unsafe_code, reason = "clock_gettime of the C library")]

use std::time::Duration;

use crate::event::UnixNs;
use crate::timeline::Timeline;

/// Between two looks the wall clock is brought nearer to the time by less than this (a tenth of the time between them, at the
/// fastest that is known, chrony's `maxslewrate`): more is a step.
const STEP_NS: u64 = 50_000_000;
/// Two clocks are read one after the other. Whoever was interrupted for longer than this in between reads again.
const APART_NS: i64 = 1_000_000;
/// How often.
const TRIES: usize = 4;

/// Turns nanoseconds since boot into times of events, which no step of the wall clock moves, and into wall-clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Of a time of events. Follows the wall clock, but for its steps.
    offset_ns: i64,
    timeline: Timeline,
}

impl Clock {
    /// A clock whose boot was at `offset_ns` since 1970.
    #[must_use]
    pub fn from_offset(offset_ns: i64) -> Self {
        Self {
            offset_ns,
            timeline: Timeline::default(),
        }
    }

    /// The clock of this moment.
    #[must_use]
    pub fn measure() -> Self {
        Self::from_offset(measured().1)
    }

    /// Looks at the wall clock again, and notes if it was set since the last time.
    pub fn follow(&mut self) {
        let (boot_ns, offset_ns, apart_ns) = measured();
        if apart_ns <= APART_NS {
            self.note(boot_ns, offset_ns);
        }
    }

    /// At a moment since boot, boot was at `offset_ns` since 1970 by the wall clock.
    pub fn note(&mut self, boot_ns: u64, offset_ns: i64) {
        let known_ns = self.offset_ns.saturating_add(self.timeline.ahead_ns());
        let moved_ns = offset_ns.saturating_sub(known_ns);
        if moved_ns.unsigned_abs() < STEP_NS {
            self.offset_ns = self.offset_ns.saturating_add(moved_ns);
        } else {
            self.timeline.step(self.event_ns(boot_ns), moved_ns);
        }
    }

    /// This moment, in nanoseconds since boot.
    #[must_use]
    pub fn now_boot_ns(&self) -> u64 {
        u64::try_from(read_ns(libc::CLOCK_BOOTTIME)).unwrap_or(0)
    }

    /// This moment, as a time of an event.
    #[must_use]
    pub fn now(&self) -> UnixNs {
        self.event_ns(self.now_boot_ns())
    }

    /// The time of an event at a moment since boot.
    #[must_use]
    pub fn event_ns(&self, boot_ns: u64) -> UnixNs {
        boot_ns.saturating_add_signed(self.offset_ns)
    }

    /// What the wall clock showed at a moment since boot; before this clock was made, what it would have shown.
    #[must_use]
    pub fn unix_ns(&self, boot_ns: u64) -> UnixNs {
        self.timeline.wall(self.event_ns(boot_ns))
    }

    /// The steps of the wall clock that were noted.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }
}

/// This moment since boot, and when boot was; and how long it took to find that out.
fn measured() -> (u64, i64, i64) {
    let look = || {
        let before = read_ns(libc::CLOCK_BOOTTIME);
        let wall = read_ns(libc::CLOCK_REALTIME);
        let apart = read_ns(libc::CLOCK_BOOTTIME).saturating_sub(before);
        (u64::try_from(before).unwrap_or(0), wall - before, apart)
    };
    let mut best = look();
    for _ in 1..TRIES {
        if best.2 <= APART_NS {
            break;
        }
        best = look();
    }
    best
}

/// Processor time that the calling thread has used: what it cost, however busy the host is.
pub(crate) fn thread_time() -> Duration {
    let ns = read_ns(libc::CLOCK_THREAD_CPUTIME_ID);
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

fn read_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable; all of these clocks exist since Linux 2.6.39.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_lies_in_the_past() {
        let clock = Clock::measure();
        assert!(clock.unix_ns(0) > 1_500_000_000_000_000_000);
        assert_eq!(Clock::from_offset(-5).unix_ns(3), 0, "never wraps");
    }

    #[test]
    fn a_step_moves_the_wall_clock_alone() {
        const HOUR_NS: i64 = 3600 * 1_000_000_000;
        let mut clock = Clock::from_offset(1_000);
        clock.note(10, 1_000 + HOUR_NS);
        clock.note(20, 1_000 + HOUR_NS);
        clock.note(30, 1_000 - 72 * HOUR_NS);
        assert_eq!(
            [5, 10, 30].map(|boot| clock.event_ns(boot)),
            [1_005, 1_010, 1_030]
        );
        assert_eq!(clock.unix_ns(5), 1_005);
        assert_eq!(clock.unix_ns(10), 1_010 + HOUR_NS as u64);
        assert_eq!(clock.timeline().ahead_ns(), -72 * HOUR_NS);
    }

    #[test]
    fn a_clock_that_is_brought_nearer_is_followed() {
        let mut clock = Clock::from_offset(1_000_000_000);
        for turn in 1..=100 {
            clock.note(0, 1_000_000_000 + turn * 40_000_000);
        }
        assert_eq!(clock.event_ns(0), 5_000_000_000);
        assert_eq!(*clock.timeline(), Timeline::default());
    }

    #[test]
    fn a_look_at_the_host_finds_no_step() {
        let mut clock = Clock::measure();
        for _ in 0..1000 {
            clock.follow();
        }
        assert_eq!(*clock.timeline(), Timeline::default());
        assert!(clock.now() > 1_500_000_000_000_000_000);
    }
}
