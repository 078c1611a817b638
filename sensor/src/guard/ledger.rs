//! What is remembered of watches that had probes attached, and when that speaks against attaching again.
//!
//! Moments count from the boot that they name (CLOCK_BOOTTIME): a wall clock that jumps changes nothing.

use serde::{Deserialize, Serialize};

/// Two ends without a clean stop within so long are too many.
const WINDOW_MS: u64 = 10 * 60 * 1000;
/// A host that goes down so soon after probes were attached may have gone down by them.
pub(super) const SOON_MS: u64 = 60 * 1000;
/// Watches at a time, as when `watch` runs several times; of more the oldest is forgotten.
const WATCHES_MAX: usize = 16;
/// Of this file's form.
const FORMAT: u32 = 1;

/// A moment of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moment {
    /// The kernel's random number of it.
    pub(super) boot: String,
    /// Milliseconds since that boot.
    pub(super) ms: u64,
}

/// A process that had probes attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watcher {
    /// Its number, and when it started, in the kernel's ticks: the two together are one process of a boot.
    pub(super) pid: u32,
    pub(super) started: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    by: Watcher,
    /// Version of the sensor.
    sensor: String,
    attached: Moment,
    /// When it last said that it lives.
    alive_ms: u64,
}

/// A watch that ended without a clean stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unclean {
    /// When it was last known to live.
    end: Moment,
    sensor: String,
}

/// Why probes stay off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Two unclean ends within ten minutes.
    EndedTwice,
    /// The host went down within a minute after attaching.
    HostWentDown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trip {
    cause: Cause,
    /// The version that it speaks against; another may be tried.
    sensor: String,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ledger {
    format: u32,
    /// Attached now, or ended without saying so.
    watches: Vec<Watch>,
    /// The last that did.
    unclean: Option<Unclean>,
    trip: Option<Trip>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            format: FORMAT,
            watches: Vec::new(),
            unclean: None,
            trip: None,
        }
    }
}

impl Ledger {
    /// Reads one; none where it is not of this form.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let ledger: Self = serde_json::from_slice(bytes).ok()?;
        (ledger.format == FORMAT).then_some(ledger)
    }

    /// In place of one that cannot be read: nobody knows how the last watch ended, so it counts as unclean.
    pub(super) fn in_doubt(now: &Moment, sensor: &str) -> Self {
        let mut ledger = Self::default();
        ledger.count(Unclean {
            end: now.clone(),
            sensor: sensor.to_owned(),
        });
        ledger
    }

    /// As text.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Why this version's probes are to stay off.
    pub(super) fn trip(&self) -> Option<Cause> {
        self.trip.as_ref().map(|trip| trip.cause)
    }

    /// Takes in how watches ended that are not there any more. `lives` tells of this boot's processes.
    pub(super) fn settle(&mut self, now: &Moment, sensor: &str, lives: impl Fn(&Watcher) -> bool) {
        self.trip.take_if(|trip| trip.sensor != sensor);
        let goes_on = |watch: &Watch| watch.attached.boot == now.boot && lives(&watch.by);
        let (stay, ended) = std::mem::take(&mut self.watches)
            .into_iter()
            .partition(goes_on);
        self.watches = stay;
        for watch in ended {
            let lasted_ms = watch.alive_ms.saturating_sub(watch.attached.ms);
            let went_down = watch.attached.boot != now.boot && lasted_ms < SOON_MS;
            if went_down && watch.sensor == sensor {
                self.trip = Some(Trip {
                    cause: Cause::HostWentDown,
                    sensor: watch.sensor.clone(),
                });
            }
            self.count(Unclean {
                end: Moment {
                    boot: watch.attached.boot,
                    ms: watch.alive_ms,
                },
                sensor: watch.sensor,
            });
        }
    }

    fn count(&mut self, unclean: Unclean) {
        if let Some(before) = self.unclean.replace(unclean.clone())
            && before.sensor == unclean.sensor
            && apart_ms(&before.end, &unclean.end) <= WINDOW_MS
        {
            self.trip.get_or_insert(Trip {
                cause: Cause::EndedTwice,
                sensor: unclean.sensor,
            });
        }
    }

    /// A watch is about to attach.
    pub(super) fn begin(&mut self, by: Watcher, sensor: &str, now: Moment) {
        self.end(&by);
        if self.watches.len() >= WATCHES_MAX {
            self.watches.remove(0);
        }
        self.watches.push(Watch {
            by,
            sensor: sensor.to_owned(),
            alive_ms: now.ms,
            attached: now,
        });
    }

    /// It lives. Once it has for longer than two ends may lie apart, an end before it says nothing any more.
    pub(super) fn beat(&mut self, by: &Watcher, now: &Moment) {
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.by == *by) {
            watch.alive_ms = now.ms;
            if now.ms.saturating_sub(watch.attached.ms) > WINDOW_MS {
                self.unclean = None;
            }
        }
    }

    /// It has detached by itself.
    pub(super) fn end(&mut self, by: &Watcher) {
        self.watches.retain(|watch| watch.by != *by);
    }
}

