//! Which process listens where, and where it was seen to serve.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use crate::event::{EndKey, ProcessKey};

/// Listening sockets kept, over all processes; a host with more has other problems.
const LISTENERS_MAX: usize = 16_384;
/// Sockets kept of one process.
const OWN_MAX: usize = 1024;

/// One listening socket. Where a process was only seen to serve there is an address and no object.
type Socket = (Option<EndKey>, SocketAddr);

/// Listening TCP sockets of the host, by process.
#[derive(Debug, Default)]
pub struct Listeners {
    processes: HashMap<ProcessKey, HashSet<Socket>>,
    owners: HashMap<Socket, HashSet<ProcessKey>>,
    dropped: u64,
}

impl Listeners {
    /// A process listens, or was seen to hold a listening socket.
    pub fn open(&mut self, key: EndKey, address: SocketAddr, process: ProcessKey) {
        self.add((Some(key), address), process);
    }

    /// A process answered as a server on this address: it was handed the socket, by its parent or over an
    /// exec (socket activation).
    pub fn serves(&mut self, address: SocketAddr, process: ProcessKey) -> bool {
        let own = self.of(process);
        let any = |own: &SocketAddr| own.ip().is_unspecified() && own.port() == address.port();
        let news = !own.contains(&address) && !own.iter().any(any);
        if news {
            self.add((None, address), process);
        }
        news
    }

    /// A listening socket is gone. Its inode may be gone before it (0): then the address tells.
    pub fn close(&mut self, key: EndKey, address: SocketAddr) {
        let gone = |(own, at): &Socket| {
            *at == address && (key.inode == 0 || own.is_none_or(|own| own == key))
        };
        let sockets: Vec<Socket> = self
            .owners
            .keys()
            .filter(|socket| gone(socket))
            .copied()
            .collect();
        for socket in sockets {
            for process in self.owners.remove(&socket).unwrap_or_default() {
                if let Some(sockets) = self.processes.get_mut(&process) {
                    sockets.remove(&socket);
                }
            }
        }
    }

    /// A process runs a new image: what it inherited is not its own any more, until it is seen to serve.
    pub fn exec(&mut self, process: ProcessKey) {
        self.exit(process);
    }

    /// A process made another, which has its descriptors.
    pub fn fork(&mut self, parent: ProcessKey, child: ProcessKey) {
        for socket in self.processes.get(&parent).cloned().unwrap_or_default() {
            self.add(socket, child);
        }
    }

    /// A process is gone.
    pub fn exit(&mut self, process: ProcessKey) {
        for socket in self.processes.remove(&process).unwrap_or_default() {
            if let Some(owners) = self.owners.get_mut(&socket) {
                owners.remove(&process);
                if owners.is_empty() {
                    self.owners.remove(&socket);
                }
            }
        }
    }

    /// Where a process listens, in a stable order.
    #[must_use]
    pub fn of(&self, process: ProcessKey) -> Vec<SocketAddr> {
        let own = self.processes.get(&process).into_iter().flatten();
        let mut addresses: Vec<SocketAddr> = own.map(|(_, address)| *address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Whether anybody listens on this port, on this address or on all of them.
    #[must_use]
    pub fn is_served(&self, address: SocketAddr) -> bool {
        self.owners.keys().any(|(_, own)| {
            own.port() == address.port() && (own.ip() == address.ip() || own.ip().is_unspecified())
        })
    }

    /// Sockets that found no room since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn add(&mut self, socket: Socket, process: ProcessKey) {
        let own = self.processes.get(&process).map_or(0, HashSet::len);
        let owners = self.owners.get(&socket).map_or(0, HashSet::len);
        let full = !self.owners.contains_key(&socket) && self.owners.len() >= LISTENERS_MAX;
        if full || own >= OWN_MAX || owners >= OWN_MAX {
            self.dropped += 1;
            return;
        }
        self.processes.entry(process).or_default().insert(socket);
        self.owners.entry(socket).or_default().insert(process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: EndKey = EndKey {
        device: 8,
        inode: 5,
    };

    fn process(pid: u32) -> ProcessKey {
        ProcessKey { pid, start_ns: 1 }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn workers_share_their_parents_socket_and_an_exec_gives_it_up() {
        let mut listeners = Listeners::default();
        let address = at("0.0.0.0:80");
        listeners.open(KEY, address, process(1));
        listeners.fork(process(1), process(2));
        listeners.fork(process(1), process(3));
        listeners.exec(process(3));
        assert_eq!(listeners.of(process(2)), [address]);
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
        listeners.close(KEY, at("127.0.0.1:80"));
        assert!(listeners.of(process(1)).is_empty());
    }

    #[test]
    fn one_process_cannot_fill_the_table() {
        let mut listeners = Listeners::default();
        for port in 1..=5000 {
            listeners.open(
                EndKey {
                    device: 8,
                    inode: port.into(),
                },
                SocketAddr::from(([127, 0, 0, 1], port)),
                process(1),
            );
        }
        assert_eq!(listeners.of(process(1)).len(), OWN_MAX);
        assert_eq!(listeners.take_dropped(), 5000 - OWN_MAX as u64);
    }
}
