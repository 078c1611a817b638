//! The kernel's clock and ours.
#![allow(unsafe_code, reason = "clock_gettime of the C library")]

use std::time::Duration;

use crate::event::UnixNs;

/// Turns nanoseconds since boot into nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    offset_ns: i64,
}

impl Clock {
    /// A clock whose boot was at `offset_ns` since 1970.
    #[must_use]
    pub const fn from_offset(offset_ns: i64) -> Self {
        Self { offset_ns }
    }

    /// The clock of this moment: measured again and again, it follows steps of the wall clock.
    #[must_use]
    pub fn measure() -> Self {
        Self {
            offset_ns: read_ns(libc::CLOCK_REALTIME) - read_ns(libc::CLOCK_BOOTTIME),
        }
    }

    /// This moment, in nanoseconds since boot.
    #[must_use]
    pub fn now_boot_ns(self) -> u64 {
        u64::try_from(read_ns(libc::CLOCK_BOOTTIME)).unwrap_or(0)
    }

    /// Wall-clock time of a moment since boot.
    #[must_use]
    pub fn unix_ns(self, boot_ns: u64) -> UnixNs {
        boot_ns.saturating_add_signed(self.offset_ns)
    }
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
    // SAFETY: `time` is writable; all three clocks exist since Linux 2.6.39.
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
}
