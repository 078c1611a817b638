use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::{fs::MetadataExt, net::UnixListener},
    },
    process::{Command, Stdio},
};

use super::*;
use crate::event::{Direction, End, SocketState, TcpState};
use crate::host::{LiveHost, NoHost};
use crate::observation;

const CLIENT: ProcessKey = ProcessKey {
    pid: 10,
    start_ns: 1,
};
const SERVER: ProcessKey = ProcessKey {
    pid: 11,
    start_ns: 2,
};
/// Client to server, server to client.
const ASKS: u64 = 100;
const ANSWERS: u64 = 101;

fn pipeline() -> Pipeline {
    let host = HostName::new("test");
    Pipeline::new(
        host,
        b"salt",
        Policy::empty(),
        Box::new(NoHost),
        Limits::default(),
    )
}

fn pipe(inode: u64) -> End {
    let key = EndKey { device: 9, inode };
    End {
        key,
        channel: Channel::Pipe,
        peer: None,
        tuple: None,
        netns: 0,
    }
}

fn moved(process: ProcessKey, inode: u64, direction: Direction, lost: u64, bytes: &[u8]) -> Body {
    Body::Transfer(Transfer {
        process,
        thread: process.pid,
        fd: None,
        end: pipe(inode),
        direction,
        entered: 0,
        lost_before: lost,
        length: bytes.len() as u64,
        payload: bytes.to_vec(),
        copied: direction == Direction::Write,
    })
}

/// Runs events a millisecond apart, stating after each.
struct Run {
    pipeline: Pipeline,
    now: UnixNs,
    output: Output,
}

impl Run {
    fn new() -> Self {
        Self {
            pipeline: pipeline(),
            now: 1_000_000_000,
            output: Output::default(),
        }
    }

    fn event(&mut self, body: Body) {
        self.push(body);
        self.pipeline.state(self.now, &mut self.output);
    }

    fn push(&mut self, body: Body) {
        self.now += 1_000_000;
        self.pipeline.push(
            Event {
                time: self.now,
                body,
            },
            &mut self.output,
        );
    }

    fn ask(&mut self, line: &str) {
        self.event(moved(CLIENT, ASKS, Direction::Write, 0, line.as_bytes()));
        self.event(moved(SERVER, ASKS, Direction::Read, 0, b""));
    }

    fn answer(&mut self, lost: u64, line: &str) {
        self.event(moved(
            SERVER,
            ANSWERS,
            Direction::Write,
            lost,
            line.as_bytes(),
        ));
    }

    fn last_verdict(&self, inode: u64) -> Option<FlowVerdict> {
        let own = |(key, _): &&(EndKey, FlowVerdict)| key.inode == inode;
        self.output
            .judgements
            .iter()
            .rev()
            .find(own)
            .map(|(_, verdict)| *verdict)
    }

    fn sessions(&self) -> Vec<&observation::Session> {
        self.output
            .observations
            .iter()
            .filter_map(|observation| match &observation.body {
                observation::Body::Session(session) => Some(&**session),
                _ => None,
            })
            .collect()
    }
}

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","#,
    r#""capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    "\n"
);
const INITIALIZED: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"#,
    r#""serverInfo":{"name":"s","version":"2"}}}"#,
    "\n"
);

#[test]
fn a_request_reopens_the_lane_that_a_long_banner_closed() {
    let mut run = Run::new();
    for _ in 0..300 {
        run.answer(
            0,
            "Starting up, please wait, loading all of the modules that are there ...\n",
        );
    }
    assert_eq!(run.last_verdict(ANSWERS), Some(FlowVerdict::NotMcp));
    run.ask(INITIALIZE);
    assert_eq!(run.last_verdict(ANSWERS), Some(FlowVerdict::Inspect));
    run.answer(9000, INITIALIZED);
    assert_eq!(run.sessions().len(), 1);
    assert_eq!(run.last_verdict(ANSWERS), Some(FlowVerdict::Mcp));
    assert_eq!(run.last_verdict(ASKS), Some(FlowVerdict::Mcp));
}

