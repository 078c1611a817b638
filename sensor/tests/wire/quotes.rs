//! Recordings of MCP that are passed on: to and fro between the same two processes, and still nobody's session.

use crate::recording::{
    CLIENT, CONFIRMED, Recording, SERVER, call, initialize, initialized, ok, post, result,
};

/// A whole conversation, as a log holds it.
fn log() -> [String; 5] {
    [
        initialize(0, "quoted"),
        initialized(0),
        CONFIRMED.to_owned(),
        call(1, "add"),
        result(1),
    ]
}

#[test]
fn an_echo_of_a_whole_conversation_is_no_session() {
    for pieces in [1, log().len()] {
        let texts: Vec<String> = log()
            .chunks(log().len() / pieces)
            .map(|lines| lines.join("\n") + "\n")
            .collect();
        let mut recording = Recording::default();
        let pipes = recording.pipes(CLIENT, SERVER);
        let sockets = recording.sockets(CLIENT, SERVER);
        let to = recording.connect(CLIENT, SERVER, 7);
        for text in &texts {
            recording.ask(pipes, text).tell(pipes, text);
            recording.ask(sockets, text).tell(sockets, text);
            recording.send(to, text).reply(to, text);
        }
        recording.wait_ms(10_000);
        assert!(recording.told().sessions.is_empty(), "{pieces} pieces");
    }
}

#[test]
fn what_is_kept_and_asked_for_again_is_no_session() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 11211);
    for line in log() {
        recording.send(to, format!("put\n{line}\n"));
        recording.reply(to, "ok\n");
    }
    for line in log() {
        recording.send(to, "get\n");
        recording.reply(to, line + "\n");
    }
    assert!(recording.told().sessions.is_empty());
}

#[test]
fn what_a_database_or_a_broker_carries_is_no_session() {
    let frames: [fn(&str) -> String; 4] = [
        |text| format!("*2\r\n$5\r\nLPUSH\r\n${}\r\n{text}\r\n", text.len()),
        |text| format!("PUB mcp {}\r\n{text}\r\n", text.len()),
        |text| format!("VALUE key 0 {}\r\n{text}\r\nEND\r\n", text.len()),
        |text| format!("RESERVED 7 {}\r\n{text}\n\r\n", text.len() + 1),
    ];
    for frame in frames {
        let mut recording = Recording::default();
        let to = recording.connect(CLIENT, SERVER, 6379);
        // The answers were put there by somebody else.
        for (asks, answers) in [
            (initialize(0, "quoted"), initialized(0)),
            (call(1, "add"), result(1)),
        ] {
            recording.send(to, frame(&asks));
            recording.reply(to, frame(&answers));
        }
        assert!(recording.told().sessions.is_empty(), "{}", frame("text"));
    }
}

#[test]
fn a_recording_that_is_posted_and_comes_back_is_no_session() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 8080);
    let batch = format!("[{}]", log().join(","));
    recording.send(to, post("/collect", "", &batch));
    recording.reply(to, ok("", &batch));
    assert!(recording.told().sessions.is_empty());
}

#[test]
fn a_server_that_prints_what_it_was_asked_is_still_one() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 7000);
    for (asks, answers) in [
        (initialize(0, "chatty"), initialized(0)),
        (call(1, "add"), result(1)),
    ] {
        recording.send(to, format!("{asks}\n"));
        recording.reply(to, format!("{asks}\n{answers}\n"));
    }
    let told = recording.told();
    assert_eq!(told.session().calls, 1);
    assert_eq!(told.calls(), ["tools/call add ok"]);
}
