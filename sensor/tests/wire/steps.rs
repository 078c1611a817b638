//! The wall clock is set in the middle of everything: nothing but the stated times is another.

use std::net::{Ipv4Addr, SocketAddr};

use gnomon_policy::Policy;
use gnomon_sensor::event::{
    Body, Channel, Direction, End, EndKey, Event, ProcessKey, SocketState, TcpState, Transfer,
    Tuple, UnixNs,
};
use gnomon_sensor::host::NoHost;
use gnomon_sensor::kernel::clock::Clock;
use gnomon_sensor::observation::{self, HostName, Observation};
use gnomon_sensor::pipeline::{Limits, Output, Pipeline};

use crate::modern::{headers, modern_call};
use crate::recording::{CONFIRMED, call, initialize, initialized, ok, post, result};

const MS: u64 = 1_000_000;
const HOUR_NS: i64 = 3600 * 1_000_000_000;
/// When this host was booted, by the wall clock of then.
const BOOT: i64 = 1_767_225_600_000_000_000;
/// How often a turn comes when nothing happens.
const TURN_MS: u64 = 250;
const CLIENT: u32 = 10;
const SERVER: u32 = 11;

fn key(pid: u32) -> ProcessKey {
    ProcessKey {
        pid,
        start_ns: u64::from(pid),
    }
}

fn moved(pid: u32, end: End, bytes: &[u8]) -> Body {
    Body::Transfer(Transfer {
        process: key(pid),
        thread: pid,
        fd: None,
        end,
        direction: Direction::Write,
        entered: 0,
        lost_before: 0,
        length: bytes.len() as u64,
        payload: bytes.to_vec(),
        copied: true,
    })
}

fn read(pid: u32, end: End) -> Body {
    let Body::Transfer(transfer) = moved(pid, end, b"") else {
        unreachable!("a transfer")
    };
    Body::Transfer(Transfer {
        direction: Direction::Read,
        length: 1,
        copied: false,
        ..transfer
    })
}

fn pipe(number: u64) -> End {
    End {
        key: EndKey {
            device: 9,
            inode: number,
        },
        channel: Channel::Pipe,
        peer: None,
        tuple: None,
        netns: 0,
    }
}

fn tcp(pid: u32, number: u64) -> End {
    let client = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + number as u16));
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
    let (local, remote) = if pid == CLIENT {
        (client, server)
    } else {
        (server, client)
    };
    End {
        key: EndKey {
            device: 8,
            inode: 2 * number + u64::from(pid),
        },
        channel: Channel::Tcp,
        peer: None,
        tuple: Some(Tuple { local, remote }),
        netns: 1,
    }
}

fn line(pid: u32, text: &str) -> Vec<Body> {
    let (to, other) = if pid == CLIENT {
        (1, SERVER)
    } else {
        (2, CLIENT)
    };
    let text = format!("{text}\n");
    vec![moved(pid, pipe(to), text.as_bytes()), read(other, pipe(to))]
}

/// What happens, in milliseconds since boot. The clock is set at 40 s.
fn story() -> Vec<(u64, Vec<Body>)> {
    let asked = |id: u32| {
        post(
            "/mcp",
            &headers("tools/call", "a"),
            modern_call(id, "c", "a"),
        )
    };
    let called = |number: u64, id: u32| vec![moved(CLIENT, tcp(CLIENT, number), &asked(id))];
    let answered =
        |number: u64, id: u32| vec![moved(SERVER, tcp(SERVER, number), &ok("", result(id)))];
    let listening = Body::SocketState(SocketState {
        end: End {
            tuple: Some(Tuple {
                local: SocketAddr::from((Ipv4Addr::LOCALHOST, 7000)),
                remote: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            }),
            ..tcp(SERVER, 500)
        },
        state: TcpState::Listen,
        process: Some(key(SERVER)),
        held: false,
    });
    vec![
        (1_000, line(CLIENT, &initialize(0, "c"))),
        (1_010, line(SERVER, &initialized(0))),
        (1_020, line(CLIENT, CONFIRMED)),
        (1_500, called(1, 1)),
        (1_510, answered(1, 1)),
        // A pipe that nobody used for a minute is forgotten: that of a server that is slow to answer is not.
        (30_000, line(30, "")),
        (
            39_000,
            vec![moved(30, pipe(7), initialize(0, "d").as_bytes())],
        ),
        (39_999, line(CLIENT, &call(1, "a"))),
        (39_999, called(2, 2)),
        // An answer that is seen before its request waits for it.
        (39_999, answered(3, 3)),
        (39_999, vec![listening]),
        (40_001, called(3, 3)),
        (40_010, answered(2, 2)),
        (40_020, line(SERVER, &result(1))),
        (41_000, vec![moved(30, pipe(7), b"\n"), read(31, pipe(7))]),
        (
            41_500,
            vec![
                moved(31, pipe(8), format!("{}\n", initialized(0)).as_bytes()),
                read(30, pipe(8)),
            ],
        ),
        (42_000, line(CLIENT, &call(2, "b"))),
        (42_010, line(SERVER, &result(2))),
        (60_000, called(4, 4)),
        (60_010, answered(4, 4)),
        (61_000, vec![Body::Exit { process: key(31) }]),
        (100_000, line(CLIENT, &call(3, "c"))),
        (100_010, line(SERVER, &result(3))),
        (
            101_000,
            vec![Body::Exit {
                process: key(SERVER),
            }],
        ),
        (
            101_010,
            vec![Body::Exit {
                process: key(CLIENT),
            }],
        ),
    ]
}

