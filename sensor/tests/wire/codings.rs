//! Compressed bodies, on requests and answers, whole and flushed piece by piece.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::recording::{
    CLIENT, CONFIRMED, Recording, SERVER, call, chunk, event, initialize, initialized, ok, post,
    result, status, stream,
};

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes.as_ref()).expect("a vector");
    writer.finish().expect("a vector")
}

fn deflate(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut writer = ZlibEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes.as_ref()).expect("a vector");
    writer.finish().expect("a vector")
}

fn br(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    writer.write_all(bytes.as_ref()).expect("a vector");
    writer.into_inner()
}

fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![0; 1 << 20];
    let length = zstd_safe::compress(&mut out[..], bytes.as_ref(), 3).expect("fits");
    out.truncate(length);
    out
}

#[test]
fn every_coding_on_requests_and_answers() {
    type Code = fn(&[u8]) -> Vec<u8>;
    let codes: [(&str, Code); 6] = [
        ("gzip", |b| gzip(b)),
        ("deflate", |b| deflate(b)),
        ("br", |b| br(b)),
        ("zstd", |b| zstd(b)),
        ("gzip, br", |b| br(gzip(b))),
        ("x-gzip, identity", |b| gzip(b)),
    ];
    for (name, code) in codes {
        let header = format!("Content-Encoding: {name}\r\n");
        let mut recording = Recording::default();
        let to = recording.connect(CLIENT, SERVER, 9000);
        for (request, answer) in [
            (initialize(0, "c"), initialized(0)),
            (call(1, "add"), result(1)),
        ] {
            recording.send(to, post("/mcp", &header, code(request.as_bytes())));
            recording.reply(to, ok(&header, code(answer.as_bytes())));
        }
        let told = recording.told();
        assert_eq!(told.calls(), ["tools/call add ok"], "{name}");
        let lengths = (told.calls[0].request_bytes, told.calls[0].response_bytes);
        let expect = (call(1, "add").len() as u64, Some(result(1).len() as u64));
        assert_eq!(
            lengths, expect,
            "{name}: lengths of the messages, not of the wire"
        );
    }
}

#[test]
fn an_event_is_told_when_its_piece_arrives() {
    let header = "Content-Encoding: gzip\r\n";
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(to, post("/mcp", "", initialize(0, "c")));
    recording.reply(to, ok("", initialized(0)));
    recording.send(to, post("/mcp", "", call(1, "slow")));
    recording.reply(to, stream(header));
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    // The stream stays open: what is not told now is told never.
    for message in [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#.to_owned(),
        result(1),
    ] {
        writer.write_all(event(&message).as_bytes()).expect("a vector");
        writer.flush().expect("a vector");
        let piece = std::mem::take(writer.get_mut());
        recording.reply(to, chunk(piece));
    }
    assert_eq!(recording.told().calls(), ["tools/call slow ok"]);
}

#[test]
fn a_head_that_says_nothing_needs_words_of_json_rpc_in_a_coded_body() {
    let plain = |body: Vec<u8>| {
        let head = format!(
            "POST /any HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    };
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(
        to,
        plain(gzip(format!("{{\"log\":\"{}\"}}", "x".repeat(1 << 20)))),
    );
    recording.reply(to, status("204 No Content"));
    recording.send(to, plain(gzip(initialize(0, "c"))));
    recording.reply(to, ok("", initialized(0)));
    recording.send(to, plain(gzip(call(1, "add"))));
    recording.reply(to, ok("", result(1)));
    let told = recording.told();
    assert_eq!(told.session().client.name.as_deref(), Some("c"));
    assert_eq!(told.calls(), ["tools/call add ok"]);
}

#[test]
fn json_is_read_under_any_name_and_none() {
    for content_type in [
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: text/plain\r\n",
        "",
    ] {
        let mut recording = Recording::default();
        let to = recording.connect(CLIENT, SERVER, 9000);
        let body = initialize(0, "curl");
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: h\r\n{content_type}Content-Length: {}\r\n\r\n",
            body.len()
        );
        recording.send(to, head + &body);
        let answer = initialized(0);
        let head = format!(
            "HTTP/1.1 200 OK\r\n{content_type}Content-Length: {}\r\n\r\n",
            answer.len()
        );
        recording.reply(to, head + &answer);
        assert_eq!(
            recording.told().session().client.name.as_deref(),
            Some("curl")
        );
    }
}

#[test]
fn what_cannot_be_undone_hides_nothing_else() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(to, post("/mcp", "", initialize(0, "c")));
    recording.reply(to, ok("", initialized(0)));
    recording.send(to, post("/mcp", "", CONFIRMED));
    recording.reply(to, status("202 Accepted"));
    for (id, header, body) in [
        (1, "Content-Encoding: lzma\r\n", b"\x5d\0\0".to_vec()),
        (2, "Content-Encoding: gzip\r\n", b"not gzip at all".to_vec()),
        (
            3,
            "Content-Encoding: zstd\r\n",
            b"\x28\xb5\x2f\xfd\xff\xff".to_vec(),
        ),
    ] {
        recording.send(to, post("/mcp", "", call(id, "lost")));
        recording.reply(to, ok(header, body));
    }
    recording.send(to, post("/mcp", "", call(4, "seen")));
    recording.reply(to, ok("", result(4)));
    let told = recording.told();
    let lost = ["tools/call lost unanswered"; 3];
    assert_eq!(told.calls(), [&lost[..], &["tools/call seen ok"]].concat());
    for call in &told.calls[..3] {
        let text = call.error_text.as_deref().unwrap_or_default();
        assert!(
            text.contains("may have come"),
            "no claim that there was no answer: {text}"
        );
    }
}
