//! Conversations that are begun by the hundred and never go on: what others say at the same time is told all the same.

use crate::recording::{
    CLIENT, Recording, SERVER, call, initialize, initialized, ok, post, result,
};

/// Somebody else.
const CROWD: u32 = 7;

#[test]
fn requests_that_are_held_open_do_not_hide_those_that_come_after_them() {
    for held in [
        "POST /events HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        "GET /mcp HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n",
    ] {
        let mut recording = Recording::default();
        for _ in 0..4_200 {
            let to = recording.connect(CROWD, SERVER, 8000);
            recording.send(to, held);
        }
        let to = recording.connect(CLIENT, SERVER, 9000);
        recording.send(to, post("/mcp", "", initialize(0, "c")));
        recording.reply(to, ok("", initialized(0)));
        recording.send(to, post("/mcp", "", call(1, "add")));
        recording.reply(to, ok("", result(1)));
        let told = recording.told();
        assert_eq!(told.session().calls, 1);
        assert_eq!(told.calls(), ["tools/call add ok"]);
    }
}

#[test]
fn a_client_that_asks_on_and_on_does_not_push_out_who_waits_for_a_slow_server() {
    let mut recording = Recording::default();
    let pipes = recording.pipes(CLIENT, SERVER);
    recording.ask(pipes, initialize(0, "patient") + "\n");
    for _ in 0..600 {
        let others = recording.pipes(CROWD, CROWD + 1);
        recording.ask(others, initialize(0, "crowd") + "\n");
    }
    recording.tell(pipes, initialized(0) + "\n");
    let told = recording.told();
    let names: Vec<_> = told
        .sessions
        .iter()
        .map(|session| session.client.name.as_deref())
        .collect();
    assert_eq!(names, [Some("patient")]);
}
