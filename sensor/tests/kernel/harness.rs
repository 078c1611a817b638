//! The attached kernel side, and peers that make known calls.

use std::{
    fs,
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    os::{fd::AsRawFd, unix::fs::MetadataExt as _},
    process::Command,
    time::{Duration, Instant},
};

use gnomon_sensor::{
    event::{Body, Direction, EndKey, Event, Exec, FlowVerdict, Transfer},
    kernel::{Kernel, Ring, Settings},
};
use gnomon_tests::host;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The attached kernel side with all it has said so far.
pub(crate) struct Harness {
    pub(crate) kernel: Kernel,
    pub(crate) ring: Ring,
    pub(crate) events: Vec<Event>,
    /// For the peers' files, until the end.
    folder: tempfile::TempDir,
}

impl Harness {
    pub(crate) fn attach() -> Self {
        // The tests' own process makes calls that are looked for.
        Self::attach_with(&Settings {
            ring_bytes: 32 * 1024 * 1024,
            excluded_pid: 0,
            ..Settings::default()
        })
    }

    pub(crate) fn attach_with(settings: &Settings) -> Self {
        host::share().expect("a share of the host");
        let mut kernel = Kernel::attach(settings).expect("the kernel side attaches");
        let ring = kernel.take_ring().expect("the first to ask");
        Self {
            kernel,
            ring,
            events: Vec::new(),
            folder: tempfile::tempdir().expect("a folder of its own"),
        }
    }

    /// Runs the peer script; returns what it printed.
    pub(crate) fn peer(&mut self, arguments: &[&str]) -> Peer {
        self.peer_by("exec python3 \"$@\"", arguments)
    }

    /// The same by way of a shell command.
    pub(crate) fn peer_by(&mut self, shell: &str, arguments: &[&str]) -> Peer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/peer.py");
        let output = Command::new("sh")
            .args(["-ec", shell, "sh", script])
            .args(arguments)
            .env("TMPDIR", self.folder.path())
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
    pub(crate) fn until<T>(&mut self, what: &str, find: impl Fn(&[Event]) -> Option<T>) -> T {
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
    pub(crate) fn transfer(&mut self, what: &str, inode: u64, direction: Direction) -> Transfer {
        let found = self.until(what, |events| {
            transfers(events, inode, direction)
                .first()
                .map(|&transfer| transfer.clone())
        });
        self.events.clear();
        found
    }

    /// Everything that was recorded before this call has been read when it returns.
    pub(crate) fn catch_up(&mut self) {
        let (_reader, mut writer) = pipe().expect("a pipe");
        let inode = inode_of(&writer);
        writer.write_all(b"marker").expect("written");
        self.until("the marker", |events| {
            transfers(events, inode, Direction::Write)
                .first()
                .map(|_| ())
        });
    }

    pub(crate) fn judge(&mut self, end: EndKey, verdict: FlowVerdict) {
        self.kernel
            .judge(end, verdict)
            .expect("the verdict is taken");
    }

    pub(crate) fn exec(&mut self, what: &str, pid: u32) -> Exec {
        self.until(what, |events| {
            events.iter().find_map(|event| match &event.body {
                Body::Exec(exec) if exec.process.pid == pid => Some(Exec::clone(exec)),
                _ => None,
            })
        })
    }
}

pub(crate) fn inode_of(file: &impl AsRawFd) -> u64 {
    fs::metadata(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .expect("an open file")
        .ino()
}

pub(crate) fn write(writer: &mut PipeWriter, reader: &mut PipeReader, bytes: &[u8]) {
    writer.write_all(bytes).expect("written");
    reader.read_exact(&mut vec![0; bytes.len()]).expect("read");
}

pub(crate) struct Peer {
    pub(crate) writer: u32,
    pub(crate) reader: u32,
    pub(crate) inodes: [u64; 2],
}

pub(crate) fn text(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 8);
    let mut line = 0;
    while text.len() < size {
        text.extend_from_slice(format!("{line:07}\n").as_bytes());
        line += 1;
    }
    text.truncate(size);
    text
}

pub(crate) fn transfers(events: &[Event], inode: u64, direction: Direction) -> Vec<&Transfer> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Transfer(transfer) | Body::Standby(transfer) | Body::Spliced(transfer)
                if transfer.end.key.inode == inode && transfer.direction == direction =>
            {
                Some(transfer)
            }
            _ => None,
        })
        .collect()
}

pub(crate) fn payload(transfers: &[&Transfer]) -> Vec<u8> {
    transfers
        .iter()
        .flat_map(|transfer| transfer.payload.iter().copied())
        .collect()
}
