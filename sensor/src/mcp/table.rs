//! All sessions of the host, and what changed about them since it was last told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::message::{Outcome, Request, Response};
use super::session::{Call, EarlyAnswer, ExchangeKey, Session, SessionNumber, WaitingCount};
use super::signature::{Mark, Marks, Sign};
use super::tools::Tool;
use crate::event::{Channel, LossReason, ProcessKey, UnixNs};
use crate::flow::FlowId;
use crate::observation::{Evidence, Quality, Source, Transport};

/// Tool lists that wait to be told; more are dropped and come again with the next `tools/list`.
const TOOL_LISTS_MAX: usize = 256;

/// An answer as it came.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The answer.
    pub response: &'a Response,
    /// Length of its JSON text.
    pub bytes: usize,
    /// What it and its carrier say of the protocol.
    pub marks: Marks,
}

/// The sessions, bounded. When full, the one that was silent longest ends.
#[derive(Debug)]
pub struct SessionTable {
    sessions: HashMap<SessionNumber, Session>,
    next: u64,
    sessions_max: usize,
    changed: BTreeSet<SessionNumber>,
    mcp_flows: Vec<FlowId>,
    tool_lists: Vec<(SessionNumber, Vec<Tool>)>,
    evicted: u64,
    messages: u64,
    waiting: WaitingCount,
    lost: BTreeMap<LossReason, u64>,
    /// When records of the whole host were last lost.
    lossy_until: UnixNs,
}

impl SessionTable {
    /// A table of at most `sessions_max` sessions.
    #[must_use]
    pub fn new(sessions_max: usize) -> Self {
        Self {
            sessions: HashMap::new(),
            next: 1,
            sessions_max,
            changed: BTreeSet::new(),
            mcp_flows: Vec::new(),
            tool_lists: Vec::new(),
            evicted: 0,
            messages: 0,
            waiting: WaitingCount::default(),
            lost: BTreeMap::new(),
            lossy_until: 0,
        }
    }

    /// Begins a session.
    pub fn open(&mut self, time: UnixNs, transport: Transport, channel: Channel) -> &mut Session {
        if self.sessions.len() >= self.sessions_max {
            self.evict(time);
        }
        let number = SessionNumber(self.next);
        self.next += 1;
        let waiting = self.waiting.clone();
        self.sessions
            .entry(number)
            .or_insert_with(|| Session::new(number, time, transport, channel, waiting))
    }

    /// The session, until it is forgotten.
    #[must_use]
    pub fn get(&self, number: SessionNumber) -> Option<&Session> {
        self.sessions.get(&number)
    }

