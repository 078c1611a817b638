//! What one message, head or event says of the protocol it belongs to.
//!
//! A decisive mark at a message start makes a conversation MCP; a strong one needs a second; a weak
//! one counts for nothing alone; one against it makes it something else.

mod http;
mod rpc;

pub use http::{event_marks, http_marks, line_marks};
pub(super) use rpc::{answer_marks, bare_marks, call_marks, failure_marks};

/// A sign of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Sign {
    /// `initialize` with a date as revision, capabilities and a client name.
    Initialize,
    /// Its result, with a date as revision, capabilities and `serverInfo`.
    Initialized,
    /// A notification that only MCP has.
    Notification,
    /// `server/discover` or `subscriptions/listen` with MCP `_meta`.
    Discover,
    /// The revision in `_meta`.
    Meta,
    /// A result or an error that lists supported revisions.
    Supported,
    /// An HTTP header that only MCP has.
    Header,
    /// The `endpoint` event of HTTP+SSE.
    Endpoint,
    /// A list of tools, each with name and input schema.
    ToolList,
    /// `tools/call` with a name.
    ToolCall,
    /// The content blocks of a call's result.
    Content,
    /// A method of MCP that others have too.
    Method,
    /// A POST of JSON that takes JSON and events.
    Accept,
    /// A path that MCP servers like to have.
    Path,
    /// A challenge that names protected-resource metadata, or a request for well-known authorization metadata.
    Authorization,
}

/// A protocol that is not MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// Language Server Protocol.
    Lsp,
    /// Agent Client Protocol.
    Acp,
    /// Debug Adapter Protocol.
    Dap,
    /// Ethereum and its kin.
    Ethereum,
    /// Agent2Agent.
    A2a,
    /// Chrome `DevTools` Protocol.
    Cdp,
    /// Build Server Protocol.
    Bsp,
    /// Codex app server.
    CodexAppServer,
}

/// One statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// Enough alone.
    Decisive(Sign),
    /// Needs a second one.
    Strong(Sign),
    /// Fits, proves nothing.
    Weak,
    /// It is something else.
    Against(Protocol),
}

/// A small set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    decisive: u16,
    strong: u16,
    against: u16,
    weak: bool,
}

const SIGNS: [Sign; 15] = [
    Sign::Initialize,
    Sign::Initialized,
    Sign::Notification,
    Sign::Discover,
    Sign::Meta,
    Sign::Supported,
    Sign::Header,
    Sign::Endpoint,
    Sign::ToolList,
    Sign::ToolCall,
    Sign::Content,
    Sign::Method,
    Sign::Accept,
    Sign::Path,
    Sign::Authorization,
];

const PROTOCOLS: [Protocol; 8] = [
    Protocol::Lsp,
    Protocol::Acp,
    Protocol::Dap,
    Protocol::Ethereum,
    Protocol::A2a,
    Protocol::Cdp,
    Protocol::Bsp,
    Protocol::CodexAppServer,
];

impl Marks {
    /// Adds one.
    pub const fn add(&mut self, mark: Mark) {
        match mark {
            Mark::Decisive(sign) => self.decisive |= 1 << sign as u16,
            Mark::Strong(sign) => self.strong |= 1 << sign as u16,
            Mark::Weak => self.weak = true,
            Mark::Against(protocol) => self.against |= 1 << protocol as u16,
        }
    }

    /// Adds all of another set.
    pub const fn merge(&mut self, other: Self) {
        self.decisive |= other.decisive;
        self.strong |= other.strong;
        self.against |= other.against;
        self.weak |= other.weak;
    }

    /// Is it in the set?
    #[must_use]
    pub fn contains(self, mark: Mark) -> bool {
        self.iter().any(|own| own == mark)
    }

    /// At least one decisive sign, and nothing against it.
    #[must_use]
    pub const fn is_decisive(self) -> bool {
        self.decisive != 0 && self.against == 0
    }

    /// The same, but for what was said against it.
    #[must_use]
    pub const fn pardoned(self) -> Self {
        Self { against: 0, ..self }
    }

    /// Number of different strong signs.
    #[must_use]
    pub const fn strong_count(self) -> u32 {
        self.strong.count_ones()
    }

    /// Another protocol was recognised.
    #[must_use]
    pub const fn is_against(self) -> bool {
        self.against != 0
    }

    /// Nothing was said.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.decisive == 0 && self.strong == 0 && self.against == 0 && !self.weak
    }

    /// Every mark of the set.
    pub fn iter(self) -> impl Iterator<Item = Mark> {
        let decisive = SIGNS
            .into_iter()
            .filter(move |&sign| self.decisive & (1 << sign as u16) != 0);
        let strong = SIGNS
            .into_iter()
            .filter(move |&sign| self.strong & (1 << sign as u16) != 0);
        let against = PROTOCOLS
            .into_iter()
            .filter(move |&other| self.against & (1 << other as u16) != 0);
        decisive
            .map(Mark::Decisive)
            .chain(strong.map(Mark::Strong))
            .chain(self.weak.then_some(Mark::Weak))
            .chain(against.map(Mark::Against))
    }
}

impl FromIterator<Mark> for Marks {
    fn from_iter<T: IntoIterator<Item = Mark>>(marks: T) -> Self {
        let mut set = Self::default();
        marks.into_iter().for_each(|mark| set.add(mark));
        set
    }
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
