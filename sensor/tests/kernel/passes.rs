//! What a call is let go by without a look is taken back in time: nothing new goes unseen for it.

use std::{
    io::{BufRead as _, BufReader, Write as _, pipe},
    process::{Command, Stdio},
};

use gnomon_sensor::event::{Direction, FlowVerdict, LossReason};

use crate::harness::{Harness, inode_of, transfers, write};

/// Often enough for the kernel to put a new file where the old one was.
const ROUNDS: usize = 30;

/// A process that fills a pipe with what is no message, and another one by the same descriptors.
const REOPENS: &str = r#"
import os, sys
def opened():
    r, w = os.pipe()
    print(os.fstat(w).st_ino, flush=True)
    return r, w
def say(r, w, text):
    os.write(w, text)
    os.read(r, 100)
while sys.stdin.readline():
    r, w = opened()
    say(r, w, b"banner\n")
    sys.stdin.readline()
    for count in range(5): say(r, w, b"chatter\n")
    if sys.argv[1] == "close_range": os.closerange(r, w + 1)
    elif sys.argv[1] == "dup2":
        # Another pipe comes to where it was, and only then it is gone.
        new = os.pipe()
        os.dup2(new[0], r); os.dup2(new[1], w)
        os.close(new[0]); os.close(new[1])
    else: os.close(r); os.close(w)
    if sys.argv[1] == "dup2": print(os.fstat(w).st_ino, flush=True)
    else: r, w = opened()
    say(r, w, b"fresh\n")
    os.close(r); os.close(w)
"#;

fn what_is_opened_again_is_looked_at(way: &str) {
    let mut harness = Harness::attach();
    let mut child = Command::new("python3")
        .args(["-c", REOPENS, way])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let mut go = child.stdin.take().expect("its input");
    let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut inode = || -> u64 {
        let line = said.next().expect("an inode").expect("a line");
        line.parse().expect("a number")
    };
    for round in 0..ROUNDS {
        // Not before all of the last round was read.
        go.write_all(b"go\n").expect("written");
        let banner = harness.transfer("the banner", inode(), Direction::Write);
        assert_eq!(banner.payload, b"banner\n");
        harness.judge(banner.end.key, FlowVerdict::NotMcp);
        go.write_all(b"go\n").expect("written");
        let fresh = harness.transfer("the new one", inode(), Direction::Write);
        assert_eq!(fresh.payload, b"fresh\n", "round {round}");
    }
    drop(go);
    child.wait().expect("ended");
}

#[test]
fn what_is_opened_again_after_close_is_looked_at() {
    what_is_opened_again_is_looked_at("close");
}

#[test]
fn what_is_opened_again_after_close_range_is_looked_at() {
    what_is_opened_again_is_looked_at("close_range");
}

#[test]
fn what_is_put_into_a_descriptors_place_is_looked_at() {
    what_is_opened_again_is_looked_at("dup2");
}

#[test]
fn a_look_that_is_used_up_ends_until_somebody_decides() {
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let line = [
        b"{\"level\":\"info\",\"msg\":\"".as_slice(),
        &[b'x'; 975],
        b"\"}\n",
    ]
    .concat();
    write(&mut writer, &mut reader, b"banner\n");
    let banner = harness.transfer("the banner", inode, Direction::Write);
    harness.judge(banner.end.key, FlowVerdict::NotMcp);
    // 64 KiB unseen, then 16 KiB and 256 KiB of what begins like messages; nobody judges them. The next look is 128 KiB away.
    for _ in 0..400 {
        write(&mut writer, &mut reader, &line);
    }
    harness.catch_up();
    let copied = transfers(&harness.events, inode, Direction::Write).len();
    assert!((200..400).contains(&copied), "{copied} lines were copied");
    assert!(
        harness.kernel.losses()[&LossReason::UnjudgedCap] > 0,
        "that is told"
    );
    harness.judge(banner.end.key, FlowVerdict::Mcp);
    write(&mut writer, &mut reader, b"decided");
    harness.catch_up();
    let told = transfers(&harness.events, inode, Direction::Write);
    let last = told.last().expect("a transfer");
    assert_eq!(last.payload, b"decided");
    assert!(last.lost_before > 0, "what was not copied is told");
}
