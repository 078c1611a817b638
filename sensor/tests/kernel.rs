//! The kernel side against the running kernel. Needs root, and says so: nothing is skipped.

use std::{
    collections::HashSet,
    fs,
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use gnomon_sensor::{
    event::{
        Body, Channel, Direction, EndKey, Event, Exec, FlowVerdict, LossReason, TcpState, Transfer,
    },
    kernel::{Kernel, Ring, Settings},
    snapshot::snapshot,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// The attached kernel side with all it has said so far.
struct Harness {
    kernel: Kernel,
    ring: Ring,
    events: Vec<Event>,
}

impl Harness {
    fn attach() -> Self {
        // The tests' own process makes calls that are looked for.
        Self::attach_with(&Settings {
            ring_bytes: 32 * 1024 * 1024,
            excluded_pid: 0,
            ..Settings::default()
        })
    }

    fn attach_with(settings: &Settings) -> Self {
        let mut kernel = Kernel::attach(settings).expect("the kernel side attaches");
        let ring = kernel.take_ring().expect("the first to ask");
        Self {
            kernel,
            ring,
            events: Vec::new(),
        }
    }

    /// Runs the peer script; returns what it printed.
    fn peer(&mut self, arguments: &[&str]) -> Peer {
        self.peer_by("exec python3 \"$@\"", arguments)
    }

    /// The same by way of a shell command.
    fn peer_by(&mut self, shell: &str, arguments: &[&str]) -> Peer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/peer.py");
        let output = Command::new("sh")
            .args(["-ec", shell, "sh", script])
            .args(arguments)
            .output()
            .expect("there is a shell");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let number = |value: &serde_json::Value| value.as_u64().expect("a number");
        Peer {
            writer: number(&line["writer"]) as u32,
            reader: number(&line["reader"]) as u32,
            inodes: [number(&line["inodes"][0]), number(&line["inodes"][1])],
        }
    }

    /// Reads until `find` finds something in all events so far.
    fn until<T>(&mut self, what: &str, find: impl Fn(&[Event]) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = find(&self.events) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: not within {DEADLINE:?}; losses {:?}",
                self.kernel.losses()
            );
            self.ring
                .read(Duration::from_millis(100), &mut self.events)
                .expect("the ring reads");
        }
    }
}

impl Harness {
    /// The first transfer on an end from here on.
    fn transfer(&mut self, what: &str, inode: u64, direction: Direction) -> Transfer {
        let found = self.until(what, |events| {
            transfers(events, inode, direction)
                .first()
                .map(|&transfer| transfer.clone())
        });
        self.events.clear();
        found
    }

    /// Everything that was recorded before this call has been read when it returns.
    fn catch_up(&mut self) {
        let (_reader, mut writer) = pipe().expect("a pipe");
        let inode = inode_of(&writer);
        writer.write_all(b"marker").expect("written");
        self.until("the marker", |events| {
            transfers(events, inode, Direction::Write)
                .first()
                .map(|_| ())
        });
    }

    fn judge(&mut self, end: EndKey, verdict: FlowVerdict) {
        self.kernel
            .judge(end, verdict)
            .expect("the verdict is taken");
    }

    fn exec(&mut self, what: &str, pid: u32) -> Exec {
        self.until(what, |events| {
            events.iter().find_map(|event| match &event.body {
                Body::Exec(exec) if exec.process.pid == pid => Some(Exec::clone(exec)),
                _ => None,
            })
        })
    }
}

fn inode_of(file: &impl AsRawFd) -> u64 {
    fs::metadata(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .expect("an open file")
        .ino()
}

fn write(writer: &mut PipeWriter, reader: &mut PipeReader, bytes: &[u8]) {
    writer.write_all(bytes).expect("written");
    reader.read_exact(&mut vec![0; bytes.len()]).expect("read");
}

struct Peer {
    writer: u32,
    reader: u32,
    inodes: [u64; 2],
}

fn text(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 8);
    let mut line = 0;
    while text.len() < size {
        text.extend_from_slice(format!("{line:07}\n").as_bytes());
        line += 1;
    }
    text.truncate(size);
    text
}

