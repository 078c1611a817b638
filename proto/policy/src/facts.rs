//! What is known of one session, as far as the verdict needs it.

use std::net::{IpAddr, SocketAddr};

use crate::address::{bare_path, canonical};

/// How far the host itself can tell the route; `gateway` is the policy's to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BaseRoute {
    /// Both ends are on this host: stdio or loopback.
    Local,
    /// The server is on another host.
    Direct,
    /// The client is on another host, the server is here.
    Inbound,
    /// A local process forwards; the other facts describe the far side.
    Bridge,
    /// Seen, not readable.
    #[default]
    Opaque,
}

/// How MCP is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Lines on pipes or socket pairs.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP with a server-sent-events channel (revision 2024-11-05).
    Sse,
}

/// Facts of one session. Unknown is `None` or empty, never a guess.
///
/// What the kernel says (`server_address`, `client_address`, the listening sockets) is believed; what
/// the bytes say of themselves (`authority`, `sni`) is a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The host that saw the session.
    pub host: String,
    /// When it was last seen, nanoseconds since the Unix epoch. Exceptions are held against this time.
    pub time_unix_ns: u64,
    /// What the host can tell of the route.
    pub base_route: BaseRoute,
    /// User name of the client's process (of the server's process for inbound sessions).
    pub user: Option<String>,
    /// User name of the server's process, where that is on this host and was seen.
    pub server_user: Option<String>,
    /// The AI application, named from its process.
    pub application: Option<String>,
    /// How MCP is carried.
    pub transport: Option<Transport>,
    /// Key of the server in the inventory: `npm:…`, `pypi:…`, a canonical URL.
    pub server_key: Option<String>,
    /// What the server calls itself. A claim, never decisive.
    pub server_name: Option<String>,
    /// Canonical URL of a server reached over HTTP.
    pub endpoint: Option<String>,
    /// `Host` header or `:authority` as the client wrote it; may have a port. Several in one session are
    /// joined by commas: such a session contradicts itself.
    pub authority: Option<String>,
    /// Path of the request, without the query; `None`: not seen. Several in one session are told as
    /// `several: /a /b`: whatever does not start with `/` is no single path.
    pub path: Option<String>,
    /// `http` or `https`, where known.
    pub scheme: Option<String>,
    /// Server name of the TLS handshake.
    pub sni: Option<String>,
    /// TLS library that was read; `None`: plain, or TLS that was not read (then `sni` or `scheme` tells).
    pub tls: Option<String>,
    /// SHA-256 of the server certificate's public key (SPKI), lower-case hex.
    pub certificate_key: Option<String>,
    /// What was connected to, from the kernel. For inbound sessions the local address.
    pub server_address: Option<SocketAddr>,
    /// Where the connection came from, from the kernel.
    pub client_address: Option<SocketAddr>,
    /// Other addresses that requests of the session went to, from the kernel; `None`: one that is not known, or more
    /// than were kept.
    pub other_server_addresses: Vec<Option<SocketAddr>>,
    /// Other addresses that its connections came from; `None` as above.
    pub other_client_addresses: Vec<Option<IpAddr>>,
    /// Users of other processes that answered, where they differ from `server_user`; `None`: unknown.
    pub other_server_users: Vec<Option<String>>,
    /// Listening sockets of the client's process; may be `0.0.0.0` or `[::]`. Of several client processes, those that all
    /// of them have.
    pub client_serves: Vec<SocketAddr>,
    /// Listening sockets that other processes of the host have on the ports of `client_serves`; `None`: more than were kept.
    pub others_serve: Vec<Option<SocketAddr>>,
    /// Listening sockets of the server's process; may be `0.0.0.0` or `[::]`.
    pub server_serves: Vec<SocketAddr>,
    /// Addresses of the host's own interfaces, where known. They tell what a listener on `0.0.0.0` stands for.
    pub host_addresses: Vec<IpAddr>,
    /// The proxy or agent that carries the session, if any.
    pub via: Option<String>,
    /// The gateway that was seen to front this server ([`Fronts::gateway_of`](crate::Fronts::gateway_of)).
    pub fronted_by: Option<String>,
}

impl Facts {
    /// Each address that the session went to.
    pub(crate) fn server_addresses(&self) -> impl Iterator<Item = Option<SocketAddr>> {
        let others = self.other_server_addresses.iter().copied();
        std::iter::once(self.server_address)
            .chain(others)
            .map(|address| address.map(canonical))
    }

    /// Whether this is an address of the host itself, by the kernel's word. Loopback is not meant: every host has it.
    pub(crate) fn is_own(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.host_addresses
            .iter()
            .any(|own| own.to_canonical() == ip)
    }

    /// Each name that the session wrote.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.authority
            .iter()
            .flat_map(|a| a.split(','))
            .map(str::trim)
    }

    /// Whether the session wrote several names: then none of them is believed.
    pub(crate) fn has_several_names(&self) -> bool {
        self.authority.as_deref().is_some_and(|a| a.contains(','))
    }

    /// Each path that can be made out, without query and fragment; empty also where none was seen.
    pub(crate) fn paths(&self) -> Vec<&str> {
        let Some(text) = self.path.as_deref() else {
            return Vec::new();
        };
        if !self.has_several_paths() {
            return vec![bare_path(text)];
        }
        text.split_ascii_whitespace()
            .filter(|word| word.starts_with('/'))
            .map(|word| bare_path(word.strip_suffix(',').unwrap_or(word)))
            .collect()
    }

    /// Whether the session used several paths, or something that is no path.
    pub(crate) fn has_several_paths(&self) -> bool {
        self.path.as_deref().is_some_and(|p| !p.starts_with('/'))
    }
}
