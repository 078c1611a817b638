//! What the kernel side counted as lost, since attaching.

use std::{
    collections::BTreeMap,
    fs,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use aya::maps::{MapData, PerCpuArray};
use sensor_abi::flow::drop;

use crate::event::LossReason;

/// Counts by reason, only ever growing.
pub type Losses = BTreeMap<LossReason, u64>;

const REASONS: [(u32, LossReason); drop::COUNT as usize] = [
    (drop::RING_FULL, LossReason::RingFull),
    (drop::COPY_FAULT, LossReason::CopyFault),
    (drop::MAP_FULL, LossReason::MapFull),
    (drop::MESSAGE_CAP, LossReason::MessageCap),
    (drop::UNJUDGED_CAP, LossReason::UnjudgedCap),
    (drop::COMPAT_CALL, LossReason::CompatCall),
    (drop::SPLICED, LossReason::Spliced),
    (drop::EVENT_RING_FULL, LossReason::EventRingFull),
    (drop::NESTED, LossReason::Recursion),
    (drop::UNREAD, LossReason::Unread),
];

/// The drop counters, summed over all processors. A counter that cannot be read is left out.
pub(super) fn counted(drops: &PerCpuArray<MapData, u64>) -> Losses {
    REASONS
        .iter()
        .filter_map(|(index, reason)| {
            let values = drops.get(index, 0).ok()?;
            Some((*reason, values.iter().sum()))
        })
        .collect()
}

/// Records that were lost before anybody could tell whose they were, or whose end may have come unseen.
const OF_ANY_STREAM: [u32; 3] = [drop::RING_FULL, drop::EVENT_RING_FULL, drop::NESTED];

/// How many of these, as far as they can be read. Only ever grows.
pub(super) fn of_any_stream(drops: &PerCpuArray<MapData, u64>) -> u64 {
    OF_ANY_STREAM
        .iter()
        .filter_map(|index| drops.get(index, 0).ok())
        .map(|values| values.iter().sum::<u64>())
        .sum()
}

/// How often the kernel did not run a program because it was running already (`recursion_misses`).
pub(super) fn recursion_misses(program: BorrowedFd<'_>) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}
