//! Connections between network namespaces, as of containers, and namespaces in which somebody gives himself the addresses of
//! others.

use std::net::SocketAddr;

use gnomon_policy::Policy;
use gnomon_sensor::event::{
    Body, Channel, Direction, End, EndKey, Event, LossReason, ProcessKey, SocketState, TcpState,
    Transfer, Tuple,
};
use gnomon_sensor::host::NoHost;
use gnomon_sensor::observation::{self, HostName, Session};
use gnomon_sensor::pipeline::{Limits, Output, Pipeline};

use crate::recording::{call, initialize, initialized, ok, post, result};

const CLIENT: &str = "172.17.0.2:40000";
const SERVER: &str = "172.17.0.3:8080";
const HEADER: &str = "Mcp-Session-Id: 5f0c1d2e-one\r\n";

/// An end of a connection: who has it, in which namespace, and what it is called there.
#[derive(Clone, Copy)]
struct Peer {
    pid: u32,
    netns: u32,
    inode: u64,
    local: &'static str,
    remote: &'static str,
}

const ASKS: Peer = Peer {
    pid: 1,
    netns: 100,
    inode: 11,
    local: CLIENT,
    remote: SERVER,
};
const SERVES: Peer = Peer {
    pid: 2,
    netns: 200,
    inode: 12,
    local: SERVER,
    remote: CLIENT,
};
/// The same addresses as the client has, elsewhere.
const TWIN: Peer = Peer {
    pid: 7,
    netns: 900,
    inode: 17,
    ..ASKS
};
/// The same as the server has.
const MIRROR: Peer = Peer {
    pid: 8,
    netns: 900,
    inode: 18,
    ..SERVES
};

impl Peer {
    fn end(self) -> End {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        End {
            key: EndKey {
                device: 8,
                inode: self.inode,
            },
            channel: Channel::Tcp,
            peer: None,
            tuple: Some(Tuple {
                local: address(self.local),
                remote: address(self.remote),
            }),
            netns: self.netns,
        }
    }
}

struct Run {
    pipeline: Pipeline,
    now: u64,
    output: Output,
}

impl Run {
    fn new() -> Self {
        let host = HostName::new("test");
        let limits = Limits::default();
        Self {
            pipeline: Pipeline::new(host, b"salt", Policy::empty(), Box::new(NoHost), limits),
            now: 1_000_000_000,
            output: Output::default(),
        }
    }

    fn push(&mut self, body: Body) {
        self.now += 1_000_000;
        let time = self.now;
        self.pipeline.push(Event { time, body }, &mut self.output);
        self.pipeline.state(time, &mut self.output);
    }

    fn moved(&mut self, peer: Peer, direction: Direction, bytes: impl AsRef<[u8]>) {
        let payload = bytes.as_ref().to_vec();
        self.push(Body::Transfer(Transfer {
            process: ProcessKey {
                pid: peer.pid,
                start_ns: 1,
            },
            thread: peer.pid,
            fd: None,
            end: peer.end(),
            direction,
            entered: 0,
            lost_before: 0,
            length: payload.len() as u64,
            payload,
            copied: true,
        }));
    }

    fn writes(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.moved(peer, Direction::Write, bytes);
    }

    fn reads(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.moved(peer, Direction::Read, bytes);
    }

    fn closes(&mut self, peer: Peer) {
        self.push(Body::SocketState(SocketState {
            end: peer.end(),
            state: TcpState::Close,
            process: None,
            held: false,
        }));
    }

    fn pass(&mut self, ns: u64) {
        self.now += ns;
        self.pipeline.state(self.now, &mut self.output);
    }

    fn lost(&self, reason: LossReason) -> u64 {
        let lost = self.pipeline.counters().lost;
        lost.get(&reason).copied().unwrap_or(0)
    }

    /// Sessions as they were told last, and how each call went.
    fn end(mut self) -> (Vec<Session>, Vec<String>) {
        self.pipeline.finish(self.now + 1_000_000, &mut self.output);
        let (mut sessions, mut calls) = (Vec::<Session>::new(), Vec::new());
        for observation in self.output.observations {
            match observation.body {
                observation::Body::Session(session) => {
                    sessions.retain(|known| known.id != session.id);
                    sessions.push(*session);
                }
                observation::Body::Call(call) if call.name.is_some() => {
                    calls.push(call.status.as_str().to_owned());
                }
                _ => {}
            }
        }
        (sessions, calls)
    }
}

/// The client's and the server's process ids.
fn pids(session: &Session) -> (Option<u32>, Option<u32>) {
    let pid = |process: &Option<observation::Process>| process.as_ref().map(|known| known.pid);
    (pid(&session.client.process), pid(&session.server.process))
}

/// The calls of one exchange after another, with `between` after each as one end has them.
fn exchanges() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = vec![(
        post("/mcp", "", initialize(0, "c")),
        ok(HEADER, initialized(0)),
    )];
    for id in 1..5 {
        all.push((post("/mcp", HEADER, call(id, "t")), ok("", result(id))));
    }
    all
}

/// As the client's own end has it.
fn client_talks(run: &mut Run, mut between: impl FnMut(&mut Run)) {
    for (request, answer) in exchanges() {
        run.writes(ASKS, request);
        between(run);
        run.reads(ASKS, answer);
        between(run);
    }
}

