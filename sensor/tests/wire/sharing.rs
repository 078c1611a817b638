//! Clients of one process, and ids of sessions: whose call is whose.

use gnomon_sensor::observation::SessionState;

use crate::recording::{
    CLIENT, CONFIRMED, Recording, SERVER, call, initialize, initialized, ok, post, result, status,
};

/// One exchange, on a connection of its own.
fn exchange(recording: &mut Recording, headers: &str, request: &str, answer: &str) {
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(to, post("/mcp", headers, request));
    let answer = if answer.is_empty() {
        status("202 Accepted")
    } else {
        ok("", answer)
    };
    recording.reply(to, answer);
}

#[test]
fn two_stateless_clients_of_one_process_have_their_own_calls() {
    for keeps_connections in [true, false] {
        for in_turns in [true, false] {
            let mut recording = Recording::default();
            let kept = [0, 1].map(|_| recording.connect(CLIENT, SERVER, 9000));
            let talk = |recording: &mut Recording, who: usize, request: &str, answer: &str| {
                if keeps_connections {
                    recording.send(kept[who], post("/mcp", "", request));
                    let answer = if answer.is_empty() {
                        status("202 Accepted")
                    } else {
                        ok("", answer)
                    };
                    recording.reply(kept[who], answer);
                } else {
                    exchange(recording, "", request, answer);
                }
            };
            for (who, name) in ["a", "b"].into_iter().enumerate() {
                talk(&mut recording, who, &initialize(0, name), &initialized(0));
            }
            for who in 0..2 {
                talk(&mut recording, who, CONFIRMED, "");
            }
            let order: Vec<(usize, u32)> = if in_turns {
                (1..6).flat_map(|id| [(0, id), (1, id)]).collect()
            } else {
                (0..2)
                    .flat_map(|who| (1..6).map(move |id| (who, id)))
                    .collect()
            };
            for (who, id) in order {
                talk(&mut recording, who, &call(id, ["x", "y"][who]), &result(id));
            }
            let told = recording.told();
            let counts: Vec<u64> = told.sessions.iter().map(|session| session.calls).collect();
            assert_eq!(
                counts,
                [5, 5],
                "kept {keeps_connections}, in turns {in_turns}"
            );
            if keeps_connections {
                for (session, tool) in told.sessions.iter().zip(["x", "y"]) {
                    assert_eq!(
                        told.calls_of(session),
                        vec![format!("tools/call {tool} ok"); 5]
                    );
                }
            }
        }
    }
}

#[test]
fn a_session_id_that_the_server_forgot_ends_its_session() {
    let mut recording = Recording::default();
    let begin = |recording: &mut Recording, id: &str| {
        let to = recording.connect(CLIENT, SERVER, 9000);
        recording.send(to, post("/mcp", "", initialize(0, "c")));
        recording.reply(to, ok(&format!("Mcp-Session-Id: {id}\r\n"), initialized(0)));
    };
    begin(&mut recording, "one");
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(to, post("/mcp", "Mcp-Session-Id: one\r\n", call(1, "a")));
    recording.reply(to, status("404 Not Found"));
    begin(&mut recording, "two");
    exchange(
        &mut recording,
        "Mcp-Session-Id: two\r\n",
        &call(1, "a"),
        &result(1),
    );
    let told = recording.told();
    let states: Vec<_> = told.sessions.iter().map(|session| session.state).collect();
    assert_eq!(states, [SessionState::Ended, SessionState::Open]);
    assert_eq!(told.calls_of(&told.sessions[0]), ["tools/call a error"]);
    assert_eq!(told.calls_of(&told.sessions[1]), ["tools/call a ok"]);
}

#[test]
fn delete_ends_a_session_if_it_is_taken() {
    for (answer, state) in [
        ("200 OK", SessionState::Ended),
        ("204 No Content", SessionState::Ended),
        ("404 Not Found", SessionState::Ended),
        ("405 Method Not Allowed", SessionState::Open),
        ("401 Unauthorized", SessionState::Open),
    ] {
        let mut recording = Recording::default();
        let to = recording.connect(CLIENT, SERVER, 9000);
        recording.send(to, post("/mcp", "", initialize(0, "c")));
        recording.reply(to, ok("Mcp-Session-Id: one\r\n", initialized(0)));
        recording.send(
            to,
            "DELETE /mcp HTTP/1.1\r\nHost: h\r\nMcp-Session-Id: one\r\n\r\n",
        );
        recording.reply(to, status(answer));
        assert_eq!(recording.told().session().state, state, "{answer}");
    }
}

#[test]
fn a_stream_that_is_taken_up_again_answers_what_was_asked_before() {
    use crate::recording::{chunk, event, stream};
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(to, post("/mcp", "", initialize(0, "c")));
    recording.reply(to, ok("Mcp-Session-Id: one\r\n", initialized(0)));
    let posts = recording.connect(CLIENT, SERVER, 9000);
    recording.send(
        posts,
        post("/mcp", "Mcp-Session-Id: one\r\n", call(1, "slow")),
    );
    recording.reply(posts, stream(""));
    // A priming event; then the server closes the stream and lets the client come back.
    recording.reply(posts, chunk("id: 1\nretry: 500\ndata: \n\n"));
    recording.reply(posts, "0\r\n\r\n");
    let again = recording.connect(CLIENT, SERVER, 9000);
    recording.send(
        again,
        "GET /mcp HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nMcp-Session-Id: one\r\nLast-Event-ID: 1\r\n\r\n",
    );
    recording.reply(again, stream(""));
    recording.reply(again, chunk(event(&result(1))));
    let told = recording.told();
    assert_eq!(told.session().calls, 1);
    assert_eq!(told.calls(), ["tools/call slow ok"]);
}

#[test]
fn a_server_without_a_stream_of_its_own_says_405() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    recording.send(to, post("/mcp", "", initialize(0, "c")));
    recording.reply(to, ok("Mcp-Session-Id: one\r\n", initialized(0)));
    recording.send(
        to,
        "GET /mcp HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nMcp-Session-Id: one\r\n\r\n",
    );
    recording.reply(to, status("405 Method Not Allowed"));
    recording.send(to, post("/mcp", "Mcp-Session-Id: one\r\n", call(1, "a")));
    recording.reply(to, ok("", result(1)));
    let told = recording.told();
    assert_eq!(told.session().state, SessionState::Open);
    assert_eq!(told.calls(), ["tools/call a ok"]);
}
