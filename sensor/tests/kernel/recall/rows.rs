//! The rows: what is written how, on which channels, and what is seen of it.

use std::fmt::Write as _;

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) form: &'static str,
    pub(crate) shape: &'static str,
    pub(crate) channels: &'static [&'static str],
    /// Messages that cannot be seen, by their place.
    pub(crate) missed: &'static [usize],
    /// Positions of messages that are seen or not, by the order in which two calls return.
    pub(crate) doubtful: &'static [usize],
    /// Reasons under one of which what is missing is counted.
    pub(crate) counted: &'static [&'static str],
    /// Calls that are told.
    pub(crate) calls: usize,
    pub(crate) note: &'static str,
}

impl Row {
    /// Sensors of other tests would lose something by it.
    pub(crate) fn fills_rings(&self) -> bool {
        self.shape == "endless" || self.shape.parse().is_ok_and(|bytes: u64| bytes > 1_000_000)
    }

    /// The contract's word for the channel of this cell, given as "row on channel".
    pub(crate) fn said(&self, what: &str) -> &'static str {
        match what.rsplit_once(" on ").map(|(_, channel)| channel) {
            Some("pipe" | "fifo") => "pipe",
            Some("pty") => "pty",
            Some("tcp" | "tcp6") => "tcp",
            _ => "unix",
        }
    }
}

const STREAMS: &[&str] = &["pipe", "unix", "tcp"];
const SOCKETS: &[&str] = &["unix", "tcp"];
const ALL: &[&str] = &[
    "pipe", "fifo", "unix", "named", "abstract", "packet", "tcp", "tcp6", "pty",
];

const PLAIN: Row = Row {
    name: "",
    form: "write",
    shape: "plain",
    channels: STREAMS,
    missed: &[],
    doubtful: &[],
    counted: &[],
    calls: 10,
    note: "",
};

pub(crate) const ROWS: [Row; 23] = [
    Row {
        name: "write",
        channels: ALL,
        note: "a packet is a message; a terminal's echo and line ends are not seen, its own writes are",
        ..PLAIN
    },
    Row {
        name: "writev",
        form: "writev",
        channels: ALL,
        ..PLAIN
    },
    Row {
        name: "pwritev2",
        form: "pwritev2",
        ..PLAIN
    },
    Row {
        name: "sendto",
        form: "sendto",
        channels: SOCKETS,
        ..PLAIN
    },
    Row {
        name: "sendmsg",
        form: "sendmsg",
        channels: SOCKETS,
        ..PLAIN
    },
    Row {
        name: "sendmmsg",
        form: "sendmmsg",
        channels: SOCKETS,
        note: "two messages of half a line each",
        ..PLAIN
    },
    Row {
        name: "flags of receivers",
        form: "meaningless",
        channels: SOCKETS,
        note: "sent with `MSG_PEEK`, `MSG_TRUNC` and `MSG_ERRQUEUE`, which mean nothing to a call that sends",
        ..PLAIN
    },
    Row {
        name: "vmsplice",
        form: "vmsplice",
        channels: &["pipe", "fifo"],
        ..PLAIN
    },
    Row {
        name: "splice",
        form: "splice",
        note: "copied where it is read; seen only if the reader is on this host and reads it",
        doubtful: &[0],
        ..PLAIN
    },
    Row {
        name: "tee",
        form: "tee",
        channels: &["pipe", "fifo"],
        note: "as splice",
        doubtful: &[0],
        ..PLAIN
    },
    Row {
        name: "sendfile",
        form: "sendfile",
        note: "as splice",
        doubtful: &[0],
        ..PLAIN
    },
    Row {
        name: "split",
        shape: "split",
        note: "after 3 bytes, and in half",
        ..PLAIN
    },
    Row {
        name: "coalesced",
        shape: "coalesced",
        note: "10 messages in one call",
        ..PLAIN
    },
    Row {
        name: "batch",
        shape: "batch",
        calls: 15,
        note: "3 JSON arrays of 5 requests",
        ..PLAIN
    },
    Row {
        name: "leading spaces",
        shape: "spaces",
        note: "10 before each message",
        ..PLAIN
    },
    Row {
        name: "1-byte writes",
        shape: "bytes",
        calls: 5,
        ..PLAIN
    },
    Row {
        name: "banner before the first message",
        shape: "banner",
        note: "two coloured lines from either side",
        ..PLAIN
    },
    Row {
        name: "100 KB message",
        shape: "100000",
        calls: 6,
        ..PLAIN
    },
    Row {
        name: "300 KB message",
        shape: "300000",
        calls: 6,
        ..PLAIN
    },
    Row {
        name: "5 MB message",
        shape: "5242880",
        calls: 6,
        ..PLAIN
    },
    Row {
        name: "16 MB message",
        shape: "16777216",
        calls: 6,
        note: "16 MiB, the longest that is put together",
        ..PLAIN
    },
    Row {
        name: "1 GB without a line end",
        shape: "endless",
        calls: 7,
        counted: &["message_too_long", "ring_full"],
        note: "that line is counted, the next message is read",
        ..PLAIN
    },
    Row {
        name: "attached in the middle of a message",
        shape: "middle",
        missed: &[0, 1, 2, 3, 4],
        calls: 5,
        note: "what was said before is not known; the next message is read",
        ..PLAIN
    },
];

/// The whole document.
pub(crate) fn document() -> String {
    let mut text = String::from(
        "# Recall by form\n\
         Which of the forms in which bytes move on a host are read. Each row is a test (`sensor/tests/kernel/recall.rs`): two real\n\
         processes speak MCP over each channel, the client's messages take the form, and the messages seen are compared with\n\
         those sent, by length and SHA-256, as are both processes. `GNOMON_REGENERATE=1 cargo nextest run -p gnomon-sensor\n\
         --test kernel recall` runs all rows and writes this page; without the variable it is checked.\n\n\
         | form | channels | messages seen | calls told | |\n|---|---|---|---|---|\n",
    );
    for row in ROWS {
        let seen = if !row.doubtful.is_empty() {
            "all, or all but the first".to_owned()
        } else if row.missed.is_empty() {
            "all".to_owned()
        } else {
            format!("all but the first {}", row.missed.len())
        };
        let counted = if row.counted.is_empty() {
            String::new()
        } else {
            format!(", counted as `{}`", row.counted.join("` or `"))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {seen}{counted} | {} | {} |",
            row.name,
            row.channels.join(", "),
            row.calls,
            row.note
        );
    }
    text.push_str(
        "\n`packet` is SOCK_SEQPACKET, `named` and `abstract` are unix sockets with an address, `pty` is a pseudo-terminal\n\
         with echo and line editing on. Calls of 32-bit programs are read in all forms, too (`calls_of_32_bit_programs_are_copied`).\n\n\
         Not read: bytes that no program of this host ever has in its memory (spliced to or from another host, or from splice to\n\
         splice: counted as `spliced`), shared memory, io_uring where the sensor reads at system calls (tier 2), datagram sockets, and what is spliced into a terminal.\n\
         Of what a writer splices before the reader is known to be copied, the reader's first call of up to 60 KiB is kept in reserve;\n\
         a reader that takes a first spliced message in several calls before the writer's own call returns is read from the next on.\n",
    );
    text
}
