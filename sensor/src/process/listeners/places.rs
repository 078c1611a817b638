//! What is known of every place, found by the place or by its port.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};

use super::{Address, Place};
use crate::event::{EndKey, ProcessKey, UnixNs};

/// What listens on one place: several sockets where they share it (`SO_REUSEPORT`), none where a process was
/// only seen to serve there.
#[derive(Debug, Default)]
pub(super) struct Listening {
    pub(super) sockets: BTreeSet<EndKey>,
    pub(super) server: Option<ProcessKey>,
    pub(super) mcp: bool,
    pub(super) paths: Vec<String>,
    pub(super) opened: Option<UnixNs>,
    /// It was there before the sensor.
    pub(super) early: bool,
}

/// All places.
#[derive(Debug, Default)]
pub(super) struct Places {
    all: HashMap<Place, Listening>,
    /// Those of the host's own TCP addresses.
    ports: BTreeSet<(u16, Place)>,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.ports.is_empty()
    }

    pub(super) fn get(&self, place: &Place) -> Option<&Listening> {
        self.all.get(place)
    }

    pub(super) fn get_mut(&mut self, place: &Place) -> Option<&mut Listening> {
        self.all.get_mut(place)
    }

    /// The place, which is made where there is none.
    pub(super) fn make(&mut self, place: &Place) -> &mut Listening {
        if let Some(port) = own_port(place)
            && !self.all.contains_key(place)
        {
            self.ports.insert((port, place.clone()));
        }
        self.all.entry(place.clone()).or_default()
    }

    pub(super) fn remove(&mut self, place: &Place) -> Option<Listening> {
        if let Some(port) = own_port(place) {
            self.ports.remove(&(port, place.clone()));
        }
        self.all.remove(place)
    }

    /// The closest place that takes connections to this one.
    pub(super) fn taking(&self, reached: &Place) -> Option<Place> {
        reached
            .listening()
            .find(|place| self.all.contains_key(place))
    }

    /// What listens on the host's own addresses on one port, in the order of the addresses.
    pub(super) fn on_port(&self, port: u16) -> impl Iterator<Item = (&Place, &Listening)> {
        let first = Place::tcp(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), 0);
        self.ports
            .range((port, first)..)
            .take_while(move |(of, _)| *of == port)
            .filter_map(|(_, place)| Some((place, self.all.get(place)?)))
    }
}

/// The port of a TCP place of the host's own.
fn own_port(place: &Place) -> Option<u16> {
    match place.address {
        Address::Tcp(address) if place.netns == 0 => Some(address.port()),
        _ => None,
    }
}
