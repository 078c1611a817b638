//! Who was at one end of a session. A client sends any request of it where it likes, and who has its id sends requests
//! of his own: none of them speaks for the others.

use crate::event::ProcessKey;

/// Parties kept of one end; that there were more is known.
const PARTIES_MAX: usize = 32;

/// Everybody who was at one end, in the order of their appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties<A> {
    known: Vec<Party<A>>,
    more: bool,
}

/// An address and a process there; none: not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party<A> {
    /// By the kernel.
    pub address: Option<A>,
    /// Who was seen there.
    pub process: Option<ProcessKey>,
}

impl<A> Default for Parties<A> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            more: false,
        }
    }
}

impl<A: Copy + PartialEq> Parties<A> {
    /// Takes note of who was seen. A process is often known later than its address.
    pub fn note(&mut self, address: Option<A>, process: Option<ProcessKey>) {
        let process = process.filter(|process| !process.is_nobody());
        let mut here = self.known.iter().filter(|party| party.address == address);
        if here.any(|party| process.is_none() || party.process == process) {
            return;
        }
        let unnamed = |party: &&mut Party<A>| party.address == address && party.process.is_none();
        if let Some(party) = self.known.iter_mut().find(unnamed) {
            party.process = process;
        } else if self.known.len() < PARTIES_MAX {
            self.known.push(Party { address, process });
        } else {
            self.more = true;
        }
    }

    /// All that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Party<A>> {
        self.known.iter()
    }

    /// There were more than are kept.
    #[must_use]
    pub const fn more(&self) -> bool {
        self.more
    }

    /// Each different address but this one; none: one that is not known, or more than were kept.
    #[must_use]
    pub fn addresses_but(&self, own: Option<A>) -> Vec<Option<A>> {
        let mut others = Vec::new();
        let more = self.more.then_some(None);
        for address in self.iter().map(|party| party.address).chain(more) {
            if (address != own || address.is_none() && self.more) && !others.contains(&address) {
                others.push(address);
            }
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> Option<ProcessKey> {
        let start_ns = pid.into();
        Some(ProcessKey { pid, start_ns })
    }

    fn parties(seen: &[(Option<u8>, Option<ProcessKey>)]) -> Parties<u8> {
        let mut parties = Parties::default();
        for (address, process) in seen {
            parties.note(*address, *process);
        }
        parties
    }

    #[test]
    fn a_process_is_known_later_than_its_address() {
        let late = parties(&[(Some(1), None), (Some(1), process(5)), (Some(1), None)]);
        assert_eq!(late, parties(&[(Some(1), process(5))]));
        let two = parties(&[(Some(1), process(5)), (Some(1), process(6))]);
        assert_eq!(two.iter().count(), 2);
        assert!(two.addresses_but(Some(1)).is_empty());
    }

    #[test]
    fn an_address_that_is_not_known_is_another_one() {
        let mixed = parties(&[(None, process(5)), (Some(1), process(5)), (Some(2), None)]);
        assert_eq!(mixed.addresses_but(Some(1)), [None, Some(2)]);
        assert!(
            parties(&[(None, process(5))])
                .addresses_but(None)
                .is_empty()
        );
    }

    #[test]
    fn more_than_are_kept_are_one_that_is_not_known() {
        let mut many = Parties::default();
        for address in 0..=u8::MAX {
            many.note(Some(address), None);
        }
        assert_eq!(many.iter().count(), PARTIES_MAX);
        assert!(many.addresses_but(Some(0)).contains(&None));
    }
}
