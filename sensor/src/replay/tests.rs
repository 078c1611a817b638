use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::event::Body as Body_;
use crate::observation::Body;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the recordings are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    files
}

fn replayed(path: &Path) -> Vec<Observation> {
    let text = fs::read_to_string(path).expect("readable");
    let name = path
        .file_stem()
        .expect("has a name")
        .to_string_lossy()
        .into_owned();
    replay(&text, &name, &HostName::new("recording"), Policy::empty()).expect("a recording")
}

/// What a person checks by hand against the recording: sessions, and calls by name.
fn summary(observations: &[Observation]) -> String {
    let mut text = String::new();
    for observation in observations {
        let Body::Session(session) = &observation.body else {
            continue;
        };
        let (client, server) = (&session.client, &session.server);
        let _ = writeln!(
            text,
            "{} {} {:?} client={} {} server={} {} endpoint={} calls={}",
            session.transport.as_str(),
            session.channel.as_str(),
            session.state,
            client.name.as_deref().unwrap_or("-"),
            client.version.as_deref().unwrap_or("-"),
            server.name.as_deref().unwrap_or("-"),
            server.version.as_deref().unwrap_or("-"),
            server.endpoint.as_deref().unwrap_or("-"),
            session.calls,
        );
        let _ = writeln!(
            text,
            "  revision {}",
            session.revision.as_deref().unwrap_or("-")
        );
        for call in observations {
            let Body::Call(call) = &call.body else {
                continue;
            };
            if call.session != session.id {
                continue;
            }
            let _ = writeln!(
                text,
                "  {} {} {} {} -> {}",
                call.number,
                call.method,
                call.name.as_deref().unwrap_or("-"),
                call.request_bytes,
                call.response_bytes.map_or_else(
                    || call.status.as_str().to_owned(),
                    |bytes| { format!("{} {bytes}", call.status.as_str()) }
                ),
            );
        }
    }
    text
}

#[test]
fn every_recording_tells_its_sessions_and_calls() {
    let files = captures();
    assert!(files.len() >= 22, "the recordings are there");
    for path in files {
        let name = path
            .file_stem()
            .expect("has a name")
            .to_string_lossy()
            .into_owned();
        insta::with_settings!({ snapshot_suffix => name, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("capture", summary(&replayed(&path)));
        });
    }
}

#[test]
fn what_is_not_mcp_tells_nothing() {
    let negative = captures().into_iter().filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("NEG_"))
    });
    for path in negative {
        assert_eq!(replayed(&path), [], "{}", path.display());
    }
}

fn recorded(path: &Path) -> Vec<Event> {
    events(&fs::read_to_string(path).expect("readable")).expect("a recording")
}

/// Sessions and calls, in an order of their own: the order of statements may differ.
fn sorted_summary(events: Vec<Event>) -> Vec<String> {
    let text = summary(&run(
        events,
        "test",
        &HostName::new("recording"),
        Policy::empty(),
    ));
    let mut sessions: Vec<String> = Vec::new();
    for line in text.lines() {
        match sessions.last_mut().filter(|_| line.starts_with("  ")) {
            Some(session) => *session += line,
            None => sessions.push(line.to_owned()),
        }
    }
    sessions.sort();
    sessions
}

fn process(event: &Event) -> u32 {
    match &event.body {
        Body_::Transfer(transfer) => transfer.process.pid,
        _ => 0,
    }
}

/// Calls are reported when they return: a process that is held up inside a call is reported late.
fn delayed(mut events: Vec<Event>, delays: &[(usize, usize)]) -> Vec<Event> {
    for &(from, by) in delays {
        let start = from % events.len();
        for at in start..start + by {
            if at + 1 >= events.len() || process(&events[at]) == process(&events[at + 1]) {
                break;
            }
            let (early, late) = (events[at].time, events[at + 1].time);
            events.swap(at, at + 1);
            events[at].time = early;
            events[at + 1].time = late;
        }
    }
    events
}

/// The same bytes in other pieces.
fn recut(events: Vec<Event>, cuts: &[usize]) -> Vec<Event> {
    let mut cuts = cuts.iter().cycle();
    let mut pieces = Vec::new();
    for event in events {
        let Body_::Transfer(transfer) = &event.body else {
            continue;
        };
        let mut rest = transfer.payload.as_slice();
        while rest.len() > 1 {
            let cut = (1 + cuts.next().copied().unwrap_or(7)).min(rest.len());
            let (piece, left) = rest.split_at(cut);
            rest = left;
            let transfer = Transfer {
                length: cut as u64,
                payload: piece.to_vec(),
                ..transfer.clone()
            };
            pieces.push(Event {
                time: event.time,
                body: Body_::Transfer(transfer),
            });
        }
        let transfer = Transfer {
            length: rest.len() as u64,
            payload: rest.to_vec(),
            ..transfer.clone()
        };
        pieces.push(Event {
            time: event.time,
            body: Body_::Transfer(transfer),
        });
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn late_reports_change_nothing(
        file in 0_usize..22,
        delays in proptest::collection::vec((0_usize..200, 1_usize..3), 1..12),
    ) {
        let events = recorded(&captures()[file]);
        let expected = sorted_summary(events.clone());
        prop_assert_eq!(sorted_summary(delayed(events, &delays)), expected);
    }

    #[test]
    fn other_pieces_change_nothing(
        file in 0_usize..22,
        cuts in proptest::collection::vec(0_usize..9000, 1..20),
    ) {
        let events = recorded(&captures()[file]);
        let expected = sorted_summary(events.clone());
        prop_assert_eq!(sorted_summary(recut(events, &cuts)), expected);
    }
}
