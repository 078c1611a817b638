use super::*;
use proptest::prelude::*;

fn key(inode: u64) -> EndKey {
    EndKey { device: 8, inode }
}

fn process(pid: u32) -> ProcessKey {
    ProcessKey { pid, start_ns: 1 }
}

fn transfer(end: End, direction: Direction, pid: u32) -> Transfer {
    Transfer {
        process: process(pid),
        thread: pid,
        fd: None,
        end,
        direction,
        entered: 0,
        lost_before: 0,
        length: 1,
        payload: vec![b'x'],
        copied: true,
    }
}

fn pipe(inode: u64) -> End {
    End {
        key: key(inode),
        channel: Channel::Pipe,
        peer: None,
        tuple: None,
        netns: 0,
    }
}

fn unix(inode: u64, peer: Option<u64>) -> End {
    End {
        key: key(inode),
        channel: Channel::Unix,
        peer: peer.map(key),
        tuple: None,
        netns: 0,
    }
}

fn tcp(inode: u64, local: &str, remote: &str) -> End {
    let tuple = Tuple {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    };
    End {
        key: key(inode),
        channel: Channel::Tcp,
        peer: None,
        tuple: Some(tuple),
        netns: 7,
    }
}

/// Of an end that no flow of another network namespace is waiting for.
fn arrive(table: &mut FlowTable, time: UnixNs, transfer: &Transfer) -> (Arrival, Option<FlowId>) {
    let (arrival, replaced) = table.arrive(time, transfer);
    (arrival.expect("nothing waits"), replaced)
}

#[test]
fn a_pipe_is_one_lane_with_writer_and_reader() {
    let mut table = FlowTable::new(16, None);
    let (write, _) = arrive(&mut table, 1, &transfer(pipe(5), Direction::Write, 10));
    let (read, _) = arrive(&mut table, 2, &transfer(pipe(5), Direction::Read, 11));
    assert_eq!(write.lane, read.lane);
    assert!(write.taken && !read.taken, "one side is followed");
    let flow = table.get(write.lane.flow).unwrap();
    assert_eq!(flow.lane(Side::A).writers.last(), Some(process(10)));
    assert_eq!(flow.lane(Side::A).readers.last(), Some(process(11)));
}

#[test]
fn two_unix_sockets_are_one_flow_even_when_the_peer_is_named_late() {
    let mut table = FlowTable::new(16, None);
    let (first, _) = arrive(
        &mut table,
        1,
        &transfer(unix(5, None), Direction::Write, 10),
    );
    let (second, _) = arrive(
        &mut table,
        2,
        &transfer(unix(6, Some(5)), Direction::Read, 11),
    );
    assert_eq!(first.lane, second.lane);
    let (answer, _) = arrive(
        &mut table,
        3,
        &transfer(unix(6, Some(5)), Direction::Write, 11),
    );
    assert_eq!(answer.lane, first.lane.back());
    let flow = table.get(first.lane.flow).unwrap();
    assert_eq!(flow.process(Side::A), Some(process(10)));
    assert_eq!(flow.process(Side::B), Some(process(11)));
}

#[test]
fn mirrored_addresses_are_one_flow() {
    let mut table = FlowTable::new(16, None);
    let (client, _) = arrive(
        &mut table,
        1,
        &transfer(tcp(5, "127.0.0.1:9", "127.0.0.1:80"), Direction::Write, 10),
    );
    let (server, _) = arrive(
        &mut table,
        2,
        &transfer(tcp(6, "127.0.0.1:80", "127.0.0.1:9"), Direction::Read, 11),
    );
    assert_eq!(client.lane, server.lane);
}

#[test]
fn a_reused_port_is_a_new_flow() {
    let mut table = FlowTable::new(16, None);
    let end = tcp(5, "10.0.0.1:9", "10.0.0.2:80");
    let (old, _) = arrive(&mut table, 1, &transfer(end, Direction::Write, 10));
    let end = tcp(6, "10.0.0.1:9", "10.0.0.2:80");
    let (new, replaced) = arrive(&mut table, 2, &transfer(end, Direction::Write, 12));
    assert_ne!(old.lane.flow, new.lane.flow);
    assert_eq!(replaced, Some(old.lane.flow));
    assert!(table.get(old.lane.flow).is_none());
}

#[test]
fn loopback_of_two_network_namespaces_is_not_mixed() {
    let mut table = FlowTable::new(16, None);
    let here = tcp(5, "127.0.0.1:9", "127.0.0.1:80");
    let there = End {
        netns: 8,
        key: key(6),
        ..here
    };
    let (a, _) = arrive(&mut table, 1, &transfer(here, Direction::Write, 10));
    let (b, _) = arrive(&mut table, 2, &transfer(there, Direction::Write, 12));
    assert_ne!(a.lane.flow, b.lane.flow);
}

