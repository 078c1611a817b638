//! Clients that say all they have to say and close, and servers that answer later.

use std::net::SocketAddr;

use super::*;
use crate::event::Tuple;

const SECOND: u64 = 1_000_000_000;
const CALL: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}\n";
const RESULT: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n";

fn statuses(run: &Run) -> Vec<observation::CallStatus> {
    let observations = run.output.observations.iter();
    observations
        .filter_map(|observation| match &observation.body {
            observation::Body::Call(call) => Some(call.status),
            _ => None,
        })
        .collect()
}

fn unread(run: &Run) -> u64 {
    let lost = run.pipeline.counters().lost;
    lost.get(&LossReason::RequestUnread).copied().unwrap_or(0)
}

/// Time as it passes in life: the sensor looks a few times a second.
fn wait(run: &mut Run, seconds: u64) {
    for _ in 0..2 * seconds {
        pass(run, SECOND / 2);
    }
}

/// A run in which the client is known as a process.
fn with_client() -> Run {
    let mut run = Run::new();
    run.event(Body::Fork {
        parent: OTHER,
        child: CLIENT,
    });
    run
}

/// `printf '<all requests>' | (sleep 6; exec server)`
#[test]
fn a_server_that_is_started_after_its_client_has_ended_is_a_session() {
    for seconds in [2, 7, 25] {
        let mut run = with_client();
        let all = [INITIALIZE, CALL].concat();
        run.event(moved(CLIENT, ASKS, Direction::Write, 0, all.as_bytes()));
        run.event(Body::Exit { process: CLIENT });
        wait(&mut run, seconds);
        run.event(moved(SERVER, ASKS, Direction::Read, 0, b""));
        run.event(Body::EndOfStream {
            process: SERVER,
            end: pipe(ASKS),
            direction: Direction::Read,
        });
        wait(&mut run, seconds);
        run.answer(0, INITIALIZED);
        run.event(moved(OTHER, ANSWERS, Direction::Read, 0, b""));
        run.answer(0, RESULT);
        run.event(Body::Exit { process: SERVER });
        assert_eq!(statuses(&run), [observation::CallStatus::Ok], "{seconds}");
        let ids: HashSet<_> = run.sessions().iter().map(|session| &session.id).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(unread(&run), 0);
    }
}

#[test]
fn who_is_never_answered_is_forgotten_after_a_minute_and_a_late_answer_is_counted() {
    let mut run = with_client();
    run.event(moved(
        CLIENT,
        ASKS,
        Direction::Write,
        0,
        INITIALIZE.as_bytes(),
    ));
    run.event(Body::Exit { process: CLIENT });
    wait(&mut run, 70);
    assert_eq!(run.pipeline.sessions.iter().count(), 0);
    assert_eq!(run.pipeline.flows.iter().count(), 0);
    assert!(run.pipeline.is_quiet());
    run.event(moved(SERVER, ASKS, Direction::Read, 0, b""));
    run.answer(0, INITIALIZED);
    run.answer(
        0,
        "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"anybodys\":1}}\n",
    );
    wait(&mut run, 10);
    assert_eq!((run.sessions().len(), unread(&run)), (0, 1));
}

#[test]
fn a_session_that_waits_for_nothing_is_over_soon_after_its_client() {
    let mut run = with_client();
    run.ask(INITIALIZE);
    run.answer(0, INITIALIZED);
    run.event(Body::Exit { process: CLIENT });
    wait(&mut run, 5);
    let last = run.sessions().last().map(|session| session.state);
    assert_eq!(last, Some(observation::SessionState::Ended));
}

#[test]
fn clients_that_are_gone_and_wait_are_bounded() {
    let mut run = Run::new();
    for number in 0..600 {
        let client = ProcessKey {
            pid: 1000 + number,
            start_ns: 1,
        };
        let inode = u64::from(10_000 + number);
        run.push(moved(
            client,
            inode,
            Direction::Write,
            0,
            INITIALIZE.as_bytes(),
        ));
        run.push(Body::Exit { process: client });
    }
    run.event(Body::Exit { process: OTHER });
    assert!(run.pipeline.sessions.iter().count() <= 256);
    let lost = run.pipeline.counters().lost;
    assert_eq!(lost.get(&LossReason::TableFull), Some(&(600 - 256)));
}

/// Over HTTP, the client's side of the connection shut after the request.
#[test]
fn a_call_that_takes_long_on_a_connection_that_is_half_closed_is_answered_there() {
    for channel in [Channel::Tcp, Channel::Unix] {
        let mut run = Run::new();
        let key = |inode| EndKey { device: 9, inode };
        let end = |own: u64, peer: u64| {
            let address = |number: u64| SocketAddr::from(([127, 0, 0, 1], 1000 + number as u16));
            let tuple = Tuple {
                local: address(own),
                remote: address(peer),
            };
            End {
                channel,
                peer: (channel == Channel::Unix).then_some(key(peer)),
                tuple: (channel == Channel::Tcp).then_some(tuple),
                ..pipe(own)
            }
        };
        let says = |process, own: u64, peer: u64, text: String| match moved(
            process,
            own,
            Direction::Write,
            0,
            text.as_bytes(),
        ) {
            Body::Transfer(transfer) => Body::Transfer(Transfer {
                end: end(own, peer),
                ..transfer
            }),
            other => other,
        };
        let post = |body: &str| {
            let body = body.trim_end();
            format!(
                "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let ok = |body: &str| {
            let body = body.trim_end();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        for (at, ask, answer) in [(10, INITIALIZE, INITIALIZED), (20, CALL, RESULT)] {
            run.event(says(CLIENT, at, at + 1, post(ask)));
            run.event(Body::EndOfStream {
                process: SERVER,
                end: end(at + 1, at),
                direction: Direction::Read,
            });
            wait(&mut run, 30);
            run.event(says(SERVER, at + 1, at, ok(answer)));
            wait(&mut run, 10);
        }
        assert_eq!(statuses(&run), [observation::CallStatus::Ok], "{channel:?}");
        assert_eq!(run.pipeline.flows.iter().count(), 0, "nothing is left");
        assert_eq!(unread(&run), 0);
    }
}

/// The same over lines on a unix socket.
#[test]
fn lines_on_a_socket_that_is_half_closed_are_answered_there() {
    let mut run = Run::new();
    let end = |own: u64, peer: u64| End {
        channel: Channel::Unix,
        peer: Some(EndKey {
            device: 9,
            inode: peer,
        }),
        ..pipe(own)
    };
    let says = |process, own: u64, peer: u64, text: &str| match moved(
        process,
        own,
        Direction::Write,
        0,
        text.as_bytes(),
    ) {
        Body::Transfer(transfer) => Body::Transfer(Transfer {
            end: end(own, peer),
            ..transfer
        }),
        other => other,
    };
    run.event(says(CLIENT, 10, 11, INITIALIZE));
    run.event(says(SERVER, 11, 10, INITIALIZED));
    run.event(says(CLIENT, 10, 11, CALL));
    run.event(Body::EndOfStream {
        process: SERVER,
        end: end(11, 10),
        direction: Direction::Read,
    });
    wait(&mut run, 20);
    run.event(says(SERVER, 11, 10, RESULT));
    assert_eq!(statuses(&run), [observation::CallStatus::Ok]);
    wait(&mut run, 20);
    let last = run.sessions().last().map(|session| session.state);
    assert_eq!(last, Some(observation::SessionState::Ended));
    assert_eq!(run.pipeline.flows.iter().count(), 0);
}