#[test]
fn a_connection_between_two_namespaces_is_one_session_of_both_ends() {
    // In the order of time; the server's call returns first; everything of the server, then of the client.
    for order in [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 3, 2], [1, 2, 0, 3]] {
        let mut run = Run::new();
        for (request, answer) in exchanges() {
            for step in order {
                match step {
                    0 => run.writes(ASKS, &request),
                    1 => {
                        let (head, body) = request.split_at(200);
                        run.reads(SERVES, head);
                        run.reads(SERVES, body);
                    }
                    2 => run.writes(SERVES, &answer),
                    _ => run.reads(ASKS, &answer),
                }
            }
        }
        run.closes(SERVES);
        run.closes(ASKS);
        assert_eq!(run.lost(LossReason::EndsDiffer), 0);
        let (sessions, calls) = run.end();
        assert_eq!(sessions.len(), 1, "{order:?}");
        assert_eq!(pids(&sessions[0]), (Some(1), Some(2)), "{order:?}");
        assert_eq!(calls, ["ok"; 4], "{order:?}");
    }
}

#[test]
fn who_has_the_same_addresses_elsewhere_cuts_nothing() {
    let mut run = Run::new();
    client_talks(&mut run, |run| run.writes(TWIN, "x"));
    run.closes(TWIN);
    let (sessions, calls) = run.end();
    assert_eq!(sessions.len(), 1);
    assert_eq!(pids(&sessions[0]), (Some(1), None));
    assert_eq!(calls, ["ok"; 4]);
}

#[test]
fn who_has_the_other_ones_addresses_elsewhere_takes_nothing_over() {
    for before in [true, false] {
        let mut run = Run::new();
        if before {
            run.writes(MIRROR, "HTTP/1.1 200 OK\r\n");
        }
        client_talks(&mut run, |run| run.writes(MIRROR, "x"));
        run.pass(2_000_000_000);
        run.closes(MIRROR);
        let (sessions, calls) = run.end();
        assert_eq!(sessions.len(), 1, "{before}");
        assert_eq!(pids(&sessions[0]), (Some(1), None), "{before}");
        assert_eq!(calls, ["ok"; 4], "{before}");
    }
}

#[test]
fn the_true_server_is_found_beside_a_false_one() {
    let mut run = Run::new();
    for (request, answer) in exchanges() {
        run.writes(ASKS, &request);
        run.writes(MIRROR, "HTTP/1.1 200 OK\r\n\r\n");
        run.reads(SERVES, &request);
        run.writes(SERVES, &answer);
        run.reads(ASKS, &answer);
    }
    let (sessions, calls) = run.end();
    assert_eq!(sessions.len(), 1);
    assert_eq!(pids(&sessions[0]), (Some(1), Some(2)));
    assert_eq!(calls, ["ok"; 4]);
}

#[test]
fn who_guessed_the_beginning_is_the_server_no_more_once_he_is_wrong() {
    let mut run = Run::new();
    let mut all = exchanges().into_iter();
    let (request, answer) = all.next().expect("the first");
    run.writes(ASKS, &request);
    run.reads(MIRROR, &request);
    run.writes(MIRROR, &answer);
    run.reads(ASKS, &answer);
    for (request, answer) in all {
        run.writes(ASKS, &request);
        run.reads(MIRROR, request.to_ascii_uppercase());
        run.reads(ASKS, &answer);
    }
    assert_eq!(run.lost(LossReason::EndsDiffer), 1);
    let (sessions, calls) = run.end();
    let session = sessions
        .iter()
        .find(|session| pids(session).0 == Some(1))
        .expect("the client's");
    assert_eq!(pids(session), (Some(1), None));
    assert_eq!(calls, ["ok"; 4]);
}

#[test]
fn what_a_far_end_says_alone_is_read_as_its_own() {
    let mut run = Run::new();
    // The near end says nothing that the other one hears.
    run.writes(ASKS, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    for (request, answer) in exchanges() {
        run.reads(MIRROR, &request);
        run.writes(MIRROR, &answer);
    }
    run.pass(2_000_000_000);
    let (sessions, calls) = run.end();
    assert_eq!(sessions.len(), 1);
    assert_eq!(pids(&sessions[0]), (None, Some(8)));
    assert_eq!(calls, ["ok"; 4]);
}

#[test]
fn an_answer_that_takes_long_leaves_the_ends_together() {
    let mut run = Run::new();
    for (request, answer) in exchanges() {
        run.writes(ASKS, &request);
        run.reads(SERVES, &request);
        run.pass(30_000_000_000);
        run.writes(SERVES, &answer);
        run.reads(ASKS, &answer);
    }
    let (sessions, calls) = run.end();
    assert_eq!(sessions.len(), 1);
    assert_eq!(pids(&sessions[0]), (Some(1), Some(2)));
    assert_eq!(calls, ["ok"; 4]);
}

#[test]
fn many_namespaces_with_the_same_addresses_are_bounded_and_cut_nothing() {
    let mut run = Run::new();
    let mut netns = 1000;
    client_talks(&mut run, |run| {
        for _ in 0..200 {
            netns += 1;
            for peer in [MIRROR, TWIN] {
                let peer = Peer {
                    netns,
                    inode: u64::from(netns),
                    ..peer
                };
                run.writes(peer, "x");
            }
        }
    });
    run.pass(2_000_000_000);
    let (sessions, calls) = run.end();
    assert_eq!(sessions.len(), 1);
    assert_eq!(pids(&sessions[0]), (Some(1), None));
    assert_eq!(calls, ["ok"; 4]);
}
