//! Plain HTTP on the interfaces, where eBPF cannot be used: packets → the same events.
//!
//! `segment`: packet → TCP segment. `numbers`, `stream`: segments → bytes in order. `reading`: which connections are HTTP.
//! `table`: all connections. Those take bytes and time and do no I/O. `socket` (by `diag`, or lists in /proc): what the kernel
//! says of sockets; `holder`, `image`: what /proc says of processes; `owner`, `processes`, `listeners`: what of it is told when.
//!
//! What is captured waits, in order, until it is known whose it is: half a second at most. Of a connection with both
//! ends here the sender's bytes are told, and that the other one reads them.

mod diag;
mod holder;
mod image;
mod listeners;
mod numbers;
mod owner;
mod processes;
mod reading;
pub mod segment;
mod socket;
mod stream;
mod table;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, IntoRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use pnet_datalink::{Channel as Link, ChannelType, Config, DataLinkReceiver, NetworkInterface};

use crate::event::{
    Body, Channel, Direction, End, EndKey, Event, FlowVerdict, LossReason, ProcessKey, SocketState,
    TcpState, Transfer, UnixNs,
};
use crate::flow::Side;
use crate::host;
use crate::kernel::clock::Clock;
use crate::kernel::packet;
pub use crate::kernel::packet::PacketError;
use listeners::Listeners;
use owner::{Ends, Owner, Owners};
use processes::Processes;
use socket::Sockets;
use table::{ConnectionId, ConnectionTable, Limits, Seen};

/// The largest packet that is read whole: with "BIG TCP" the kernel hands on up to 512 KiB as one (`GSO_MAX_SIZE`,
/// include/linux/netdevice.h).
const PACKET_BYTES_MAX: usize = 512 * 1024 + 256;
/// Packets taken in one go, so that a flood does not keep the caller from its other work.
const BATCH_PACKETS_MAX: usize = 1024;
/// How long what was captured waits until it is known whose it is: a busy server may be slow to accept.
const HELD_FOR: Duration = Duration::from_millis(500);
/// The same in bytes.
const HELD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What keeping a statement costs beside its bytes.
const SEEN_BYTES: usize = 128;
/// How often it is looked while something waits.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After packets that say nothing the next ones gather for so long: each wake-up for a packet of a download costs more than
/// the packet. Short enough to find the process of what begins meanwhile.
const GATHER: Duration = Duration::from_millis(2);
/// How often ended processes are looked for.
const PROCESSES_EVERY: Duration = Duration::from_secs(2);
/// `ETH_P_ALL` (linux/if_ether.h): the filter chooses.
const ALL_PROTOCOLS: u16 = 0x0003;
/// The oldest stamp of a packet that is believed: as long as a reader that gets no processor may leave it in the buffer.
const STAMP_AGE_NS: u64 = 10_000_000_000;
/// Names of interfaces that are shown; all are captured on.
const INTERFACES_SHOWN: usize = 32;

/// Devices that no kernel has: captured connections by number and side, and listening sockets by inode.
const CAPTURED: u32 = u32::MAX - 2;
const LISTENING: u32 = u32::MAX - 3;

/// A connection whose bytes are told.
struct CapturedFlow {
    ends: Ends,
    since: Instant,
    /// By sending side: it was told who reads.
    reader_told: [bool; 2],
}

/// The running capture. Dropping it ends it.
pub struct Capture {
    socket: OwnedFd,
    packets: Box<dyn DataLinkReceiver>,
    table: ConnectionTable,
    flows: HashMap<ConnectionId, CapturedFlow>,
    /// Those whose ends are not known yet, the oldest first.
    unsettled: Vec<ConnectionId>,
    /// What was seen and not told, in order.
    held: VecDeque<(UnixNs, Seen)>,
    held_bytes: usize,
    sockets: Sockets,
    owners: Owners,
    processes: Processes,
    listeners: Listeners,
    processes_looked: Instant,
    clock: Clock,
    netns: u32,
    own_pid: u32,
}