/// What is told of the story when the wall clock is set by `step_ns`, with when it was told by the host's time since boot.
fn told(step_ns: i64) -> (Vec<(u64, Observation)>, Vec<String>) {
    let (host, limits) = (HostName::new("test"), Limits::default());
    let mut pipeline = Pipeline::new(host, b"salt", Policy::empty(), Box::new(NoHost), limits);
    let mut clock = Clock::from_offset(BOOT);
    let mut output = Output::default();
    let mut told = Vec::new();
    let mut story = story().into_iter().peekable();
    let mut turn = |now_ms: u64, events: Vec<(u64, Vec<Body>)>| {
        let set = if now_ms >= 40_000 { step_ns } else { 0 };
        clock.note(now_ms * MS, BOOT + set);
        pipeline.keep_time(clock.timeline());
        for (at_ms, bodies) in events {
            for body in bodies {
                let time = clock.event_ns(at_ms * MS);
                pipeline.push(Event { time, body }, &mut output);
            }
        }
        pipeline.state(clock.event_ns(now_ms * MS), &mut output);
        told.extend(output.observations.drain(..).map(|one| (now_ms, one)));
    };
    for now_ms in (0..=400_000).step_by(TURN_MS as usize) {
        let mut events = Vec::new();
        while let Some(event) = story.next_if(|(at_ms, _)| *at_ms <= now_ms) {
            events.push(event);
        }
        turn(now_ms, events);
    }
    let lost = pipeline.counters().lost;
    let lost = lost
        .iter()
        .map(|(reason, count)| format!("{} {count}", reason.name()));
    (told, lost.collect())
}

/// Takes the stated times out: all that are there.
fn times(observation: &mut Observation) -> Vec<UnixNs> {
    let mut times = vec![std::mem::take(&mut observation.time)];
    match &mut observation.body {
        observation::Body::Session(session) => {
            times.push(std::mem::take(&mut session.started));
            times.push(std::mem::take(&mut session.last_seen));
        }
        observation::Body::Listener(listener) => {
            times.extend(listener.opened.as_mut().map(std::mem::take))
        }
        observation::Body::Tools(tools) => times.push(std::mem::take(&mut tools.first)),
        _ => {}
    }
    times
}

#[test]
fn a_wall_clock_that_is_set_changes_the_stated_times_alone() {
    let (plain, lost) = told(0);
    assert!(lost.is_empty(), "{lost:?}");
    let ended = |observation: &Observation| {
        matches!(&observation.body,
        observation::Body::Session(session) if session.state == observation::SessionState::Ended)
    };
    let calls = plain
        .iter()
        .filter(|(_, one)| matches!(one.body, observation::Body::Call(_)));
    assert_eq!(
        (
            calls.count(),
            plain.iter().filter(|(_, one)| ended(one)).count()
        ),
        (7, 3)
    );
    for step_ns in [HOUR_NS, 72 * HOUR_NS, -72 * HOUR_NS] {
        let (stepped, lost) = told(step_ns);
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(stepped.len(), plain.len());
        for ((at, plain), (stepped_at, stepped)) in plain.iter().zip(&stepped) {
            let (mut plain, mut stepped) = (plain.clone(), stepped.clone());
            let shown = |time: UnixNs| {
                let set = if time >= BOOT as u64 + 40_000 * MS {
                    step_ns
                } else {
                    0
                };
                time.saturating_add_signed(set)
            };
            let expect: Vec<UnixNs> = times(&mut plain).into_iter().map(shown).collect();
            assert_eq!(times(&mut stepped), expect, "{plain:?}");
            assert_eq!((stepped_at, &stepped), (at, &plain));
        }
    }
}
