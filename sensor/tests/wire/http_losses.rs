//! Requests over HTTP that were lost: their answers are counted, and are not taken for the next request's.

use std::net::SocketAddr;

use gnomon_policy::Policy;
use gnomon_sensor::event::{
    Body, Channel, Direction, End, EndKey, Event, LossReason, ProcessKey, Transfer, Tuple,
};
use gnomon_sensor::host::NoHost;
use gnomon_sensor::observation::{self, Call, CallStatus, HostName};
use gnomon_sensor::pipeline::{Limits, Output, Pipeline};

use crate::recording::{call, initialize, initialized, ok, post, result};

const STEP_NS: u64 = 1_000_000;

/// A session over one connection, as the kernel tells it.
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
        run.ask(0, initialize(0, "c"));
        run.answer(0, initialized(0));
        run
    }

    fn wrote(&mut self, by_client: bool, lost: u64, payload: Vec<u8>) {
        let client: SocketAddr = ([127, 0, 0, 1], 40_000).into();
        let server: SocketAddr = ([127, 0, 0, 1], 8000).into();
        let (pid, local, remote) = if by_client {
            (1, client, server)
        } else {
            (2, server, client)
        };
        self.now += STEP_NS;
        let body = Body::Transfer(Transfer {
            process: ProcessKey { pid, start_ns: 1 },
            thread: pid,
            fd: None,
            end: End {
                key: EndKey {
                    device: 9,
                    inode: u64::from(pid),
                },
                channel: Channel::Tcp,
                peer: None,
                tuple: Some(Tuple { local, remote }),
                netns: 0,
            },
            direction: Direction::Write,
            entered: 0,
            lost_before: lost,
            length: payload.len() as u64,
            payload,
            copied: true,
        });
        let time = self.now;
        self.pipeline.push(Event { time, body }, &mut self.output);
        self.pipeline.state(time, &mut self.output);
    }

    fn ask(&mut self, lost: u64, message: impl AsRef<[u8]>) {
        self.wrote(true, lost, post("/mcp", "", message));
    }

    fn answer(&mut self, lost: u64, message: impl AsRef<[u8]>) {
        self.wrote(false, lost, ok("", message));
    }

    /// The calls of the tools, by number, and how many messages are told to be in no session.
    fn end(mut self) -> (Vec<Call>, u64) {
        self.pipeline.finish(self.now + STEP_NS, &mut self.output);
        let mut calls: Vec<Call> = self
            .output
            .observations
            .drain(..)
            .filter_map(|observation| match observation.body {
                observation::Body::Call(call) if call.name.is_some() => Some(call),
                _ => None,
            })
            .collect();
        calls.sort_by_key(|call| call.number);
        let lost = self.pipeline.counters().lost;
        (
            calls,
            lost.get(&LossReason::RequestUnread)
                .copied()
                .unwrap_or_default(),
        )
    }
}

/// Names, and microseconds, of calls that were answered.
fn answered(calls: &[Call]) -> Vec<(&str, u64)> {
    calls
        .iter()
        .filter(|call| call.status == CallStatus::Ok)
        .filter_map(|call| Some((call.name.as_deref()?, call.duration_us?)))
        .collect()
}

#[test]
fn the_answer_of_a_lost_request_is_counted_and_nobody_elses() {
    let mut run = Run::new();
    run.ask(0, call(1, "a"));
    run.answer(0, result(1));
    // The request of this one never came.
    run.answer(0, result(2));
    run.ask(300, call(3, "c"));
    run.answer(0, result(3));
    run.ask(0, call(4, "d"));
    run.answer(0, result(4));
    let (calls, unread) = run.end();
    assert_eq!(
        answered(&calls),
        [("a", 1000), ("c", 1000), ("d", 1000)],
        "each by its own answer, as fast as it came"
    );
    assert_eq!((calls.len(), unread), (3, 1));
}

#[test]
fn many_lost_requests_are_as_many_messages_not_read() {
    let mut run = Run::new();
    for id in 1..100 {
        if id % 3 == 1 {
            run.answer(0, result(id));
        } else {
            run.ask(if id % 3 == 2 { 300 } else { 0 }, call(id, "t"));
            run.answer(0, result(id));
        }
    }
    run.ask(0, call(100, "t"));
    run.answer(0, result(100));
    let (calls, unread) = run.end();
    assert_eq!((answered(&calls).len(), unread), (67, 33));
}
