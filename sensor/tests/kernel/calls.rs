//! What calls move is copied, whatever call it is, and both processes are named.

use std::{
    fs,
    io::{Read as _, Write as _, pipe},
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use gnomon_sensor::event::{Body, Channel, Direction, TcpState, Tuple};

use crate::harness::{Harness, inode_of, payload, text, transfers, write};

#[test]
fn every_form_of_every_channel_is_copied() {
    let mut harness = Harness::attach();
    let stream = ["write", "writev", "pwritev2", "vmsplice"];
    let socket = ["write", "writev", "sendto", "sendmsg", "sendmmsg"];
    let read_stream = ["read", "readv", "preadv2", "read"];
    let read_socket = ["read", "readv", "recvfrom", "recvmsg", "recvmmsg"];
    let paths = Path::new("/proc/sys/net/mptcp").exists();
    if !paths {
        println!("this kernel has no MPTCP");
    }
    let channels = ["pipe", "fifo", "unix", "tcp4", "tcp6", "dual", "mptcp"];
    for channel in channels
        .into_iter()
        .filter(|channel| paths || *channel != "mptcp")
    {
        let (writes, reads): (&[&str], &[&str]) = if matches!(channel, "pipe" | "fifo") {
            (&stream, &read_stream)
        } else {
            (&socket, &read_socket)
        };
        for (write, read) in writes.iter().zip(reads) {
            let peer = harness.peer(&[channel, write, read, "1,512,70000,300000,8"]);
            let expected = text(1 + 512 + 70_000 + 300_000 + 8);
            let what = format!("{channel} {write}");
            let inode = peer.inodes[0];
            let size = harness.until(&what, |events| {
                let size: u64 = transfers(events, inode, Direction::Write)
                    .iter()
                    .map(|t| t.length)
                    .sum();
                (size >= expected.len() as u64).then_some(size)
            });
            assert_eq!(size, expected.len() as u64, "{what}");
            let found = transfers(&harness.events, inode, Direction::Write);
            assert!(
                found.iter().all(|t| t.copied && t.lost_before == 0),
                "{what}"
            );
            assert!(found.iter().all(|t| t.process.pid == peer.writer), "{what}");
            assert!(payload(&found) == expected, "{what}: other bytes");
            let reader = transfers(&harness.events, peer.inodes[1], Direction::Read);
            assert_eq!(reader.len(), 1, "{what}: one record names the reader");
            assert!(
                reader
                    .iter()
                    .all(|t| t.process.pid == peer.reader && !t.copied),
                "{what}"
            );
            harness.events.clear();
        }
    }
}

#[test]
fn a_connection_that_is_closed_says_which_it_was() {
    let mut harness = Harness::attach();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("listens");
    let port = client.local_addr().expect("connected").port();
    let server = listener.accept().expect("connected");
    drop(client);
    drop(server);
    harness.until("both ends closed", |events| {
        let ends = events.iter().filter(|event| {
            let Body::SocketState(socket) = &event.body else {
                return false;
            };
            let tuple = socket.end.tuple;
            let ours = |tuple: Tuple| [tuple.local.port(), tuple.remote.port()].contains(&port);
            let whole = |tuple: Tuple| tuple.local.port() != 0 && tuple.remote.port() != 0;
            socket.state == TcpState::Close && tuple.is_some_and(|it| ours(it) && whole(it))
        });
        (ends.count() == 2).then_some(())
    });
}

#[test]
fn both_processes_of_a_channel_are_named() {
    let mut harness = Harness::attach();
    for (channel, write, read) in [
        ("pipe", "write", "read"),
        ("unix", "sendmsg", "recvmsg"),
        ("packet", "send", "recvmsg"),
        ("fifo", "write", "read"),
        ("master", "write", "read"),
        ("slave", "writev", "readv"),
        ("tcp4", "sendto", "recvfrom"),
    ] {
        let peer = harness.peer(&[channel, write, read, "100,100", "fork"]);
        assert_ne!(peer.writer, peer.reader);
        harness.catch_up();
        let written = transfers(&harness.events, peer.inodes[0], Direction::Write);
        assert!(!written.is_empty() && written.iter().all(|t| t.process.pid == peer.writer));
        let read = transfers(&harness.events, peer.inodes[1], Direction::Read);
        assert!(!read.is_empty() && read.iter().all(|t| t.process.pid == peer.reader));
        let end = written[0].end;
        match end.channel {
            Channel::Pipe => assert_eq!(end.key, read[0].end.key),
            Channel::Unix | Channel::Pty => assert_eq!(end.peer, Some(read[0].end.key)),
            Channel::Tcp => {
                let tuple = end.tuple.expect("addresses");
                assert_eq!(Some(tuple.mirrored()), read[0].end.tuple);
                assert_eq!(end.netns, read[0].end.netns);
                assert_eq!(
                    u64::from(end.netns),
                    fs::metadata("/proc/self/ns/net")
                        .expect("a namespace")
                        .ino()
                );
            }
        }
        // The two sides of a terminal have one number.
        harness.events.clear();
    }
}

#[test]
fn reads_from_another_host_are_copied() {
    let mut harness = Harness::attach();
    let shell = "exec unshare -n sh -ec 'ip link set lo up; ip addr add 10.9.0.1/32 dev lo; \
                 ip addr add 10.9.0.2/32 dev lo; exec python3 \"$@\"' sh \"$@\"";
    let expected = text(1 + 512 + 70_000 + 300_000);
    for read in ["read", "readv", "recvfrom", "recvmsg", "recvmmsg"] {
        let peer = harness.peer_by(shell, &["remote", "write", read, "1,512,70000,300000"]);
        harness.catch_up();
        let found = transfers(&harness.events, peer.inodes[1], Direction::Read);
        assert!(
            found.iter().all(|t| t.copied && t.lost_before == 0),
            "{read}"
        );
        assert!(payload(&found) == expected, "{read}: other bytes");
        harness.events.clear();
    }
}

#[test]
fn a_call_that_wrote_less_than_asked_is_copied_as_far_as_it_went() {
    let mut harness = Harness::attach();
    let (mut reader, writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let code = "import os; os.set_blocking(1, False); os.write(1, b'x' * 300000)";
    let status = Command::new("python3")
        .args(["-c", code])
        .stdout(Stdio::from(writer))
        .status()
        .expect("python3 runs");
    assert!(status.success());
    let mut read = Vec::new();
    reader.read_to_end(&mut read).expect("read");
    assert!(read.len() < 300_000);
    harness.catch_up();
    assert!(payload(&transfers(&harness.events, inode, Direction::Write)) == read);
}

#[test]
fn pages_that_were_never_touched_are_copied() {
    let mut harness = Harness::attach();
    let (mut reader, writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let expected = text(40_000);
    file.write_all(&expected).expect("written");
    let code = "import mmap, os, sys; f = open(sys.argv[1], 'rb'); \
                m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); os.write(1, memoryview(m))";
    let status = Command::new("python3")
        .args(["-c", code])
        .arg(file.path())
        .stdout(Stdio::from(writer))
        .status()
        .expect("python3 runs");
    assert!(status.success());
    reader.read_to_end(&mut Vec::new()).expect("read");
    harness.catch_up();
    assert!(payload(&transfers(&harness.events, inode, Direction::Write)) == expected);
}

#[test]
fn the_end_of_a_stream_is_told_once() {
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    write(&mut writer, &mut reader, b"last words");
    drop(writer);
    assert_eq!(reader.read(&mut [0; 10]).expect("end of file"), 0);
    assert_eq!(reader.read(&mut [0; 10]).expect("end of file"), 0);
    let (reader2, mut writer2) = pipe().expect("a pipe");
    let inode2 = inode_of(&writer2);
    writer2.write_all(b"into nothing").expect("written");
    drop(reader2);
    writer2.write_all(b"more").expect_err("nobody reads");
    harness.catch_up();
    let ends = |inode: u64, way: Direction| {
        harness
            .events
            .iter()
            .filter(|event| {
                matches!(&event.body, Body::EndOfStream { end, direction, .. }
                if end.key.inode == inode && *direction == way)
            })
            .count()
    };
    assert_eq!(ends(inode, Direction::Read), 1);
    assert_eq!(ends(inode2, Direction::Write), 1);
}

/// A 32-bit program that copies its input to its output with the calls that are asked of it.
#[cfg(target_arch = "x86_64")]
fn narrow(folder: &Path) -> PathBuf {
    let program = folder.join("narrow");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/narrow.c");
    let status = Command::new("cc")
        .args(["-m32", "-static", "-nostdlib", "-ffreestanding", "-O1"])
        .args(["-fno-stack-protector", "-fno-pie", "-no-pie", "-o"])
        .arg(&program)
        .arg(source)
        .status()
        .expect("there is a C compiler");
    assert!(status.success());
    program
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_32_bit_programs_are_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = narrow(folder.path());
    let mut harness = Harness::attach();
    for (read, write) in [
        ("read", "write"),
        ("readv", "writev"),
        ("preadv2", "pwritev2"),
        ("read", "vmsplice"),
    ] {
        let ((input, feed), (drain, output)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
        through(
            &mut harness,
            &program,
            [read, write],
            [input.into(), feed.into()],
            [output.into(), drain.into()],
        );
    }
    for (read, write) in [
        ("recvfrom", "sendto"),
        ("recvmsg", "sendmsg"),
        ("socketcall-recv", "socketcall-send"),
        ("socketcall-recvmsg", "socketcall-sendmsg"),
        ("read", "sendmmsg"),
    ] {
        let pair = || UnixStream::pair().expect("a pair");
        let ((input, feed), (output, drain)) = (pair(), pair());
        through(
            &mut harness,
            &program,
            [read, write],
            [input.into(), feed.into()],
            [output.into(), drain.into()],
        );
    }
}

/// Sends text through the program: from `feed` into `input`, from `output` into `drain`.
#[cfg(target_arch = "x86_64")]
fn through(
    harness: &mut Harness,
    program: &Path,
    forms: [&str; 2],
    [input, feed]: [OwnedFd; 2],
    [output, drain]: [OwnedFd; 2],
) {
    let inodes = [inode_of(&input), inode_of(&output)];
    let mut child = Command::new(program)
        .args(forms)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .spawn()
        .expect("the kernel runs 32-bit programs");
    let expected = text(100_000);
    let (mut feed, mut drain) = (fs::File::from(feed), fs::File::from(drain));
    let mut seen = Vec::new();
    thread::scope(|scope| {
        let feeding = expected.clone();
        scope.spawn(move || feed.write_all(&feeding).expect("written"));
        drain.read_to_end(&mut seen).expect("read");
    });
    assert!(child.wait().expect("ended").success(), "{forms:?}");
    assert!(seen == expected, "{forms:?}: the program itself");
    harness.catch_up();
    let read = transfers(&harness.events, inodes[0], Direction::Read);
    assert!(
        !read.is_empty() && read.iter().all(|t| t.process.pid == child.id()),
        "{forms:?}: {read:?}"
    );
    let written = transfers(&harness.events, inodes[1], Direction::Write);
    assert!(
        written
            .iter()
            .all(|t| t.copied && t.lost_before == 0 && t.process.pid == child.id()),
        "{forms:?}"
    );
    assert!(payload(&written) == expected, "{forms:?}: other bytes");
    harness.events.clear();
}
