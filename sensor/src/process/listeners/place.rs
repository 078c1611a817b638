//! Where something listens, and who can reach that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::observation::Exposure;

/// An address that can be listened on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP; IPv4-mapped addresses are given as IPv4.
    Tcp(SocketAddr),
    /// A unix socket's path, or its abstract name after `@`. NOT redacted.
    Unix(Arc<str>),
}

/// An address in one network namespace: the same address in two of them is two places.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// What is listened on.
    pub address: Address,
    /// The network namespace's inode number; 0: the host's own, or unknown.
    pub netns: u32,
}

impl Place {
    /// A TCP address.
    #[must_use]
    pub const fn tcp(address: SocketAddr, netns: u32) -> Self {
        Self {
            address: Address::Tcp(address),
            netns,
        }
    }

    /// The places of listening sockets that take connections to this one, the closest first: its own
    /// address, all of its family, and all of IPv6, for such a socket mostly takes IPv4 too (`ipv6(7)`).
    pub fn listening(&self) -> impl Iterator<Item = Self> + use<> {
        let netns = self.netns;
        let all = match self.address {
            Address::Tcp(address) => [
                Some(Ipv4Addr::UNSPECIFIED.into()).filter(|_| address.is_ipv4()),
                Some(Ipv6Addr::UNSPECIFIED.into()),
            ]
            .map(|ip: Option<IpAddr>| Some(SocketAddr::new(ip?, address.port()))),
            Address::Unix(_) => [None, None],
        };
        let all = all
            .into_iter()
            .flatten()
            .map(move |all| Self::tcp(all, netns));
        std::iter::once(self.clone()).chain(all)
    }

    /// Who can reach it, as far as the address tells.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        match &self.address {
            Address::Unix(_) => Exposure::Unix,
            Address::Tcp(address) => match address.ip().to_canonical() {
                ip if ip.is_loopback() => Exposure::Loopback,
                // Whatever it is bound to in there, it ends at the namespace.
                _ if self.netns != 0 => Exposure::Host,
                ip if ip.is_unspecified() => Exposure::Any,
                ip if is_private(ip) => Exposure::Private,
                _ => Exposure::Public,
            },
        }
    }
}

/// RFC 1918, RFC 6598 (shared), RFC 3927 and RFC 4291 (link-local), RFC 4193 (unique local).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(address: &str, netns: u32) -> &'static str {
        let address = address.parse().expect("an address");
        Place::tcp(address, netns).exposure().as_str()
    }

    #[test]
    fn grades() {
        for (address, grade) in [
            ("127.0.0.1:80", "loopback"),
            ("127.9.9.9:80", "loopback"),
            ("[::1]:80", "loopback"),
            ("[::ffff:127.0.0.1]:80", "loopback"),
            ("0.0.0.0:80", "any"),
            ("[::]:80", "any"),
            ("10.1.2.3:80", "private"),
            ("172.17.0.1:80", "private"),
            ("172.32.0.1:80", "public"),
            ("100.64.0.1:80", "private"),
            ("100.128.0.1:80", "public"),
            ("169.254.1.1:80", "private"),
            ("[fd00::1]:80", "private"),
            ("[fe80::1]:80", "private"),
            ("[2001:db8::1]:80", "public"),
            ("192.0.2.1:80", "public"),
        ] {
            assert_eq!(exposure(address, 0), grade, "{address}");
        }
        assert_eq!(exposure("0.0.0.0:80", 7), "host");
        assert_eq!(exposure("172.17.0.2:80", 7), "host");
        assert_eq!(exposure("127.0.0.1:80", 7), "loopback");
    }

    #[test]
    fn who_takes_a_connection() {
        let reached = Place::tcp("10.0.0.1:80".parse().expect("an address"), 3);
        let taken: Vec<String> = reached
            .listening()
            .map(|place| match place.address {
                Address::Tcp(address) => format!("{address} {}", place.netns),
                Address::Unix(name) => name.to_string(),
            })
            .collect();
        assert_eq!(taken, ["10.0.0.1:80 3", "0.0.0.0:80 3", "[::]:80 3"]);
    }
}