#[test]
fn a_quotation_that_nobody_answers_is_no_session() {
    let mut run = Run::new();
    run.ask(INITIALIZE);
    run.ask("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
    run.event(Body::Exit { process: CLIENT });
    run.event(Body::Exit { process: SERVER });
    assert_eq!(run.sessions().len(), 0);
}

#[test]
fn an_end_of_stream_before_the_answers_does_not_hide_them() {
    let mut run = Run::new();
    run.ask(INITIALIZE);
    run.event(Body::EndOfStream {
        process: SERVER,
        end: pipe(ASKS),
        direction: Direction::Read,
    });
    run.answer(0, INITIALIZED);
    run.event(Body::Exit { process: SERVER });
    let states: Vec<_> = run.sessions().iter().map(|session| session.state).collect();
    assert_eq!(states.last(), Some(&observation::SessionState::Ended));
}

#[test]
fn a_process_that_vanishes_ends_its_session_and_its_calls() {
    let mut run = Run::new();
    run.ask(INITIALIZE);
    run.answer(0, INITIALIZED);
    run.ask(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}\n",
    );
    run.event(Body::Exit { process: SERVER });
    let calls: Vec<_> = run
        .output
        .observations
        .iter()
        .filter_map(|observation| match &observation.body {
            observation::Body::Call(call) => Some(call.status),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [observation::CallStatus::Unanswered]);
}

#[test]
fn lines_that_never_end_share_one_budget() {
    let mut run = Run::new();
    run.pipeline.limits.buffer_bytes_max = 1 << 20;
    let mut shed = 0;
    for inode in 0..64 {
        let mut bytes = vec![b'x'; 64 * 1024];
        bytes[0] = b'{';
        run.event(moved(CLIENT, 1000 + inode, Direction::Write, 0, &bytes));
        assert!(run.pipeline.pending_bytes <= 1 << 20);
        let lost = run.pipeline.counters().lost;
        let now = lost.get(&LossReason::BufferFull).copied().unwrap_or(0);
        if now > shed {
            assert!(
                run.pipeline.pending_bytes <= (1 << 20) / 8 * 7,
                "room for some"
            );
            shed = now;
        }
    }
    assert_eq!(shed, 48);
}

const OTHER: ProcessKey = ProcessKey {
    pid: 12,
    start_ns: 3,
};

fn last_states(run: &Run) -> std::collections::BTreeMap<String, (Option<String>, u64)> {
    let told = run.sessions().into_iter().map(|session| {
        let known = (session.revision.clone(), session.calls);
        (session.id.as_str().to_owned(), known)
    });
    told.collect()
}

#[test]
fn a_server_that_asks_first_hides_nothing() {
    for bogus in [
        r#"{"jsonrpc":"2.0","id":"x","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"t","arguments":{}}}"#,
        INITIALIZE.trim_end(),
    ] {
        for asks_before in [true, false] {
            let mut run = Run::new();
            if !asks_before {
                run.ask(INITIALIZE);
            }
            run.answer(0, &format!("{bogus}\n"));
            run.event(moved(CLIENT, ANSWERS, Direction::Read, 0, b""));
            if asks_before {
                run.ask(INITIALIZE);
            }
            run.ask("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32601,\"message\":\"no\"}}\n");
            run.answer(0, INITIALIZED);
            run.ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}\n");
            run.answer(
                0,
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n",
            );
            // An echo would have come by then.
            run.now += 1_000_000_000;
            run.event(moved(CLIENT, ANSWERS, Direction::Read, 0, b""));
            run.event(Body::Exit { process: SERVER });
            let real = (Some("2025-06-18".to_owned()), 1);
            assert!(
                last_states(&run).values().any(|told| *told == real),
                "{bogus} {asks_before}: {:?}",
                last_states(&run)
            );
        }
    }
}

#[test]
fn a_script_that_starts_a_program_for_every_answer_is_a_server() {
    let mut run = Run::new();
    let worker = |pid: u32| ProcessKey { pid, start_ns: 9 };
    for (pid, ask, answer) in [
        (20, INITIALIZE, INITIALIZED),
        (
            21,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}\n",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n",
        ),
    ] {
        run.ask(ask);
        run.event(Body::Fork {
            parent: SERVER,
            child: worker(pid),
        });
        run.event(moved(
            worker(pid),
            ANSWERS,
            Direction::Write,
            0,
            answer.as_bytes(),
        ));
        run.event(Body::Exit {
            process: worker(pid),
        });
        run.event(moved(CLIENT, ANSWERS, Direction::Read, 0, b""));
    }
    // What was answered before its client was seen to read is looked for once more.
    run.now += 1_000_000_000;
    run.event(moved(CLIENT, ANSWERS, Direction::Read, 0, b""));
    run.event(Body::Exit { process: SERVER });
    let told = last_states(&run);
    let real = (Some("2025-06-18".to_owned()), 1);
    assert_eq!(told.values().collect::<Vec<_>>(), [&real]);
}

