//! Recall by form: real processes speak MCP in every form in which bytes move here; what is seen is compared with
//! what was sent, message by message, and both processes with who they are.
//!
//! docs/recall.md says what the rows hold to, and a test keeps the two together: `GNOMON_REGENERATE=1 cargo nextest run -p
//! gnomon-sensor --test kernel recall` runs every row and writes it.

mod live;
mod rows;

use gnomon_tests::host;
use live::{Heard, hear};
use rows::{ROWS, Row};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recall.md");

/// Runs one row on each of its channels.
fn check(name: &str) {
    let row = ROWS.iter().find(|row| row.name == name).expect("a row");
    if row.fills_rings() {
        host::alone().expect("the host");
    }
    for channel in row.channels {
        let heard = hear(channel, row.form, row.shape);
        let what = format!("{name} on {channel}");
        hold(row, &heard, &what);
    }
}

fn hold(row: &Row, heard: &Heard, what: &str) {
    let expected: Vec<_> = heard
        .sent
        .iter()
        .enumerate()
        .filter(|(at, _)| !row.missed.contains(at))
        .filter(|(at, message)| !row.doubtful.contains(at) || heard.seen.contains(message))
        .map(|(_, message)| message.clone())
        .collect();
    let seen: Vec<_> = heard
        .seen
        .iter()
        .filter(|message| heard.sent.contains(message))
        .cloned()
        .collect();
    assert!(
        seen == expected,
        "{what}: {} of {} messages, wanted {}; losses {:?}",
        seen.len(),
        heard.sent.len(),
        expected.len(),
        heard.lost
    );
    assert_eq!(
        heard.sessions,
        [(Some(heard.client), Some(heard.server))],
        "{what}: one session, of the right two processes"
    );
    assert_eq!(heard.channel, row.said(what), "{what}");
    let counted = |reason: &&str| heard.lost.get(*reason).is_some_and(|count| *count > 0);
    assert!(
        row.counted.is_empty() || row.counted.iter().any(counted),
        "{what}: one of {:?} is counted, {:?}",
        row.counted,
        heard.lost
    );
    // Every call that was seen whole is told once, and answered.
    assert_eq!(heard.calls, row.calls, "{what}: calls told");
}

macro_rules! rows {
    ($($test:ident = $name:literal;)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        #[test]
        fn every_row_has_its_test() {
            let tested = [$($name),*];
            assert_eq!(ROWS.map(|row| row.name), tested);
        }
    };
}

rows! {
    write = "write";
    writev = "writev";
    pwritev2 = "pwritev2";
    sendto = "sendto";
    sendmsg = "sendmsg";
    sendmmsg = "sendmmsg";
    flags_of_receivers = "flags of receivers";
    vmsplice = "vmsplice";
    splice = "splice";
    tee = "tee";
    sendfile = "sendfile";
    split = "split";
    coalesced = "coalesced";
    batch = "batch";
    leading_spaces = "leading spaces";
    one_byte_writes = "1-byte writes";
    banner = "banner before the first message";
    message_of_100_kb = "100 KB message";
    message_of_300_kb = "300 KB message";
    message_of_5_mb = "5 MB message";
    message_of_16_mb = "16 MB message";
    line_of_1_gb = "1 GB without a line end";
    attached_in_the_middle = "attached in the middle of a message";
}

#[test]
fn the_document_says_what_the_rows_hold_to() {
    let table = rows::document();
    print!("{table}");
    if std::env::var_os("GNOMON_REGENERATE").is_some() {
        std::fs::write(DOCUMENT, &table).expect("written");
    }
    let document = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(
        document == table,
        "docs/recall.md is not what the tests hold to: run them with GNOMON_REGENERATE=1"
    );
}
