//! Requests of one session that wait for an answer, bounded per session and over all sessions.

use std::collections::{BTreeMap, HashMap};
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

/// How many requests wait over all sessions.
#[derive(Clone, Debug, Default)]
pub struct WaitingCount(Arc<AtomicUsize>);

/// The requests of one session that wait.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Each with its turn.
    requests: HashMap<Id, Vec<(u64, Pending)>>,
    /// Who waits, by turn: the oldest comes first.
    turns: BTreeMap<u64, Id>,
    next_turn: u64,
    all: WaitingCount,
}

impl Waiting {
    pub(super) fn new(all: WaitingCount) -> Self {
        Self {
            requests: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            all,
        }
    }

    /// Adds a request. Gives one that has to make way for it: the oldest of this session, or itself.
    pub(super) fn add(&mut self, id: Id, pending: Pending) -> Option<Pending> {
        let full = self.turns.len() >= OWN_MAX || self.all.0.load(Ordering::Relaxed) >= ALL_MAX;
        let oldest = if full { self.take_oldest() } else { None };
        if full && oldest.is_none() {
            return Some(pending);
        }
        self.all.0.fetch_add(1, Ordering::Relaxed);
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, id.clone());
        self.requests.entry(id).or_default().push((turn, pending));
        oldest
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.requests.contains_key(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.requests.values().flatten().map(|(_, pending)| pending)
    }

    /// Bytes were lost that may have held answers: to the requests of an exchange, or to any.
    pub(super) fn doubt(&mut self, exchange: Option<ExchangeKey>) {
        for (_, pending) in self.requests.values_mut().flatten() {
            pending.doubtful |= exchange.is_none() || pending.exchange == exchange;
        }
    }

    /// The request of this id, by preference the one of this exchange.
    pub(super) fn take(&mut self, id: &Id, exchange: Option<ExchangeKey>) -> Option<Pending> {
        let same = self.requests.get_mut(id)?;
        let own = same
            .iter()
            .position(|(_, pending)| exchange.is_some() && pending.exchange == exchange);
        let (turn, pending) = same.remove(own.unwrap_or(0));
        if same.is_empty() {
            self.requests.remove(id);
        }
        self.turns.remove(&turn);
        self.all.gone(1);
        Some(pending)
    }

    /// Every request of an exchange.
    pub(super) fn take_exchange(&mut self, exchange: ExchangeKey) -> Vec<Pending> {
        let of_exchange = |(_, pending): &(u64, Pending)| pending.exchange == Some(exchange);
        let ids: Vec<Id> = self
            .requests
            .iter()
            .filter(|(_, same)| same.iter().any(of_exchange))
            .map(|(id, _)| id.clone())
            .collect();
        ids.iter()
            .filter_map(|id| self.take(id, Some(exchange)))
            .collect()
    }

    /// All of them, in their order.
    pub(super) fn take_all(&mut self) -> Vec<Pending> {
        let mut left: Vec<_> = self.requests.drain().flat_map(|(_, same)| same).collect();
        left.sort_by_key(|(turn, _)| *turn);
        self.turns.clear();
        self.all.gone(left.len());
        left.into_iter().map(|(_, pending)| pending).collect()
    }

    fn take_oldest(&mut self) -> Option<Pending> {
        let (_, oldest) = self.turns.first_key_value()?;
        self.take(&oldest.clone(), None)
    }
}

impl WaitingCount {
    fn gone(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.gone(self.turns.len());
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
}
