//! Where a server can be reached: what makes two sessions sessions to the same server.

use std::net::{IpAddr, SocketAddr};

use crate::address::{Authority, Host, Url, canonical, is_internal};
use crate::facts::{BaseRoute, Facts, Transport};

/// One way to reach a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A port of one host, on its loopback or on its wildcard address.
    OwnPort(String, u16),
    /// An address that means the same on every host of the fleet.
    Address(SocketAddr),
    /// A name and port, for servers that may share their address with strangers.
    Name(String, u16),
}

/// All places of the server of a session. A server on stdio has none: it is its client's own child, and
/// the same package run elsewhere is another instance.
pub(crate) fn places(facts: &Facts) -> Vec<Place> {
    if facts.transport == Some(Transport::Stdio) && facts.base_route != BaseRoute::Bridge {
        return Vec::new();
    }
    let mut places = Vec::new();
    for address in facts.server_addresses().flatten() {
        if is_here(facts, address.ip()) {
            own_places(facts, address, &mut places);
        } else if facts.via.is_none() && means_one_server(facts, address) {
            places.push(Place::Address(address));
        }
    }
    places.extend(name_places(facts));
    places
}

fn is_here(facts: &Facts, ip: IpAddr) -> bool {
    matches!(facts.base_route, BaseRoute::Local | BaseRoute::Inbound)
        || ip.is_loopback()
        || facts.is_own(ip)
}

/// A public address may be a delivery network's, in front of many servers; unless it was dialled as such.
fn means_one_server(facts: &Facts, address: SocketAddr) -> bool {
    let mut literals = facts.names().filter_map(Authority::parse);
    is_internal(address.ip()) || literals.any(|a| a.host == Host::Ip(address.ip()))
}

/// A server of this host: by the address it was reached at, and by what its listening socket stands for.
fn own_places(facts: &Facts, address: SocketAddr, places: &mut Vec<Place>) {
    let port = address.port();
    let own_port = Place::OwnPort(facts.host.clone(), port);
    if !address.ip().is_loopback() {
        places.push(Place::Address(address));
    }
    let sockets: Vec<SocketAddr> = facts
        .server_serves
        .iter()
        .map(|&s| canonical(s))
        .filter(|s| s.port() == port)
        .collect();
    let wildcard = sockets.iter().any(|s| s.ip().is_unspecified());
    // Where the listening socket is not known, one port of one host is taken for one server.
    if sockets.is_empty() || wildcard || address.ip().is_loopback() {
        places.push(own_port);
    }
    if wildcard {
        let others = facts.host_addresses.iter().map(|ip| ip.to_canonical());
        places.extend(
            others
                .filter(|ip| !ip.is_loopback() && *ip != address.ip())
                .map(|ip| Place::Address(SocketAddr::new(ip, port))),
        );
    }
}

/// What the client called it. Literal addresses and `localhost` are no names.
fn name_places(facts: &Facts) -> Vec<Place> {
    let port = facts.server_address.map(|a| a.port());
    let secure =
        facts.tls.is_some() || facts.sni.is_some() || facts.scheme.as_deref() == Some("https");
    let default = if secure { 443 } else { 80 };
    let named: Vec<(Host, u16)> = if let Some(sni) = &facts.sni {
        let host = Host::parse(sni);
        host.map(|host| (host, port.unwrap_or(default)))
            .into_iter()
            .collect()
    } else if facts.authority.is_some() {
        let written = facts.names().filter_map(Authority::parse);
        written
            .map(|a| (a.host, a.port.unwrap_or(default)))
            .collect()
    } else {
        let url = facts.endpoint.as_deref().and_then(Url::parse);
        url.map(|url| (url.authority.host.clone(), url.port()))
            .into_iter()
            .collect()
    };
    named
        .into_iter()
        .filter_map(|(host, port)| match host {
            Host::Name(name) if name != "localhost" => Some(Place::Name(name, port)),
            _ => None,
        })
        .collect()
}
