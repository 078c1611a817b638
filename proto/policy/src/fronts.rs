//! Which servers the gateways were seen to front.
//!
//! Matching is by where a server listens, never by its package: the same package run as somebody's own
//! child is another instance and no way round a gateway. Loopback and wildcard listeners belong to their
//! host; internal addresses mean the same everywhere; public ones may be shared by many servers, so there
//! the name decides.
//!
//! What a session's facts say is its host's own word. It counts for sessions of that host alone, unless the
//! policy names the host as one of the gateway's: else one host could spoil the verdicts of others.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::facts::Facts;
use crate::place::{Place, places};
use crate::verdict::{Judgement, Leg, code};

/// Places remembered. Beyond it the host that taught the most loses the one it taught first, so that a host
/// which makes up places pushes out its own.
const PLACES_MAX: usize = 4096;
/// Paths remembered per place; beyond them every path counts.
const PATHS_MAX: usize = 64;
/// A front not seen again for this long is forgotten, for ports are reused: 30 days.
const IDLE_NS: u64 = 30 * 24 * 3600 * 1_000_000_000;

/// Servers behind gateways, learned from sessions judged `upstream`. Bounded.
#[derive(Clone, Debug, Default)]
pub struct Fronts {
    taught: HashMap<Scope, Taught>,
    /// Places of all scopes together.
    places: usize,
    /// How many were ever added: the age of each.
    added: u64,
    evicted: u64,
}

/// For whose sessions something was learned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Scope {
    /// Every host: taught by one that the policy names.
    Fleet,
    /// The host that taught it.
    Host(String),
}

/// What was learned for one scope.
#[derive(Clone, Debug, Default)]
struct Taught {
    fronts: HashMap<Place, Front>,
    /// Oldest first, each with its age.
    order: VecDeque<(u64, Place)>,
}

#[derive(Clone, Debug)]
struct Front {
    gateway: String,
    /// None: every path.
    paths: Option<BTreeSet<String>>,
    seen_unix_ns: u64,
}

impl Fronts {
    /// Nothing learned.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a judged session; true when something new was learned, and earlier judgements of
    /// sessions to that server should be made again.
    pub fn learn(&mut self, facts: &Facts, judgement: &Judgement) -> bool {
        let (Some(Leg::Upstream), Some(gateway)) = (judgement.leg, &judgement.gateway) else {
            return false;
        };
        let named = judgement
            .verdict
            .reasons
            .iter()
            .any(|r| r.code == code::GATEWAY_HOST);
        let scope = if named {
            Scope::Fleet
        } else {
            Scope::Host(facts.host.clone())
        };
        let paths = facts.paths();
        let mut new = false;
        for place in places(facts) {
            if facts.has_several_names() && matches!(place, Place::Name(..)) {
                continue;
            }
            if paths.is_empty() {
                new |= self.learn_place(&scope, place, None, gateway, facts.time_unix_ns);
                continue;
            }
            for path in &paths {
                let place = place.clone();
                new |= self.learn_place(&scope, place, Some(path), gateway, facts.time_unix_ns);
            }
        }
        new
    }

    fn learn_place(
        &mut self,
        scope: &Scope,
        place: Place,
        path: Option<&str>,
        gateway: &str,
        time: u64,
    ) -> bool {
        let known = self.taught.get_mut(scope);
        if let Some(front) = known.and_then(|taught| taught.fronts.get_mut(&place)) {
            let stale = time.saturating_sub(front.seen_unix_ns) > IDLE_NS;
            let new_gateway = stale && front.gateway != gateway;
            if new_gateway {
                gateway.clone_into(&mut front.gateway);
            }
            front.seen_unix_ns = front.seen_unix_ns.max(time);
            return front.add_path(path) || stale;
        }
        if self.places >= PLACES_MAX {
            self.make_room();
        }
        let front = Front {
            gateway: gateway.to_owned(),
            paths: path.map(|p| BTreeSet::from([p.to_owned()])),
            seen_unix_ns: time,
        };
        let taught = self.taught.entry(scope.clone()).or_default();
        taught.order.push_back((self.added, place.clone()));
        taught.fronts.insert(place, front);
        self.added += 1;
        self.places += 1;
        true
    }

    /// Forgets the oldest place of the scope with the most; among equals, the oldest.
    fn make_room(&mut self) {
        let age = |taught: &Taught| taught.order.front().map(|(age, _)| *age);
        let largest = self
            .taught
            .iter()
            .max_by_key(|(_, taught)| (taught.order.len(), Reverse(age(taught))))
            .map(|(scope, _)| scope.clone());
        let Some(scope) = largest else {
            return;
        };
        let Some(taught) = self.taught.get_mut(&scope) else {
            return;
        };
        if let Some((_, oldest)) = taught.order.pop_front() {
            taught.fronts.remove(&oldest);
            self.places -= 1;
            self.evicted += 1;
        }
        if taught.order.is_empty() {
            self.taught.remove(&scope);
        }
    }

    /// The gateway that fronts the server of this session, if one was seen to: by this host, or by one
    /// that the policy names.
    #[must_use]
    pub fn gateway_of(&self, facts: &Facts) -> Option<&str> {
        let paths = facts.paths();
        let places = places(facts);
        [Scope::Fleet, Scope::Host(facts.host.clone())]
            .iter()
            .filter_map(|scope| self.taught.get(scope))
            .flat_map(|taught| places.iter().filter_map(|place| taught.fronts.get(place)))
            .find(|front| front.covers(&paths, facts.time_unix_ns))
            .map(|front| front.gateway.as_str())
    }

    /// Places forgotten for want of room.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}

impl Front {
    fn add_path(&mut self, path: Option<&str>) -> bool {
        let Some(paths) = &mut self.paths else {
            return false;
        };
        match path {
            Some(path) if paths.len() < PATHS_MAX || paths.contains(path) => {
                paths.insert(path.to_owned())
            }
            _ => {
                self.paths = None;
                true
            }
        }
    }

    fn covers(&self, paths: &[&str], time: u64) -> bool {
        let fresh = time.saturating_sub(self.seen_unix_ns) <= IDLE_NS;
        let fronted = |path: &&str| self.paths.as_ref().is_none_or(|all| all.contains(*path));
        let path_fits = paths.is_empty() || paths.iter().any(fronted);
        fresh && path_fits
    }
}

#[cfg(test)]
mod tests;
