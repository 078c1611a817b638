//! Names and addresses in one canonical form, so that two ways to write the same thing are equal.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Longest DNS name, RFC 1035 §2.3.4.
const NAME_BYTES_MAX: usize = 253;

/// A host as a client may write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// Lower case, no trailing dot.
    Name(String),
    /// An address literal, never IPv4-mapped.
    Ip(IpAddr),
}

impl Host {
    /// Reads a name or an address (IPv6 with or without brackets). None for anything a DNS name cannot be.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Some(inner) = inner {
            let ip: Ipv6Addr = inner.parse().ok()?;
            return Some(Self::Ip(IpAddr::V6(ip).to_canonical()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        // "10.0.0.5." is an address with a root dot to some resolvers.
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Some(Self::Ip(ip.to_canonical()));
        }
        is_name(&name).then_some(Self::Name(name))
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

fn is_name(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A numeric last label ("127.1", "0x7f.1") is an address to inet_aton, not a name: refused.
    let last_numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|l| l.starts_with(|c: char| c.is_ascii_digit()));
    name.len() <= NAME_BYTES_MAX && name.split('.').all(label) && !last_numeric
}

/// Host and port as in a `Host` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Authority {
    /// Who.
    pub(crate) host: Host,
    /// Port, if written.
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port`. User-info and everything else is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(host) = Host::parse(text) {
            return Some(Self { host, port: None });
        }
        let (host, port) = text.rsplit_once(':')?;
        // A bare IPv6 address with a port is ambiguous.
        if host.contains(':') && !host.starts_with('[') {
            return None;
        }
        let host = Host::parse(host)?;
        Some(Self {
            host,
            port: parse_port(port)?,
        })
    }
}

/// `""` is the scheme's default port (RFC 3986 §3.2.3).
#[expect(
    clippy::option_option,
    reason = "outer: readable at all; inner: written"
)]
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match text.parse::<u16>() {
        Ok(0) | Err(_) => None,
        Ok(port) => Some(Some(port)),
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Scheme, authority and path of an `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// `https`.
    pub(crate) secure: bool,
    /// Who; its port may be left out.
    pub(crate) authority: Authority,
    /// Path without query and fragment; empty where none is written.
    pub(crate) path: String,
}

impl Url {
    /// Reads a URL; none for other schemes, user-info, or broken authorities.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        Some(Self {
            secure,
            authority: Authority::parse(authority)?,
            path: bare_path(path).to_owned(),
        })
    }

    /// The port, by default the scheme's.
    pub(crate) fn port(&self) -> u16 {
        self.authority
            .port
            .unwrap_or(if self.secure { 443 } else { 80 })
    }
}

/// A path without query and fragment.
pub(crate) fn bare_path(path: &str) -> &str {
    &path[..path.find(['?', '#']).unwrap_or(path.len())]
}

/// IPv4-mapped IPv6 becomes IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Addresses that mean one thing within one organisation at most: private, shared, link-local, unique local.
pub(crate) fn is_internal(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// A network or a single address, with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    ip: IpAddr,
    prefix: u8,
    port: Option<u16>,
}

impl Network {
    /// Reads `ip`, `ip:port`, `cidr`, `cidr:port`; IPv6 with a port in brackets.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (net, port) = split_port(text)?;
        let (ip, prefix) = match net.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (net, None),
        };
        let ip: IpAddr = ip
            .parse()
            .map_err(|_| format!("`{text}` is not an IP address or a CIDR"))?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(p) => p
                .parse()
                .ok()
                .filter(|&p: &u8| p <= bits && !text.contains("/+"))
                .ok_or(format!("`/{p}` is not a prefix length of 0 to {bits}"))?,
        };
        Self::checked(ip, prefix, port)
    }

    fn checked(ip: IpAddr, prefix: u8, port: Option<u16>) -> Result<Self, String> {
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
        let (ip, prefix) = match ip.to_canonical() {
            IpAddr::V4(v4) if ip.is_ipv6() && prefix >= 96 => (IpAddr::V4(v4), prefix - 96),
            _ => (ip, prefix),
        };
        if prefix == 0 {
            return Err("the network covers every address".to_owned());
        }
        if ip.is_unspecified() {
            return Err(format!("`{ip}` is no address that one can connect to"));
        }
        let base = masked(ip, prefix);
        if base != ip {
            return Err(format!(
                "`{ip}/{prefix}` has bits set beyond its prefix; the network is `{base}/{prefix}`"
            ));
        }
        Ok(Self { ip, prefix, port })
    }

    /// Whether `ip` lies in it; the port is not looked at.
    pub(crate) fn holds(&self, ip: IpAddr) -> bool {
        masked(ip.to_canonical(), self.prefix.min(bits_of(ip))) == self.ip
            && self.prefix <= bits_of(ip)
    }

    /// The port, if one was written.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether it is about loopback: such an address is another machine on every host.
    pub(crate) fn is_loopback(&self) -> bool {
        self.ip.is_loopback()
    }

    /// The address, where it is a single one.
    pub(crate) fn single(&self) -> Option<IpAddr> {
        (self.prefix == bits_of(self.ip)).then_some(self.ip)
    }
}

