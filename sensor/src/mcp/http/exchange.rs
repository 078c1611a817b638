//! One request and its response, while they are under way.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::content::{Content, Hope};
use super::place::TARGET_BYTES_MAX;
use crate::event::{LossReason, UnixNs};
use crate::flow::{FlowId, Side};
use crate::mcp::message::Message;
use crate::mcp::session::{ExchangeKey, SessionNumber};
use crate::mcp::signature::Marks;
use crate::protocol::http1::{Headers, RequestHead, Version};

/// Exchanges that are open at the same time on the whole host; past this the oldest makes way that is no session's.
const EXCHANGES_MAX: usize = 4096;
/// Exchanges of one connection: more requests in a row without an answer are nobody's way of working.
const PIPELINED_MAX: usize = 64;
/// Exchanges of sessions that are passed over in search of one that is not.
const SPARED_MAX: usize = 64;

/// Longest method, and value of a field, that are kept of a request's head until its answer, in bytes.
const METHOD_BYTES_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 4096;
/// Fields of it that are kept, and their bytes.
const FIELDS_MAX: usize = 32;
const FIELDS_BYTES_MAX: usize = 16 * 1024;
/// What keeping a field costs beside its bytes.
const FIELD_BYTES: usize = 64;

/// The open exchanges, by flow.
#[derive(Default)]
pub(super) struct Exchanges {
    flows: BTreeMap<FlowId, BTreeMap<u64, Exchange>>,
    count: usize,
    /// In the order in which they began or were spared; some of them are over.
    ages: VecDeque<ExchangeKey>,
}

impl Exchanges {
    /// Gives how many exchanges had to make way.
    pub(super) fn insert(&mut self, (flow, number): ExchangeKey, exchange: Exchange) -> u64 {
        let own = self.flows.entry(flow).or_default();
        if own.insert(number, exchange).is_none() {
            self.count += 1;
            self.ages.push_back((flow, number));
        }
        let gone = if own.len() > PIPELINED_MAX {
            own.keys().next().map(|first| (flow, *first))
        } else if self.count > EXCHANGES_MAX {
            self.eldest()
        } else {
            None
        };
        if self.ages.len() > 2 * EXCHANGES_MAX {
            let flows = &self.flows;
            self.ages.retain(|(flow, number)| {
                flows.get(flow).is_some_and(|own| own.contains_key(number))
            });
        }
        u64::from(gone.is_some_and(|key| self.remove(key).is_some()))
    }

    /// Who makes way. Never the latest: connections that are held open without an end would blind us for what comes after them.
    fn eldest(&mut self) -> Option<ExchangeKey> {
        let mut spared = 0;
        while let Some(key) = self.ages.pop_front() {
            match self.get(key) {
                Some(exchange) if exchange.session.is_some() && spared < SPARED_MAX => {
                    spared += 1;
                    self.ages.push_back(key);
                }
                Some(_) => return Some(key),
                None => {}
            }
        }
        None
    }

    pub(super) fn get(&self, (flow, number): ExchangeKey) -> Option<&Exchange> {
        self.flows.get(&flow)?.get(&number)
    }

    pub(super) fn get_mut(&mut self, (flow, number): ExchangeKey) -> Option<&mut Exchange> {
        self.flows.get_mut(&flow)?.get_mut(&number)
    }

    pub(super) fn remove(&mut self, (flow, number): ExchangeKey) -> Option<Exchange> {
        let own = self.flows.get_mut(&flow)?;
        let exchange = own.remove(&number)?;
        if own.is_empty() {
            self.flows.remove(&flow);
        }
        self.count -= 1;
        Some(exchange)
    }

    pub(super) fn remove_flow(&mut self, flow: FlowId) {
        self.count -= self.flows.remove(&flow).map_or(0, |own| own.len());
    }

    pub(super) fn of(&self, flow: FlowId) -> impl Iterator<Item = &Exchange> {
        self.flows.get(&flow).into_iter().flat_map(BTreeMap::values)
    }

    /// Lets go of what is kept of bodies and heads, and of exchanges that are no session's.
    pub(super) fn shed(&mut self, flow: FlowId) {
        let Some(own) = self.flows.get_mut(&flow) else {
            return;
        };
        self.count -= own.len();
        own.retain(|_, exchange| exchange.session.is_some());
        self.count += own.len();
        for exchange in own.values_mut() {
            exchange.request.shed();
            exchange.answer.shed();
            exchange.head.headers = Headers::default();
        }
        if own.is_empty() {
            self.flows.remove(&flow);
        }
    }

    /// Sessions with an exchange under way.
    pub(super) fn in_use(&self) -> HashSet<SessionNumber> {
        let open = self.flows.values().flat_map(BTreeMap::values);
        open.filter_map(|exchange| exchange.session).collect()
    }

    /// The exchanges of a connection, by number.
    pub(super) fn numbered(&self, flow: FlowId) -> impl Iterator<Item = (ExchangeKey, &Exchange)> {
        let own = self.flows.get(&flow).into_iter().flatten();
        own.map(move |(number, exchange)| ((flow, *number), exchange))
    }

    pub(super) fn forget(&mut self, number: SessionNumber) {
        for exchange in self.flows.values_mut().flat_map(BTreeMap::values_mut) {
            if exchange.session == Some(number) {
                exchange.session = None;
            }
        }
    }
}

