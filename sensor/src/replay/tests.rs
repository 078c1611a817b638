use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::observation::Body;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the recordings are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    files
}

fn replayed(path: &Path) -> Vec<Observation> {
    let text = fs::read_to_string(path).expect("readable");
    let name = path.file_stem().expect("has a name").to_string_lossy().into_owned();
    replay(&text, &name, &HostName::new("recording"), Policy::empty()).expect("a recording")
}

/// What a person checks by hand against the recording: sessions, and calls by name.
fn summary(observations: &[Observation]) -> String {
    let mut text = String::new();
    for observation in observations {
        let Body::Session(session) = &observation.body else { continue };
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
        let _ = writeln!(text, "  revision {}", session.revision.as_deref().unwrap_or("-"));
        for call in observations {
            let Body::Call(call) = &call.body else { continue };
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
                call.response_bytes.map_or_else(|| call.status.as_str().to_owned(), |bytes| {
                    format!("{} {bytes}", call.status.as_str())
                }),
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
        let name = path.file_stem().expect("has a name").to_string_lossy().into_owned();
        insta::with_settings!({ snapshot_suffix => name, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("capture", summary(&replayed(&path)));
        });
    }
}

#[test]
fn what_is_not_mcp_tells_nothing() {
    let negative = captures().into_iter().filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("NEG_"))
    });
    for path in negative {
        assert_eq!(replayed(&path), [], "{}", path.display());
    }
}
