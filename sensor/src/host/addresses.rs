//! Addresses of this network namespace's interfaces, read again now and then.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long it is believed which interface is above another: that is a file for each.
const MASTERS_FOR: Duration = Duration::from_secs(60);

/// The addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    list: Vec<Own>,
    read: Option<Instant>,
    masters: Masters,
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
    pub(crate) fn new(believed_for: Duration) -> Self {
        Self {
            list: Vec::new(),
            read: None,
            masters: Masters::default(),
            believed_for,
        }
    }

    /// Reads them again, if it is time.
    pub(crate) fn refresh(&mut self) {
        let is_new = |read: Instant| read.elapsed() < self.believed_for;
        if self.read.is_some_and(is_new) {
            return;
        }
        let now = Instant::now();
        self.read = Some(now);
        let interfaces = pnet_datalink::interfaces();
        let indices: HashMap<&str, u32> = interfaces
            .iter()
            .map(|interface| (interface.name.as_str(), interface.index))
            .collect();
        let names: Vec<&str> = interfaces
            .iter()
            .filter(|interface| !interface.ips.is_empty())
            .map(|interface| interface.name.as_str())
            .collect();
        self.masters.refresh(now, &names, master);
        self.list.clear();
        for interface in &interfaces {
            let master = self.masters.of(&interface.name);
            let master = master.and_then(|name| indices.get(name).copied());
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

/// Which interface is above which, by name.
#[derive(Debug, Default)]
struct Masters {
    known: HashMap<String, Option<String>>,
    read: Option<Instant>,
}

impl Masters {
    /// Asks for those that are new, and for all of them now and then. Those that are gone are forgotten.
    fn refresh(&mut self, now: Instant, names: &[&str], ask: impl Fn(&str) -> Option<String>) {
        let is_old = |read: Instant| now.saturating_duration_since(read) >= MASTERS_FOR;
        if self.read.is_none_or(is_old) {
            self.read = Some(now);
            self.known.clear();
        }
        let mut before = std::mem::take(&mut self.known);
        for name in names {
            let master = before.remove(*name).unwrap_or_else(|| ask(name));
            self.known.insert((*name).to_owned(), master);
        }
    }

    fn of(&self, name: &str) -> Option<&str> {
        self.known.get(name)?.as_deref()
    }
}

fn master(name: &str) -> Option<String> {
    let link = fs::read_link(format!("/sys/class/net/{name}/master")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
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

    #[test]
    fn only_interfaces_that_are_new_are_asked_for_what_is_above_them() {
        let asked = std::cell::RefCell::new(Vec::new());
        let ask = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            (name == "eth1").then(|| "blue".to_owned())
        };
        let mut masters = Masters::default();
        let now = Instant::now();
        masters.refresh(now, &["eth0", "eth1"], ask);
        masters.refresh(now, &["eth1", "eth2"], ask);
        assert_eq!(asked.take(), ["eth0", "eth1", "eth2"]);
        assert_eq!(masters.of("eth1"), Some("blue"));
        assert_eq!((masters.of("eth0"), masters.of("eth2")), (None, None));
        masters.refresh(now, &["eth0", "eth1"], ask);
        assert_eq!(asked.take(), ["eth0"], "it was gone");
        masters.refresh(now + MASTERS_FOR, &["eth0", "eth1"], ask);
        assert_eq!(asked.take(), ["eth0", "eth1"]);
    }
}
