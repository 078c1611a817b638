//! The kernel side against the running kernel. Needs root, and says so: nothing is skipped.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use gnomon_sensor::{
    event::{Body, Direction, Event, Transfer},
    kernel::{Kernel, Ring, Settings},
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
        let settings = Settings {
            ring_bytes: 32 * 1024 * 1024,
            ..Settings::default()
        };
        let mut kernel = Kernel::attach(&settings).expect("the kernel side attaches");
        let ring = kernel.take_ring().expect("the first to ask");
        Self {
            kernel,
            ring,
            events: Vec::new(),
        }
    }

    /// Runs the peer script; returns what it printed.
    fn peer(&mut self, arguments: &[&str]) -> Peer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/peer.py");
        let output = Command::new("python3")
            .arg(script)
            .args(arguments)
            .output()
            .expect("python3 is installed");
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