impl Capture {
    /// Begins to capture on all interfaces of this network namespace, also those that come later.
    ///
    /// # Errors
    /// Says which capability is missing, or what the kernel refused.
    pub fn start() -> Result<Self, PacketError> {
        let socket = packet::open()?;
        let refused = |what| move |source| PacketError::Refused { what, source };
        let own = socket
            .try_clone()
            .map_err(refused("share the packet socket"))?;
        let config = Config {
            socket_fd: Some(own.into_raw_fd()),
            channel_type: ChannelType::Layer3(ALL_PROTOCOLS),
            read_buffer_size: PACKET_BYTES_MAX,
            write_buffer_size: 0,
            read_timeout: Some(Duration::ZERO),
            promiscuous: false,
            ..Config::default()
        };
        let link = pnet_datalink::channel(&every_interface(), config);
        let link = link.map_err(refused("receive packets of all interfaces"))?;
        let Link::Ethernet(_, packets) = link else {
            return Err(refused("receive packets")(ErrorKind::Unsupported.into()));
        };
        // 0 where /proc does not tell.
        let netns = host::netns("self").unwrap_or(0);
        // From here on the kernel stamps packets.
        packet::stamp(socket.as_fd());
        Ok(Self {
            socket,
            packets,
            table: ConnectionTable::new(Limits::default()),
            flows: HashMap::new(),
            unsettled: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            sockets: Sockets::open(),
            owners: Owners::default(),
            processes: Processes::default(),
            listeners: Listeners::new(netns),
            processes_looked: Instant::now(),
            clock: Clock::measure(),
            netns,
            own_pid: std::process::id(),
        })
    }

    /// Waits until there are packets or `timeout` is over, and appends what follows from them; returns how many events.
    ///
    /// # Errors
    /// The socket cannot be read any more.
    pub fn read(&mut self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<usize> {
        let before = events.len();
        let wait = if self.held.is_empty() {
            timeout
        } else {
            timeout.min(LOOK_EVERY)
        };
        self.follow_clock();
        let now = self.clock.now();
        if self.listeners.is_due() {
            let sockets = self.sockets.listening();
            self.listeners.look(now, &sockets, &self.processes, events);
        }
        self.listeners.search(now, &mut self.processes, events);
        if packet::wait(self.socket.as_fd(), wait)? {
            let before = self.held.len();
            self.take_packets()?;
            if self.held.is_empty() || self.held.len() == before {
                std::thread::park_timeout(GATHER);
            }
            let dropped = packet::take_drops(self.socket.as_fd())?;
            // After what was taken: a call that began just now may be among what was dropped.
            self.lose(self.clock.now(), LossReason::CaptureFull, dropped, events);
        }
        let now = self.clock.now();
        let mut seen = Vec::new();
        self.table.tick(now, &mut seen);
        self.hold(now, seen);
        for (reason, count) in self.table.take_lost() {
            self.lose(now, reason, count, events);
        }
        self.settle(now, HELD_FOR, events);
        self.tell(events);
        if self.processes_looked.elapsed() >= PROCESSES_EVERY {
            self.processes_looked = Instant::now();
            self.processes.look_after(now, events);
        }
        Ok(events.len() - before)
    }

    /// Tells what still waits, with what is known of it.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        self.settle(self.clock.now(), Duration::ZERO, events);
        self.tell(events);
    }

    /// What the pass decided about an end.
    pub fn judge(&mut self, end: EndKey, verdict: FlowVerdict) {
        if end.device == CAPTURED {
            self.table.judge(ConnectionId(end.inode / 2), verdict);
        }
    }

    /// The interfaces that are captured on, each with its tier.
    #[must_use]
    pub fn hooks(&self) -> BTreeMap<String, String> {
        pnet_datalink::interfaces()
            .into_iter()
            .filter(NetworkInterface::is_up)
            .take(INTERFACES_SHOWN)
            .map(|interface| (format!("capture/{}", interface.name), "3".to_owned()))
            .collect()
    }

    /// Size of the buffer for packets, bytes.
    #[must_use]
    pub fn buffer_bytes(&self) -> u64 {
        packet::buffer_bytes(self.socket.as_fd())
    }

