use super::*;

const KEY: EndKey = EndKey {
    device: 8,
    inode: 5,
};

fn process(pid: u32) -> ProcessKey {
    ProcessKey {
        pid,
        start_ns: pid.into(),
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn place(text: &str) -> Place {
    Place::tcp(at(text), 0)
}

fn key(inode: u64) -> EndKey {
    EndKey { device: 8, inode }
}

fn open(listeners: &mut Listeners, key: EndKey, text: &str, pid: u32) {
    listeners.open(
        7,
        Found {
            key,
            place: Some(place(text)),
            process: process(pid),
            opened: Some(7),
        },
    );
}

/// Who is named there, and whether it was seen to serve.
fn named(listeners: &Listeners, text: &str) -> Option<(u32, bool)> {
    let state = listeners.state(&place(text))?;
    Some((state.process?.pid, state.serves))
}

#[test]
fn workers_share_their_parents_socket_and_an_exec_gives_it_up() {
    let mut listeners = Listeners::default();
    open(&mut listeners, KEY, "0.0.0.0:80", 1);
    listeners.fork(process(1), process(2));
    listeners.fork(process(1), process(3));
    listeners.exec(process(3));
    assert_eq!(listeners.of(process(2)), [at("0.0.0.0:80")]);
    assert!(listeners.of(process(3)).is_empty());
    listeners.exit(process(1));
    assert!(listeners.is_served(at("127.0.0.1:80")));
    listeners.exit(process(2));
    assert!(!listeners.is_served(at("127.0.0.1:80")));
}

#[test]
fn who_serves_on_a_socket_it_was_handed_is_learned() {
    let mut listeners = Listeners::default();
    assert!(listeners.serves(at("127.0.0.1:80"), process(1)));
    assert!(!listeners.serves(at("127.0.0.1:80"), process(1)));
    assert_eq!(listeners.of(process(1)), [at("127.0.0.1:80")]);
    listeners.close(KEY, &place("127.0.0.1:80"));
    assert!(listeners.of(process(1)).is_empty());
}

#[test]
fn the_process_that_serves_is_named_before_the_one_that_opened() {
    let mut listeners = Listeners::default();
    open(&mut listeners, KEY, "[::]:80", 1);
    listeners.fork(process(1), process(2));
    assert_eq!(named(&listeners, "[::]:80"), Some((1, false)));
    let seen = listeners.seen(place("127.0.0.1:80"), process(2), &["/mcp".into()], true);
    assert_eq!(seen, Some(place("[::]:80")));
    assert_eq!(named(&listeners, "[::]:80"), Some((2, true)));
    let state = listeners.state(&place("[::]:80")).expect("it listens");
    assert_eq!(
        (state.opener, state.paths),
        (Some(process(1)), &["/mcp".to_owned()][..])
    );
    // Another worker makes no difference.
    listeners.fork(process(1), process(3));
    listeners.seen(place("127.0.0.1:80"), process(3), &[], true);
    assert_eq!(named(&listeners, "[::]:80"), Some((2, true)));
    // A worker that ends leaves it to the others.
    listeners.exit(process(2));
    assert_eq!(named(&listeners, "[::]:80"), Some((1, false)));
}

#[test]
fn a_socket_that_an_exec_hands_over_stays_with_the_process() {
    let mut listeners = Listeners::default();
    open(&mut listeners, KEY, "127.0.0.1:80", 4);
    listeners.exec(process(4));
    assert_eq!(named(&listeners, "127.0.0.1:80"), Some((4, false)));
    // That is good enough to be shown and proves nothing.
    assert!(listeners.of(process(4)).is_empty());
    assert!(!listeners.is_served(at("127.0.0.1:80")));
}

#[test]
fn a_restarted_server_is_one_place_with_a_new_process() {
    let mut listeners = Listeners::default();
    open(&mut listeners, KEY, "127.0.0.1:80", 4);
    listeners.seen(place("127.0.0.1:80"), process(4), &[], true);
    listeners.close(KEY, &place("127.0.0.1:80"));
    listeners.exit(process(4));
    assert_eq!(listeners.state(&place("127.0.0.1:80")), None);
    // The same pid, started later, on another inode.
    let again = ProcessKey {
        pid: 4,
        start_ns: 99,
    };
    listeners.open(
        9,
        Found {
            key: key(6),
            place: Some(place("127.0.0.1:80")),
            process: again,
            opened: Some(9),
        },
    );
    let state = listeners.state(&place("127.0.0.1:80")).expect("it listens");
    assert_eq!((state.process, state.mcp), (Some(again), false));
    assert_eq!(listeners.take_changed().len(), 1);
}

#[test]
fn sockets_that_share_a_port_are_one_place_until_the_last_is_gone() {
    let mut listeners = Listeners::default();
    open(&mut listeners, key(1), "127.0.0.1:80", 1);
    open(&mut listeners, key(2), "127.0.0.1:80", 2);
    listeners.close(key(1), &place("127.0.0.1:80"));
    assert_eq!(named(&listeners, "127.0.0.1:80"), Some((2, false)));
    listeners.close(key(2), &place("127.0.0.1:80"));
    assert_eq!(named(&listeners, "127.0.0.1:80"), None);
}

#[test]
fn a_namespace_of_ones_own_proves_nothing_and_is_a_place_of_its_own() {
    let mut listeners = Listeners::default();
    let inside = Place::tcp(at("127.0.0.1:80"), 7);
    listeners.open(
        1,
        Found {
            key: KEY,
            place: Some(inside.clone()),
            process: process(5),
            opened: Some(1),
        },
    );
    assert!(listeners.of(process(5)).is_empty());
    assert!(!listeners.is_served(at("127.0.0.1:80")));
    assert!(listeners.state(&inside).is_some());
    listeners.close(
        EndKey {
            device: 0,
            inode: 0,
        },
        &place("127.0.0.1:80"),
    );
    assert!(listeners.state(&inside).is_some(), "another one was closed");
}

#[test]
fn unix_sockets_get_their_names_later() {
    let mut listeners = Listeners::default();
    let found = Found {
        key: KEY,
        place: None,
        process: process(5),
        opened: Some(3),
    };
    listeners.open(3, found.clone());
    assert!(listeners.nameless(2).is_empty());
    assert_eq!(listeners.nameless(3), [(KEY, process(5))]);
    let place = Place {
        address: Address::Unix("/run/x.sock".into()),
        netns: 0,
    };
    listeners.name(KEY, Some(place.clone()));
    assert_eq!(listeners.named().count(), 1);
    assert_eq!(
        listeners.state(&place).map(|state| state.opened),
        Some(Some(3))
    );
    // listen(2) again only changes the backlog.
    listeners.open(9, found);
    assert!(listeners.nameless(u64::MAX).is_empty());
    listeners.exit(process(5));
    assert_eq!(listeners.orphans(), [(KEY, Some(place.clone()))]);
    listeners.gone(KEY);
    assert_eq!(listeners.state(&place), None);
    assert!(listeners.orphans().is_empty());
}

#[test]
fn what_is_only_seen_to_serve_is_gone_with_its_process() {
    let mut listeners = Listeners::default();
    listeners.seen(place("10.0.0.1:80"), process(3), &[], true);
    assert_eq!(named(&listeners, "10.0.0.1:80"), Some((3, true)));
    listeners.exit(process(3));
    assert_eq!(named(&listeners, "10.0.0.1:80"), None);
    assert!(listeners.serving.is_empty() && listeners.places.is_empty());
}

#[test]
fn one_process_cannot_fill_the_table_and_a_fork_of_it_is_cheap() {
    let mut listeners = Listeners::default();
    for number in 1..=20_000_u32 {
        let port = u16::try_from(number % 60_000).expect("a port");
        let ip = [127, 0, 0, 1];
        listeners.open(
            0,
            Found {
                key: key(number.into()),
                place: Some(Place::tcp((ip, port).into(), 0)),
                process: process(1),
                opened: Some(0),
            },
        );
    }
    assert_eq!(listeners.of(process(1)).len(), OWN_MAX);
    assert_eq!(listeners.take_dropped(), 20_000 - OWN_MAX as u64);
    listeners.fork(process(1), process(2));
    assert_eq!(listeners.of(process(2)).len(), INHERITED_MAX);
    listeners.exit(process(1));
    listeners.exit(process(2));
    for (key, _) in listeners.orphans() {
        listeners.gone(key);
    }
    assert!(listeners.sockets.is_empty() && listeners.places.is_empty());
    assert!(listeners.held.is_empty());
}

#[test]
fn what_is_over_makes_no_place() {
    let mut listeners = Listeners::default();
    let seen = listeners.seen(place("127.0.0.1:80"), process(2), &[], false);
    assert_eq!((seen, listeners.places.len()), (None, 0));
    listeners.seen(place("127.0.0.1:80"), process(2), &[], true);
    let again = listeners.seen(place("127.0.0.1:80"), process(2), &["/mcp".into()], false);
    assert_eq!(again, Some(place("127.0.0.1:80")));
}

#[test]
fn who_listens_beside_a_process() {
    let mut listeners = Listeners::default();
    open(&mut listeners, key(1), "127.0.0.1:80", 1);
    listeners.fork(process(1), process(2));
    open(&mut listeners, key(2), "[::]:80", 3);
    open(&mut listeners, key(3), "127.0.0.1:81", 3);
    let elsewhere = Found {
        key: key(4),
        place: Some(Place::tcp(at("127.0.0.2:80"), 7)),
        process: process(3),
        opened: None,
    };
    listeners.open(7, elsewhere);
    let others = |listeners: &Listeners, own: &[u32]| {
        let own: BTreeSet<ProcessKey> = own.iter().map(|pid| process(*pid)).collect();
        let serves: Vec<SocketAddr> = own.iter().flat_map(|own| listeners.of(*own)).collect();
        listeners.others(&own, &serves)
    };
    assert_eq!(others(&listeners, &[1, 2]), [Some(at("[::]:80"))]);
    // A socket that a child has, too, is the same.
    assert_eq!(others(&listeners, &[1]), [Some(at("[::]:80"))]);
    assert_eq!(others(&listeners, &[3]), [Some(at("127.0.0.1:80"))]);
    assert!(others(&listeners, &[4]).is_empty());
    // Handed a socket by its parent, which still has it: it answers there.
    open(&mut listeners, key(5), "0.0.0.0:82", 1);
    listeners.serves(at("127.0.0.1:82"), process(4));
    assert!(others(&listeners, &[4]).is_empty());
    for inode in 100..300 {
        open(
            &mut listeners,
            key(inode),
            &format!("127.0.1.{}:80", inode - 100),
            5,
        );
    }
    let many = others(&listeners, &[1]);
    assert_eq!((many.len(), many.last()), (OTHERS_MAX + 1, Some(&None)));
    for pid in 1..6 {
        listeners.exit(process(pid));
    }
    for inode in 1..300 {
        listeners.gone(key(inode));
    }
    assert!(listeners.places.is_empty());
}