/// Of two ends one after the other, how much time lies between them at least: over a boot, what has passed since it.
fn apart_ms(first: &Moment, second: &Moment) -> u64 {
    if first.boot == second.boot {
        second.ms.abs_diff(first.ms)
    } else {
        second.ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60 * 1000;

    fn at(boot: &str, ms: u64) -> Moment {
        Moment {
            boot: boot.to_owned(),
            ms,
        }
    }

    fn process(pid: u32) -> Watcher {
        Watcher { pid, started: 7 }
    }

    /// A watch from `from` that was last heard of at `to`, and was found gone at `found`.
    fn killed(ledger: &mut Ledger, sensor: &str, from: Moment, to: u64, found: &Moment) {
        let boot = from.boot.clone();
        ledger.begin(process(1), sensor, from);
        ledger.beat(&process(1), &at(&boot, to));
        ledger.settle(found, sensor, |_| false);
    }

    #[test]
    fn one_unclean_end_is_forgiven_and_two_within_ten_minutes_are_not() {
        let mut ledger = Ledger::default();
        killed(&mut ledger, "1", at("a", 0), MINUTE, &at("a", 2 * MINUTE));
        assert_eq!(ledger.trip(), None);
        killed(
            &mut ledger,
            "1",
            at("a", 2 * MINUTE),
            11 * MINUTE,
            &at("a", 12 * MINUTE),
        );
        assert_eq!(ledger.trip(), Some(Cause::EndedTwice));
        // It holds until somebody decides, also over clean stops and boots.
        ledger.settle(&at("b", 0), "1", |_| false);
        assert_eq!(ledger.trip(), Some(Cause::EndedTwice));
        // Another version of the sensor may try.
        ledger.settle(&at("b", 0), "2", |_| false);
        assert_eq!(ledger.trip(), None);
    }

    #[test]
    fn two_unclean_ends_far_apart_are_forgiven() {
        let mut ledger = Ledger::default();
        killed(&mut ledger, "1", at("a", 0), MINUTE, &at("a", 2 * MINUTE));
        killed(
            &mut ledger,
            "1",
            at("a", 2 * MINUTE),
            12 * MINUTE,
            &at("a", 13 * MINUTE),
        );
        assert_eq!(ledger.trip(), None);
    }

    #[test]
    fn what_ended_long_ago_is_forgotten_once_a_watch_has_lived() {
        let mut ledger = Ledger::default();
        killed(&mut ledger, "1", at("a", 0), 50 * MINUTE, &at("b", 0));
        ledger.begin(process(2), "1", at("b", 0));
        ledger.beat(&process(2), &at("b", 11 * MINUTE));
        ledger.end(&process(2));
        killed(&mut ledger, "1", at("c", 0), 2 * MINUTE, &at("d", 0));
        assert_eq!(ledger.trip(), None);
    }

    #[test]
    fn a_clean_stop_is_no_end_to_count() {
        let mut ledger = Ledger::default();
        for minute in 0..5 {
            ledger.begin(process(minute), "1", at("a", u64::from(minute) * MINUTE));
            ledger.end(&process(minute));
            ledger.settle(&at("a", u64::from(minute) * MINUTE), "1", |_| false);
        }
        assert_eq!(ledger, Ledger::default());
    }

    #[test]
    fn a_host_that_goes_down_soon_after_attaching_is_enough_and_later_is_not() {
        let mut ledger = Ledger::default();
        killed(
            &mut ledger,
            "1",
            at("a", 5 * MINUTE),
            6 * MINUTE,
            &at("b", 100),
        );
        assert_eq!(ledger.trip(), None, "a minute later");
        let mut ledger = Ledger::default();
        killed(
            &mut ledger,
            "1",
            at("a", 5 * MINUTE),
            5 * MINUTE,
            &at("b", 100),
        );
        assert_eq!(ledger.trip(), Some(Cause::HostWentDown));
        // The same without a new boot is a killed process.
        let mut ledger = Ledger::default();
        killed(
            &mut ledger,
            "1",
            at("a", 5 * MINUTE),
            5 * MINUTE,
            &at("a", 6 * MINUTE),
        );
        assert_eq!(ledger.trip(), None);
    }

    #[test]
    fn a_host_that_goes_down_again_and_again_is_enough() {
        let mut ledger = Ledger::default();
        killed(&mut ledger, "1", at("a", 0), 50 * MINUTE, &at("b", 0));
        killed(&mut ledger, "1", at("b", 0), 20 * MINUTE, &at("c", 0));
        assert_eq!(ledger.trip(), None, "20 minutes after the boot");
        killed(&mut ledger, "1", at("c", 0), 2 * MINUTE, &at("d", 0));
        assert_eq!(ledger.trip(), Some(Cause::EndedTwice));
    }

    #[test]
    fn who_still_lives_has_not_ended() {
        let mut ledger = Ledger::default();
        ledger.begin(process(1), "1", at("a", 0));
        ledger.begin(process(2), "1", at("a", 0));
        ledger.settle(&at("a", MINUTE), "1", |by| *by == process(1));
        assert_eq!(ledger.trip(), None);
        assert_eq!(ledger.watches.len(), 1);
        // After a boot the same number is another process.
        ledger.settle(&at("b", MINUTE), "1", |_| true);
        assert_eq!(ledger.trip(), Some(Cause::HostWentDown));
    }

    #[test]
    fn what_cannot_be_read_counts_as_one_unclean_end() {
        for bytes in [
            &b""[..],
            b"{",
            b"{\"format\":2,\"watches\":[],\"unclean\":null,\"trip\":null}",
        ] {
            assert_eq!(Ledger::parse(bytes), None);
        }
        let mut ledger = Ledger::in_doubt(&at("a", 0), "1");
        assert_eq!(ledger.trip(), None);
        killed(&mut ledger, "1", at("a", 0), MINUTE, &at("a", 2 * MINUTE));
        assert_eq!(ledger.trip(), Some(Cause::EndedTwice));
        assert_eq!(Ledger::parse(&ledger.bytes()), Some(ledger));
    }

    #[test]
    fn it_stays_small() {
        let mut ledger = Ledger::default();
        for pid in 0..1000 {
            ledger.begin(process(pid), "1", at("a", 0));
        }
        assert_eq!(ledger.watches.len(), WATCHES_MAX);
        assert!(ledger.bytes().len() < 8192);
    }
}
