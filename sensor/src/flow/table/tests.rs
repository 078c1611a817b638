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

#[test]
fn a_pipe_is_one_lane_with_writer_and_reader() {
    let mut table = FlowTable::new(16);
    let (write, _) = table.arrive(1, &transfer(pipe(5), Direction::Write, 10));
    let (read, _) = table.arrive(2, &transfer(pipe(5), Direction::Read, 11));
    assert_eq!(write.lane, read.lane);
    assert!(write.taken && !read.taken, "one side is followed");
    let flow = table.get(write.lane.flow).unwrap();
    assert_eq!(flow.lane(Side::A).writers.last(), Some(process(10)));
    assert_eq!(flow.lane(Side::A).readers.last(), Some(process(11)));
}

#[test]
fn two_unix_sockets_are_one_flow_even_when_the_peer_is_named_late() {
    let mut table = FlowTable::new(16);
    let (first, _) = table.arrive(1, &transfer(unix(5, None), Direction::Write, 10));
    let (second, _) = table.arrive(2, &transfer(unix(6, Some(5)), Direction::Read, 11));
    assert_eq!(first.lane, second.lane);
    let (answer, _) = table.arrive(3, &transfer(unix(6, Some(5)), Direction::Write, 11));
    assert_eq!(answer.lane, first.lane.back());
    let flow = table.get(first.lane.flow).unwrap();
    assert_eq!(flow.process(Side::A), Some(process(10)));
    assert_eq!(flow.process(Side::B), Some(process(11)));
}

#[test]
fn mirrored_addresses_are_one_flow() {
    let mut table = FlowTable::new(16);
    let (client, _) = table.arrive(
        1,
        &transfer(tcp(5, "127.0.0.1:9", "127.0.0.1:80"), Direction::Write, 10),
    );
    let (server, _) = table.arrive(
        2,
        &transfer(tcp(6, "127.0.0.1:80", "127.0.0.1:9"), Direction::Read, 11),
    );
    assert_eq!(client.lane, server.lane);
}

#[test]
fn a_reused_port_is_a_new_flow() {
    let mut table = FlowTable::new(16);
    let end = tcp(5, "10.0.0.1:9", "10.0.0.2:80");
    let (old, _) = table.arrive(1, &transfer(end, Direction::Write, 10));
    let end = tcp(6, "10.0.0.1:9", "10.0.0.2:80");
    let (new, replaced) = table.arrive(2, &transfer(end, Direction::Write, 12));
    assert_ne!(old.lane.flow, new.lane.flow);
    assert_eq!(replaced, Some(old.lane.flow));
    assert!(table.get(old.lane.flow).is_none());
}

#[test]
fn loopback_of_two_network_namespaces_is_not_mixed() {
    let mut table = FlowTable::new(16);
    let here = tcp(5, "127.0.0.1:9", "127.0.0.1:80");
    let there = End {
        netns: 8,
        key: key(6),
        ..here
    };
    let (a, _) = table.arrive(1, &transfer(here, Direction::Write, 10));
    let (b, _) = table.arrive(2, &transfer(there, Direction::Write, 12));
    assert_ne!(a.lane.flow, b.lane.flow);
}

proptest! {
    #[test]
    fn the_table_stays_within_its_bound(inodes in proptest::collection::vec(0_u64..64, 0..300)) {
        let mut table = FlowTable::new(16);
        for (time, inode) in inodes.into_iter().enumerate() {
            table.arrive(time as u64, &transfer(pipe(inode), Direction::Write, 1));
            prop_assert!(table.flows.len() <= 16);
            prop_assert!(table.names.len() <= 32);
        }
    }
}
