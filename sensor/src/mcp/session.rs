//! One MCP conversation: what its messages said so far, and which requests wait for an answer.
//!
//! How its bytes travel is told by [`super::stdio`] and [`super::http`]; here is what is the same for both.

mod parties;
mod waiting;

pub use parties::{Parties, Party};
pub use waiting::WaitingCount;
use waiting::{Pending, Waiting};

use super::early;
use super::message::{Era, Handshake, Id, Outcome, Peer, Request, Response};
use super::signature::Marks;
use crate::event::{Channel, ProcessKey, UnixNs};
use crate::flow::FlowId;
use crate::observation::{CallStatus, Evidence, Quality, Source, Transport};
use crate::redact;

/// Finished calls kept back while a session is not identified: it may never be told at all.
const FINISHED_MAX: usize = 64;
/// Answers kept that were reported before their requests.
const EARLY_MAX: usize = 8;
/// Pieces of evidence kept of one session: the first ones tell most.
const EVIDENCE_MAX: usize = 16;
/// What is said of a call whose answer may have been among bytes that were lost.
const DOUBT: &str = "an answer may have come in bytes that could not be read";
/// What is told of a call that had to make way.
const CROWD: &str =
    "too many calls waited for answers at the same time: an answer may have come later";
/// What is said of a session of which bytes were lost.
const GAP: &str =
    "not all of its bytes could be read: calls may be missing, or answered and not told so";

/// A session's number within this run; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionNumber(pub u64);

/// One HTTP exchange: the flow and its count on that flow.
pub type ExchangeKey = (FlowId, u64);

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Position in its session, from 1.
    pub number: u64,
    /// When it finished.
    pub time: UnixNs,
    /// JSON-RPC method.
    pub method: String,
    /// Tool, prompt, or redacted resource.
    pub name: Option<String>,
    /// How it ended.
    pub status: CallStatus,
    /// From request to answer.
    pub duration_us: Option<u64>,
    /// Length of the request's JSON text.
    pub request_bytes: u64,
    /// Length of the answer's JSON text.
    pub response_bytes: Option<u64>,
    /// Redacted. Of an unanswered call: why it may have been answered all the same.
    pub error_text: Option<String>,
}

/// An answer that was reported before its request.
#[derive(Clone, Debug)]
pub struct EarlyAnswer {
    /// When.
    pub time: UnixNs,
    /// The answer.
    pub response: Response,
    /// Length of its JSON text.
    pub bytes: usize,
    /// What it says of its protocol.
    pub marks: Marks,
}

/// Where an HTTP session goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpPlace {
    /// The latest flow it used.
    pub flow: Option<FlowId>,
    /// Server address by the kernel.
    pub server: Option<std::net::SocketAddr>,
    /// Client address by the kernel.
    pub client: Option<std::net::SocketAddr>,
    /// Who answered: every different server address with its processes.
    pub servers: Parties<std::net::SocketAddr>,
    /// Who asked: every different client address, without its port, with its processes.
    pub clients: Parties<std::net::IpAddr>,
    /// Every different authority that was named: Host headers as written, and those of request targets.
    pub authorities: Vec<String>,
    /// Every different path, without query. NOT redacted.
    pub paths: Vec<String>,
    /// Network namespaces that its connections were seen in.
    pub namespaces: Vec<u32>,
    /// The server gave it an id.
    pub has_id: bool,
    /// Of HTTP+SSE: the exchange whose answer is its stream, while that is followed.
    pub stream: Option<ExchangeKey>,
}

/// Names, paths and namespaces of one session that are kept; more than one is a contradiction already.
const NAMES_MAX: usize = 4;

impl HttpPlace {
    /// Adds a name where it is another one.
    pub fn name<T: PartialEq>(names: &mut Vec<T>, name: T) {
        if names.len() < NAMES_MAX && !names.contains(&name) {
            names.push(name);
        }
    }
}

/// The part of a session that changes seldom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    client: Option<ProcessKey>,
    server: Option<ProcessKey>,
    server_address: Option<std::net::SocketAddr>,
    servers: Parties<std::net::SocketAddr>,
    clients: Parties<std::net::IpAddr>,
    authorities: Vec<String>,
    paths: Vec<String>,
    revision: Option<String>,
    peers: [Option<Peer>; 2],
    ended: bool,
}