    /// The clock of the events, and what of the wall clock it had noted when packets were last read.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    fn follow_clock(&mut self) {
        self.clock.follow();
        self.processes.keep_time(&self.clock);
    }

    fn take_packets(&mut self) -> io::Result<()> {
        self.follow_clock();
        let mut stamped = Vec::new();
        let mut bytes = self.held_bytes;
        for _ in 0..BATCH_PACKETS_MAX {
            // A packet may be of 64 KiB, and may free what waited behind it.
            if bytes > HELD_BYTES_MAX {
                break;
            }
            match self.packets.next() {
                Ok(packet) => {
                    let Some(segment) = segment::segment(packet) else {
                        continue;
                    };
                    let stamp = packet::stamp(self.socket.as_fd());
                    let time = captured_at(stamp, &self.clock);
                    let mut seen = Vec::new();
                    self.table.push(time, &segment, &mut seen);
                    bytes += seen.iter().map(cost).sum::<usize>();
                    stamped.push((time, seen));
                }
                Err(error) if is_passing(&error) => break,
                Err(error) => return Err(error),
            }
        }
        for (time, seen) in stamped {
            self.hold(time, seen);
        }
        Ok(())
    }

    /// Keeps what was seen until it is known whose it is.
    fn hold(&mut self, time: UnixNs, seen: Vec<Seen>) {
        for seen in seen {
            if let Seen::Http(id, addresses) = seen {
                let flow = CapturedFlow {
                    ends: Ends::new(addresses),
                    since: Instant::now(),
                    reader_told: [false; 2],
                };
                self.flows.insert(id, flow);
                self.unsettled.push(id);
                continue;
            }
            self.held_bytes += cost(&seen);
            self.held.push_back((time, seen));
        }
    }

    /// Looks whose the connections are. Those that have waited for `held_for`, and the oldest ones when too much waits, are
    /// nobody's.
    fn settle(&mut self, time: UnixNs, held_for: Duration, events: &mut Vec<Event>) {
        if self.unsettled.is_empty() {
            return;
        }
        // Taken out of the table for as long as they are looked up: there may be thousands in it that are known.
        let mut looked_up: Vec<(ConnectionId, CapturedFlow)> = self
            .unsettled
            .iter()
            .filter_map(|id| self.flows.remove_entry(id))
            .collect();
        let mut ends: Vec<&mut Ends> = looked_up
            .iter_mut()
            .map(|(_, flow)| &mut flow.ends)
            .collect();
        self.owners.look(
            time,
            &mut ends,
            &mut self.sockets,
            &self.listeners,
            &mut self.processes,
            events,
        );
        let crowded = self.held_bytes > HELD_BYTES_MAX;
        self.unsettled.clear();
        for (id, mut flow) in looked_up {
            if crowded || flow.since.elapsed() >= held_for {
                self.owners.settle(&mut flow.ends, &self.listeners);
            }
            if !flow.ends.is_settled() {
                self.unsettled.push(id);
            }
            self.flows.insert(id, flow);
        }
    }

    /// Tells what was seen, up to the first thing of which it is not known whose it is.
    fn tell(&mut self, events: &mut Vec<Event>) {
        while let Some((_, seen)) = self.held.front() {
            let flow = self.flows.get(&id(seen));
            if flow.is_some_and(|flow| !flow.ends.is_settled()) {
                return;
            }
            let Some((time, seen)) = self.held.pop_front() else {
                return;
            };
            self.held_bytes -= cost(&seen);
            let (id, over) = (id(&seen), matches!(seen, Seen::Closed(_)));
            if let Some(flow) = self.flows.get_mut(&id)
                && !flow.is_of(self.own_pid)
            {
                flow.tell(time, id, seen, self.netns, events);
            }
            if over {
                self.flows.remove(&id);
            }
        }
    }

    fn lose(&self, time: UnixNs, reason: LossReason, count: u64, events: &mut Vec<Event>) {
        if count > 0 {
            events.push(Event {
                time,
                body: Body::Lost { reason, count },
            });
        }
    }
}

impl CapturedFlow {
    /// One of its ends is this process's.
    fn is_of(&self, pid: u32) -> bool {
        let processes = self.ends.owners.iter().flatten();
        processes
            .filter_map(|owner| owner.process())
            .any(|process| process.pid == pid)
    }