    /// The session, to be changed; it will be told again.
    pub fn change(&mut self, number: SessionNumber) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&number)?;
        self.changed.insert(number);
        Some(session)
    }

    /// All sessions.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// The processes that sessions have.
    #[must_use]
    pub fn processes(&self) -> HashSet<ProcessKey> {
        let latest = self
            .iter()
            .flat_map(|session| [session.client, session.server]);
        let clients = self
            .iter()
            .flat_map(|session| session.http.clients.iter().map(|party| party.process));
        let servers = self
            .iter()
            .flat_map(|session| session.http.servers.iter().map(|party| party.process));
        latest.chain(clients).chain(servers).flatten().collect()
    }

    /// Ends a session.
    pub fn end(&mut self, time: UnixNs, number: SessionNumber) {
        let lossy_until = self.lossy_until;
        if let Some(session) = self.change(number) {
            session.end(time, lossy_until);
        }
    }

    /// These processes are not the client's or the server's, as far as is known.
    pub fn disown(&mut self, number: SessionNumber, processes: &[ProcessKey]) {
        if let Some(session) = self.change(number) {
            let is_other = |process: &ProcessKey| !processes.contains(process);
            session.client = session.client.filter(is_other);
            session.server = session.server.filter(is_other);
        }
    }

    /// Bytes of a session's streams were lost; see [`Session::gap`].
    pub fn gap(&mut self, number: SessionNumber, answers: bool, exchange: Option<ExchangeKey>) {
        if let Some(session) = self.change(number) {
            session.gap(answers, exchange);
        }
    }

    /// Records were lost that may have been of any session.
    pub fn host_gap(&mut self, time: UnixNs) {
        self.lossy_until = self.lossy_until.max(time);
    }

    /// Something of a session could not be read.
    pub fn lose(&mut self, reason: LossReason, count: u64) {
        if count > 0 {
            *self.lost.entry(reason).or_default() += count;
        }
    }

    /// What could not be read since the last call.
    pub fn take_lost(&mut self) -> BTreeMap<LossReason, u64> {
        std::mem::take(&mut self.lost)
    }

    /// Ends every session of a process that is gone. `served` tells whether somebody else still listens
    /// where a session's server did: a worker that ends is not its server's end. `heir` gives the process that a server over
    /// lines went on as, if it did. Gives the sessions over
    /// lines that only lost their client: their answers may still come.
    pub fn end_process(
        &mut self,
        time: UnixNs,
        process: ProcessKey,
        served: impl Fn(std::net::SocketAddr) -> bool,
        heir: impl Fn() -> Option<ProcessKey>,
    ) -> Vec<SessionNumber> {
        let (mut over, mut orphans, mut inherited) = (Vec::new(), Vec::new(), Vec::new());
        for session in self.sessions.values().filter(|session| !session.ended) {
            let goes_on = session.http.server.is_some_and(&served);
            if session.server == Some(process) && session.transport == Transport::Stdio {
                inherited.push(session.number);
            } else if session.server == Some(process) && !goes_on {
                over.push(session.number);
            } else if session.client == Some(process) && session.transport == Transport::Stdio {
                orphans.push(session.number);
            } else if session.client == Some(process) {
                over.push(session.number);
            }
        }
        let heir = if inherited.is_empty() { None } else { heir() };
        for number in inherited {
            if let (Some(_), Some(session)) = (heir, self.change(number)) {
                session.server = heir;
            } else {
                over.push(number);
            }
        }
        for number in over {
            self.end(time, number);
        }
        orphans
    }

    /// Takes a request of a session's client.
    pub fn request(
        &mut self,
        time: UnixNs,
        number: SessionNumber,
        exchange: Option<ExchangeKey>,
        request: &Request,
        bytes: usize,
    ) {
        let Some(session) = self.change(number) else {
            return;
        };
        if let Some(early) = session.request(time, exchange, request, bytes) {
            let EarlyAnswer {
                response,
                bytes,
                marks,
                ..
            } = early;
            self.response(
                time,
                number,
                exchange,
                Answer {
                    response: &response,
                    bytes,
                    marks,
                },
            );
        }
    }

    /// Takes an answer of a session's server.
    pub fn response(
        &mut self,
        time: UnixNs,
        number: SessionNumber,
        exchange: Option<ExchangeKey>,
        answer: Answer<'_>,
    ) {
        let Answer {
            response,
            bytes,
            marks,
        } = answer;
        let Some(session) = self.change(number) else {
            return;
        };
        let Some(method) = session.response(time, exchange, response, bytes) else {
            session.keep_early(EarlyAnswer {
                time,
                response: response.clone(),
                bytes,
                marks,
            });
            self.evicted += session.take_dropped();
            return;
        };
        if speaks_mcp(&method, response) {
            self.answered(number, &method, marks);
        }
        if let Some(tools) = &response.tools {
            self.list_tools_again(number, tools.clone());
        }
    }

    /// Takes what an answered request proves.
    pub fn answered(&mut self, number: SessionNumber, method: &str, marks: Marks) {
        let Some(session) = self.change(number) else {
            return;
        };
        witness(session, marks);
        let decisive = session.decisive || marks.is_decisive();
        session.decisive = decisive;
        let strong = !decisive && marks.strong_count() > 0 && session.strong(method);
        session.identified |= decisive || strong;
        self.evicted += session.take_dropped();
    }

    /// A flow carries an identified session: the kernel is to copy all of it.
    pub fn claim_flow(&mut self, flow: FlowId) {
        self.mcp_flows.push(flow);
    }

    /// A tool list that is to be told, now or when it can be.
    pub fn list_tools_again(&mut self, number: SessionNumber, tools: Vec<Tool>) {
        if self.tool_lists.len() < TOOL_LISTS_MAX {
            self.tool_lists.push((number, tools));
        } else {
            self.evicted += 1;
        }
    }

    /// Something of a session had no room and was dropped.
    pub fn count_dropped(&mut self, count: u64) {
        self.evicted += count;
    }

    /// Counts messages of sessions.
    pub fn count_message(&mut self) {
        self.messages += 1;
    }

    /// Messages so far.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Sessions that changed since the last call.
    pub fn take_changed(&mut self) -> BTreeSet<SessionNumber> {
        std::mem::take(&mut self.changed)
    }

    /// Flows claimed since the last call.
    pub fn take_mcp_flows(&mut self) -> Vec<FlowId> {
        std::mem::take(&mut self.mcp_flows)
    }

    /// A session's calls that finished since the last call.
    pub fn take_finished(&mut self, number: SessionNumber) -> Vec<Call> {
        self.sessions
            .get_mut(&number)
            .map(Session::take_finished)
            .unwrap_or_default()
    }

    /// Tool lists since the last call.
    pub fn take_tool_lists(&mut self) -> Vec<(SessionNumber, Vec<Tool>)> {
        std::mem::take(&mut self.tool_lists)
    }

    /// Sessions that had to make way since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Forgets a session that has ended and was told, or that never became one.
    pub fn forget(&mut self, number: SessionNumber) {
        self.sessions.remove(&number);
        self.changed.remove(&number);
    }

    fn evict(&mut self, time: UnixNs) {
        let oldest = self
            .sessions
            .values()
            .filter(|session| !session.ended)
            .min_by_key(|session| (session.identified, session.last_seen))
            .map(|session| session.number);
        if let Some(number) = oldest {
            self.evicted += 1;
            match self.get(number) {
                Some(session) if session.identified => self.end(time, number),
                _ => self.forget(number),
            }
        }
    }
}