/// An exchange.
pub(super) struct Exchange {
    pub(super) since: UnixNs,
    /// The side that sends the requests.
    pub(super) client: Side,
    pub(super) head: RequestHead,
    pub(super) session: Option<SessionNumber>,
    pub(super) status: u16,
    pub(super) marks: Marks,
    pub(super) answer: Content,
    /// None of MCP's: its answer is not read.
    pub(super) foreign: bool,
    /// A DELETE that, when it succeeds, ends the session.
    pub(super) ends_session: bool,
    /// Its request held messages.
    pub(super) has_messages: bool,
    /// Its request held requests of JSON-RPC.
    pub(super) has_requests: bool,
    /// Its request was not seen.
    pub(super) orphan: bool,
    /// Events of its answer that were none of MCP's, as long as nothing else says that it is.
    pub(super) strange_events: u32,
    pub(super) request: Content,
}

impl Exchange {
    /// `marks`: what the head says.
    pub(super) fn new(since: UnixNs, client: Side, head: RequestHead, marks: Marks) -> Self {
        let hope = if marks.is_empty() {
            Hope::None
        } else {
            Hope::Some
        };
        Self {
            since,
            client,
            request: Content::of_request(&head.method, &head.headers, hope),
            head: needed(head),
            session: None,
            status: 0,
            marks,
            answer: Content::default(),
            foreign: false,
            ends_session: false,
            has_messages: false,
            has_requests: false,
            orphan: false,
            strange_events: 0,
        }
    }

    /// An exchange that is first seen by its response.
    pub(super) fn orphan(since: UnixNs, client: Side) -> Self {
        let head = RequestHead {
            method: String::new(),
            target: String::new(),
            version: Version::Http11,
            headers: Headers::default(),
        };
        Self {
            orphan: true,
            ..Self::new(since, client, head, Marks::default())
        }
    }

    pub(super) fn pending_bytes(&self) -> usize {
        let fields = self.head.headers.iter();
        let fields = fields.map(|(name, value)| FIELD_BYTES + name.len() + value.len());
        let head = self.head.method.len() + self.head.target.len() + fields.sum::<usize>();
        head + self.request.pending_bytes() + self.answer.pending_bytes()
    }

    /// The messages of a complete request; none when it holds something else.
    pub(super) fn take_request_messages(&mut self) -> (Vec<Message>, u64) {
        let messages = self.request.finish();
        self.request.close();
        messages
    }

    /// What could not be read of it since the last call; nothing of what is none of MCP's.
    pub(super) fn take_losses(&mut self) -> Vec<(LossReason, u64)> {
        let losses = self.request.take_losses().chain(self.answer.take_losses());
        let losses: Vec<_> = losses.collect();
        let is_ours = self.session.is_some() || !self.marks.is_empty();
        if is_ours && !self.foreign {
            losses
        } else {
            Vec::new()
        }
    }
}

/// What is asked of a head later on: its mark of MCP, where it goes, what it takes. It waits for its answer, which may never come.
fn needed(head: RequestHead) -> RequestHead {
    let is_asked_for = |name: &str| {
        matches!(name, "host" | "accept" | "content-type")
            || name.starts_with("mcp-")
            || name.starts_with("a2a-")
    };
    let mut bytes = 0;
    let mut fits = |(name, value): &(&str, &[u8])| {
        let own = name.len() + value.len();
        let fits = own <= VALUE_BYTES_MAX && bytes + own <= FIELDS_BYTES_MAX;
        bytes += if fits { own } else { 0 };
        fits
    };
    let fields = head.headers.iter().filter(|(name, _)| is_asked_for(name));
    let headers = fields
        .filter(|field| fits(field))
        .take(FIELDS_MAX)
        .collect();
    RequestHead {
        method: beginning(&head.method, METHOD_BYTES_MAX),
        target: beginning(&head.target, TARGET_BYTES_MAX),
        version: head.version,
        headers,
    }
}

/// A copy, so that nothing is kept of what is cut off.
fn beginning(text: &str, bytes_max: usize) -> String {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(fields: Vec<(String, Vec<u8>)>) -> Exchange {
        let head = RequestHead {
            method: "M".repeat(100_000),
            target: "/\u{e9}".repeat(100_000),
            version: Version::Http11,
            headers: fields.into_iter().collect(),
        };
        Exchange::new(0, Side::A, head, Marks::default())
    }

    #[test]
    fn of_a_head_that_waits_little_is_kept_and_all_of_it_is_counted() {
        let many = (0..1000).map(|at| (format!("x-{at}"), vec![b'v'; 100]));
        let needed = (0..1000).map(|_| ("accept".to_owned(), vec![b'v'; 100]));
        let large = ["mcp-session-id", "host"].map(|name| (name.to_owned(), vec![b'v'; 60_000]));
        let own = ("mcp-method".to_owned(), b"tools/call".to_vec());
        for fields in [many.collect::<Vec<_>>(), needed.collect(), large.to_vec()] {
            let fields = std::iter::once(own.clone()).chain(fields).collect();
            let exchange = exchange(fields);
            assert_eq!(exchange.head.headers.get("mcp-method"), Some(&own.1[..]));
            let kept = exchange.pending_bytes();
            let most =
                METHOD_BYTES_MAX + TARGET_BYTES_MAX + FIELDS_BYTES_MAX + FIELDS_MAX * FIELD_BYTES;
            assert!((100..=most).contains(&kept), "{kept}");
        }
    }

    #[test]
    fn what_is_shed_is_gone_but_for_sessions() {
        let mut exchanges = Exchanges::default();
        let flow = FlowId(1);
        for number in 0..3 {
            let mut exchange = exchange(vec![("host".to_owned(), b"a".to_vec())]);
            exchange.session = (number == 1).then_some(SessionNumber(7));
            exchanges.insert((flow, number), exchange);
        }
        exchanges.shed(flow);
        assert_eq!((exchanges.count, exchanges.of(flow).count()), (1, 1));
        let kept: usize = exchanges.of(flow).map(Exchange::pending_bytes).sum();
        assert!(kept <= METHOD_BYTES_MAX + TARGET_BYTES_MAX, "{kept}");
    }
}
