//! What is said of a session: its route, and whether it is approved.

/// How a session reaches its server: a word of the commands' contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// stdio or loopback.
    Local,
    /// A remote server, with nothing between.
    Direct,
    /// Through an approved gateway.
    Gateway,
    /// Through a local process that forwards.
    Bridge,
    /// A remote client reaches a server here.
    Inbound,
    /// Not readable.
    Opaque,
}

impl Route {
    /// The word in output, columns and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Direct => "direct",
            Self::Gateway => "gateway",
            Self::Bridge => "bridge",
            Self::Inbound => "inbound",
            Self::Opaque => "opaque",
        }
    }
}

/// Which part of a two-legged way a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// From the client to the gateway.
    Client,
    /// From the gateway to the server behind it.
    Upstream,
}

impl Leg {
    /// The word in output, columns and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

/// The verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Through an approved gateway.
    Approved,
    /// Under an exception that has not ended.
    Sanctioned,
    /// Neither.
    Shadow,
    /// Not enough evidence; the reasons name what is missing.
    Unknown,
}

impl Status {
    /// The word in output, columns and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Sanctioned => "sanctioned",
            Self::Shadow => "shadow",
            Self::Unknown => "unknown",
        }
    }
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable, snake_case: filters and rules build on it. All are listed in [`code`].
    pub code: &'static str,
    /// The same for people, with the names and addresses of this case.
    pub text: String,
}

/// Status and why; never without a reason, the decisive one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word.
    pub status: Status,
    /// Why, the decisive reason first.
    pub reasons: Vec<Reason>,
}

/// All that [`judge`](crate::judge) says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How the session reaches its server.
    pub route: Route,
    /// Which leg of a way through a gateway, if it is one.
    pub leg: Option<Leg>,
    /// The gateway this session passes, comes from, or goes round.
    pub gateway: Option<String>,
    /// Approved or not, and why.
    pub verdict: Verdict,
}

/// Every reason code there is. Codes are only ever added.
pub mod code {
    /// Approved: name and address agree with a gateway.
    pub const GATEWAY: &str = "gateway";
    /// Approved, note: TLS was not read, the path could not be checked.
    pub const PATH_NOT_SEEN: &str = "path_not_seen";
    /// Approved, note: the gateway lists certificate keys, none was seen.
    pub const CERTIFICATE_NOT_SEEN: &str = "certificate_not_seen";
    /// Approved: the client is the gateway's own process.
    pub const GATEWAY_PROCESS: &str = "gateway_process";
    /// Approved: the session arrives from the gateway's addresses.
    pub const GATEWAY_SOURCE: &str = "gateway_source";
    /// Approved, note: the policy names this host as the gateway's; what the gateway fronts as seen here counts
    /// on every host.
    pub const GATEWAY_HOST: &str = "gateway_host";
    /// Note: the client listens where a gateway does, but runs as a user whom the policy does not list for it.
    pub const GATEWAY_USER: &str = "gateway_user";
    /// Sanctioned: an exception covers it.
    pub const EXCEPTION: &str = "exception";
    /// Shadow: goes round the gateway to a server that the gateway fronts.
    pub const BYPASS: &str = "bypass";
    /// Shadow: the exception that covered it has ended.
    pub const EXCEPTION_EXPIRED: &str = "exception_expired";
    /// Shadow: no approved gateway on the way.
    pub const NO_GATEWAY: &str = "no_gateway";
    /// Shadow: the policy has no gateway at all.
    pub const NO_GATEWAY_CONFIGURED: &str = "no_gateway_configured";
    /// Shadow: the gateway's name and address, but a path that is not listed.
    pub const PATH_NOT_LISTED: &str = "path_not_listed";
    /// Unknown: a gateway's name on an address that is not the gateway's.
    pub const NAME_WITHOUT_ADDRESS: &str = "name_without_address";
    /// Unknown: a gateway's address under a name that is not the gateway's.
    pub const ADDRESS_WITHOUT_NAME: &str = "address_without_name";
    /// Unknown: a gateway's name, the address was not seen.
    pub const ADDRESS_NOT_SEEN: &str = "address_not_seen";
    /// Unknown: a gateway's address, no name was seen.
    pub const NAME_NOT_SEEN: &str = "name_not_seen";
    /// Unknown: name and address agree, the certificate's key does not.
    pub const CERTIFICATE_MISMATCH: &str = "certificate_mismatch";
    /// Unknown: a gateway's name and address on this host, but the process that answers there runs as a user who is
    /// not known or not listed for it.
    pub const GATEWAY_PROCESS_NOT_EXPECTED: &str = "gateway_process_not_expected";
    /// Unknown: a gateway's name or address, but the session used several names. Elsewhere a note.
    pub const SEVERAL_NAMES: &str = "several_names";
    /// Unknown: a gateway's name and address, but the session used several paths. Elsewhere a note.
    pub const SEVERAL_PATHS: &str = "several_paths";
    /// Unknown: a gateway's name, but of several addresses that the session went to not all are the gateway's.
    pub const SEVERAL_ADDRESSES: &str = "several_addresses";
    /// Unknown: the client listens where a gateway could be, and so does another process; the policy does not say as which
    /// user the gateway runs. A note on what is approved or sanctioned by something else.
    pub const SEVERAL_LISTENERS: &str = "several_listeners";
    /// Unknown: neither name nor address of the server was seen.
    pub const DESTINATION_NOT_SEEN: &str = "destination_not_seen";
    /// Unknown: the session could not be read.
    pub const OPAQUE: &str = "opaque";
}
