//! What is committed together: as much as waits in the queue, up to a bound.

use tokio::sync::mpsc;

use super::{Apply, Incoming, Work};
use crate::store::row::HelloRow;

/// Observations in a group, at most (a group holds at least one batch).
const OBSERVATIONS_MAX: usize = 50_000;
/// Batches and hellos in a group, at most: those who wait to send refill the queue while it is emptied.
const WORKS_MAX: usize = 512;

/// One group's work.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) batches: Vec<Incoming>,
    pub(super) hellos: Vec<HelloRow>,
    /// A policy, taken into force after what came before it.
    pub(super) apply: Option<Apply>,
}

/// Takes what waits, until a bound or a policy.
pub(super) fn gather(first: Work, queue: &mut mpsc::Receiver<Work>) -> Gathered {
    let mut group = Gathered::default();
    let mut observations = 0;
    let mut next = Some(first);
    while let Some(work) = next.take() {
        match work {
            Work::Batch(batch) => {
                observations += batch.checked.observations as usize;
                group.batches.push(batch);
            }
            Work::Hello(hello) => group.hellos.push(hello),
            Work::Apply(apply) => {
                group.apply = Some(apply);
                break;
            }
        }
        let works = group.batches.len() + group.hellos.len();
        if observations < OBSERVATIONS_MAX && works < WORKS_MAX {
            next = queue.try_recv().ok();
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use gnomon_proto::v1;
    use tokio::sync::oneshot;

    use super::*;
    use crate::ingest::{batch, host::HostId};

    fn empty_batch(sequence: u64) -> Work {
        let batch = v1::Batch {
            spool_id: vec![1; 16],
            sequence,
            ..v1::Batch::default()
        };
        let host = HostId::new("h1").expect("a name");
        Work::Batch(Incoming {
            checked: batch::check(&host, batch, 1).expect("fit"),
            stored: oneshot::channel().0,
            _room: None,
        })
    }

    #[test]
    fn batches_without_observations_are_bounded_too() {
        let (sender, mut queue) = mpsc::channel(2 * WORKS_MAX);
        for sequence in 1..=sender.capacity() as u64 {
            sender.try_send(empty_batch(sequence)).expect("room");
        }
        let first = queue.try_recv().expect("one");
        let group = gather(first, &mut queue);
        assert_eq!(group.batches.len(), WORKS_MAX);
        assert_eq!(queue.len(), WORKS_MAX, "the rest waits");
    }

    #[test]
    fn a_policy_ends_the_group() {
        let (sender, mut queue) = mpsc::channel(8);
        let apply = Apply {
            toml: String::new(),
            author: String::new(),
            file: String::new(),
            done: oneshot::channel().0,
        };
        sender.try_send(Work::Apply(apply)).expect("room");
        sender.try_send(empty_batch(2)).expect("room");
        let group = gather(empty_batch(1), &mut queue);
        assert!(group.apply.is_some());
        assert_eq!((group.batches.len(), queue.len()), (1, 1));
    }
}
