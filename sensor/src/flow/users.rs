//! The few processes that read or write one lane.

use std::collections::HashSet;

use crate::event::ProcessKey;

/// More than this many different processes on one side of a lane are not told apart: the oldest goes.
const USERS_MAX: usize = 4;

/// A small set of processes, the latest user last.
#[derive(Clone, Debug, Default)]
pub struct Users(Vec<ProcessKey>);

impl Users {
    /// Notes a use. True when this process was not known here.
    pub fn note(&mut self, process: ProcessKey) -> bool {
        if self.0.last() == Some(&process) {
            return false;
        }
        let before = self.0.len();
        self.0.retain(|known| *known != process);
        let new = self.0.len() == before;
        if self.0.len() == USERS_MAX {
            self.0.remove(0);
        }
        self.0.push(process);
        new
    }

    /// Forgets processes that have ended.
    pub fn forget(&mut self, ended: &HashSet<ProcessKey>) {
        self.0.retain(|process| !ended.contains(process));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = ProcessKey> + '_ {
        self.0.iter().copied()
    }

    /// The latest user.
    #[must_use]
    pub fn last(&self) -> Option<ProcessKey> {
        self.0.last().copied()
    }

    /// Whether this process was seen to use it.
    #[must_use]
    pub fn contains(&self, process: ProcessKey) -> bool {
        self.0.contains(&process)
    }

    /// Whether nobody was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the two sets share a process.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|process| other.contains(*process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> ProcessKey {
        ProcessKey { pid, start_ns: 1 }
    }

    #[test]
    fn keeps_the_latest_and_stays_small() {
        let mut users = Users::default();
        assert!((1..=9).all(|pid| users.note(process(pid))));
        assert!(!users.note(process(9)), "known already");
        assert_eq!(users.last(), Some(process(9)));
        assert!(!users.contains(process(5)) && users.contains(process(6)));
        assert!(!users.note(process(6)), "moves to the end, is not new");
        assert_eq!(users.last(), Some(process(6)));
    }
}
