//! Every recording, through decoders and message reader: what is said on each channel, message by
//! message, and what it says of the protocol. However the bytes are cut, it is the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use gnomon_sensor::mcp::message::{Kind, Message, Outcome, Parsed, parse};
use gnomon_sensor::mcp::signature::{Marks, event_marks, http_marks, line_marks};
use gnomon_sensor::protocol::body::{BodyCollector, BodyKind};
use gnomon_sensor::protocol::http1::{Connection, HttpEvent, RequestHead, Side};
use gnomon_sensor::protocol::lines::LineDecoder;
use gnomon_sensor::protocol::sse::SseDecoder;
use serde_json::Value;

/// Bytes that one side of a channel or connection wrote.
struct Piece {
    side: Side,
    bytes: Vec<u8>,
}

/// A channel or a connection, by what is printed of it.
type Streams = BTreeMap<String, Vec<Piece>>;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let files = std::fs::read_dir(folder).expect("tests/captures is part of the repository");
    let mut files: Vec<_> = files.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "jsonl")
    });
    files.sort();
    files
}

/// Reads the rows of one `op`; of a channel that has none of it, the other's.
fn streams(path: &Path, op: &str) -> Streams {
    let text = std::fs::read_to_string(path).expect("a recording is text");
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    let mut streams = Streams::new();
    for row in &rows {
        let has_op = |other: &&Value| other["chan"] == row["chan"] && other["op"] == op;
        if row["op"] != op && rows.iter().any(|other| has_op(&other)) {
            continue;
        }
        let side = if row["dir"] == "c2s" {
            Side::Client
        } else {
            Side::Server
        };
        let bytes = row["data"]
            .as_str()
            .expect("no recording has binary rows")
            .as_bytes()
            .to_vec();
        streams
            .entry(name(row, side))
            .or_default()
            .push(Piece { side, bytes });
    }
    streams
}

fn name(row: &Value, side: Side) -> String {
    let end = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    match (row["kind"].as_str(), side) {
        (Some("tcp" | "tcpv6"), Side::Client) => format!("{} -> {}", end("from"), end("to")),
        (Some("tcp" | "tcpv6"), Side::Server) => format!("{} -> {}", end("to"), end("from")),
        (kind, _) => format!(
            "{} {:02} {}",
            kind.unwrap_or_default(),
            row["chan"],
            end("dir")
        ),
    }
}

fn cut(pieces: Vec<Piece>, bytes_max: usize) -> Vec<Piece> {
    let cut = |piece: Piece| -> Vec<Piece> {
        let side = piece.side;
        piece
            .bytes
            .chunks(bytes_max)
            .map(|bytes| Piece {
                side,
                bytes: bytes.to_vec(),
            })
            .collect()
    };
    pieces.into_iter().flat_map(cut).collect()
}

/// What is said on a stream, a line for each message, head and event that has marks.
fn report(name: &str, pieces: &[Piece]) -> String {
    let mut text = String::new();
    if name.contains("->") {
        http(pieces, &mut text)
    } else {
        lines(pieces, &mut text)
    }
    text
}

fn lines(pieces: &[Piece], text: &mut String) {
    let (mut decoder, mut lines, mut other) = (LineDecoder::default(), Vec::new(), 0);
    pieces
        .iter()
        .for_each(|piece| decoder.push(&piece.bytes, &mut lines));
    for line in &lines {
        match parse(&line.text) {
            Parsed::NotJson if line_marks(&line.text).is_empty() => other += 1,
            Parsed::NotJson => marked(text, "line", line_marks(&line.text)),
            parsed => messages(text, parsed),
        }
    }
    if other > 0 {
        writeln!(text, "  {other} other lines").expect("a string");
    }
    if decoder.pending_bytes() > 0 {
        writeln!(text, "  {} bytes pending", decoder.pending_bytes()).expect("a string");
    }
}

/// A body of either kind.
#[derive(Default)]
struct Collected {
    json: BodyCollector,
    events: SseDecoder,
}

