//! One approved gateway, and what a session's facts say about it.

use std::net::{IpAddr, SocketAddr};

use crate::address::{Authority, Host, Network, Url, canonical};
use crate::facts::{BaseRoute, Facts, Transport};
use crate::pattern::Pattern;
use crate::place::{self, Place};

/// A `[[gateway]]`, checked: at least one name and one address.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) names: Vec<Authority>,
    pub(crate) addresses: Vec<Network>,
    /// Where its upstream sessions come from; empty: `addresses`.
    pub(crate) sources: Vec<Network>,
    pub(crate) paths: Vec<Pattern>,
    pub(crate) certificate_keys: Vec<String>,
    pub(crate) upstreams: Vec<Upstream>,
    /// Hosts that its loopback addresses are about; empty: every host. Those named in full are believed about
    /// what it fronts.
    pub(crate) hosts: Vec<Pattern>,
    /// Users that its process runs as; empty: any.
    pub(crate) users: Vec<Pattern>,
}

/// A server that the policy says is behind the gateway.
#[derive(Clone, Debug)]
pub(crate) enum Upstream {
    /// By address, any path.
    Address(Network),
    /// By URL; a path of `/` or none stands for any.
    Url(Url),
}

/// What a session's facts say of one gateway, strongest first: the order is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// Name, address, path and certificate agree as far as they were seen.
    Agreed,
    PathNotListed,
    SeveralPaths,
    CertificateMismatch,
    /// Name and address agree, on this very host, but the process that answers does not run as one of its users.
    WrongUser,
    /// Something of the session is this gateway's, but it wrote several names.
    SeveralNames,
    /// The name is this gateway's, and some of the addresses that it went to, but not all.
    SeveralAddresses,
    NameWithoutAddress,
    AddressNotSeen,
    AddressWithoutName,
    NameNotSeen,
    /// Nothing to do with this gateway.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Agrees,
    Differs,
    /// Not wholly: one name or address of the session agrees, another does not, or the port of a name differs.
    Partly,
    NotSeen,
}

impl Gateway {
    /// Holds name, address, path and certificate of a session against this gateway.
    pub(crate) fn claim(&self, facts: &Facts) -> Claim {
        // A child process on pipes has not gone through anything, whatever it says.
        if facts.transport == Some(Transport::Stdio) && facts.base_route != BaseRoute::Bridge {
            return Claim::Nothing;
        }
        match (self.name_match(facts), self.address_match(facts)) {
            (Match::Partly, _) | (_, Match::Agrees | Match::Partly)
                if facts.has_several_names() =>
            {
                Claim::SeveralNames
            }
            (Match::Agrees, Match::Agrees) => self.detail_claim(facts),
            (Match::Agrees | Match::Partly, Match::Partly) => Claim::SeveralAddresses,
            (Match::Agrees | Match::Partly, Match::Differs) => Claim::NameWithoutAddress,
            (Match::Agrees | Match::Partly, Match::NotSeen) => Claim::AddressNotSeen,
            (Match::Differs | Match::Partly, Match::Agrees) => Claim::AddressWithoutName,
            (Match::NotSeen, Match::Agrees) => Claim::NameNotSeen,
            _ => Claim::Nothing,
        }
    }

    fn detail_claim(&self, facts: &Facts) -> Claim {
        let key = facts.certificate_key.as_ref();
        let listed = |key: &String| {
            self.certificate_keys
                .iter()
                .any(|k| k.eq_ignore_ascii_case(key))
        };
        if !self.certificate_keys.is_empty() && key.is_some_and(|k| !listed(k)) {
            return Claim::CertificateMismatch;
        }
        let runs_as = |user: &Option<String>| self.runs_as(user.as_deref());
        let expected = runs_as(&facts.server_user) && facts.other_server_users.iter().all(runs_as);
        if answers_here(facts) && !expected {
            return Claim::WrongUser;
        }
        if facts.paths().iter().any(|path| !self.lists_path(path)) {
            Claim::PathNotListed
        } else if facts.has_several_paths() {
            Claim::SeveralPaths
        } else {
            Claim::Agreed
        }
    }

