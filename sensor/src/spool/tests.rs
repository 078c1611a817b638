mod fake;
mod model;

use std::os::unix::fs::PermissionsExt;

use super::*;
use fake::Fake;

fn payload(content: &str, spool: SpoolId, sequence: u64) -> Vec<u8> {
    format!("{spool:?} {sequence} {content}").into_bytes()
}

fn append<D: Disk>(spool: &mut Spool<D>, content: &str) {
    spool
        .append(3, |id, sequence| payload(content, id, sequence))
        .unwrap();
}

fn sequences<D: Disk>(spool: &mut Spool<D>) -> Vec<u64> {
    std::iter::from_fn(|| spool.next_batch().unwrap())
        .map(|batch| batch.sequence)
        .collect()
}

#[test]
fn goes_on_after_a_kill_and_after_a_clean_end_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let mut spool = Spool::open(Folder::open(&path).unwrap(), 1 << 20).unwrap();
    let id = spool.id();
    (1..=3).for_each(|_| append(&mut spool, "x"));
    assert!(matches!(
        Folder::open(&path),
        Err(FolderError::Locked { .. })
    ));
    assert_eq!(sequences(&mut spool), [1, 2, 3]);
    spool.ack(id, 2).unwrap();
    drop(spool);

    // Killed in the middle of the fourth.
    let mut disk = Folder::open(&path).unwrap();
    let name = disk
        .names()
        .unwrap()
        .into_iter()
        .find(|name| name.ends_with(".segment"))
        .unwrap();
    disk.append(&name, &[9; 30]).unwrap();
    let mut spool = Spool::open(disk, 1 << 20).unwrap();
    assert_eq!(spool.losses()[&SpoolLoss::Torn].batches, 1);
    append(&mut spool, "y");
    assert_eq!((spool.id(), sequences(&mut spool)), (id, vec![3, 4]));
    drop(spool.close().unwrap());
    for entry in std::fs::read_dir(&path).unwrap() {
        assert_eq!(
            entry.unwrap().metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );

    let mut spool = Spool::open(Folder::open(&path).unwrap(), 1 << 20).unwrap();
    append(&mut spool, "z");
    assert_eq!((spool.id(), sequences(&mut spool)), (id, vec![3, 4, 5]));
}

#[test]
fn an_unclean_boot_changes_the_id_a_clean_one_does_not() {
    let disk = Fake::default();
    let mut spool = Spool::open(disk.clone(), 1 << 20).unwrap();
    append(&mut spool, "x");
    let first = spool.id();
    spool.close().unwrap();
    disk.reboot();
    let mut spool = Spool::open(disk.clone(), 1 << 20).unwrap();
    append(&mut spool, "y");
    assert_eq!((spool.id(), sequences(&mut spool)), (first, vec![1, 2]));
    drop(spool);
    disk.reboot();
    let mut spool = Spool::open(disk, 1 << 20).unwrap();
    append(&mut spool, "z");
    assert_ne!(spool.id(), first);
    assert_eq!(sequences(&mut spool), [1, 2, 1]);
}

#[test]
fn the_oldest_makes_way_and_is_counted() {
    let mut spool = Spool::open(Fake::default(), 8192).unwrap();
    for _ in 0..100 {
        append(&mut spool, &"x".repeat(200));
        assert!(spool.bytes() <= 8192);
    }
    let left = sequences(&mut spool);
    assert_eq!(left.last(), Some(&100));
    let lost = spool.losses()[&SpoolLoss::Full];
    assert_eq!(lost.batches + left.len() as u64, 100);
    assert_eq!(lost.observations, lost.batches * 3);
    let huge = spool.append(1, |_, _| vec![0; 9000]);
    assert!(matches!(huge, Err(AppendError::TooLarge { .. })));
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = Fake::default();
    let mut spool = Spool::open(disk.clone(), 1 << 20).unwrap();
    append(&mut spool, "before");
    disk.set_full(true);
    for _ in 0..3 {
        let full = spool.append(1, |id, sequence| payload("lost", id, sequence));
        let Err(AppendError::Disk(error)) = full else {
            panic!("appended to a full disk")
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    disk.set_full(false);
    append(&mut spool, "after");
    assert_eq!(sequences(&mut spool), [1, 2]);
}

#[test]
fn damage_costs_the_rest_of_its_segment_and_the_id() {
    let disk = Fake::default();
    let mut spool = Spool::open(disk.clone(), 1 << 20).unwrap();
    let id = spool.id();
    (1..=5).for_each(|_| append(&mut spool, "content"));
    disk.damage(".segment", 200);
    let good = sequences(&mut spool).len() as u64;
    assert!(good < 5);
    assert_eq!(spool.losses()[&SpoolLoss::Corrupt].batches, 5 - good);
    append(&mut spool, "next");
    assert_eq!(sequences(&mut spool), [6]);
    drop(spool);
    let mut spool = Spool::open(disk.clone(), 1 << 20).unwrap();
    spool.rewind();
    assert_eq!(sequences(&mut spool).last(), Some(&6));
    drop(spool);

    disk.damage("2.segment", 80);
    let mut spool = Spool::open(disk, 1 << 20).unwrap();
    append(&mut spool, "anew");
    assert_ne!(spool.id(), id);
}

#[test]
fn a_rejected_batch_is_passed() {
    let mut spool = Spool::open(Fake::default(), 1 << 20).unwrap();
    let id = spool.id();
    (1..=4).for_each(|_| append(&mut spool, "x"));
    assert_eq!(sequences(&mut spool).len(), 4);
    spool.reject(id, 3).unwrap();
    spool.reject(id, 3).unwrap();
    spool.ack(id, 2).unwrap();
    spool.reject(id, 4).unwrap();
    assert!(spool.is_drained() || spool.in_flight() == 1);
    spool.ack(id, 4).unwrap();
    assert!(spool.is_drained());
    assert_eq!(spool.losses()[&SpoolLoss::Rejected].batches, 2);
    assert_eq!(spool.losses()[&SpoolLoss::Rejected].observations, 6);
}

#[test]
fn an_acknowledged_spool_stays_small() {
    let disk = Fake::default();
    let mut spool = Spool::open(disk.clone(), 64 << 20).unwrap();
    let id = spool.id();
    for sequence in 1..=200 {
        append(&mut spool, &"x".repeat(50_000));
        spool.next_batch().unwrap().unwrap();
        spool.ack(id, sequence).unwrap();
        assert!(spool.bytes() < segment::RECYCLE_BYTES_MIN + 60_000);
    }
    drop(spool);
    let mut spool = Spool::open(disk, 64 << 20).unwrap();
    append(&mut spool, "x");
    assert_eq!((spool.id(), sequences(&mut spool)), (id, vec![201]));
}

#[test]
fn a_file_is_replaced_by_another_of_any_size() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("spool");
    let mut disk = Folder::open(&path).unwrap();
    for content in ["long at first", "short", "", "longer than any before it"] {
        disk.replace("cursor", content.as_bytes()).unwrap();
        let read = disk.read("cursor", 0, 100).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), content);
    }
    assert!(
        disk.names().unwrap().len() <= 3,
        "the lock, and two that take turns"
    );
}