/// Whether an answer is one of somebody who knows the request. A handshake is tried on servers of other protocols, too: they know
/// no such method (-32601, JSON-RPC 2.0, section 5.1), or answer something of their own.
fn speaks_mcp(method: &str, response: &Response) -> bool {
    const METHOD_NOT_FOUND: i64 = -32601;
    method != "initialize"
        || match &response.outcome {
            Outcome::Ok => response.handshake.is_some(),
            Outcome::ToolError => false,
            Outcome::Error { code, .. } => *code != METHOD_NOT_FOUND,
        }
}

/// Writes down what the marks of a message mean, in words.
pub(super) fn witness(session: &mut Session, marks: Marks) {
    for mark in marks.iter() {
        if let Some((fact, quality)) = words(mark) {
            let fact = fact.to_owned();
            session.witness(Evidence {
                source: Source::Wire,
                fact,
                quality,
            });
        }
    }
}

const fn words(mark: Mark) -> Option<(&'static str, Quality)> {
    let (sign, quality) = match mark {
        Mark::Decisive(sign) => (sign, Quality::Exact),
        Mark::Strong(sign) => (sign, Quality::Likely),
        Mark::Against(_) | Mark::Weak => return None,
    };
    let fact = match sign {
        Sign::Initialize => "initialize request with revision, capabilities and client name",
        Sign::Initialized => "initialize result with revision, capabilities and server name",
        Sign::Notification => "a notification that only MCP has",
        Sign::Discover => "server/discover or subscriptions/listen with MCP _meta",
        Sign::Meta => "the MCP revision in _meta",
        Sign::Supported => "a list of supported MCP revisions",
        Sign::Header => "an HTTP header that only MCP has",
        Sign::Endpoint => "the endpoint event of HTTP+SSE",
        Sign::ToolList if matches!(mark, Mark::Decisive(_)) => "a list of tools with input schemas",
        Sign::ToolList => "a list of tools",
        Sign::ToolCall => "tools/call with a tool name",
        Sign::Content => "content blocks of a tool result",
        Sign::Method => "a method of MCP that others have too",
        Sign::Accept => "a POST of JSON that takes JSON and events",
        Sign::Path => "a path that MCP servers like to have",
        Sign::Authorization => "an authorization challenge that names protected-resource metadata",
    };
    Some((fact, quality))
}