fn bits_of(ip: IpAddr) -> u8 {
    if ip.to_canonical().is_ipv4() { 32 } else { 128 }
}

fn masked(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let bad = || format!("`{text}` has no readable port");
    if let Some(rest) = text.strip_prefix('[') {
        let (net, tail) = rest
            .split_once(']')
            .ok_or(format!("`{text}` lacks a closing bracket"))?;
        return match tail.strip_prefix(':') {
            Some(port) => Ok((net, parse_port(port).flatten().ok_or_else(bad)?.into())),
            None if tail.is_empty() => Ok((net, None)),
            None => Err(bad()),
        };
    }
    match text.split_once(':') {
        // More than one colon: IPv6 without brackets, so without a port.
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((net, port)) => Ok((net, parse_port(port).flatten().ok_or_else(bad)?.into())),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_canonical() {
        for (text, expect) in [
            ("GW.Corp.Example", "gw.corp.example"),
            ("gw.corp.example.", "gw.corp.example"),
            ("gw.corp.example.:8443", "gw.corp.example:8443"),
            ("gw:", "gw"),
            ("[::FFFF:10.0.0.5]:443", "10.0.0.5:443"),
            ("[::1]", "[::1]"),
            ("::1", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:9000", "[::1]:9000"),
            ("10.0.0.5:443", "10.0.0.5:443"),
        ] {
            assert_eq!(
                Authority::parse(text).map(|a| a.to_string()).as_deref(),
                Some(expect),
                "{text}"
            );
        }
        for bad in [
            "",
            ":80",
            "a b",
            "user@gw",
            "gw/x",
            "gw:x",
            "gw:0",
            "gw:99999",
            "gw:+80",
            "127.1",
            "0x7f.0.0.1",
            "gw..corp",
            "gẃ",
            "[::1",
            "[fe80::1%eth0]",
            "gw:80:80",
            "gw\r\nX: y",
        ] {
            assert_eq!(Authority::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn networks_hold_what_they_should() {
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        for (net, inside, outside) in [
            ("10.1.0.0/16", "10.1.2.3", "10.2.0.1"),
            ("10.1.0.0/16:443", "::ffff:10.1.2.3", "::1"),
            ("10.0.0.5:443", "10.0.0.5", "10.0.0.6"),
            ("[::1]:9000", "::1", "127.0.0.1"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("[fd00::/8]:443", "fd12::1", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
        ] {
            let parsed = Network::parse(net).unwrap();
            assert!(parsed.holds(ip(inside)), "{net} {inside}");
            assert!(!parsed.holds(ip(outside)), "{net} {outside}");
        }
        for bad in [
            "",
            "gw.corp",
            "10.1.2.3/16",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0:80",
            "10.0.0.5:0",
            "10.0.0.5:http",
            "[::1",
            "10.0.0.5/",
            "10.0.0.0/+8",
            "[::1]9000",
        ] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls() {
        let url = Url::parse("HTTPS://Api.Example/mcp?key=1#x").unwrap();
        assert_eq!(
            (
                url.port(),
                url.path.as_str(),
                url.authority.to_string().as_str()
            ),
            (443, "/mcp", "api.example")
        );
        for bad in ["ftp://x/", "https://u:p@x/", "x", "http://", "http:///x"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }
}