    fn tell(
        &mut self,
        time: UnixNs,
        id: ConnectionId,
        seen: Seen,
        netns: u32,
        events: &mut Vec<Event>,
    ) {
        let mut push = |body| events.push(Event { time, body });
        match seen {
            Seen::Http(..) => {}
            Seen::Bytes(_, passed) => {
                let from = passed.from;
                let ends = [from, from.other()].map(|side| self.end(id, side, netns));
                let (writer, reader) = (self.process(from), self.process(from.other()));
                let news = !std::mem::replace(&mut self.reader_told[from.index()], true);
                if let (Some(_), Some(reader), true) = (writer, reader, news) {
                    let read = transfer(time, reader, ends[1], Direction::Read, passed.length);
                    push(Body::Transfer(read));
                }
                let told = match (writer, reader) {
                    (Some(writer), _) => (writer, ends[0], Direction::Write),
                    (None, Some(reader)) => (reader, ends[1], Direction::Read),
                    (None, None) => return,
                };
                let (process, end, direction) = told;
                push(Body::Transfer(Transfer {
                    lost_before: passed.piece.lost,
                    payload: passed.piece.bytes,
                    copied: true,
                    ..transfer(time, process, end, direction, passed.length)
                }));
            }
            Seen::End(_, from) => {
                let (side, direction) = if self.process(from).is_some() {
                    (from, Direction::Write)
                } else {
                    (from.other(), Direction::Read)
                };
                if let Some(process) = self.process(side) {
                    push(Body::EndOfStream {
                        process,
                        end: self.end(id, side, netns),
                        direction,
                    });
                }
            }
            Seen::Closed(_) => push(Body::SocketState(SocketState {
                end: self.end(id, Side::A, netns),
                state: TcpState::Close,
                process: None,
                held: false,
            })),
        }
    }

    fn process(&self, side: Side) -> Option<ProcessKey> {
        self.ends.owners[side.index()].and_then(Owner::process)
    }

    fn end(&self, ConnectionId(number): ConnectionId, side: Side, netns: u32) -> End {
        End {
            key: EndKey {
                device: CAPTURED,
                inode: 2 * number + side.index() as u64,
            },
            channel: Channel::Tcp,
            peer: None,
            tuple: Some(self.ends.tuple(side.index())),
            netns,
        }
    }
}

/// A process's use of an end, without its bytes.
fn transfer(
    time: UnixNs,
    process: ProcessKey,
    end: End,
    direction: Direction,
    length: u64,
) -> Transfer {
    Transfer {
        process,
        thread: process.pid,
        fd: None,
        end,
        direction,
        entered: time,
        lost_before: 0,
        length,
        payload: Vec::new(),
        copied: false,
    }
}

fn id(seen: &Seen) -> ConnectionId {
    match seen {
        Seen::Http(id, _) | Seen::Bytes(id, _) | Seen::End(id, _) | Seen::Closed(id) => *id,
    }
}

fn cost(seen: &Seen) -> usize {
    match seen {
        Seen::Bytes(_, passed) => SEEN_BYTES + passed.piece.bytes.len(),
        Seen::Http(..) | Seen::End(..) | Seen::Closed(_) => SEEN_BYTES,
    }
}

/// Nothing to read now, or an interface that went down: the others go on.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::NetworkDown
    )
}

/// packet(7): a socket that is bound to interface 0 receives from all.
fn every_interface() -> NetworkInterface {
    NetworkInterface {
        name: String::new(),
        description: String::new(),
        index: 0,
        mac: None,
        ips: Vec::new(),
        flags: 0,
    }
}

/// When a packet was captured, by its stamp of the wall clock. A stamp that cannot be of this moment's clock is of one that was set
/// meanwhile, and says nothing.
fn captured_at(stamp: Option<UnixNs>, clock: &Clock) -> UnixNs {
    let now = clock.now();
    let time =
        stamp.map(|wall| wall.saturating_add_signed(clock.timeline().ahead_ns().saturating_neg()));
    time.filter(|time| (now.saturating_sub(STAMP_AGE_NS)..=now).contains(time))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_as_old_as_it_can_be() {
        let clock = Clock::measure();
        let before = clock.now();
        let second = 1_000_000_000;
        assert_eq!(captured_at(Some(before - second), &clock), before - second);
        for strange in [
            None,
            Some(0),
            Some(before - 3600 * second),
            Some(before + 3600 * second),
        ] {
            let time = captured_at(strange, &clock);
            assert!(
                (before..before + 60 * second).contains(&time),
                "{strange:?}"
            );
        }
    }
}
