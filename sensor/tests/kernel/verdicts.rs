//! What user space decides about a flow, and when the kernel side looks again.

use std::{
    io::{Read as _, Write as _, pipe},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::Instant,
};

use gnomon_sensor::event::{Direction, FlowVerdict, LossReason};

use crate::harness::{DEADLINE, Harness, inode_of, transfers, write};

#[test]
fn a_flow_judged_not_mcp_falls_silent_and_is_looked_at_again() {
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    write(&mut writer, &mut reader, b"banner\n");
    let key = harness
        .transfer("the banner", inode, Direction::Write)
        .end
        .key;
    harness.judge(key, FlowVerdict::NotMcp);
    for _ in 0..60 {
        write(&mut writer, &mut reader, &[b'x'; 1000]);
    }
    harness.catch_up();
    assert_eq!(
        transfers(&harness.events, inode, Direction::Write).len(),
        0,
        "silent"
    );
    // After 64 KiB it is looked at again, and what was missed is told.
    write(&mut writer, &mut reader, &[b'x'; 6000]);
    let again = harness.transfer("the second look", inode, Direction::Write);
    assert_eq!((again.length, again.copied), (6000, true));
    // What passed unseen is not counted byte by byte: it is told as more than any message has.
    assert!(again.lost_before >= 60_000, "{}", again.lost_before);
    // Twice as long the next time.
    harness.judge(key, FlowVerdict::NotMcp);
    for _ in 0..100 {
        write(&mut writer, &mut reader, &[b'x'; 1000]);
    }
    harness.catch_up();
    assert_eq!(
        transfers(&harness.events, inode, Direction::Write).len(),
        0,
        "still silent"
    );
    // Woken by the user side.
    harness.judge(key, FlowVerdict::Inspect);
    write(&mut writer, &mut reader, b"awake");
    assert_eq!(
        harness.transfer("awake", inode, Direction::Write).payload,
        b"awake"
    );
    harness.judge(key, FlowVerdict::NotMcp);
    write(&mut writer, &mut reader, b"silent");
    harness.judge(key, FlowVerdict::Mcp);
    write(&mut writer, &mut reader, b"decided");
    assert_eq!(
        harness.transfer("decided", inode, Direction::Write).payload,
        b"decided"
    );
    harness.kernel.forget(key).expect("forgotten");
    harness.kernel.forget(key).expect("forgotten already");
}

#[test]
fn a_new_process_or_image_on_a_silent_flow_is_looked_at() {
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    write(&mut writer, &mut reader, b"wrapper\n");
    let key = harness
        .transfer("the wrapper", inode, Direction::Write)
        .end
        .key;
    harness.judge(key, FlowVerdict::NotMcp);
    write(&mut writer, &mut reader, b"chatter\n");
    let (wait, mut go) = pipe().expect("a pipe");
    let mut child = Command::new("sh")
        .args(["-c", "echo one; read line; exec /bin/echo two"])
        .stdin(Stdio::from(wait))
        .stdout(Stdio::from(writer))
        .spawn()
        .expect("a shell");
    let one = harness.transfer("the new process", inode, Direction::Write);
    assert_eq!(
        (one.payload.as_slice(), one.process.pid),
        (b"one\n".as_slice(), child.id())
    );
    harness.judge(key, FlowVerdict::NotMcp);
    go.write_all(b"go\n").expect("written");
    let two = harness.transfer("the new image", inode, Direction::Write);
    assert_eq!(
        (two.payload.as_slice(), two.process.pid),
        (b"two\n".as_slice(), child.id())
    );
    child.wait().expect("ended");
}

#[test]
fn of_http_without_mcp_only_heads_are_copied_and_what_follows_a_post() {
    let mut harness = Harness::attach();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect(address).expect("connected");
    let (mut server, _) = listener.accept().expect("accepted");
    let inodes = [inode_of(&client), inode_of(&server)];
    let mut exchange = |request: &[u8], answer: &[&[u8]]| {
        client.write_all(request).expect("written");
        server
            .read_exact(&mut vec![0; request.len()])
            .expect("read");
        for part in answer {
            server.write_all(part).expect("written");
            client.read_exact(&mut vec![0; part.len()]).expect("read");
        }
    };
    exchange(b"GET / HTTP/1.1\r\n\r\n", &[b"HTTP/1.1 200 OK\r\n\r\n"]);
    for inode in inodes {
        let key = harness.until("the first exchange", |events| {
            transfers(events, inode, Direction::Write)
                .first()
                .map(|t| t.end.key)
        });
        harness.judge(key, FlowVerdict::Heads);
    }
    harness.events.clear();
    let long = [
        b"GET /long HTTP/1.1\r\nX: ".as_slice(),
        &[b'y'; 9000],
        b"\r\n\r\n",
    ]
    .concat();
    exchange(&long, &[b"HTTP/1.1 200 OK\r\n\r\n", b"body of no interest"]);
    exchange(
        b"POST /mcp HTTP/1.1\r\n\r\n{}",
        &[b"HTTP/1.1 200 OK\r\n\r\n", b"body wanted"],
    );
    harness.catch_up();
    let requests = transfers(&harness.events, inodes[0], Direction::Write);
    let lengths: Vec<_> = requests
        .iter()
        .map(|t| (t.payload.len(), t.length, t.copied))
        .collect();
    assert_eq!(lengths, [(4096, long.len() as u64, false), (24, 24, true)]);
    let answers = transfers(&harness.events, inodes[1], Direction::Write);
    let told: Vec<_> = answers
        .iter()
        .map(|t| (String::from_utf8_lossy(&t.payload), t.lost_before))
        .collect();
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(
        told,
        [
            (head.into(), 0),
            (head.into(), 19),
            ("body wanted".into(), 0)
        ]
    );
}

