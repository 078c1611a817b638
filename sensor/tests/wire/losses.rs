//! What is said when bytes were lost: as much as is known, and nothing that is not.

use std::collections::BTreeMap;

use gnomon_policy::Policy;
use gnomon_sensor::event::{
    Body, Channel, Direction, End, EndKey, Event, LossReason, ProcessKey, Transfer,
};
use gnomon_sensor::host::NoHost;
use gnomon_sensor::observation::{self, Call, CallStatus, HostName, Session};
use gnomon_sensor::pipeline::{Limits, Output, Pipeline};

use crate::recording::{call, initialize, initialized, result};

const CLIENT: ProcessKey = ProcessKey {
    pid: 10,
    start_ns: 1,
};
const SERVER: ProcessKey = ProcessKey {
    pid: 11,
    start_ns: 2,
};

/// A session over two pipes, as the kernel tells it.
struct Run {
    pipeline: Pipeline,
    now: u64,
    output: Output,
}

impl Run {
    fn new() -> Self {
        let host = HostName::new("test");
        let limits = Limits::default();
        let pipeline = Pipeline::new(host, b"salt", Policy::empty(), Box::new(NoHost), limits);
        let mut run = Self {
            pipeline,
            now: 1_000_000_000,
            output: Output::default(),
        };
        run.ask(0, &(initialize(0, "c") + "\n"));
        run.answer(0, &(initialized(0) + "\n"));
        run
    }

    fn event(&mut self, body: Body) {
        self.now += 1_000_000;
        let time = self.now;
        self.pipeline.push(Event { time, body }, &mut self.output);
        self.pipeline.state(time, &mut self.output);
    }

    fn moved(&mut self, writer: ProcessKey, reader: ProcessKey, inode: u64, lost: u64, text: &str) {
        for (process, direction) in [(writer, Direction::Write), (reader, Direction::Read)] {
            let copied = direction == Direction::Write;
            self.event(Body::Transfer(Transfer {
                process,
                thread: process.pid,
                fd: None,
                end: End {
                    key: EndKey { device: 9, inode },
                    channel: Channel::Pipe,
                    peer: None,
                    tuple: None,
                    netns: 0,
                },
                direction,
                entered: 0,
                lost_before: if copied { lost } else { 0 },
                length: text.len() as u64,
                payload: if copied {
                    text.as_bytes().to_vec()
                } else {
                    Vec::new()
                },
                copied,
            }));
        }
    }

    fn ask(&mut self, lost: u64, text: &str) {
        self.moved(CLIENT, SERVER, 100, lost, text);
    }

    fn answer(&mut self, lost: u64, text: &str) {
        self.moved(SERVER, CLIENT, 101, lost, text);
    }

    fn end(&mut self) -> (Vec<Call>, Session) {
        self.event(Body::Exit { process: SERVER });
        let (mut calls, mut session) = (Vec::new(), None);
        for observation in self.output.observations.drain(..) {
            match observation.body {
                observation::Body::Call(call) => calls.push(call),
                observation::Body::Session(stated) => session = Some(*stated),
                _ => {}
            }
        }
        calls.sort_by_key(|call| call.number);
        (calls, session.expect("a session"))
    }

    fn lost(&self) -> BTreeMap<LossReason, u64> {
        self.pipeline.counters().lost
    }
}

fn says_gap(session: &Session) -> bool {
    session
        .evidence
        .iter()
        .any(|evidence| evidence.fact.contains("could be read"))
}

/// A writer that spliced once: from then on its reader is copied, until the kernel forgets that.
#[test]
fn what_is_written_after_a_splice_is_read_again_once_the_kernel_has_forgotten_it() {
    let mut run = Run::new();
    let spliced = |text: &str| Transfer {
        process: CLIENT,
        thread: CLIENT.pid,
        fd: None,
        end: End {
            key: EndKey {
                device: 9,
                inode: 100,
            },
            channel: Channel::Pipe,
            peer: None,
            tuple: None,
            netns: 0,
        },
        direction: Direction::Write,
        entered: 0,
        lost_before: 0,
        length: text.len() as u64,
        payload: Vec::new(),
        copied: false,
    };
    let text = call(1, "spliced") + "\n";
    run.event(Body::Spliced(spliced(&text)));
    run.event(Body::Transfer(Transfer {
        process: SERVER,
        thread: SERVER.pid,
        direction: Direction::Read,
        payload: text.clone().into_bytes(),
        copied: true,
        ..spliced(&text)
    }));
    run.answer(0, &(result(1) + "\n"));
    run.now += 1_000_000_000;
    run.ask(0, &(call(2, "written") + "\n"));
    run.answer(0, &(result(2) + "\n"));
    let (calls, session) = run.end();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_deref(), call.status))
        .collect();
    assert_eq!(
        told,
        [
            (Some("spliced"), CallStatus::Ok),
            (Some("written"), CallStatus::Ok)
        ]
    );
    assert!(says_gap(&session), "something may be missing");
}

