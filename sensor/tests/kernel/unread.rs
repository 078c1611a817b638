//! Forms in which bytes move and are not read: they are missing where they should be, and counted.

use std::process::Command;

use gnomon_sensor::event::{Direction, LossReason};
use gnomon_tests::host;

use crate::harness::{Harness, payload, transfers};

/// What the script moves before, in the middle, and after.
const FIRST: &[u8] = b"first\n";
const HIDDEN: &[u8] = b"hidden\n";
const LAST: &[u8] = b"last\n";

/// What becomes of the bytes in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// They are copied.
    Read,
    /// So many of them are told as missing, and counted.
    Counted(LossReason, u64),
}

/// Where calls are read, more is not known than that something may have moved.
const SOMETHING: u64 = 1 << 40;

fn moved(form: &str, direction: Direction) -> (Fate, bool) {
    host::alone().expect("the host");
    let mut harness = Harness::attach();
    let before = harness.kernel.losses();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/unread.py");
    let network = "ip link set lo up && ip address add 10.9.0.1/32 dev lo && ip address add 10.9.0.2/32 dev lo && \
         exec python3 \"$0\" \"$1\"";
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", network, script, form])
        .output()
        .expect("unshare runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let inode = line["inode"].as_u64().expect("a number");
    harness.catch_up();
    let by_calls = harness.kernel.hooks().contains_key("tp_btf/sys_exit");
    let found = transfers(&harness.events, inode, direction);
    let copied = payload(&found);
    let missing: u64 = found.iter().map(|transfer| transfer.lost_before).sum();
    if copied == [FIRST, HIDDEN, LAST].concat() {
        assert_eq!(missing, 0, "{form}");
        return (Fate::Read, by_calls);
    }
    assert_eq!(
        copied,
        [FIRST, LAST].concat(),
        "{form}: {}",
        String::from_utf8_lossy(&copied)
    );
    let after = harness.kernel.losses();
    let grown: Vec<_> = after
        .iter()
        .filter(|(reason, count)| **count > before.get(reason).copied().unwrap_or(0))
        .map(|(reason, _)| *reason)
        .collect();
    assert_eq!(grown.len(), 1, "{form}: {grown:?}");
    (Fate::Counted(grown[0], missing), by_calls)
}

#[test]
fn urgent_data_is_told_as_missing() {
    let all = Fate::Counted(LossReason::Unread, HIDDEN.len() as u64);
    assert_eq!(moved("urgent-unix", Direction::Write).0, all);
    assert_eq!(moved("urgent-tcp", Direction::Write).0, all);
}

#[test]
fn what_a_receiver_discards_is_told_as_missing() {
    let all = Fate::Counted(LossReason::Unread, HIDDEN.len() as u64);
    assert_eq!(moved("discarded", Direction::Read).0, all);
}

#[test]
fn what_a_socket_sends_into_a_pipe_is_told_as_missing() {
    let all = Fate::Counted(LossReason::Spliced, HIDDEN.len() as u64);
    assert_eq!(moved("into-pipe", Direction::Read).0, all);
}

#[test]
fn calls_that_fail_when_the_bytes_have_moved_hide_nothing() {
    for (form, direction) in [
        ("failed-receive", Direction::Read),
        ("failed-send", Direction::Write),
    ] {
        let (fate, by_calls) = moved(form, direction);
        let expected = if by_calls {
            Fate::Counted(LossReason::Unread, SOMETHING)
        } else {
            Fate::Read
        };
        assert_eq!(fate, expected, "{form}");
    }
}