/// An MCP conversation, or what may turn out to be one.
#[derive(Debug)]
pub struct Session {
    /// Its number.
    pub number: SessionNumber,
    /// How it is carried.
    pub transport: Transport,
    /// On what.
    pub channel: Channel,
    /// Who opened it.
    pub client: Option<ProcessKey>,
    /// Who answers.
    pub server: Option<ProcessKey>,
    /// For HTTP and SSE.
    pub http: HttpPlace,
    /// Revision spoken.
    pub revision: Option<String>,
    /// What the client says it is.
    pub client_peer: Option<Peer>,
    /// What the server says it is.
    pub server_peer: Option<Peer>,
    /// First message.
    pub started: UnixNs,
    /// Latest message.
    pub last_seen: UnixNs,
    /// Calls so far.
    pub calls: u64,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// It is MCP beyond doubt and may be told.
    pub identified: bool,
    /// A decisive sign was seen, answered or not.
    pub decisive: bool,
    /// It is over.
    pub ended: bool,
    /// An `initialize` was seen, and it was not refused.
    pub initialized: bool,
    /// It speaks 2026-07-28 or later.
    pub era: Era,
    /// The greatest number that its client used as an id.
    pub latest_id: Option<i64>,
    /// Its client said that it has shaken hands.
    pub confirmed: bool,
    /// Some modern request was answered with a result.
    modern_answered: bool,
    /// Different methods that were answered and are MCP's but not MCP's alone.
    strong_methods: Vec<String>,
    waiting: Waiting,
    /// Calls that finished and were not told yet.
    finished: Vec<Call>,
    early: Vec<EarlyAnswer>,
    /// Calls and answers that had no room and were not counted yet.
    dropped: u64,
    /// Redacted names of calls.
    names: redact::Memo,
}

impl Session {
    /// A conversation that begins now.
    #[must_use]
    pub fn new(
        number: SessionNumber,
        time: UnixNs,
        transport: Transport,
        channel: Channel,
        waiting: WaitingCount,
    ) -> Self {
        Self {
            number,
            transport,
            channel,
            client: None,
            server: None,
            http: HttpPlace::default(),
            revision: None,
            client_peer: None,
            server_peer: None,
            started: time,
            last_seen: time,
            calls: 0,
            evidence: Vec::new(),
            identified: false,
            decisive: false,
            ended: false,
            initialized: false,
            era: Era::Unknown,
            latest_id: None,
            confirmed: false,
            modern_answered: false,
            strong_methods: Vec::new(),
            waiting: Waiting::new(waiting),
            finished: Vec::new(),
            early: Vec::new(),
            dropped: 0,
            names: redact::Memo::default(),
        }
    }

    /// Only ever probed for the modern era, and refused: an `initialize` that follows belongs to it.
    #[must_use]
    pub const fn is_probe_only(&self) -> bool {
        !self.initialized && !self.modern_answered && matches!(self.era, Era::Modern)
    }

    /// Takes note of who is at the ends of a connection that it uses. `addresses`: of client and server.
    pub fn meet(
        &mut self,
        client: Option<ProcessKey>,
        server: Option<ProcessKey>,
        addresses: Option<(std::net::SocketAddr, std::net::SocketAddr)>,
    ) {
        self.client = ProcessKey::latest(client, self.client);
        self.server = ProcessKey::latest(server, self.server);
        let (from, to) = addresses.unzip();
        self.http.clients.note(from.map(|from| from.ip()), client);
        self.http.servers.note(to, server);
    }

    /// Takes a request of the client. Gives its answer, if that was reported before it.
    #[must_use]
    pub fn request(
        &mut self,
        time: UnixNs,
        exchange: Option<ExchangeKey>,
        request: &Request,
        bytes: usize,
    ) -> Option<EarlyAnswer> {
        self.last_seen = self.last_seen.max(time);
        if let Id::Number(id) = request.id {
            self.latest_id = self.latest_id.max(Some(id));
        }
        match request.method.as_str() {
            "initialize" => {
                self.initialized = true;
                self.era = Era::Legacy;
                self.revision.clone_from(&request.revision);
            }
            _ if request.era == Era::Modern => {
                if self.era == Era::Unknown {
                    self.era = Era::Modern;
                }
                if self.era == Era::Modern && request.revision.is_some() {
                    self.revision.clone_from(&request.revision);
                }
            }
            _ => {}
        }
        if request.client.is_some() {
            self.client_peer.clone_from(&request.client);
        }
        let number = if is_call(&request.method) {
            self.calls += 1;
            self.calls
        } else {
            0
        };
        let name = request.name.as_deref().map(|name| self.names.text(name));
        let pending = Pending {
            exchange,
            since: time,
            method: stated_method(&request.method),
            name: name.or_else(|| request.uri.as_deref().map(redact::resource)),
            bytes: bytes as u64,
            number,
            doubtful: false,
        };
        if let Some(gone) = self.waiting.add(request.id.clone(), pending) {
            self.finish_call(
                time,
                gone,
                CallStatus::Unanswered,
                None,
                Some(CROWD.to_owned()),
            );
        }
        self.early.retain(|early| !early::is_late(early.time, time));
        let early = self
            .early
            .iter()
            .position(|early| early.response.id.as_ref() == Some(&request.id))?;
        Some(self.early.remove(early))
    }