#[test]
fn a_pipeline_of_a_shell_is_a_session() {
    let mut run = Run::new();
    run.ask(INITIALIZE);
    run.event(Body::Exit { process: CLIENT });
    run.event(moved(OTHER, ANSWERS, Direction::Read, 0, b""));
    run.answer(0, INITIALIZED);
    assert_eq!(run.sessions().len(), 1);
}

#[test]
fn noise_between_request_and_answer_hides_nothing() {
    let mut run = Run::new();
    run.ask(INITIALIZE);
    run.answer(0, "Content-Length: 5\n\0\n");
    assert_ne!(run.last_verdict(ANSWERS), Some(FlowVerdict::NotMcp));
    run.answer(0, INITIALIZED);
    assert_eq!(run.sessions().len(), 1);
}

#[test]
fn a_line_of_another_protocol_hides_nothing() {
    for line in [
        r#"{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"off"}}"#,
        r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#,
        r#"{"type":"request","seq":1,"command":"initialize"}"#,
        r#"{"id":1,"method":"Page.enable"}"#,
        r#"{"ts":1,"method":"Server.start","msg":"x"}"#,
        "Content-Length: 10",
    ] {
        let mut run = Run::new();
        run.ask(&format!("{line}\n"));
        run.answer(0, &format!("{line}\n"));
        for inode in [ASKS, ANSWERS] {
            assert_ne!(run.last_verdict(inode), Some(FlowVerdict::NotMcp), "{line}");
        }
        run.ask(INITIALIZE);
        run.answer(0, INITIALIZED);
        assert_eq!(run.sessions().len(), 1, "{line}");
    }
}

/// Of more handshakes at once than are kept, none gets the answer of another one.
#[test]
fn sessions_that_made_way_lend_nobody_their_names() {
    for channel in [Channel::Pipe, Channel::Unix] {
        let mut run = Run::new();
        let on = |body: Body, inode: u64| match body {
            Body::Transfer(transfer) => Body::Transfer(Transfer {
                end: End {
                    channel,
                    peer: (channel == Channel::Unix).then_some(pipe(inode ^ 1).key),
                    ..pipe(inode)
                },
                ..transfer
            }),
            other => other,
        };
        // Even inodes are the client's ends of sockets; of pipes there are two each.
        let back = |inode: u64| inode + u64::from(channel == Channel::Unix);
        let ends: Vec<u64> = (0..300).map(|at| 10_000 + 4 * at).collect();
        for inode in &ends {
            let ask = INITIALIZE.replace("\"c\"", &format!("\"c{inode}\""));
            let asks = moved(CLIENT, *inode, Direction::Write, 0, ask.as_bytes());
            run.push(on(asks, *inode));
            let reads = back(*inode);
            run.push(on(moved(SERVER, reads, Direction::Read, 0, b""), reads));
        }
        for inode in &ends {
            let answer = INITIALIZED.replace("\"s\"", &format!("\"s{inode}\""));
            let answers = match channel {
                Channel::Unix => inode + 1,
                _ => inode + 2,
            };
            let says = moved(SERVER, answers, Direction::Write, 0, answer.as_bytes());
            run.push(on(says, answers));
        }
        run.event(Body::Exit { process: OTHER });
        for session in run.sessions() {
            let client = session.client.name.as_deref().unwrap_or_default();
            let server = session.server.name.as_deref().unwrap_or_default();
            assert_eq!(client.replace('c', "s"), server, "{channel:?}");
        }
        if channel == Channel::Unix {
            assert!(!run.sessions().is_empty());
        }
    }
}

#[test]
fn another_protocol_is_given_up_after_some_lines() {
    let mut run = Run::new();
    for _ in 0..20 {
        run.ask("{\"jsonrpc\":\"2.0\",\"method\":\"$/setTrace\",\"params\":{}}\n");
    }
    assert_eq!(run.last_verdict(ASKS), Some(FlowVerdict::NotMcp));
}