    fn lists_path(&self, path: &str) -> bool {
        self.paths.is_empty() || (is_plain(path) && self.paths.iter().any(|p| p.fits(path)))
    }

    /// The names of a session are what it wrote and what its TLS handshake asked for; all seen must agree.
    /// A bridge is judged by the URL it was given where nothing of the far side was read.
    fn name_match(&self, facts: &Facts) -> Match {
        let secure = is_secure(facts);
        let mut seen = Vec::with_capacity(2);
        for text in facts.names() {
            let authority = Authority::parse(text);
            seen.push(authority.map_or(Match::Differs, |a| self.lists_name(&a, secure, facts)));
        }
        if facts.has_several_names() {
            // However they are spelled, one session has one name.
            seen.push(Match::Differs);
        }
        if let Some(text) = &facts.sni {
            let host = Host::parse(text);
            let listed = self.names.iter().any(|n| Some(&n.host) == host.as_ref());
            seen.push(if listed {
                Match::Agrees
            } else {
                Match::Differs
            });
        }
        if seen.is_empty()
            && facts.base_route == BaseRoute::Bridge
            && let Some(url) = facts.endpoint.as_deref().and_then(Url::parse)
        {
            seen.push(self.lists_name(&url.authority, url.secure, facts));
        }
        let all = |m: Match| seen.iter().all(|&s| s == m);
        match seen.as_slice() {
            [] => Match::NotSeen,
            _ if all(Match::Agrees) => Match::Agrees,
            _ if all(Match::Differs) => Match::Differs,
            _ => Match::Partly,
        }
    }

    fn lists_name(&self, authority: &Authority, secure: bool, facts: &Facts) -> Match {
        let default = if secure { 443 } else { 80 };
        let port = authority.port.unwrap_or(default);
        let mut same_host = self.names.iter().filter(|n| n.host == authority.host);
        if same_host.any(|n| n.port.unwrap_or(default) == port) {
            return Match::Agrees;
        }
        // Another port of the gateway's machine is another server, and no claim to be the gateway.
        let here = |a: SocketAddr| self.addresses.iter().any(|net| net.holds(a.ip()));
        let elsewhere = facts.server_addresses().any(|a| !a.is_some_and(here));
        let bears_name = self.names.iter().any(|n| n.host == authority.host)
            && matches!(&authority.host, Host::Name(name) if name != "localhost");
        if bears_name && elsewhere {
            Match::Partly
        } else {
            Match::Differs
        }
    }

    /// All addresses that the session went to must agree: a client may send any request of it anywhere.
    fn address_match(&self, facts: &Facts) -> Match {
        let mut all = facts
            .server_addresses()
            .map(|address| self.one_address_match(address, facts));
        let first = all.next().unwrap_or(Match::NotSeen);
        all.fold(first, |one, other| match (one, other) {
            (Match::Agrees, Match::Agrees) => Match::Agrees,
            (Match::Agrees | Match::Partly, _) | (_, Match::Agrees) => Match::Partly,
            (Match::NotSeen, Match::NotSeen) => Match::NotSeen,
            _ => Match::Differs,
        })
    }

    fn one_address_match(&self, address: Option<SocketAddr>, facts: &Facts) -> Match {
        let Some(address) = address else {
            return Match::NotSeen;
        };
        if self.listed_at(address, &facts.host) {
            Match::Agrees
        } else if facts.via.is_some() && facts.base_route == BaseRoute::Direct {
            // The kernel saw the proxy's address; where the proxy went, it did not.
            Match::NotSeen
        } else {
            Match::Differs
        }
    }

