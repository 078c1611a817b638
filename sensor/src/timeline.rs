//! Steps of the wall clock: what the sensor's own time is on it.
//!
//! Events, waits and tables run on a clock that starts at the wall clock's time, goes on through suspension, and that nobody
//! sets. The wall clock is set: by hand, by NTP, when a guest is resumed. What is stated is stated as the wall clock showed it in
//! that moment, so that the same moment is stated alike however often the clock is set afterwards.

use std::collections::VecDeque;

use crate::event::UnixNs;

/// Steps that are remembered. Times before the oldest are stated as if that had been the first.
const STEPS_MAX: usize = 64;

/// The steps so far; none at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// How far the wall clock was ahead before the first of `steps`.
    first_ns: i64,
    steps: VecDeque<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: UnixNs,
    /// How far the wall clock is ahead from then on.
    ahead_ns: i64,
}

impl Timeline {
    /// At `from`, on the sensor's own clock, the wall clock was set forward by `by_ns`, or back.
    pub fn step(&mut self, from: UnixNs, by_ns: i64) {
        let ahead_ns = self.ahead_ns().saturating_add(by_ns);
        if self.steps.len() >= STEPS_MAX
            && let Some(oldest) = self.steps.pop_front()
        {
            self.first_ns = oldest.ahead_ns;
        }
        self.steps.push_back(Step { from, ahead_ns });
    }

    /// How far the wall clock is ahead of the sensor's own.
    #[must_use]
    pub fn ahead_ns(&self) -> i64 {
        self.steps
            .back()
            .map_or(self.first_ns, |step| step.ahead_ns)
    }

    /// What the wall clock showed at a moment of the sensor's own clock.
    #[must_use]
    pub fn wall(&self, time: UnixNs) -> UnixNs {
        let step = self.steps.iter().rev().find(|step| step.from <= time);
        time.saturating_add_signed(step.map_or(self.first_ns, |step| step.ahead_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_stays_what_the_wall_clock_showed() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.wall(100), 100);
        timeline.step(1000, 50);
        timeline.step(2000, -70);
        assert_eq!(
            [999, 1000, 1999, 2000].map(|time| timeline.wall(time)),
            [999, 1050, 2049, 1980]
        );
        assert_eq!(timeline.ahead_ns(), -20);
        timeline.step(3000, i64::MIN);
        assert_eq!(timeline.wall(3000), 0, "never wraps");
    }

    #[test]
    fn steps_are_bounded() {
        let mut timeline = Timeline::default();
        for number in 1..=1000 {
            timeline.step(number * 1000, 1);
        }
        assert_eq!(timeline.steps.len(), STEPS_MAX);
        assert_eq!(timeline.wall(1_000_000), 1_001_000);
        assert_eq!(timeline.wall(5), 5 + 1000 - STEPS_MAX as u64);
    }
}