#[test]
fn without_a_loss_an_unanswered_call_is_just_that() {
    let mut run = Run::new();
    run.ask(0, &(call(1, "a") + "\n"));
    let (calls, session) = run.end();
    assert_eq!(
        (calls[0].status, calls[0].error_text.as_deref()),
        (CallStatus::Unanswered, None)
    );
    assert!(!says_gap(&session));
}

#[test]
fn a_call_whose_answer_may_be_lost_says_so() {
    let mut run = Run::new();
    run.ask(0, &(call(1, "a") + "\n"));
    run.answer(500, "\n");
    run.ask(0, &(call(2, "b") + "\n"));
    let (calls, session) = run.end();
    let texts: Vec<bool> = calls.iter().map(|call| call.error_text.is_some()).collect();
    assert_eq!(texts, [true, false], "the second was asked after the loss");
    assert!(says_gap(&session));
}

#[test]
fn a_loss_of_the_whole_host_is_of_every_call_that_waits() {
    let mut run = Run::new();
    run.ask(0, &(call(1, "a") + "\n"));
    let reason = LossReason::RingFull;
    run.event(Body::Lost { reason, count: 3 });
    run.ask(0, &(call(2, "b") + "\n"));
    run.answer(0, &(result(2) + "\n"));
    let (calls, _) = run.end();
    assert!(calls[0].error_text.is_some());
    assert_eq!(
        (calls[1].status, calls[1].error_text.as_deref()),
        (CallStatus::Ok, None)
    );
}

#[test]
fn a_call_that_is_cut_is_told_by_its_beginning() {
    let mut run = Run::new();
    run.ask(0, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"big","arguments":{"x":"yyy"#);
    run.ask(70_000, &format!("yyy\"}}}}}}\n{}\n", call(2, "after")));
    run.answer(0, &(result(1) + "\n"));
    run.answer(0, &(result(2) + "\n"));
    let (calls, session) = run.end();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_deref(), call.status))
        .collect();
    assert_eq!(
        told,
        [
            (Some("big"), CallStatus::Ok),
            (Some("after"), CallStatus::Ok)
        ]
    );
    assert!(says_gap(&session));
}

#[test]
fn an_answer_that_is_cut_is_an_answer() {
    let mut run = Run::new();
    run.ask(0, &(call(1, "a") + "\n"));
    run.answer(
        0,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"zzz"#,
    );
    run.answer(70_000, "zzz\"}]}}\n");
    let (calls, _) = run.end();
    assert_eq!(calls[0].status, CallStatus::Ok);
}

#[test]
fn a_gigabyte_without_a_line_end_takes_no_memory_and_hides_nothing() {
    let mut run = Run::new();
    let piece = "x".repeat(1 << 20);
    run.answer(0, "{\"jsonrpc\":\"2.0\",\"result\":\"");
    for _ in 0..1024 {
        run.answer(0, &piece);
    }
    run.answer(0, "\"}\n");
    run.ask(0, &(call(1, "a") + "\n"));
    run.answer(0, &(result(1) + "\n"));
    assert_eq!(run.lost().get(&LossReason::MessageTooLong), Some(&1));
    assert_eq!(
        run.lost().get(&LossReason::BufferFull),
        None,
        "16 MiB are within the budget"
    );
    let (calls, _) = run.end();
    assert_eq!(calls[0].status, CallStatus::Ok);
}

#[test]
fn too_many_messages_of_a_batch_are_counted() {
    let mut run = Run::new();
    let batch: Vec<String> = (1..=1100).map(|id| call(id, "a")).collect();
    run.ask(0, &format!("[{}]\n", batch.join(",")));
    assert_eq!(run.lost().get(&LossReason::BatchTooLong), Some(&76));
}