    /// Whether `address` is one of the gateway's. An address listed without a port takes the ports of the names.
    fn listed_at(&self, address: SocketAddr, host: &str) -> bool {
        self.addresses.iter().any(|net| {
            net.holds(address.ip())
                && self.port_fits(net, address.port())
                && self.loopback_counts(net, host)
        })
    }

    fn port_fits(&self, net: &Network, port: u16) -> bool {
        net.port().map_or_else(
            || {
                self.names
                    .iter()
                    .any(|n| n.port.map_or(port == 443 || port == 80, |p| p == port))
            },
            |p| p == port,
        )
    }

    fn loopback_counts(&self, net: &Network, host: &str) -> bool {
        !net.is_loopback() || self.hosts.is_empty() || self.hosts.iter().any(|p| p.fits(host))
    }

    /// Whether the policy names this very host as the gateway's. A pattern with `*` is about a class of hosts, any
    /// of which could then speak for the others.
    pub(crate) fn names_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|p| p.is_literal() && p.fits(host))
    }

    /// Whether the session's client is this gateway's own process: it listens where the gateway is, and runs as
    /// its user where the policy says which that is. Without that, nobody else may listen where it could be.
    pub(crate) fn is_process(&self, facts: &Facts) -> bool {
        self.listens(facts) && self.runs_as(facts.user.as_deref()) && !self.is_contested(facts)
    }

    /// Whether the session's client listens where the gateway could be, and so does another process, and the policy does
    /// not tell which of them it is.
    pub(crate) fn is_contested(&self, facts: &Facts) -> bool {
        let own = facts.client_serves.iter().copied().map(canonical);
        let others = facts.others_serve.iter().copied().flatten();
        let all: Vec<SocketAddr> = own.clone().chain(others).collect();
        // An address that two processes share (`SO_REUSEPORT`, or one socket) is one server: the kernel lets no other user
        // have it.
        let is_rival = |other: SocketAddr| {
            !own.clone().any(|own| own == other) && self.serves(other, &all, facts)
        };
        self.users.is_empty()
            && self.listens(facts)
            && facts
                .others_serve
                .iter()
                .any(|other| other.map(canonical).is_none_or(is_rival))
    }

    /// Whether the session's client listens where the gateway is, but not as its user.
    pub(crate) fn is_squatted(&self, facts: &Facts) -> bool {
        self.listens(facts) && !self.runs_as(facts.user.as_deref())
    }

    /// An unknown user is nobody's.
    fn runs_as(&self, user: Option<&str>) -> bool {
        self.users.is_empty() || user.is_some_and(|user| self.users.iter().any(|p| p.fits(user)))
    }

    fn listens(&self, facts: &Facts) -> bool {
        let others: Vec<SocketAddr> = facts.others_serve.iter().copied().flatten().collect();
        facts.base_route != BaseRoute::Inbound
            && facts
                .client_serves
                .iter()
                .any(|&socket| self.serves(canonical(socket), &others, facts))
    }

    /// Whether a listening socket takes connections to the gateway; `others`: sockets of other processes. Beside loopback
    /// only addresses count that are known to be this host's: anybody may listen on the address of another one
    /// (`IP_FREEBIND`, ip(7)).
    fn serves(&self, socket: SocketAddr, others: &[SocketAddr], facts: &Facts) -> bool {
        let own = facts
            .host_addresses
            .iter()
            .copied()
            .chain(facts.client_address.map(|a| a.ip()))
            .map(|ip| ip.to_canonical());
        if !socket.ip().is_unspecified() {
            let here = socket.ip().is_loopback() || own.into_iter().any(|ip| ip == socket.ip());
            return here && self.listed_at(socket, &facts.host);
        }
        let loopbacks = self
            .addresses
            .iter()
            .filter(|n| n.is_loopback())
            .filter_map(Network::single);
        own.chain(loopbacks)
            .filter(|ip| takes(socket, *ip, others))
            .any(|ip| self.listed_at(SocketAddr::new(ip, socket.port()), &facts.host))
    }

    /// Whether an inbound session comes from this gateway, with all of its connections. Loopback and the host's own
    /// addresses never do: every process here has them.
    pub(crate) fn is_source(&self, facts: &Facts) -> bool {
        let from = |ip: IpAddr| {
            let ip = ip.to_canonical();
            let nets = if self.sources.is_empty() {
                &self.addresses
            } else {
                &self.sources
            };
            !ip.is_loopback() && !facts.is_own(ip) && nets.iter().any(|net| net.holds(ip))
        };
        facts.base_route == BaseRoute::Inbound
            && facts.client_address.is_some_and(|a| from(a.ip()))
            && facts
                .other_client_addresses
                .iter()
                .all(|ip| ip.is_some_and(from))
    }

    /// Whether the policy itself says that the session's server is behind this gateway.
    pub(crate) fn declares(&self, facts: &Facts) -> bool {
        if self.upstreams.is_empty() {
            return false;
        }
        let places = place::places(facts);
        self.upstreams.iter().any(|upstream| match upstream {
            Upstream::Address(net) => self.at(net, &places, &facts.host),
            Upstream::Url(url) => {
                let paths = facts.paths();
                let path_fits = matches!(url.path.as_str(), "" | "/")
                    || paths.is_empty()
                    || paths.contains(&url.path.as_str());
                path_fits && self.at_url(url, &places, &facts.host)
            }
        })
    }

    fn at_url(&self, url: &Url, places: &[Place], host: &str) -> bool {
        match &url.authority.host {
            Host::Ip(ip) => Network::parse(&SocketAddr::new(*ip, url.port()).to_string())
                .is_ok_and(|net| self.at(&net, places, host)),
            Host::Name(name) => places.iter().any(|place| match place {
                Place::Name(n, port) => n == name && *port == url.port(),
                Place::OwnPort(_, port) => name == "localhost" && *port == url.port(),
                Place::Address(_) => false,
            }),
        }
    }

    fn at(&self, net: &Network, places: &[Place], host: &str) -> bool {
        let port_fits = |port: u16| net.port().is_none_or(|p| p == port);
        places.iter().any(|place| match place {
            Place::Address(address) => net.holds(address.ip()) && port_fits(address.port()),
            Place::OwnPort(_, port) => {
                net.is_loopback() && port_fits(*port) && self.loopback_counts(net, host)
            }
            Place::Name(..) => false,
        })
    }
}

