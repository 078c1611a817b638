//! Processes and sockets, as they change and as they were before.

use std::{
    fs,
    io::pipe,
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use gnomon_sensor::{
    event::{Body, Event, TcpState},
    snapshot::snapshot,
};

use crate::harness::{Harness, inode_of};

#[test]
fn processes_are_told_with_what_they_run() {
    let mut harness = Harness::attach();
    let before = SystemTime::now();
    let mut child = Command::new("/bin/sleep")
        .args(["0", "0.0"])
        .current_dir("/usr/share")
        .spawn()
        .expect("sleep");
    let pid = child.id();
    child.wait().expect("ended");
    let exec = harness.exec("the exec", pid);
    assert_eq!(exec.argv, ["/bin/sleep", "0", "0.0"]);
    assert!(!exec.argv_truncated);
    let exe = fs::canonicalize("/bin/sleep").expect("there");
    assert_eq!(exec.exe.as_deref(), exe.to_str());
    assert_eq!(
        exec.exe_inode.map(|key| key.inode),
        Some(fs::metadata(&exe).expect("there").ino())
    );
    assert_eq!(exec.cwd.as_deref(), Some("/usr/share"));
    assert_eq!(exec.uid, 0);
    assert_eq!(
        exec.parent.map(|parent| parent.pid),
        Some(std::process::id())
    );
    let started = SystemTime::UNIX_EPOCH + Duration::from_nanos(exec.started);
    let off = started
        .duration_since(before)
        .unwrap_or_else(|early| early.duration());
    assert!(off < Duration::from_secs(5), "started {off:?} off");
    harness.until("the exit", |events| {
        events.iter().position(
            |event| matches!(&event.body, Body::Exit { process } if *process == exec.process),
        )
    });
    let forks = harness.events.iter().filter(|event| {
        matches!(&event.body, Body::Fork { parent, child }
            if child.pid == pid && parent.pid == std::process::id() && *child == exec.process)
    });
    assert_eq!(forks.count(), 1);
}

#[test]
fn threads_are_no_processes() {
    let mut harness = Harness::attach();
    thread::spawn(|| ()).join().expect("ended");
    harness.catch_up();
    let own = std::process::id();
    assert!(!harness.events.iter().any(|event| match &event.body {
        Body::Fork { parent, .. } => parent.pid == own,
        Body::Exit { process } => process.pid == own,
        _ => false,
    }));
}

#[test]
fn long_arguments_are_cut_and_said_to_be() {
    let mut harness = Harness::attach();
    let long = "x".repeat(100_000);
    let mut child = Command::new("/bin/true")
        .args(["first", &long])
        .spawn()
        .expect("true");
    let pid = child.id();
    child.wait().expect("ended");
    let exec = harness.exec("the exec", pid);
    assert!(exec.argv_truncated);
    assert_eq!(exec.argv[1], "first");
    assert!(
        exec.argv
            .iter()
            .map(|argument| argument.len() + 1)
            .sum::<usize>()
            <= 16 * 1024 + 1
    );
}

#[test]
fn sockets_are_told_as_they_change() {
    let mut harness = Harness::attach();
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let stream = TcpStream::connect(address).expect("connected");
    let local = stream.local_addr().expect("bound");
    drop(stream);
    let seen = |events: &[Event], wanted: TcpState, port: u16| {
        events.iter().find_map(|event| match &event.body {
            Body::SocketState(state)
                if state.state == wanted
                    && state.end.tuple.is_some_and(|t| t.local.port() == port) =>
            {
                Some(*state)
            }
            _ => None,
        })
    };
    let state = harness.until("listening", |events| {
        seen(events, TcpState::Listen, address.port())
    });
    assert_eq!(
        state.process.map(|process| process.pid),
        Some(std::process::id())
    );
    let state = harness.until("connected", |events| {
        seen(events, TcpState::Established, local.port())
    });
    assert_eq!(state.end.tuple.map(|tuple| tuple.remote), Some(address));
}

#[test]
fn the_snapshot_finds_what_was_there_before() {
    let (reader, writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let (left, right) = UnixStream::pair().expect("a pair");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut child = Command::new("cat")
        .arg("-")
        .stdin(Stdio::from(reader))
        .stdout(Stdio::from(OwnedFd::from(right)))
        .stderr(Stdio::from(OwnedFd::from(
            listener.try_clone().expect("a duplicate"),
        )))
        .spawn()
        .expect("cat");
    let mut harness = Harness::attach();
    let events: Vec<_> = snapshot(&mut harness.kernel).expect("a snapshot").collect();
    let holders: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Holder {
                process,
                end,
                fd,
                readable,
                writable,
            } if end.key.inode == inode => Some((process.pid, *fd, *readable, *writable)),
            _ => None,
        })
        .collect();
    assert!(
        holders.contains(&(child.id(), 0, true, false)),
        "{holders:?}"
    );
    let own = u32::try_from(writer.as_raw_fd()).expect("not negative");
    assert!(
        holders.contains(&(std::process::id(), own, false, true)),
        "{holders:?}"
    );
    let left = inode_of(&left);
    assert!(events.iter().any(
        |event| matches!(&event.body, Body::Holder { process, end, fd: 1, .. }
        if process.pid == child.id() && end.peer.is_some_and(|peer| peer.inode == left))
    ));
    let exec = events.iter().find_map(|event| match &event.body {
        Body::Exec(exec) if exec.process.pid == child.id() => Some(exec),
        _ => None,
    });
    assert_eq!(
        exec.map(|exec| exec.argv.clone()),
        Some(vec!["cat".into(), "-".into()])
    );
    let port = listener.local_addr().expect("bound").port();
    let mut owners: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::SocketState(state)
                if state.state == TcpState::Listen
                    && state.end.tuple.is_some_and(|t| t.local.port() == port) =>
            {
                state.process.map(|process| process.pid)
            }
            _ => None,
        })
        .collect();
    owners.sort_unstable();
    let mut expected = [std::process::id(), child.id()];
    expected.sort_unstable();
    assert_eq!(owners, expected, "every process that holds it, once");
    assert!(
        !events
            .iter()
            .any(|event| matches!(event.body, Body::Lost { .. }))
    );
    drop(writer);
    child.wait().expect("ended");
}