    /// Keeps an answer for a moment whose request was not reported yet: calls are reported when they
    /// return, and a writer may be held up inside its call.
    pub fn keep_early(&mut self, early: EarlyAnswer) {
        // Those whose requests will not come any more are no loss.
        self.early
            .retain(|known| !early::is_late(known.time, early.time));
        if self.early.len() >= EARLY_MAX {
            self.early.remove(0);
            self.dropped += 1;
        }
        let mut early = early;
        early::shorten(&mut early.response);
        self.early.push(early);
    }

    /// Whether a request with this id waits.
    #[must_use]
    pub fn awaits(&self, id: &Id) -> bool {
        self.waiting.contains(id)
    }

    /// Whether any request waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes an answer of the server. Gives the method it answers, or none when nothing waits for it.
    pub fn response(
        &mut self,
        time: UnixNs,
        exchange: Option<ExchangeKey>,
        response: &Response,
        bytes: usize,
    ) -> Option<String> {
        let id = response.id.as_ref()?;
        let pending = self.waiting.take(id, exchange)?;
        self.last_seen = self.last_seen.max(time);
        if let Some(handshake) = &response.handshake {
            self.handshake(&pending.method, handshake);
        }
        if response.outcome == Outcome::Ok && self.era == Era::Modern {
            self.modern_answered = true;
        }
        if matches!(response.outcome, Outcome::Error { .. }) {
            self.refused(&pending.method);
        }
        let (status, error_text) = match &response.outcome {
            Outcome::Ok => (CallStatus::Ok, None),
            Outcome::ToolError => (CallStatus::ToolError, None),
            Outcome::Error { message, .. } => (CallStatus::Error, Some(redact::text(message))),
        };
        let method = pending.method.clone();
        self.finish_call(time, pending, status, Some(bytes as u64), error_text);
        Some(method)
    }

    /// The client takes a request back.
    pub fn cancel(&mut self, time: UnixNs, id: &Id) {
        if let Some(pending) = self.waiting.take(id, None) {
            self.finish_call(time, pending, CallStatus::Cancelled, None, None);
        }
    }

    /// An exchange is over: what it carried and nobody answered failed with it.
    pub fn exchange_failed(&mut self, time: UnixNs, exchange: ExchangeKey, error_text: &str) {
        for pending in self.waiting.take_exchange(exchange) {
            let text = Some(error_text.to_owned());
            self.finish_call(time, pending, CallStatus::Error, None, text);
        }
    }

    /// An exchange is over, and what it answered could not be read.
    pub fn exchange_unread(&mut self, time: UnixNs, exchange: ExchangeKey) {
        for pending in self.waiting.take_exchange(exchange) {
            let text = Some(DOUBT.to_owned());
            self.finish_call(time, pending, CallStatus::Unanswered, None, text);
        }
    }

    /// Bytes of its streams were lost. `answers`: they may have answered what waits, or what waits on the exchange.
    pub fn gap(&mut self, answers: bool, exchange: Option<ExchangeKey>) {
        if answers {
            self.waiting.doubt(exchange);
        }
        let gap = |evidence: &Evidence| evidence.fact == GAP;
        if !self.evidence.iter().any(gap) {
            // Kept beyond the bound of the others: it says what they are worth.
            self.evidence.push(Evidence {
                source: Source::Kernel,
                fact: GAP.to_owned(),
                quality: Quality::Exact,
            });
        }
    }

    /// Nothing more will come. `lossy_until`: when records of the whole host were last lost.
    pub fn end(&mut self, time: UnixNs, lossy_until: UnixNs) {
        if self.ended {
            return;
        }
        self.ended = true;
        for pending in self.waiting.take_all() {
            let doubtful = pending.doubtful || pending.since <= lossy_until;
            let text = doubtful.then(|| DOUBT.to_owned());
            self.finish_call(time, pending, CallStatus::Unanswered, None, text);
        }
    }

    /// Its `initialize` was not answered yet, as far as was reported.
    #[must_use]
    pub const fn is_handshaking(&self) -> bool {
        self.initialized && self.waiting.is_handshaking()
    }

