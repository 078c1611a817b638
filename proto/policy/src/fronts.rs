//! Which servers the gateways were seen to front.
//!
//! Matching is by where a server listens, never by its package: the same package run as somebody's own
//! child is another instance and no way round a gateway. Loopback and wildcard listeners belong to their
//! host; internal addresses mean the same everywhere; public ones may be shared by many servers, so there
//! the name decides.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::address::bare_path;
use crate::facts::Facts;
use crate::place::{Place, places};
use crate::verdict::{Judgement, Leg};

/// Places remembered; the one learned first makes way.
const PLACES_MAX: usize = 4096;
/// Paths remembered per place; beyond them every path counts.
const PATHS_MAX: usize = 64;
/// A front not seen again for this long is forgotten, for ports are reused: 30 days.
const IDLE_NS: u64 = 30 * 24 * 3600 * 1_000_000_000;

/// Servers behind gateways, learned from sessions judged `upstream`. Bounded.
#[derive(Clone, Debug, Default)]
pub struct Fronts {
    places: HashMap<Place, Front>,
    order: VecDeque<Place>,
    evicted: u64,
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
        let path = facts.path.as_deref().map(bare_path);
        let mut new = false;
        for place in places(facts) {
            new |= self.learn_place(place, path, gateway, facts.time_unix_ns);
        }
        new
    }

    fn learn_place(&mut self, place: Place, path: Option<&str>, gateway: &str, time: u64) -> bool {
        if let Some(front) = self.places.get_mut(&place) {
            let stale = time.saturating_sub(front.seen_unix_ns) > IDLE_NS;
            let new_gateway = stale && front.gateway != gateway;
            if new_gateway {
                gateway.clone_into(&mut front.gateway);
            }
            front.seen_unix_ns = front.seen_unix_ns.max(time);
            return front.add_path(path) || stale;
        }
        while self.order.len() >= PLACES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.places.remove(&oldest);
                self.evicted += 1;
            }
        }
        self.order.push_back(place.clone());
        let front = Front {
            gateway: gateway.to_owned(),
            paths: path.map(|p| BTreeSet::from([p.to_owned()])),
            seen_unix_ns: time,
        };
        self.places.insert(place, front);
        true
    }

    /// The gateway that fronts the server of this session, if one was seen to.
    #[must_use]
    pub fn gateway_of(&self, facts: &Facts) -> Option<&str> {
        let path = facts.path.as_deref().map(bare_path);
        places(facts)
            .iter()
            .filter_map(|place| self.places.get(place))
            .find(|front| front.covers(path, facts.time_unix_ns))
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

    fn covers(&self, path: Option<&str>, time: u64) -> bool {
        let fresh = time.saturating_sub(self.seen_unix_ns) <= IDLE_NS;
        let path_fits = match (&self.paths, path) {
            (Some(paths), Some(path)) => paths.contains(path),
            _ => true,
        };
        fresh && path_fits
    }
}

#[cfg(test)]
mod tests;
