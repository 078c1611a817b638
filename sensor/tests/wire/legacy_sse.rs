//! HTTP+SSE of 2024-11-05: an event stream gives out an endpoint, posts go there, answers come on the stream.

use gnomon_sensor::observation::{SessionState, Transport};

use crate::recording::{
    CLIENT, CONFIRMED, Connection, Recording, SERVER, call, chunk, event, initialize, initialized,
    post, result, status, stream,
};

/// Opens a stream that gives out `endpoint`.
fn open(recording: &mut Recording, path: &str, endpoint: &str) -> Connection {
    let connection = recording.connect(CLIENT, SERVER, 9000);
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:9000\r\nAccept: text/event-stream\r\n\r\n");
    recording.send(connection, head);
    recording.reply(connection, stream(""));
    recording.reply(
        connection,
        chunk(format!("event: endpoint\r\ndata: {endpoint}\r\n\r\n")),
    );
    connection
}

/// Posts a message and, where there is one, lets the stream answer.
fn exchange(
    recording: &mut Recording,
    stream: Connection,
    target: &str,
    message: &str,
    answer: &str,
) {
    exchange_at(recording, 9000, stream, target, message, answer);
}

fn exchange_at(
    recording: &mut Recording,
    port: u16,
    stream: Connection,
    target: &str,
    message: &str,
    answer: &str,
) {
    let posts = recording.connect(CLIENT, SERVER, port);
    recording.send(posts, post(target, "", message));
    recording.reply(posts, status("202 Accepted"));
    if !answer.is_empty() {
        recording.reply(stream, chunk(event(answer)));
    }
}

fn talk(recording: &mut Recording, stream: Connection, target: &str, tool: &str) {
    exchange(
        recording,
        stream,
        target,
        &initialize(0, tool),
        &initialized(0),
    );
    exchange(recording, stream, target, CONFIRMED, "");
    exchange(recording, stream, target, &call(1, tool), &result(1));
}

#[test]
fn endpoints_of_every_form() {
    for (path, endpoint, target) in [
        (
            "/sse",
            "/messages/?session_id=abc",
            "/messages/?session_id=abc",
        ),
        (
            "/sse",
            "http://localhost:9000/messages?sessionId=abc",
            "/messages?sessionId=abc",
        ),
        (
            "/a/b/sse",
            "messages?sessionId=abc",
            "/a/b/messages?sessionId=abc",
        ),
        ("/a/sse", "?session_id=abc", "/a/sse?session_id=abc"),
        // A proxy that takes a prefix off and puts it on again.
        (
            "/prefix/sse",
            "/messages/?session_id=abc",
            "/prefix/messages/?session_id=abc",
        ),
        // Without an id.
        ("/sse", "/rpc", "/rpc"),
    ] {
        let mut recording = Recording::default();
        let stream = open(&mut recording, path, endpoint);
        talk(&mut recording, stream, target, "add");
        let told = recording.told();
        assert_eq!(told.session().transport, Transport::Sse, "{endpoint}");
        assert_eq!(told.calls(), ["tools/call add ok"], "{endpoint}");
    }
}

#[test]
fn an_endpoint_at_another_address() {
    let mut recording = Recording::default();
    let stream = open(
        &mut recording,
        "/sse",
        "http://127.0.0.1:9100/messages?sessionId=abc",
    );
    for (message, answer) in [
        (initialize(0, "c"), initialized(0)),
        (call(1, "add"), result(1)),
    ] {
        let target = "/messages?sessionId=abc";
        exchange_at(&mut recording, 9100, stream, target, &message, &answer);
    }
    let told = recording.told();
    assert_eq!(told.session().transport, Transport::Sse);
    assert_eq!(told.calls(), ["tools/call add ok"]);
}

#[test]
fn streams_of_one_client_are_not_mixed() {
    let mut recording = Recording::default();
    let one = open(&mut recording, "/sse", "/messages/?session_id=one");
    let two = open(&mut recording, "/sse", "/messages/?session_id=two");
    // The same ids on both, in turns.
    for (stream, target, name) in [
        (one, "/messages/?session_id=one", "one"),
        (two, "/messages/?session_id=two", "two"),
    ] {
        exchange(
            &mut recording,
            stream,
            target,
            &initialize(0, name),
            &initialized(0),
        );
    }
    for id in 1..4 {
        exchange(
            &mut recording,
            one,
            "/messages/?session_id=one",
            &call(id, "a"),
            &result(id),
        );
        exchange(
            &mut recording,
            two,
            "/messages/?session_id=two",
            &call(id, "b"),
            &result(id),
        );
    }
    let told = recording.told();
    assert_eq!(told.sessions.len(), 2);
    for (session, name) in told.sessions.iter().zip(["a", "b"]) {
        assert_eq!(
            told.calls_of(session),
            vec![format!("tools/call {name} ok"); 3]
        );
    }
}

#[test]
fn a_stream_that_ends_ends_its_session_and_a_new_one_begins_another() {
    let mut recording = Recording::default();
    let first = open(&mut recording, "/sse", "/messages/?session_id=one");
    talk(&mut recording, first, "/messages/?session_id=one", "add");
    recording.reply(first, "0\r\n\r\n");
    let second = open(&mut recording, "/sse", "/messages/?session_id=two");
    talk(&mut recording, second, "/messages/?session_id=two", "sub");
    let told = recording.told();
    let states: Vec<_> = told.sessions.iter().map(|session| session.state).collect();
    assert_eq!(states, [SessionState::Ended, SessionState::Open]);
    assert_eq!(told.calls_of(&told.sessions[0]), ["tools/call add ok"]);
    assert_eq!(told.calls_of(&told.sessions[1]), ["tools/call sub ok"]);
}

#[test]
fn streams_older_than_the_sensor() {
    let mut recording = Recording::default();
    // The first that is seen of each stream is a comment, as servers send them to keep it open.
    let (one, two) = (
        recording.connect(CLIENT, SERVER, 9000),
        recording.connect(CLIENT, SERVER, 9000),
    );
    recording.reply(one, chunk(": ping - 2026-11-22\r\n\r\n"));
    for id in 7..10 {
        exchange(
            &mut recording,
            one,
            "/messages/?session_id=one",
            &call(id, "a"),
            &result(id),
        );
        exchange(
            &mut recording,
            two,
            "/messages/?session_id=two",
            &call(id, "b"),
            &result(id),
        );
    }
    let told = recording.told();
    assert_eq!(told.sessions.len(), 2, "{:#?}", told.sessions);
    for (session, name) in told.sessions.iter().zip(["a", "b"]) {
        assert_eq!(session.transport, Transport::Sse);
        assert_eq!(
            told.calls_of(session),
            vec![format!("tools/call {name} ok"); 3]
        );
    }
}

#[test]
fn an_event_stream_that_is_none_of_mcps_tells_nothing() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(
        to,
        "GET /events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n",
    );
    recording.reply(to, stream(""));
    for n in 0..100 {
        recording.reply(to, chunk(format!("event: tick\ndata: {{\"n\":{n}}}\n\n")));
    }
    assert!(recording.told().sessions.is_empty());
}