#[test]
fn a_handshake_that_a_server_of_another_protocol_answers_is_no_session() {
    for answer in [
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}"#,
        r#"{"jsonrpc":"2.0","id":0,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":0,"result":{"agentCapabilities":{}}}"#,
    ] {
        let mut run = Run::new();
        run.ask(INITIALIZE);
        run.answer(0, &format!("{answer}\n"));
        assert_eq!(run.sessions().len(), 0, "{answer}");
    }
    let mut run = Run::new();
    run.ask(INITIALIZE);
    let refused = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"Unsupported"}}"#;
    run.answer(0, &format!("{refused}\n"));
    assert_eq!(run.sessions().len(), 1);
}

/// `cat recording | FILTER | less`, the filter passing on what it is told to.
fn passes_on(
    lines: &[&str],
    passed: &[&str],
    original_is_seen_first: bool,
    reader_is_seen: bool,
) -> usize {
    let mut run = Run::new();
    let original = moved(CLIENT, ASKS, Direction::Write, 0, lines.concat().as_bytes());
    let mut events = vec![original];
    for line in passed {
        events.push(moved(SERVER, ASKS, Direction::Read, 0, b""));
        if reader_is_seen {
            events.push(moved(OTHER, ANSWERS, Direction::Read, 0, b""));
        }
        events.push(moved(SERVER, ANSWERS, Direction::Write, 0, line.as_bytes()));
    }
    if !original_is_seen_first {
        events.rotate_left(1);
    }
    events.into_iter().for_each(|event| run.event(event));
    for _ in 0..8 {
        run.event(Body::Exit { process: CLIENT });
    }
    run.sessions().len()
}

#[test]
fn a_recording_that_goes_through_a_pipeline_is_no_session() {
    let list = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n";
    let tools = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"}}]}}\n";
    let both = [INITIALIZE, INITIALIZED, list, tools];
    for lines in [&both[..], &both[2..]] {
        let answers: Vec<&str> = lines.iter().skip(1).step_by(2).copied().collect();
        for passed in [lines, &answers[..]] {
            for (in_order, reader) in [(true, true), (true, false), (false, true), (false, false)] {
                assert_eq!(
                    passes_on(lines, passed, in_order, reader),
                    0,
                    "{passed:?} of {lines:?}, in order: {in_order}, reader seen: {reader}"
                );
            }
        }
    }
    // The same pipeline with a server in its middle.
    assert_eq!(passes_on(&[INITIALIZE], &[INITIALIZED], true, true), 1);
}

/// Lets time pass in which nothing happens.
fn pass(run: &mut Run, ns: u64) {
    run.now += ns;
    run.pipeline.state(run.now, &mut run.output);
}

/// The end of a process may be told to nobody: then the look after silent sockets finds it.
#[test]
fn a_socket_whose_process_ended_unnoticed_listens_no_more() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = UnixListener::bind(folder.path().join("server.sock"))?;
    let inode = File::from(listener.as_fd().try_clone_to_owned()?)
        .metadata()?
        .ino();
    let mut holder = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    let mut run = Run::new();
    run.pipeline.host = Box::new(LiveHost::start()?);
    run.event(Body::SocketState(SocketState {
        end: End {
            channel: Channel::Unix,
            ..pipe(inode)
        },
        state: TcpState::Listen,
        process: Some(ProcessKey {
            pid: holder.id(),
            start_ns: 1,
        }),
        held: false,
    }));
    pass(&mut run, 2_000_000_000);
    assert_eq!(run.pipeline.listeners.named().count(), 1);
    holder.kill()?;
    holder.wait()?;
    drop(listener);
    pass(&mut run, 31_000_000_000);
    assert_eq!(run.pipeline.listeners.named().count(), 0);
    Ok(())
}

#[test]
fn pipes_that_a_living_process_left_behind_are_forgotten() {
    let mut run = Run::new();
    for inode in 1000..2000 {
        run.event(moved(CLIENT, inode, Direction::Write, 0, b"a line\n"));
    }
    assert_eq!(run.pipeline.flows.iter().count(), 1000);
    pass(&mut run, 61_000_000_000);
    assert_eq!(run.pipeline.flows.iter().count(), 0);
    assert_eq!(
        run.output.closed.len(),
        1000,
        "the kernel forgets them, too"
    );
    assert!(run.pipeline.counters().lost.is_empty());
}

