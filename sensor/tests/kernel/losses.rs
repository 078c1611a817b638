//! What cannot be copied is told, byte by byte, and counted.

use std::{
    io::{Read as _, Write as _, pipe},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use gnomon_sensor::{
    event::{Direction, FlowVerdict, LossReason, Transfer},
    kernel::Settings,
};

use gnomon_tests::host;

use crate::harness::{DEADLINE, Harness, inode_of, payload, text, transfers, write};

/// Runs a call of which not all bytes can be seen; gives what was told of its end.
fn gaps(harness: &mut Harness, form: &str) -> (Vec<Transfer>, u64) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/gaps.py");
    let output = Command::new("python3")
        .args([script, form])
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |name: &str| line[name].as_u64().expect("a number");
    harness.catch_up();
    let found = transfers(&harness.events, number("inode"), Direction::Write);
    (found.into_iter().cloned().collect(), number("total"))
}

#[test]
fn bytes_that_cannot_be_copied_are_told_where_they_are_missing() {
    host::alone().expect("the host");
    let mut harness = Harness::attach();
    let mut faults = 0;
    for form in ["vector", "text", "binary"] {
        let (found, total) = gaps(&mut harness, form);
        let told: u64 = found.iter().map(|t| t.lost_before + t.length).sum();
        let around = payload(&found.iter().collect::<Vec<_>>()).len() as u64;
        let (last, before) = found.split_last().expect("something");
        assert_eq!(last.payload, b"last\n", "{form}");
        let first = if form == "vector" { 6 } else { 0 };
        assert_eq!(
            told,
            first + total + 5,
            "{form}: no byte is unaccounted for"
        );
        if form == "text" {
            // Only what lies around the page is missing.
            assert!(around > total / 2 && around < total, "{form}: {around}");
            assert!(before.iter().all(|t| t.copied), "{form}");
        } else {
            assert_eq!(last.lost_before, total, "{form}");
        }
        let counted = harness.kernel.losses()[&LossReason::CopyFault];
        assert!(counted > faults, "{form}: counted");
        faults = counted;
    }
}

#[test]
fn of_too_many_segments_the_rest_is_told_as_lost() {
    host::alone().expect("the host");
    let mut harness = Harness::attach();
    let (found, total) = gaps(&mut harness, "steps");
    let (last, before) = found.split_last().expect("something");
    let copied = payload(&before.iter().collect::<Vec<_>>());
    assert_eq!(last.payload, b"last\n");
    assert!(!copied.is_empty() && last.lost_before > 0);
    assert_eq!(copied.len() as u64 + last.lost_before, total);
    assert!(text(total as usize).starts_with(&copied));
    assert!(harness.kernel.losses()[&LossReason::MessageCap] >= 1);
}

#[test]
fn a_reader_that_could_not_be_told_is_told_when_it_reads_again() {
    host::alone().expect("the host");
    let settings = Settings {
        ring_bytes: 64 * 1024,
        excluded_pid: 0,
        ..Settings::default()
    };
    let mut harness = Harness::attach_with(&settings);
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let full = |harness: &Harness| harness.kernel.losses()[&LossReason::RingFull];
    // Until nothing fits: others' larger records are refused before.
    let (mut written, mut refused) = (0_u64, 0);
    while refused < 32 {
        assert!(written < 60_000, "the ring never fills");
        let before = full(&harness);
        writer.write_all(b"x").expect("written");
        written += 1;
        refused = if full(&harness) > before {
            refused + 1
        } else {
            0
        };
    }
    reader.read_exact(&mut [0; 1]).expect("read");
    let deadline = Instant::now() + DEADLINE;
    // As soon as the ring has room, one more read and one more write tell all.
    loop {
        harness
            .ring
            .read(Duration::from_millis(10), &mut harness.events)
            .expect("the ring reads");
        let writes = transfers(&harness.events, inode, Direction::Write);
        let told: u64 = writes.iter().map(|t| t.lost_before + t.length).sum();
        let reads = transfers(&harness.events, inode, Direction::Read);
        if told == written && !reads.is_empty() {
            assert_eq!(reads[0].process.pid, std::process::id());
            assert!(reads.iter().all(|read| !read.copied));
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{told} of {written} bytes told, and of {} reads",
            reads.len()
        );
        writer.write_all(b"x").expect("written");
        written += 1;
        reader.read_exact(&mut [0; 1]).expect("read");
    }
}

#[test]
fn of_a_huge_call_as_much_is_copied_as_a_message_may_have() {
    host::alone().expect("the host");
    const HUGE: usize = 17 * 1024 * 1024;
    const COPIED: u64 = 16 * 1024 * 1024 + 64 * 1024;
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    write(&mut writer, &mut reader, b"first\n");
    let key = harness
        .transfer("the first", inode, Direction::Write)
        .end
        .key;
    harness.judge(key, FlowVerdict::Mcp);
    let sending = thread::spawn(move || {
        writer.write_all(&text(HUGE)).expect("written");
        writer.write_all(b"last\n").expect("written");
        writer
    });
    let mut left = HUGE + 5;
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        left -= reader.read(&mut buffer).expect("read");
        harness
            .ring
            .read(Duration::ZERO, &mut harness.events)
            .expect("the ring reads");
    }
    sending.join().expect("sent");
    harness.catch_up();
    let found = transfers(&harness.events, inode, Direction::Write);
    let (last, chunks) = found.split_last().expect("something");
    assert_eq!(
        (last.payload.as_slice(), last.lost_before),
        (b"last\n".as_slice(), HUGE as u64 - COPIED)
    );
    assert_eq!(chunks.iter().map(|chunk| chunk.length).sum::<u64>(), COPIED);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.copied && chunk.lost_before == 0)
    );
    assert!(payload(chunks) == text(HUGE)[..COPIED as usize]);
    assert!(harness.kernel.losses()[&LossReason::MessageCap] >= 1);
}
