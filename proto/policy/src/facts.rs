//! What is known of one session, as far as the verdict needs it.

use std::net::{IpAddr, SocketAddr};

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
    /// `Host` header or `:authority` as the client wrote it; may have a port.
    pub authority: Option<String>,
    /// Path of the request, without the query; `None`: not seen.
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
    /// Listening sockets of the client's process; may be `0.0.0.0` or `[::]`.
    pub client_serves: Vec<SocketAddr>,
    /// Listening sockets of the server's process; may be `0.0.0.0` or `[::]`.
    pub server_serves: Vec<SocketAddr>,
    /// Addresses of the host's own interfaces, where known. They tell what a listener on `0.0.0.0` stands for.
    pub host_addresses: Vec<IpAddr>,
    /// The proxy or agent that carries the session, if any.
    pub via: Option<String>,
    /// The gateway that was seen to front this server ([`Fronts::gateway_of`](crate::Fronts::gateway_of)).
    pub fronted_by: Option<String>,
}
