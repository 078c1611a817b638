//! Requests of one session that wait for an answer, bounded per session and over all sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ExchangeKey;
use crate::event::UnixNs;
use crate::mcp::message::Id;

/// Requests of one session that may wait at the same time: a client that never waits for an answer has as many under way as
/// the buffers of a connection hold. About 300 bytes each.
const OWN_MAX: usize = 65_536;
/// Requests of all sessions that may wait at the same time.
const ALL_MAX: usize = 131_072;

/// A request without an answer.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) exchange: Option<ExchangeKey>,
    pub(super) since: UnixNs,
    pub(super) method: String,
    pub(super) name: Option<String>,
    pub(super) bytes: u64,
    /// 0 where the request is no call (`ping`, `initialize`, `server/discover`).
    pub(super) number: u64,
    /// Bytes were lost that may have answered it.
    pub(super) doubtful: bool,
}

impl Pending {
    fn is_handshake(&self) -> bool {
        self.method == "initialize"
    }
}

/// How many requests wait over all sessions.
#[derive(Clone, Debug, Default)]
pub struct WaitingCount(Arc<AtomicUsize>);

/// The requests of one session that wait. Whoever speaks chooses ids and how many of them are the same, so nothing
/// here takes time by how many wait.
#[derive(Debug)]
pub(super) struct Waiting {
    /// By turn: the oldest comes first.
    requests: BTreeMap<u64, (Id, Pending)>,
    by_id: HashMap<Id, BTreeSet<u64>>,
    by_exchange: HashMap<ExchangeKey, BTreeSet<u64>>,
    /// How many of them are `initialize`.
    handshakes: usize,
    next_turn: u64,
    /// Bytes were lost that may have answered any request before this turn.
    doubtful_before: u64,
    all: WaitingCount,
}

impl Waiting {
    pub(super) fn new(all: WaitingCount) -> Self {
        Self {
            requests: BTreeMap::new(),
            by_id: HashMap::new(),
            by_exchange: HashMap::new(),
            handshakes: 0,
            next_turn: 0,
            doubtful_before: 0,
            all,
        }
    }