fn transfers(events: &[Event], inode: u64, direction: Direction) -> Vec<&Transfer> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Transfer(transfer)
                if transfer.end.key.inode == inode && transfer.direction == direction =>
            {
                Some(transfer)
            }
            _ => None,
        })
        .collect()
}

fn payload(transfers: &[&Transfer]) -> Vec<u8> {
    transfers
        .iter()
        .flat_map(|transfer| transfer.payload.iter().copied())
        .collect()
}

#[test]
fn every_form_of_every_channel_is_copied() {
    let mut harness = Harness::attach();
    let stream = ["write", "writev", "pwritev2"];
    let socket = ["write", "writev", "sendto", "sendmsg", "sendmmsg"];
    let read_stream = ["read", "readv", "preadv2"];
    let read_socket = ["read", "readv", "recvfrom", "recvmsg", "recvmmsg"];
    for channel in ["pipe", "unix", "tcp4", "tcp6", "dual"] {
        let (writes, reads): (&[&str], &[&str]) = if channel == "pipe" {
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
fn both_processes_of_a_channel_are_named() {
    let mut harness = Harness::attach();
    for (channel, write, read) in [
        ("pipe", "write", "read"),
        ("unix", "sendmsg", "recvmsg"),
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
            Channel::Unix => assert_eq!(end.peer, Some(read[0].end.key)),
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
    assert_eq!(
        (again.lost_before, again.length, again.copied),
        (60_000, 6000, true)
    );
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
fn of_a_huge_call_as_much_is_copied_as_a_message_may_have() {
    const HUGE: usize = 17 * 1024 * 1024;
    const COPIED: u64 = 16 * 1024 * 1024;
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
        (b"last\n".as_slice(), 1024 * 1024)
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

/// 32-bit calls have other numbers: read is 3, write is 4. `int 0x80` makes one from a 64-bit program.
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_the_32_bit_abi_are_counted() {
    let mut harness = Harness::attach();
    // mov eax, 4; mov ebx, 1; mov ecx, edi; mov edx, 3; int 0x80; ret, on memory below 4 GiB.
    let code = "import ctypes, mmap\n\
        libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p\n\
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]\n\
        at = libc.mmap(None, 4096, 7, 0x62, -1, 0)\n\
        code = bytes.fromhex('53b804000000bb0100000089f9ba03000000cd805bc3')\n\
        ctypes.memmove(at, code, len(code)); ctypes.memmove(at + 100, b'hi\\n', 3)\n\
        ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_long)(at)(at + 100)";
    let output = Command::new("python3")
        .args(["-c", code])
        .output()
        .expect("python3 runs");
    if output.stdout.is_empty() {
        // The kernel may have been built without CONFIG_IA32_EMULATION.
        eprintln!("skipped: no 32-bit calls here ({:?})", output.status);
        return;
    }
    assert_eq!(output.stdout, b"hi\n");
    harness.catch_up();
    assert!(harness.kernel.losses()[&LossReason::CompatCall] >= 1);
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
fn processes_are_told_with_what_they_run() {
    let mut harness = Harness::attach();
    let before = SystemTime::now();
    let mut child = Command::new("/bin/sleep")
        .args(["0", "0.0"])
        .current_dir("/usr/share")
        .spawn()
        .expect("sleep");
    let pid = child.id();
    child.wait().expect("ended");
    let exec = harness.exec("the exec", pid);
    assert_eq!(exec.argv, ["/bin/sleep", "0", "0.0"]);
    assert!(!exec.argv_truncated);
    let exe = fs::canonicalize("/bin/sleep").expect("there");
    assert_eq!(exec.exe.as_deref(), exe.to_str());
    assert_eq!(
        exec.exe_inode.map(|key| key.inode),
        Some(fs::metadata(&exe).expect("there").ino())
    );
    assert_eq!(exec.cwd.as_deref(), Some("/usr/share"));
    assert_eq!(exec.uid, 0);
    assert_eq!(
        exec.parent.map(|parent| parent.pid),
        Some(std::process::id())
    );
    let started = SystemTime::UNIX_EPOCH + Duration::from_nanos(exec.started);
    let off = started
        .duration_since(before)
        .unwrap_or_else(|early| early.duration());
    assert!(off < Duration::from_secs(5), "started {off:?} off");
    harness.until("the exit", |events| {
        events.iter().position(
            |event| matches!(&event.body, Body::Exit { process } if *process == exec.process),
        )
    });
    let forks = harness.events.iter().filter(|event| {
        matches!(&event.body, Body::Fork { parent, child }
            if child.pid == pid && parent.pid == std::process::id() && *child == exec.process)
    });
    assert_eq!(forks.count(), 1);
}

#[test]
fn threads_are_no_processes() {
    let mut harness = Harness::attach();
    thread::spawn(|| ()).join().expect("ended");
    harness.catch_up();
    let own = std::process::id();
    assert!(!harness.events.iter().any(|event| match &event.body {
        Body::Fork { parent, .. } => parent.pid == own,
        Body::Exit { process } => process.pid == own,
        _ => false,
    }));
}

#[test]
fn long_arguments_are_cut_and_said_to_be() {
    let mut harness = Harness::attach();
    let long = "x".repeat(100_000);
    let mut child = Command::new("/bin/true")
        .args(["first", &long])
        .spawn()
        .expect("true");
    let pid = child.id();
    child.wait().expect("ended");
    let exec = harness.exec("the exec", pid);
    assert!(exec.argv_truncated);
    assert_eq!(exec.argv[1], "first");
    assert!(
        exec.argv
            .iter()
            .map(|argument| argument.len() + 1)
            .sum::<usize>()
            <= 16 * 1024 + 1
    );
}

#[test]
fn sockets_are_told_as_they_change() {
    let mut harness = Harness::attach();
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let stream = TcpStream::connect(address).expect("connected");
    let local = stream.local_addr().expect("bound");
    drop(stream);
    let seen = |events: &[Event], wanted: TcpState, port: u16| {
        events.iter().find_map(|event| match &event.body {
            Body::SocketState(state)
                if state.state == wanted
                    && state.end.tuple.is_some_and(|t| t.local.port() == port) =>
            {
                Some(*state)
            }
            _ => None,
        })
    };
    let state = harness.until("listening", |events| {
        seen(events, TcpState::Listen, address.port())
    });
    assert_eq!(
        state.process.map(|process| process.pid),
        Some(std::process::id())
    );
    let state = harness.until("connected", |events| {
        seen(events, TcpState::Established, local.port())
    });
    assert_eq!(state.end.tuple.map(|tuple| tuple.remote), Some(address));
}

#[test]
fn the_snapshot_finds_what_was_there_before() {
    let (reader, writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let (left, right) = UnixStream::pair().expect("a pair");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut child = Command::new("cat")
        .arg("-")
        .stdin(Stdio::from(reader))
        .stdout(Stdio::from(OwnedFd::from(right)))
        .stderr(Stdio::from(OwnedFd::from(
            listener.try_clone().expect("a duplicate"),
        )))
        .spawn()
        .expect("cat");
    let mut harness = Harness::attach();
    let events = snapshot(&mut harness.kernel).expect("a snapshot");
    let holders: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Holder {
                process,
                end,
                fd,
                readable,
                writable,
            } if end.key.inode == inode => Some((process.pid, *fd, *readable, *writable)),
            _ => None,
        })
        .collect();
    assert!(
        holders.contains(&(child.id(), 0, true, false)),
        "{holders:?}"
    );
    let own = u32::try_from(writer.as_raw_fd()).expect("not negative");
    assert!(
        holders.contains(&(std::process::id(), own, false, true)),
        "{holders:?}"
    );
    let left = inode_of(&left);
    assert!(events.iter().any(
        |event| matches!(&event.body, Body::Holder { process, end, fd: 1, .. }
        if process.pid == child.id() && end.peer.is_some_and(|peer| peer.inode == left))
    ));
    let exec = events.iter().find_map(|event| match &event.body {
        Body::Exec(exec) if exec.process.pid == child.id() => Some(exec),
        _ => None,
    });
    assert_eq!(
        exec.map(|exec| exec.argv.clone()),
        Some(vec!["cat".into(), "-".into()])
    );
    let port = listener.local_addr().expect("bound").port();
    let mut owners: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::SocketState(state)
                if state.state == TcpState::Listen
                    && state.end.tuple.is_some_and(|t| t.local.port() == port) =>
            {
                state.process.map(|process| process.pid)
            }
            _ => None,
        })
        .collect();
    owners.sort_unstable();
    let mut expected = [std::process::id(), child.id()];
    expected.sort_unstable();
    assert_eq!(owners, expected, "every process that holds it, once");
    assert!(
        !events
            .iter()
            .any(|event| matches!(event.body, Body::Lost { .. }))
    );
    drop(writer);
    child.wait().expect("ended");
}

#[test]
fn events_arrive_within_20_ms() {
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let mut delays: Vec<Duration> = (0..20)
        .map(|_| {
            harness.events.clear();
            write(&mut writer, &mut reader, b"tick");
            let sent = harness.until("the tick", |events| {
                events.iter().find_map(|event| match &event.body {
                    Body::Transfer(t) if t.end.key.inode == inode => Some(event.time),
                    _ => None,
                })
            });
            let sent = SystemTime::UNIX_EPOCH + Duration::from_nanos(sent);
            sent.elapsed().unwrap_or_default()
        })
        .collect();
    delays.sort();
    assert!(
        delays[10] < Duration::from_millis(20),
        "median of {delays:?}"
    );
}

#[test]
fn nothing_of_ours_stays_after_drop() {
    let ids = || -> HashSet<u32> {
        fs::read_dir("/proc/self/fdinfo")
            .expect("our own descriptors")
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .filter_map(|text| {
                text.lines()
                    .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
            })
            .collect()
    };
    let loaded = || -> HashSet<u32> {
        let output = Command::new("bpftool")
            .args(["-j", "prog", "show"])
            .output()
            .expect("bpftool");
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let list = list.as_array().expect("a list");
        list.iter()
            .filter_map(|program| program["id"].as_u64())
            .map(|id| id as u32)
            .collect()
    };
    let harness = Harness::attach();
    let ours = ids();
    assert!(ours.len() >= 5, "{ours:?}");
    assert!(ours.is_subset(&loaded()));
    drop(harness);
    let deadline = Instant::now() + DEADLINE;
    while !ours.is_disjoint(&loaded()) {
        assert!(Instant::now() < deadline, "still loaded");
    }
}

#[test]
fn the_sensor_does_not_watch_itself() {
    let settings = Settings::default();
    let mut harness = Harness::attach_with(&settings);
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    write(&mut writer, &mut reader, b"ours");
    let child = Command::new("sh")
        .args(["-c", "echo theirs"])
        .stdout(Stdio::from(writer))
        .status()
        .expect("a shell");
    assert!(child.success());
    let seen = harness.transfer("theirs", inode, Direction::Write);
    assert_eq!(
        (seen.payload.as_slice(), seen.lost_before),
        (b"theirs\n".as_slice(), 0)
    );
    let hooks = harness.kernel.hooks();
    assert!(hooks.contains_key("tp_btf/sys_exit") && hooks.contains_key("iter/task_file"));
    assert!(hooks.values().all(|tier| tier == "2"), "{hooks:?}");
    assert!(harness.kernel.map_bytes() > 0 && harness.kernel.ring_bytes() > 0);
}
