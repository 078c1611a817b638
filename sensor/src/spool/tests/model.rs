//! The spool against a model of it, over kills and power cuts at every write.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::*;
use super::fake::Fake;

const BYTES_MAX: u64 = 4096;

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u16),
    Deliver(u8),
    Ack(u8),
    Reject,
    Rewind,
    Full(bool),
    /// From here on the process is killed within a write.
    Kill(u8, u8),
    Power(u8),
    Reopen,
}

type Name = (SpoolId, u64);

/// What has to be true of the spool.
#[derive(Default)]
struct Model {
    /// Contents are numbered as they are appended.
    contents: u64,
    /// Appended for certain.
    appended: BTreeMap<Name, Vec<u8>>,
    /// The append was cut off: may or may not be there.
    attempted: BTreeSet<Vec<u8>>,
    delivered: BTreeMap<Name, Vec<u8>>,
    acknowledged: BTreeSet<Name>,
    /// Delivered since the last rewind, with the number of the content.
    in_order: Option<u64>,
    in_flight: Vec<Name>,
    lost: u64,
    rejected: u64,
    power_cuts: u32,
}

impl Model {
    fn append(&mut self, spool: &mut Spool<Fake>, size: u16) {
        self.contents += 1;
        let mut named = None;
        let result = spool.append(1, |id, sequence| {
            let mut bytes = self.contents.to_le_bytes().to_vec();
            bytes.resize(8 + usize::from(size), 7);
            named = Some(((id, sequence), bytes.clone()));
            bytes
        });
        let (name, bytes) = named.unwrap();
        match result {
            Ok(()) => {
                let old = self.appended.insert(name, bytes);
                assert!(old.is_none(), "{name:?} was used twice");
                assert!(spool.bytes() <= BYTES_MAX);
            }
            Err(_) => drop(self.attempted.insert(bytes)),
        }
    }

    fn deliver(&mut self, spool: &mut Spool<Fake>) -> bool {
        let Ok(Some(batch)) = spool.next_batch() else {
            return false;
        };
        let name = (batch.spool, batch.sequence);
        match self.appended.get(&name) {
            Some(bytes) => assert_eq!(&batch.bytes, bytes),
            None => assert!(
                self.attempted.contains(&batch.bytes),
                "{name:?} out of nowhere"
            ),
        }
        let before = self.delivered.insert(name, batch.bytes.clone());
        assert!(
            before.is_none_or(|before| before == batch.bytes),
            "{name:?} has two contents"
        );
        assert!(
            !self.acknowledged.contains(&name),
            "{name:?} was acknowledged"
        );
        let content = u64::from_le_bytes(*batch.bytes.first_chunk().unwrap());
        assert!(self.in_order < Some(content), "out of order");
        self.in_order = Some(content);
        self.in_flight.push(name);
        true
    }

    fn ack(&mut self, spool: &mut Spool<Fake>, upto: u8) {
        let upto = usize::from(upto).min(self.in_flight.len());
        for index in 0..upto {
            let name = self.in_flight[index];
            if spool.ack(name.0, name.1).is_ok() {
                self.acknowledged.insert(name);
            }
        }
        self.in_flight.drain(..upto);
    }

    fn rewind(&mut self) {
        self.in_order = None;
        self.in_flight.clear();
    }

    fn reopen(&mut self, disk: &Fake, spool: Spool<Fake>) -> Spool<Fake> {
        self.note_losses(&spool);
        drop(spool);
        disk.revive();
        disk.set_full(false);
        self.rewind();
        Spool::open(disk.clone(), BYTES_MAX).unwrap()
    }

    fn note_losses(&mut self, spool: &Spool<Fake>) {
        let of = |reason| spool.losses().get(&reason).map_or(0, |loss| loss.batches);
        self.lost += of(SpoolLoss::Full) + of(SpoolLoss::Corrupt);
        self.rejected += of(SpoolLoss::Rejected);
        assert!(self.power_cuts > 0 || of(SpoolLoss::Corrupt) == 0);
    }

    /// After a power cut what was acknowledged or only in memory of the kernel may be otherwise.
    fn power(&mut self, disk: &Fake, spool: Spool<Fake>, share: u8) -> Spool<Fake> {
        self.power_cuts += 1;
        disk.revive();
        disk.cut_power(share);
        self.acknowledged.clear();
        self.reopen(disk, spool)
    }
}

fn run(steps: &[Step]) {
    let disk = Fake::default();
    let mut spool = Spool::open(disk.clone(), BYTES_MAX).unwrap();
    let mut model = Model::default();
    for &step in steps {
        match step {
            Step::Append(size) => model.append(&mut spool, size),
            Step::Deliver(count) => {
                for _ in 0..count {
                    model.deliver(&mut spool);
                }
            }
            Step::Ack(upto) => model.ack(&mut spool, upto),
            Step::Reject => {
                if let Some(&(id, sequence)) = model.in_flight.last() {
                    let _ = spool.reject(id, sequence);
                }
            }
            Step::Rewind => {
                spool.rewind();
                model.rewind();
            }
            Step::Full(is_full) => disk.set_full(is_full),
            Step::Kill(writes, share) => disk.kill_at(writes.into(), share),
            Step::Power(share) => spool = model.power(&disk, spool, share),
            Step::Reopen => {
                model.note_losses(&spool);
                let clean = spool.close();
                disk.revive();
                disk.set_full(false);
                model.rewind();
                drop(clean);
                spool = Spool::open(disk.clone(), BYTES_MAX).unwrap();
            }
        }
        if disk.is_dead() {
            spool = model.reopen(&disk, spool);
        }
    }
    spool = model.reopen(&disk, spool);
    while model.deliver(&mut spool) {}
    model.note_losses(&spool);
    let missing = model
        .appended
        .keys()
        .filter(|name| !model.delivered.contains_key(name))
        .count();
    if model.power_cuts == 0 {
        assert!(
            missing as u64 <= model.lost,
            "{missing} are missing, {} counted",
            model.lost
        );
        let ids: BTreeSet<SpoolId> = model.appended.keys().map(|name| name.0).collect();
        assert!(ids.len() <= 1, "the id changed without need");
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..600_u16).prop_map(Step::Append),
        4 => (1..6_u8).prop_map(Step::Deliver),
        4 => (1..6_u8).prop_map(Step::Ack),
        1 => Just(Step::Reject),
        1 => Just(Step::Rewind),
        1 => any::<bool>().prop_map(Step::Full),
        2 => (0..6_u8, any::<u8>()).prop_map(|(writes, share)| Step::Kill(writes, share)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn killed_anywhere(steps in proptest::collection::vec(step(), 1..60)) {
        run(&steps);
    }

    #[test]
    fn without_power_at_times(
        steps in proptest::collection::vec(
            prop_oneof![12 => step(), 1 => any::<u8>().prop_map(Step::Power)], 1..60,
        ),
    ) {
        run(&steps);
    }
}
