//! What processes can choose themselves (arguments, folders, programs), at its worst and by the ten thousand: memory is bounded,
//! and what is left out is counted.

use std::net::{Ipv4Addr, SocketAddr};

use gnomon_policy::Policy;
use gnomon_sensor::event::{
    Body, Channel, End, EndKey, Event, Exec, ProcessKey, SocketState, TcpState, Tuple,
};
use gnomon_sensor::host::NoHost;
use gnomon_sensor::observation::{self, HostName, Listener};
use gnomon_sensor::pipeline::{Limits, Output, Pipeline};

use crate::stress::resident_kib;

/// Half of them end at once, half live on; a third of those listen.
const PROCESSES: u32 = 24_000;
/// Two tables of at most 16 MiB of words, and what is kept of each process beside them.
const GROWN_KIB_MAX: u64 = 96 * 1024;

fn exec(pid: u32, exe: String, argv: Vec<String>) -> Exec {
    Exec {
        process: key(pid),
        parent: None,
        started: 1,
        cwd: Some(exe.clone()),
        exe: Some(exe),
        exe_inode: None,
        argv,
        argv_truncated: false,
        uid: 1000,
        login_uid: None,
        login_session: None,
        cgroup: 0,
    }
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey {
        pid,
        start_ns: u64::from(pid),
    }
}

/// As much as is copied of one: the most arguments that are kept, 16 KiB, and paths of 4 KiB.
fn heavy(pid: u32) -> Exec {
    let argv = (0..256).map(|_| "a".repeat(63)).collect();
    exec(pid, format!("/{pid}{}", "/x".repeat(2000)), argv)
}

fn listens(pid: u32) -> Body {
    let port = u16::try_from(1024 + pid % 60_000).expect("a port");
    let tuple = Tuple {
        local: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        remote: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
    };
    Body::SocketState(SocketState {
        end: End {
            key: EndKey {
                device: 8,
                inode: u64::from(pid),
            },
            channel: Channel::Tcp,
            peer: None,
            tuple: Some(tuple),
            netns: 1,
        },
        state: TcpState::Listen,
        process: Some(key(pid)),
        held: false,
    })
}

fn told(output: &mut Output) -> Vec<Listener> {
    let listener = |observation: observation::Observation| match observation.body {
        observation::Body::Listener(listener) => Some(listener),
        _ => None,
    };
    output.observations.drain(..).filter_map(listener).collect()
}

#[test]
fn the_worst_command_lines_fill_no_memory() {
    let (host, limits) = (HostName::new("test"), Limits::default());
    let mut pipeline = Pipeline::new(host, b"salt", Policy::empty(), Box::new(NoHost), limits);
    let mut output = Output::default();
    let mut now = 1_000_000_000;
    let before_kib = resident_kib();
    let mut honest = Vec::new();
    for pid in 1..=PROCESSES {
        now += 5_000_000;
        let image = if pid == 1 {
            exec(
                1,
                "/usr/bin/node".into(),
                vec!["node".into(), "/srv/s.js".into()],
            )
        } else {
            heavy(pid)
        };
        let mut events = vec![Body::Exec(Box::new(image))];
        if pid % 6 == 1 {
            events.push(listens(pid));
        } else if pid % 2 == 0 {
            events.push(Body::Exit { process: key(pid) });
        }
        for body in events {
            pipeline.push(Event { time: now, body }, &mut output);
        }
        if pid % 16 == 0 {
            pipeline.state(now, &mut output);
        }
        honest.extend(
            told(&mut output)
                .into_iter()
                .filter(|told| told.port == Some(1025)),
        );
    }
    let grown_kib = resident_kib().saturating_sub(before_kib);
    println!("{PROCESSES} processes: {grown_kib} KiB more");
    assert!(grown_kib < GROWN_KIB_MAX, "{grown_kib} KiB more");
    let lost = pipeline.counters().lost;
    let full = lost
        .iter()
        .find(|(reason, _)| reason.name() == "table_full");
    assert!(
        full.is_some_and(|(_, count)| *count > u64::from(PROCESSES) / 2),
        "{lost:?}"
    );
    // Whoever is modest keeps what he has: told when it began, and as the last word.
    pipeline.push(
        Event {
            time: now,
            body: Body::Exit { process: key(1) },
        },
        &mut output,
    );
    pipeline.state(now + 60_000_000_000, &mut output);
    honest.extend(
        told(&mut output)
            .into_iter()
            .filter(|told| told.port == Some(1025)),
    );
    assert!(!honest.is_empty());
    for listener in honest {
        let process = listener.process.expect("its process");
        assert_eq!(process.exe.as_deref(), Some("/usr/bin/node"));
        assert_eq!(process.argv, ["node", "/srv/s.js"]);
    }
}

/// A command line of which not all was read says so.
#[test]
fn arguments_that_are_left_out_show() {
    let (host, limits) = (HostName::new("test"), Limits::default());
    let mut pipeline = Pipeline::new(host, b"salt", Policy::empty(), Box::new(NoHost), limits);
    let mut output = Output::default();
    for (pid, cut) in [(7, true), (8, false)] {
        let image = Exec {
            argv_truncated: cut,
            ..exec(pid, "/bin/x".into(), vec!["x".into(), "y".into()])
        };
        for body in [Body::Exec(Box::new(image)), listens(pid)] {
            pipeline.push(Event { time: 1, body }, &mut output);
        }
    }
    pipeline.finish(10_000_000_000, &mut output);
    let mut argv: Vec<Vec<String>> = told(&mut output)
        .into_iter()
        .map(|listener| listener.process.expect("its process").argv)
        .collect();
    argv.sort_unstable();
    assert_eq!(argv, [vec!["x", "y"], vec!["x", "y", "[more]"]]);
}
