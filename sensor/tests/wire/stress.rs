//! Short connections by the hundred thousand: nothing grows. `GNOMON_CONNECTIONS=1000000` makes it a million.

use std::net::{Ipv4Addr, SocketAddr};

use gnomon_policy::Policy;
use gnomon_sensor::event::{
    Body, Channel, Direction, End, EndKey, Event, ProcessKey, SocketState, TcpState, Transfer,
    Tuple,
};
use gnomon_sensor::host::NoHost;
use gnomon_sensor::observation::{self, HostName};
use gnomon_sensor::pipeline::{Limits, Output, Pipeline};

use crate::recording::{call, initialize, initialized, ok, post, result};

/// Unless the environment says another number: a million takes a minute unoptimised.
const CONNECTIONS: u64 = 100_000;
const CLIENT: ProcessKey = ProcessKey {
    pid: 10,
    start_ns: 1,
};
const SERVER: ProcessKey = ProcessKey {
    pid: 11,
    start_ns: 2,
};

fn end(process: ProcessKey, number: u64) -> End {
    let port = u16::try_from(20_000 + number % 40_000).expect("a port");
    let client = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
    let tuple = Tuple {
        local: client,
        remote: server,
    };
    let is_client = process == CLIENT;
    End {
        key: EndKey {
            device: 8,
            inode: 2 * number + u64::from(is_client) + 10,
        },
        channel: Channel::Tcp,
        peer: None,
        tuple: Some(if is_client { tuple } else { tuple.mirrored() }),
        netns: 1,
    }
}

fn moved(process: ProcessKey, number: u64, direction: Direction, bytes: &[u8]) -> Body {
    let copied = direction == Direction::Write;
    Body::Transfer(Transfer {
        process,
        thread: process.pid,
        fd: None,
        end: end(process, number),
        direction,
        entered: 0,
        lost_before: 0,
        length: bytes.len() as u64,
        payload: if copied { bytes.to_vec() } else { Vec::new() },
        copied,
    })
}

/// Resident memory of this process, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

/// Every hundredth connection is one of an MCP client that makes a new one for each call; of the others, one in ten
/// never says more than half a request.
#[test]
fn short_connections_leave_nothing_behind() {
    let connections = std::env::var("GNOMON_CONNECTIONS").map_or(CONNECTIONS, |number| {
        number.parse().expect("GNOMON_CONNECTIONS is a number")
    });
    let host = HostName::new("test");
    let limits = Limits::default();
    let mut pipeline = Pipeline::new(host, b"salt", Policy::empty(), Box::new(NoHost), limits);
    let mut output = Output::default();
    let (mut now, mut calls, mut told, mut warm_kib) = (1_000_000_000, 0_u32, 0, 0);
    let mut sessions = std::collections::HashSet::new();
    for number in 0..connections {
        let (request, answer) = match number % 100 {
            0 if number == 0 => (post("/mcp", "", initialize(0, "c")), ok("", initialized(0))),
            0 => {
                calls += 1;
                (post("/mcp", "", call(calls, "a")), ok("", result(calls)))
            }
            n if n % 10 == 5 => (b"POST /upload HTTP/1.1\r\nHost: ".to_vec(), Vec::new()),
            _ => (
                b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
            ),
        };
        let mut events = vec![moved(CLIENT, number, Direction::Write, &request)];
        if !answer.is_empty() {
            events.push(moved(SERVER, number, Direction::Write, &answer));
        }
        events.push(Body::SocketState(SocketState {
            end: end(SERVER, number),
            state: TcpState::Close,
            process: None,
            held: false,
        }));
        for body in events {
            now += 10_000;
            pipeline.push(Event { time: now, body }, &mut output);
        }
        if number % 64 == 0 {
            pipeline.state(now, &mut output);
        }
        for observation in output.observations.drain(..) {
            match observation.body {
                observation::Body::Call(_) => told += 1,
                observation::Body::Session(session) => drop(sessions.insert(session.id)),
                _ => {}
            }
        }
        output.judgements.clear();
        output.closed.clear();
        if number == connections / 10 {
            warm_kib = resident_kib();
        }
    }
    pipeline.finish(now, &mut output);
    let left = output.observations.iter();
    let left = left.filter(|observation| matches!(observation.body, observation::Body::Call(_)));
    assert_eq!(told + left.count() as u32, calls, "every call is told");
    assert_eq!(sessions.len(), 1, "of one session");
    let lost = pipeline.counters().lost;
    assert!(lost.is_empty(), "{lost:?}");
    let grown_kib = resident_kib().saturating_sub(warm_kib);
    println!(
        "{connections} connections: {warm_kib} KiB after the first tenth, {grown_kib} KiB more at the end"
    );
    // Nine tenths of a million at 9 bytes each would be 8 MiB.
    assert!(
        grown_kib < 8 * 1024,
        "{grown_kib} KiB more than after the first tenth"
    );
}
