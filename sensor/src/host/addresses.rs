//! Addresses of this network namespace's interfaces, read again now and then.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    list: Vec<Own>,
    read: Option<Instant>,
    believed_for: Duration,
}

#[derive(Debug)]
struct Own {
    ip: IpAddr,
    /// Index of the interface that has it.
    interface: u32,
    /// Of the interface above that one: of a VRF, whose sockets are bound to it.
    master: Option<u32>,
}

impl Addresses {
    /// Read at most this often.
    pub(crate) const fn new(believed_for: Duration) -> Self {
        Self {
            list: Vec::new(),
            read: None,
            believed_for,
        }
    }

    /// Reads them again, if it is time.
    pub(crate) fn refresh(&mut self) {
        let is_new = |read: Instant| read.elapsed() < self.believed_for;
        if self.read.is_some_and(is_new) {
            return;
        }
        self.read = Some(Instant::now());
        let interfaces = pnet_datalink::interfaces();
        let index = |name: &str| {
            let named = interfaces.iter().find(|interface| interface.name == name);
            named.map(|interface| interface.index)
        };
        self.list.clear();
        for interface in interfaces
            .iter()
            .filter(|interface| !interface.ips.is_empty())
        {
            let master = fs::read_link(format!("/sys/class/net/{}/master", interface.name)).ok();
            let name = master.as_ref().and_then(|path| path.file_name()?.to_str());
            let master = name.and_then(index);
            self.list.extend(interface.ips.iter().map(|net| Own {
                ip: net.ip().to_canonical(),
                interface: interface.index,
                master,
            }));
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.list.iter().map(|own| own.ip)
    }

    /// Whether it is one of this namespace. Loopback is more than the one address that its interface has.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.iter().any(|own| own == ip)
    }

    /// Interfaces that a socket with this address may be bound to.
    pub(crate) fn interfaces_of(&self, ip: IpAddr) -> impl Iterator<Item = u32> {
        let is_of = move |own: &&Own| own.ip == ip || ip.is_loopback() && own.ip.is_loopback();
        let of = self.list.iter().filter(is_of);
        of.flat_map(|own| [Some(own.interface), own.master])
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_ours_and_has_an_interface() {
        let mut addresses = Addresses::new(Duration::from_secs(60));
        assert!(addresses.iter().next().is_none());
        addresses.refresh();
        let [own, other, far] =
            ["127.0.0.1", "127.8.9.10", "198.51.100.7"].map(|ip| ip.parse().unwrap());
        assert!(addresses.has(own) && addresses.has(other) && !addresses.has(far));
        // LOOPBACK_IFINDEX (include/net/net_namespace.h).
        assert!(
            addresses
                .interfaces_of(other)
                .any(|interface| interface == 1)
        );
        assert!(addresses.interfaces_of(far).next().is_none());
    }
}