    /// Adds a piece of evidence once.
    pub fn witness(&mut self, evidence: Evidence) {
        if self.evidence.len() < EVIDENCE_MAX && !self.evidence.contains(&evidence) {
            self.evidence.push(evidence);
        }
    }

    /// Counts an answered method that fits MCP but is not MCP's alone. True when two different ones were.
    pub fn strong(&mut self, method: &str) -> bool {
        if self.strong_methods.len() < 2 && !self.strong_methods.iter().any(|known| known == method)
        {
            self.strong_methods.push(method.to_owned());
        }
        self.strong_methods.len() >= 2
    }

    /// What people look for in a session: when this changes it is stated at once.
    #[must_use]
    pub fn outline(&self) -> Outline {
        Outline {
            client: self.client,
            server: self.server,
            server_address: self.http.server,
            servers: self.http.servers.clone(),
            clients: self.http.clients.clone(),
            authorities: self.http.authorities.clone(),
            paths: self.http.paths.clone(),
            revision: self.revision.clone(),
            peers: [self.client_peer.clone(), self.server_peer.clone()],
            ended: self.ended,
        }
    }

    /// Calls that finished since the last time.
    pub fn take_finished(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.finished)
    }

    /// Calls and answers that had no room since the last time. None while it is not identified: what was no MCP is no loss.
    pub fn take_dropped(&mut self) -> u64 {
        if self.identified {
            std::mem::take(&mut self.dropped)
        } else {
            0
        }
    }

    fn handshake(&mut self, method: &str, handshake: &Handshake) {
        if let Some(revision) = &handshake.revision
            && method == "initialize"
        {
            self.revision = Some(revision.clone());
        }
        if handshake.server.is_some() {
            self.server_peer.clone_from(&handshake.server);
        }
    }

    /// Nothing was agreed by a request of this method.
    fn refused(&mut self, method: &str) {
        match method {
            "server/discover" if !self.initialized && !self.modern_answered => {
                self.revision = None;
            }
            // A client that gave up waiting for `server/discover` shakes hands behind it. A server that had only been
            // slow refuses that (-32022, 2026-07-28 basic/versioning), and the client speaks the new revision after all.
            "initialize" => {
                self.initialized = false;
                self.era = Era::Unknown;
                self.revision = None;
            }
            _ => {}
        }
    }

    fn finish_call(
        &mut self,
        time: UnixNs,
        pending: Pending,
        status: CallStatus,
        response_bytes: Option<u64>,
        error_text: Option<String>,
    ) {
        if pending.number == 0 {
            return;
        }
        let answered = !matches!(status, CallStatus::Unanswered);
        // Only a session that is not identified keeps its calls back: it may never be told at all.
        if !self.identified && self.finished.len() >= FINISHED_MAX {
            self.dropped += 1;
            return;
        }
        self.finished.push(Call {
            number: pending.number,
            time,
            method: pending.method,
            name: pending.name,
            status,
            duration_us: answered.then(|| time.saturating_sub(pending.since) / 1000),
            request_bytes: pending.bytes,
            response_bytes,
            error_text,
        });
    }
}

/// Methods of the specification are told as they are; any other text may be anything.
fn stated_method(method: &str) -> String {
    const OWN: [&str; 14] = [
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "tools/call",
        "tools/list",
    ];
    if OWN.contains(&method) {
        method.to_owned()
    } else {
        redact::text(method)
    }
}

/// Every client request is a call but the ones that only keep the conversation going.
fn is_call(method: &str) -> bool {
    !matches!(method, "ping" | "initialize" | "server/discover")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_early_answer_that_is_late_is_no_loss() {
        let number = SessionNumber(1);
        let waiting = WaitingCount::default();
        let mut session = Session::new(number, 0, Transport::Http, Channel::Tcp, waiting);
        let mut keep = |time| {
            session.keep_early(EarlyAnswer {
                time,
                response: Response {
                    id: None,
                    outcome: Outcome::Ok,
                    handshake: None,
                    tools: None,
                    tools_dropped: 0,
                    era: Era::Unknown,
                },
                bytes: 1,
                marks: Marks::default(),
            });
            session.dropped
        };
        for _ in 0..EARLY_MAX {
            assert_eq!(keep(1), 0);
        }
        let later = 10_000_000_000;
        for _ in 0..EARLY_MAX {
            assert_eq!(keep(later), 0, "the others wait for nothing any more");
        }
        assert_eq!(keep(later), 1);
    }
}