/// The kernel's state of an end goes when its table is full, or a silent end is woken; then it copies writers again.
#[test]
fn a_writer_that_is_copied_after_all_is_followed_again() {
    let second = 1_000_000_000;
    let mut table = FlowTable::new(16, None);
    let write = transfer(pipe(5), Direction::Write, 10);
    let read = transfer(pipe(5), Direction::Read, 11);
    let (first, _) = arrive(&mut table, 1, &write);
    table.follow_reader(second, first.lane);
    let late = arrive(&mut table, second + 1000, &write).0;
    assert!(!late.taken && !late.turned, "its reader is copied, too");
    assert!(arrive(&mut table, 2 * second, &read).0.taken);
    // The reader of this was back before.
    assert!(!arrive(&mut table, 2 * second + 1000, &write).0.taken);
    let again = arrive(&mut table, 5 * second, &write).0;
    assert!(again.taken && again.turned);
    assert!(
        !arrive(&mut table, 5 * second + 1000, &read).0.taken,
        "nothing twice"
    );
    let more = arrive(&mut table, 5 * second + 2000, &write).0;
    assert!(more.taken && !more.turned, "told once");
    table.follow_reader(9 * second, first.lane);
    assert!(
        arrive(&mut table, 9 * second + 1, &read).0.taken,
        "and back"
    );
}

const NEAR: (&str, &str) = ("10.0.0.1:9", "10.0.0.2:80");

fn bridged(inode: u64, netns: u32, (local, remote): (&str, &str)) -> End {
    End {
        netns,
        ..tcp(inode, local, remote)
    }
}

fn bare(end: End, direction: Direction, pid: u32) -> Transfer {
    Transfer {
        length: 0,
        payload: Vec::new(),
        copied: false,
        ..transfer(end, direction, pid)
    }
}

/// A proxy of the host's own namespace that splices what it forwards into a container.
#[test]
fn who_moves_bytes_past_all_memory_is_named_in_the_hosts_own_namespace_only() {
    for (netns, named) in [(1, true), (3, false)] {
        for proxy_first in [true, false] {
            let mut table = FlowTable::new(16, Some(1));
            let proxy = bare(bridged(5, netns, NEAR), Direction::Write, 10);
            let server = bridged(6, 2, (NEAR.1, NEAR.0));
            if proxy_first {
                arrive(&mut table, 1, &proxy);
                assert_eq!(
                    table.arrive(2, &transfer(server, Direction::Read, 11)).0,
                    None
                );
                assert!(!table.is_settled());
                table.tick(2_000_000_000);
                let (_, released) = table.take_released().expect("it waited long enough");
                assert!(arrive(&mut table, 2, &released).0.taken);
            } else {
                arrive(&mut table, 1, &transfer(server, Direction::Read, 11));
                assert_eq!(table.arrive(2, &proxy).0, None);
            }
            let flow = table.get(table.flow_of(&server).unwrap()).unwrap();
            assert_eq!(flow.process(Side::A), Some(process(11)));
            assert_eq!(flow.process(Side::B), named.then(|| process(10)));
            assert!(table.is_settled());
        }
    }
}

#[test]
fn a_proxy_that_brings_other_bytes_in_the_end_is_not_named_any_more() {
    let mut table = FlowTable::new(16, Some(1));
    let server = bridged(6, 2, (NEAR.1, NEAR.0));
    let (first, _) = arrive(&mut table, 1, &transfer(server, Direction::Read, 11));
    let proxy = bridged(5, 1, NEAR);
    table.arrive(2, &bare(proxy, Direction::Write, 10));
    let id = first.lane.flow;
    assert_eq!(table.get(id).unwrap().process(Side::B), Some(process(10)));
    let other = Transfer {
        payload: vec![b'y'],
        ..transfer(proxy, Direction::Write, 10)
    };
    table.arrive(3, &other);
    assert_eq!(table.get(id).unwrap().process(Side::B), None);
    assert_eq!(table.take_parted().len(), 1);
    let (_, released) = table.take_released().unwrap();
    assert_ne!(arrive(&mut table, 3, &released).0.lane.flow, id);
}

#[test]
fn nothing_is_left_of_ends_of_other_namespaces() {
    let mut table = FlowTable::new(16, Some(1));
    for round in 0..100 {
        let time = round * 3_000_000_000 + 1;
        for netns in 2..40 {
            let names = if netns % 2 == 0 {
                NEAR
            } else {
                (NEAR.1, NEAR.0)
            };
            let end = bridged(round * 100 + u64::from(netns), netns, names);
            table.arrive(time, &transfer(end, Direction::Write, netns));
        }
        table.tick(time + 2_000_000_000);
        while let Some((time, transfer)) = table.take_released() {
            arrive(&mut table, time, &transfer);
        }
        assert!(table.is_settled());
        assert!(table.flows.len() <= 16 && table.names.len() <= 32);
    }
    let open: Vec<FlowId> = table.iter().map(|flow| flow.id).collect();
    for id in open {
        table.close(id);
    }
    table.tick(u64::MAX);
    assert!(table.names.is_empty() && table.far.is_empty());
}

proptest! {
    #[test]
    fn the_table_stays_within_its_bound(inodes in proptest::collection::vec(0_u64..64, 0..300)) {
        let mut table = FlowTable::new(16, None);
        for (time, inode) in inodes.into_iter().enumerate() {
            arrive(&mut table, time as u64, &transfer(pipe(inode), Direction::Write, 1));
            prop_assert!(table.flows.len() <= 16);
            prop_assert!(table.names.len() <= 32);
        }
    }
}