fn http(pieces: &[Piece], text: &mut String) {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    for piece in pieces {
        connection.push(piece.side, &piece.bytes, &mut out);
    }
    connection.close(Side::Client, &mut out);
    connection.close(Side::Server, &mut out);
    let mut requests: BTreeMap<u64, RequestHead> = BTreeMap::new();
    let mut bodies: BTreeMap<(u64, &str), Collected> = BTreeMap::new();
    let mut kinds: BTreeMap<u64, BodyKind> = BTreeMap::new();
    for event in out {
        match event {
            HttpEvent::Request { exchange, head } => {
                writeln!(text, "  {exchange} {} {}", head.method, head.target).expect("a string");
                requests.insert(exchange, head);
            }
            HttpEvent::Response { exchange, head } => {
                writeln!(text, "  {exchange} {}", head.status).expect("a string");
                kinds.insert(exchange, BodyKind::of(&head.headers));
                let request = requests.get(&exchange);
                marked(
                    text,
                    "heads",
                    request
                        .map(|request| http_marks(request, Some(&head)))
                        .unwrap_or_default(),
                );
            }
            HttpEvent::RequestBody { exchange, bytes } => {
                bodies
                    .entry((exchange, "request"))
                    .or_default()
                    .json
                    .push(&bytes);
            }
            HttpEvent::ResponseBody { exchange, bytes } => {
                let body = bodies.entry((exchange, "response")).or_default();
                if kinds[&exchange] != BodyKind::EventStream {
                    body.json.push(&bytes);
                    continue;
                }
                let mut events = Vec::new();
                body.events.push(&bytes, &mut events);
                for event in events {
                    marked(text, "event", event_marks(&event));
                    messages(text, parse(&event.data));
                }
            }
            HttpEvent::RequestEnd { exchange } => {
                whole(text, bodies.remove(&(exchange, "request")))
            }
            HttpEvent::ResponseEnd { exchange } => {
                whole(text, bodies.remove(&(exchange, "response")))
            }
            other => writeln!(text, "  {other:?}").expect("a string"),
        }
    }
}

fn whole(text: &mut String, body: Option<Collected>) {
    let body = body.unwrap_or_default().json.finish();
    assert!(body.complete);
    if body.length > 0 {
        messages(text, parse(&body.text));
    }
}

fn messages(text: &mut String, parsed: Parsed) {
    match parsed {
        Parsed::NotJson => {}
        Parsed::NotRpc(marks) => marked(text, "json", marks),
        Parsed::Rpc { messages, dropped } => {
            assert_eq!(dropped, 0);
            messages.iter().for_each(|message| one(text, message));
        }
    }
}

fn one(text: &mut String, message: &Message) {
    assert!(!message.duplicate_key);
    let said = match &message.kind {
        Kind::Request(request) => {
            let detail = [
                request.name.as_deref(),
                request.uri.as_deref(),
                request.revision.as_deref(),
            ];
            let detail: Vec<_> = detail.into_iter().flatten().collect();
            let client = request
                .client
                .as_ref()
                .map(|client| format!(" {client:?}"))
                .unwrap_or_default();
            format!(
                "{:?} {} {detail:?} {:?}{client}",
                request.id, request.method, request.era
            )
        }
        Kind::Notification(notification) => {
            format!("{} {:?}", notification.method, notification.era)
        }
        Kind::Response(response) => {
            let handshake = response
                .handshake
                .as_ref()
                .map(|it| format!(" {it:?}"))
                .unwrap_or_default();
            let mut tools = response
                .tools
                .iter()
                .flatten()
                .map(|tool| tool.name.as_str())
                .collect::<Vec<_>>();
            let more = tools.len().saturating_sub(4);
            tools.truncate(4);
            let outcome = match &response.outcome {
                Outcome::Error { code, .. } => format!("Error({code})"),
                other => format!("{other:?}"),
            };
            format!(
                "{:?} {outcome} {:?}{handshake} {tools:?}+{more}",
                response.id, response.era
            )
        }
    };
    writeln!(text, "  {} B {said}", message.bytes).expect("a string");
    marked(text, "", message.marks);
}

fn marked(text: &mut String, what: &str, marks: Marks) {
    if !marks.is_empty() {
        writeln!(text, "      {what}{marks:?}").expect("a string");
    }
}

#[test]
fn every_recording_says_what_was_reviewed() {
    for path in captures() {
        let mut text = String::new();
        for (name, pieces) in streams(&path, "write") {
            write!(text, "{name}\n{}", report(&name, &pieces)).expect("a string");
        }
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name");
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn however_the_bytes_are_cut_the_messages_are_the_same() {
    for path in captures() {
        let written = streams(&path, "write");
        for (name, pieces) in streams(&path, "read") {
            // A reader that has what it wants may leave the last chunk unread.
            let (read, whole) = (report(&name, &pieces), report(&name, &written[&name]));
            let strip = |report: &str| -> Vec<String> {
                let lines = report.lines().filter(|line| !line.contains("cut_short"));
                lines.map(str::to_owned).collect()
            };
            assert_eq!(strip(&read), strip(&whole), "{} {name}", path.display());
        }
        for bytes_max in [1, 2, 24, 1000] {
            for (name, pieces) in streams(&path, "write") {
                let whole = report(&name, &pieces);
                assert_eq!(
                    report(&name, &cut(pieces, bytes_max)),
                    whole,
                    "{} {name}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn what_is_not_mcp_has_no_decisive_mark() {
    for path in captures() {
        let is_negative = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("NEG_"));
        let decisive = streams(&path, "write")
            .iter()
            .any(|(name, pieces)| report(name, pieces).contains("Decisive("));
        assert_eq!(decisive, !is_negative, "{}", path.display());
    }
}
