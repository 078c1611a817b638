//! Which process listens where.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::event::{EndKey, ProcessKey};

/// Listening sockets kept; a host with more has other problems.
const LISTENERS_MAX: usize = 16_384;

/// Listening TCP sockets of the host.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: HashMap<(EndKey, SocketAddr), Vec<ProcessKey>>,
    dropped: u64,
}

impl Listeners {
    /// A process listens, or was seen to hold a listening socket.
    pub fn open(&mut self, key: EndKey, address: SocketAddr, process: ProcessKey) {
        if self.sockets.len() >= LISTENERS_MAX && !self.sockets.contains_key(&(key, address)) {
            self.dropped += 1;
            return;
        }
        let owners = self.sockets.entry((key, address)).or_default();
        if !owners.contains(&process) {
            owners.push(process);
        }
    }

    /// A listening socket is gone.
    pub fn close(&mut self, key: EndKey, address: SocketAddr) {
        if key.inode == 0 {
            self.sockets.retain(|(_, own), _| *own != address);
        } else {
            self.sockets.remove(&(key, address));
        }
    }

    /// A process runs a new image: what it inherited is not its own any more. A server that is handed its
    /// socket over an exec (socket activation) is found again when it accepts.
    pub fn exec(&mut self, process: ProcessKey) {
        self.exit(process);
    }

    /// A process made another, which has its descriptors.
    pub fn fork(&mut self, parent: ProcessKey, child: ProcessKey) {
        for owners in self.sockets.values_mut() {
            if owners.contains(&parent) {
                owners.push(child);
            }
        }
    }

    /// A process is gone.
    pub fn exit(&mut self, process: ProcessKey) {
        self.sockets.retain(|_, owners| {
            owners.retain(|owner| *owner != process);
            !owners.is_empty()
        });
    }

    /// Where a process listens, in a stable order.
    #[must_use]
    pub fn of(&self, process: ProcessKey) -> Vec<SocketAddr> {
        let own = self
            .sockets
            .iter()
            .filter(|(_, owners)| owners.contains(&process));
        let mut addresses: Vec<SocketAddr> = own.map(|((_, address), _)| *address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Sockets that found no room since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}