/// Whether the server's end is on this very host, by the kernel's word: then its process can be known.
fn answers_here(facts: &Facts) -> bool {
    let own = |address: SocketAddr| address.ip().is_loopback() || facts.is_own(address.ip());
    facts.base_route != BaseRoute::Bridge && facts.server_addresses().flatten().any(own)
}

/// Whether a socket on the wildcard address takes connections to `ip`. One of IPv6 mostly takes IPv4, too, but for
/// `IPV6_V6ONLY` (ipv6(7)). That is not told of a socket; but only then can somebody else listen on its port on any address
/// of IPv4. Where nobody does, whoever has it could as well have listened there.
fn takes(socket: SocketAddr, ip: IpAddr, others: &[SocketAddr]) -> bool {
    if socket.is_ipv4() || ip.is_ipv6() {
        return socket.is_ipv4() == ip.is_ipv4();
    }
    !others
        .iter()
        .copied()
        .map(canonical)
        .any(|other| other.is_ipv4() && other.port() == socket.port())
}

/// No dot segments and no encoded ones: what a server makes of those is not for a pattern to know.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    !(lower.contains("%2e")
        || lower.contains("%2f")
        || lower.contains("%5c")
        || lower.contains('\\')
        || lower.split('/').any(|s| s == ".." || s == "."))
}

fn is_secure(facts: &Facts) -> bool {
    facts
        .scheme
        .as_deref()
        .map_or(facts.tls.is_some() || facts.sni.is_some(), |scheme| {
            scheme.eq_ignore_ascii_case("https")
        })
}