#[test]
fn a_session_that_is_quiet_for_hours_goes_on() {
    let mut run = Run::new();
    run.ask(INITIALIZE);
    // Some servers are only now being downloaded.
    pass(&mut run, 600_000_000_000);
    run.answer(0, INITIALIZED);
    pass(&mut run, 7_200_000_000_000);
    run.ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n");
    run.answer(
        0,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[]}}\n",
    );
    run.event(Body::Exit { process: SERVER });
    let answered = |observation: &&Observation| {
        matches!(&observation.body, observation::Body::Call(call)
            if call.method == "tools/list" && call.status == observation::CallStatus::Ok)
    };
    assert_eq!(run.output.observations.iter().filter(answered).count(), 1);
    let ids: HashSet<_> = run.sessions().iter().map(|session| &session.id).collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn flows_that_were_given_up_are_looked_at_some_at_a_time_and_only_when_somebody_begins_to_ask() {
    const FLOWS: u64 = 5000;
    let mut run = Run::new();
    let noise = vec![0; 100];
    for inode in 0..FLOWS {
        run.push(moved(OTHER, 10_000 + inode, Direction::Write, 0, &noise));
    }
    // The last one is what the server says on its way up.
    run.push(moved(SERVER, ANSWERS, Direction::Write, 0, &noise));
    assert_eq!(run.last_verdict(ANSWERS), Some(FlowVerdict::NotMcp));
    assert_eq!(run.pipeline.reopening.closed_count() as u64, FLOWS + 1);
    assert_eq!(run.pipeline.reopen_answers(), 0, "nobody asks");
    run.push(moved(SERVER, ASKS, Direction::Read, 0, b""));
    run.push(moved(
        CLIENT,
        ASKS,
        Direction::Write,
        0,
        INITIALIZE.as_bytes(),
    ));
    let mut turns = Vec::new();
    while !run.pipeline.reopening.is_done() {
        turns.push(run.pipeline.reopen_answers());
    }
    assert!(
        turns.len() > 2 && turns.iter().all(|flows| *flows <= 2048),
        "{turns:?}"
    );
    assert_eq!(turns.iter().sum::<usize>() as u64, FLOWS + 1);
    assert_eq!(run.pipeline.reopening.closed_count() as u64, FLOWS);
    let list = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}\n";
    run.push(moved(CLIENT, ASKS, Direction::Write, 0, list.as_bytes()));
    assert!(run.pipeline.reopening.is_done(), "it asked before");
    run.answer(0, INITIALIZED);
    assert_eq!(run.sessions().len(), 1);
}

/// Who writes the answers may come to a flow that was given up after the request.
#[test]
fn a_new_writer_reopens_what_may_answer() {
    let mut run = Run::new();
    let noise = vec![0; 100];
    run.event(moved(OTHER, ANSWERS, Direction::Write, 0, &noise));
    run.ask(INITIALIZE);
    assert!(run.pipeline.reopening.closed_count() == 1);
    run.answer(0, INITIALIZED);
    assert_eq!(run.sessions().len(), 1);
}

#[test]
fn what_was_known_of_sessions_that_are_over_is_forgotten() {
    let mut run = Run::new();
    for number in 0..200 {
        let client = ProcessKey {
            pid: 1000 + number,
            start_ns: 1,
        };
        let server = ProcessKey {
            pid: 5000 + number,
            start_ns: 1,
        };
        let (asks, answers) = (
            u64::from(10_000 + 2 * number),
            u64::from(10_001 + 2 * number),
        );
        run.event(moved(
            client,
            asks,
            Direction::Write,
            0,
            INITIALIZE.as_bytes(),
        ));
        run.event(moved(server, asks, Direction::Read, 0, b""));
        run.event(moved(
            server,
            answers,
            Direction::Write,
            0,
            INITIALIZED.as_bytes(),
        ));
        run.event(Body::Exit { process: server });
        run.event(Body::Exit { process: client });
    }
    assert!(run.pipeline.known.len() >= 200);
    pass(&mut run, 70_000_000_000);
    pass(&mut run, 10_000_000_000);
    assert_eq!(run.pipeline.known.len(), 0);
    assert_eq!(run.pipeline.sessions.iter().count(), 0);
    assert_eq!(run.pipeline.flows.iter().count(), 0);
    assert!(run.pipeline.readers.is_empty());
}

mod kept;
mod parties;
mod slow;
mod unix;
