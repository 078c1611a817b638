use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::super::image;
use super::super::socket::Sockets;
use super::*;

/// What is looked at in a test.
struct Host {
    listeners: Listeners,
    processes: Processes,
    sockets: Sockets,
}

impl Host {
    fn new() -> Self {
        Self {
            listeners: Listeners::new(0),
            processes: Processes::default(),
            sockets: Sockets::open(),
        }
    }

    /// Looks, and searches until all were asked.
    fn look(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.processes.look_after(1, &mut events);
        let sockets = self.sockets.listening();
        self.listeners
            .look(1, &sockets, &self.processes, &mut events);
        while !self.listeners.asked.is_empty() {
            self.listeners.credit = Credit::new(SHARE, SAVED, Instant::now());
            self.listeners.search(1, &mut self.processes, &mut events);
        }
        events
    }
}

/// A process with this listening socket.
fn heir(listener: &TcpListener) -> Child {
    let socket: OwnedFd = listener.try_clone().unwrap().into();
    // It is its standard output.
    let mut command = Command::new("sleep");
    command.arg("60").stdout(Stdio::from(socket));
    command.spawn().unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn told(events: &[Event], at: SocketAddr) -> Vec<(TcpState, Option<ProcessKey>, bool)> {
    let of = |event: &Event| match &event.body {
        Body::SocketState(state) if state.end.tuple.is_some_and(|tuple| tuple.local == at) => {
            Some((state.state, state.process, state.held))
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_socket_that_changes_hands_is_the_next_ones() {
    let mut host = Host::new();
    host.look();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let own = image::key(std::process::id()).unwrap();
    assert_eq!(
        told(&host.look(), at),
        [(TcpState::Listen, Some(own), false)]
    );
    assert_eq!(host.listeners.only(at), Some(own));
    // As with socket activation: the one who opened it hands it on, and closes it.
    let first = heir(&listener);
    drop(listener);
    let soon = Instant::now().checked_sub(SEARCH_AGAIN);
    let known = host.listeners.told.values_mut();
    known.for_each(|known| known.searched = known.searched.and(soon));
    let process = image::key(first.id());
    assert_eq!(told(&host.look(), at), [(TcpState::Listen, process, true)]);
    assert_eq!(host.listeners.only(at), process);
    end(first);
    assert_eq!(told(&host.look(), at), [(TcpState::Close, None, false)]);
    assert_eq!(host.listeners.only(at), None);
}

#[test]
fn a_number_that_is_another_process_by_now_holds_nothing() {
    let mut host = Host::new();
    host.look();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let mut events = Vec::new();
    let sockets = host.sockets.listening();
    host.listeners
        .look(1, &sockets, &host.processes, &mut events);
    let own = image::key(std::process::id()).unwrap();
    let before = ProcessKey { start_ns: 1, ..own };
    // All were asked, and one ended before they were told.
    host.listeners.round.clear();
    for holders in host.listeners.asked.values_mut() {
        holders.push(before);
    }
    host.listeners.credit = Credit::new(SHARE, SAVED, Instant::now());
    host.listeners.search(1, &mut host.processes, &mut events);
    assert!(host.listeners.asked.is_empty());
    assert_eq!(told(&events, at), []);
    assert_eq!(host.listeners.only(at), None);
}

#[test]
fn nobody_alone_listens_where_it_is_not_known_who_does() {
    let mut host = Host::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap();
    host.look();
    let own = image::key(std::process::id());
    assert_eq!(host.listeners.only(at), own);
    let known = |address| Listener {
        address,
        early: false,
        told: false,
        holders: Vec::new(),
        cut: false,
        counted: false,
        searched: None,
    };
    let any = SocketAddr::from(([0; 4], at.port()));
    let other = SocketAddr::from(([0; 4], at.port() ^ 1));
    host.listeners.told.insert(u64::MAX, known(other));
    assert_eq!(host.listeners.only(at), own);
    host.listeners.told.insert(u64::MAX, known(any));
    assert_eq!(host.listeners.only(at), None);
}

#[test]
fn when_a_holder_ends_the_others_are_looked_for() {
    let mut host = Host::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let (first, second) = (heir(&listener), heir(&listener));
    drop(listener);
    assert_eq!(told(&host.look(), at).len(), 2);
    assert_eq!(host.listeners.only(at), None);
    assert_eq!(told(&host.look(), at), [], "nothing has changed");
    end(first);
    host.look();
    assert_eq!(host.listeners.only(at), image::key(second.id()));
    end(second);
}

#[test]
fn of_many_who_hold_a_socket_some_are_told_and_the_rest_is_counted_once() {
    let mut host = Host::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let heirs: Vec<Child> = (0..HOLDERS_MAX).map(|_| heir(&listener)).collect();
    let events = host.look();
    assert_eq!(told(&events, at).len(), HOLDERS_MAX);
    let lost = |events: &[Event]| {
        let lost = |event: &&Event| {
            matches!(
                event.body,
                Body::Lost {
                    reason: LossReason::TableFull,
                    count: 1
                }
            )
        };
        events.iter().filter(lost).count()
    };
    assert_eq!(lost(&events), 1);
    assert_eq!(host.listeners.only(at), None);
    host.listeners
        .told
        .values_mut()
        .for_each(|known| known.searched = None);
    assert_eq!(lost(&host.look()), 0);
    heirs.into_iter().for_each(end);
}

#[test]
fn what_nobody_holds_whom_we_see_is_not_searched_for_at_each_look() {
    let mut host = Host::new();
    let hidden = TcpSocket {
        tuple: crate::event::Tuple {
            local: "127.0.0.1:1".parse().unwrap(),
            remote: "0.0.0.0:0".parse().unwrap(),
        },
        state: 10,
        uid: 0,
        inode: u64::MAX,
    };
    let mut events = Vec::new();
    host.listeners
        .look(1, &[hidden], &host.processes, &mut events);
    while !host.listeners.asked.is_empty() {
        host.listeners.credit = Credit::new(SHARE, SAVED, Instant::now());
        host.listeners.search(1, &mut host.processes, &mut events);
    }
    host.listeners
        .look(1, &[hidden], &host.processes, &mut events);
    assert!(host.listeners.asked.is_empty());
    host.listeners.look(1, &[], &host.processes, &mut events);
    assert!(events.is_empty() && host.listeners.told.is_empty());
}