    /// Adds a request. Gives one that has to make way for it: the oldest of this session, or itself.
    pub(super) fn add(&mut self, id: Id, pending: Pending) -> Option<Pending> {
        let full = self.requests.len() >= OWN_MAX || self.all.0.load(Ordering::Relaxed) >= ALL_MAX;
        let oldest = if full { self.take_oldest() } else { None };
        if full && oldest.is_none() {
            return Some(pending);
        }
        self.all.0.fetch_add(1, Ordering::Relaxed);
        let turn = self.next_turn;
        self.next_turn += 1;
        self.by_id.entry(id.clone()).or_default().insert(turn);
        if let Some(exchange) = pending.exchange {
            self.by_exchange.entry(exchange).or_default().insert(turn);
        }
        self.handshakes += usize::from(pending.is_handshake());
        self.requests.insert(turn, (id, pending));
        oldest
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// An `initialize` is among them.
    pub(super) const fn is_handshaking(&self) -> bool {
        self.handshakes > 0
    }

    /// Bytes were lost that may have held answers: to the requests of an exchange, or to any.
    pub(super) fn doubt(&mut self, exchange: Option<ExchangeKey>) {
        let Some(exchange) = exchange else {
            self.doubtful_before = self.next_turn;
            return;
        };
        for turn in self.by_exchange.get(&exchange).into_iter().flatten() {
            if let Some((_, pending)) = self.requests.get_mut(turn) {
                pending.doubtful = true;
            }
        }
    }

    /// The request of this id, by preference the one of this exchange.
    pub(super) fn take(&mut self, id: &Id, exchange: Option<ExchangeKey>) -> Option<Pending> {
        let same = self.by_id.get(id)?;
        let of_exchange = exchange.and_then(|exchange| self.by_exchange.get(&exchange));
        let own = of_exchange.and_then(|turns| same.intersection(turns).next());
        let turn = *own.or_else(|| same.first())?;
        self.remove(turn)
    }

    /// Every request of an exchange, in their order.
    pub(super) fn take_exchange(&mut self, exchange: ExchangeKey) -> Vec<Pending> {
        let turns = self.by_exchange.get(&exchange).cloned().unwrap_or_default();
        turns
            .into_iter()
            .filter_map(|turn| self.remove(turn))
            .collect()
    }

    /// All of them, in their order.
    pub(super) fn take_all(&mut self) -> Vec<Pending> {
        let mut left = Vec::with_capacity(self.requests.len());
        left.extend(std::iter::from_fn(|| self.take_oldest()));
        left
    }

    fn take_oldest(&mut self) -> Option<Pending> {
        let (oldest, _) = self.requests.first_key_value()?;
        self.remove(*oldest)
    }

    fn remove(&mut self, turn: u64) -> Option<Pending> {
        let (id, mut pending) = self.requests.remove(&turn)?;
        take_out(&mut self.by_id, &id, turn);
        if let Some(exchange) = pending.exchange {
            take_out(&mut self.by_exchange, &exchange, turn);
        }
        self.handshakes -= usize::from(pending.is_handshake());
        pending.doubtful |= turn < self.doubtful_before;
        self.all.gone(1);
        Some(pending)
    }
}

/// Takes a turn out of an index.
fn take_out<K: Eq + Hash>(index: &mut HashMap<K, BTreeSet<u64>>, key: &K, turn: u64) {
    if let Some(turns) = index.get_mut(key) {
        turns.remove(&turn);
        if turns.is_empty() {
            index.remove(key);
        }
    }
}

impl WaitingCount {
    fn gone(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.gone(self.requests.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(number: u64) -> Pending {
        Pending {
            exchange: None,
            since: number,
            method: "m".into(),
            name: None,
            bytes: 0,
            number,
            doubtful: false,
        }
    }

    #[test]
    fn one_session_gives_up_its_oldest() {
        let mut waiting = Waiting::new(WaitingCount::default());
        for number in 0..OWN_MAX as u64 {
            assert!(
                waiting
                    .add(Id::Number(number as i64), pending(number))
                    .is_none()
            );
        }
        let gone = waiting.add(Id::Number(-1), pending(9999));
        assert_eq!(gone.map(|pending| pending.number), Some(0));
    }

    #[test]
    fn all_sessions_together_are_bounded_and_counted_back() {
        let all = WaitingCount::default();
        let mut sessions: Vec<Waiting> = (0..ALL_MAX / OWN_MAX + 1)
            .map(|_| Waiting::new(all.clone()))
            .collect();
        let mut refused = 0;
        for waiting in &mut sessions {
            for number in 0..OWN_MAX as u64 {
                refused += usize::from(
                    waiting
                        .add(Id::Number(number as i64), pending(number))
                        .is_some(),
                );
            }
        }
        assert_eq!(refused, OWN_MAX, "the last session finds no room");
        drop(sessions);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_same_id_is_taken_by_its_exchange_and_else_in_order() {
        let flow = crate::flow::FlowId(1);
        let mut waiting = Waiting::new(WaitingCount::default());
        for number in 0..6 {
            let exchange = (number != 5).then_some((flow, number / 2));
            let pending = Pending {
                exchange,
                ..pending(number)
            };
            assert!(waiting.add(Id::Number(1), pending).is_none());
        }
        let mut number = |exchange| {
            let taken = waiting.take(&Id::Number(1), exchange);
            taken.map(|pending| pending.number)
        };
        assert_eq!(number(Some((flow, 2))), Some(4));
        assert_eq!(number(Some((flow, 9))), Some(0), "of no known exchange");
        assert_eq!(number(None), Some(1));
        let numbers = |taken: Vec<Pending>| taken.iter().map(|p| p.number).collect::<Vec<_>>();
        assert_eq!(numbers(waiting.take_exchange((flow, 1))), [2, 3]);
        assert_eq!(numbers(waiting.take_all()), [5]);
        assert!(!waiting.contains(&Id::Number(1)) && waiting.by_exchange.is_empty());
    }

    #[test]
    fn a_loss_casts_doubt_on_what_was_asked_before_it() {
        let flow = crate::flow::FlowId(1);
        let mut waiting = Waiting::new(WaitingCount::default());
        let ask = |waiting: &mut Waiting, number| {
            let exchange = Some((flow, number));
            let pending = Pending {
                exchange,
                ..pending(number)
            };
            waiting.add(Id::Number(1), pending);
        };
        ask(&mut waiting, 0);
        waiting.doubt(None);
        ask(&mut waiting, 1);
        ask(&mut waiting, 2);
        waiting.doubt(Some((flow, 2)));
        let doubtful: Vec<bool> = waiting.take_all().iter().map(|p| p.doubtful).collect();
        assert_eq!(doubtful, [true, false, true]);
    }
}