#[test]
fn a_message_after_the_unjudged_share_is_still_copied() {
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let capped = |harness: &Harness| harness.kernel.losses()[&LossReason::UnjudgedCap];
    // Nobody judges: more than 1 MiB.
    for _ in 0..66 {
        write(&mut writer, &mut reader, &[b'x'; 16_000]);
    }
    harness.catch_up();
    let before = capped(&harness);
    write(&mut writer, &mut reader, b"plain\n");
    write(&mut writer, &mut reader, b"{\"id\":1}\n");
    harness.catch_up();
    let told = transfers(&harness.events, inode, Direction::Write);
    assert_eq!(told.len(), 66 + 1);
    let message = told.last().expect("the message");
    assert_eq!(
        (message.lost_before, message.payload.as_slice()),
        (6, b"{\"id\":1}\n".as_slice())
    );
    // That has an end, too.
    let mut large = vec![b'y'; 16_000];
    large[0] = b'[';
    for _ in 0..20 {
        write(&mut writer, &mut reader, &large);
    }
    harness.catch_up();
    let told = transfers(&harness.events, inode, Direction::Write);
    assert_eq!(told.len(), 66 + 1 + 16, "256 KiB of them");
    assert!(capped(&harness) >= before + 5, "the others are counted");
}

#[test]
fn binary_traffic_is_copied_by_its_head_until_it_is_judged() {
    let mut harness = Harness::attach();
    let (mut left, _right) = UnixStream::pair().expect("a pair");
    let inode = inode_of(&left);
    let hello = [&[0x16, 3, 1][..], &[7; 2000]].concat();
    left.write_all(&hello).expect("written");
    let head = harness.transfer("the head", inode, Direction::Write);
    assert_eq!(
        (head.payload.len(), head.length, head.copied),
        (256, 2003, false)
    );
    left.write_all(b"now text\n").expect("written");
    left.write_all(&hello).expect("written");
    harness.catch_up();
    let found = transfers(&harness.events, inode, Direction::Write);
    assert!(
        found.iter().all(|transfer| transfer.copied),
        "whole once there was text"
    );
}

#[test]
fn a_reader_that_came_while_nobody_looked_is_told_when_somebody_does() {
    let mut harness = Harness::attach();
    let (reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    writer.write_all(b"first\n").expect("written");
    let key = harness
        .transfer("the first", inode, Direction::Write)
        .end
        .key;
    // Each new process is looked at, with a pause after it that doubles to a second.
    for _ in 0..11 {
        harness.judge(key, FlowVerdict::NotMcp);
        writer.write_all(b"x").expect("written");
        let status = Command::new("sh")
            .args(["-c", "echo new"])
            .stdout(Stdio::from(writer.try_clone().expect("a duplicate")))
            .status()
            .expect("a shell");
        assert!(status.success());
        while transfers(&harness.events, inode, Direction::Write).is_empty() {
            // It may have come within the pause; then the next call after it is looked at.
            writer.write_all(b"x").expect("written");
            harness.catch_up();
        }
        harness.events.clear();
    }
    harness.judge(key, FlowVerdict::NotMcp);
    writer.write_all(b"silent\n").expect("written");
    let code = "import os, sys\nfor line in sys.stdin: os.read(3, 1); print(flush=True)";
    let mut child = Command::new("sh")
        .args(["-c", "exec 3<&2 2>&1; exec python3 -c \"$0\"", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(reader))
        .spawn()
        .expect("python3");
    let mut input = child.stdin.take().expect("piped");
    let mut output = child.stdout.take().expect("piped");
    let deadline = Instant::now() + DEADLINE;
    let told = |harness: &Harness| {
        transfers(&harness.events, inode, Direction::Read)
            .iter()
            .any(|read| read.process.pid == child.id())
    };
    while !told(&harness) {
        assert!(Instant::now() < deadline, "the reader is never told");
        input.write_all(b"read\n").expect("written");
        output.read_exact(&mut [0; 1]).expect("read");
        writer.write_all(b"more\n").expect("written");
        harness.catch_up();
    }
    drop(input);
    child.wait().expect("ended");
}
