//! Which processes hold which sockets: the links in /proc/PID/fd.
//!
//! All processes of a large host have millions of descriptors, so a search goes in steps: one takes some ten milliseconds, and
//! the next one goes on where it ended. Who calls bounds how often.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Descriptors looked at of one process.
const DESCRIPTORS_MAX: usize = 65_536;
/// Descriptors looked at in one step; the process that uses the last of them is looked at whole.
pub(super) const STEP_DESCRIPTORS: usize = 8192;
/// Of those, looked at of the likely ones, who are asked in each step.
const LIKELY_DESCRIPTORS: usize = STEP_DESCRIPTORS / 2;
/// Whoever has more descriptors than this is asked last: some processes with huge tables may not use up the time of all others.
const HEAVY_DESCRIPTORS: usize = 1024;
/// How far up a socket is looked for with those who may have handed it down.
const ANCESTORS_MAX: usize = 8;

/// A search for one process of each socket, by inode: the one that a child has it from, where several of one family hold it.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Processes of the running round that are still to be asked, the next one last.
    round: Vec<u32>,
    /// What the round was begun for.
    asked: HashSet<u64>,
    /// Processes that had many descriptors when they were asked last. They are the first ones of a round, asked last.
    heavy: HashSet<u32>,
    /// The last round ended before those were asked, for sockets that came since.
    cut_short: bool,
}

/// What one step of a search came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Processes by inode.
    pub(super) found: HashMap<u64, u32>,
    /// Sockets that nobody holds whom we may look at: all were asked.
    pub(super) missed: Vec<u64>,
}

impl Search {
    /// Makes a step. `wanted` gives the user who made a socket, `likely` processes to begin with. What is not wanted any more is not
    /// looked for any more.
    pub(super) fn step(
        &mut self,
        wanted: &HashMap<u64, u32>,
        likely: impl Iterator<Item = u32>,
    ) -> Step {
        let mut left = LIKELY_DESCRIPTORS;
        let mut step = Step::default();
        let mut missing: HashSet<u64> = wanted.keys().copied().collect();
        let (heavy, light): (Vec<u32>, Vec<u32>) = likely.partition(|pid| self.heavy.contains(pid));
        for pid in light.into_iter().chain(heavy) {
            if missing.is_empty() || left == 0 {
                break;
            }
            self.ask(pid, &mut left, &mut missing, &mut step.found);
        }
        // The round goes on, whatever that took.
        left += STEP_DESCRIPTORS - LIKELY_DESCRIPTORS;
        self.asked.retain(|inode| missing.contains(inode));
        if missing.is_empty() {
            self.round.clear();
        } else if self.asked.is_empty() && self.may_begin() {
            self.asked.clone_from(&missing);
            let users: HashSet<u32> = wanted.values().copied().collect();
            self.round = self.by_likelihood(&users);
        }
        while left > 0 && !missing.is_empty() {
            let Some(pid) = self.round.pop() else { break };
            self.ask(pid, &mut left, &mut missing, &mut step.found);
        }
        self.asked.retain(|inode| missing.contains(inode));
        if self.round.is_empty() {
            step.missed.extend(self.asked.drain());
        }
        step
    }

    /// What came while a round was running is looked for in the rest of it, and in the next one: whoever makes sockets all the time
    /// would else have it begun again and again. Of every second round, those who cost most may be left out.
    fn may_begin(&mut self) -> bool {
        let rest_is_heavy = self.round.iter().all(|pid| self.heavy.contains(pid));
        let is_over = self.round.is_empty();
        if !is_over && (self.cut_short || !rest_is_heavy) {
            return false;
        }
        self.cut_short = !is_over;
        true
    }

    fn ask(
        &mut self,
        pid: u32,
        left: &mut usize,
        missing: &mut HashSet<u64>,
        found: &mut HashMap<u64, u32>,
    ) {
        let mut rest = usize::MAX;
        let held: Vec<u64> = held(pid, &mut rest, |inode| missing.contains(&inode)).collect();
        let used = usize::MAX - rest;
        *left = left.saturating_sub(used);
        if used > HEAVY_DESCRIPTORS {
            self.heavy.insert(pid);
        } else {
            self.heavy.remove(&pid);
        }
        for inode in held {
            if missing.remove(&inode) {
                found.insert(inode, eldest(pid, left, inode));
            }
        }
    }

    /// Those with many descriptors first, those of the right users last, of those the youngest last: who has just connected
    /// mostly has just begun.
    fn by_likelihood(&mut self, users: &HashSet<u32>) -> Vec<u32> {
        let own = |pid: u32| {
            let owner = fs::metadata(format!("/proc/{pid}")).map(|folder| folder.uid());
            owner.is_ok_and(|owner| users.contains(&owner))
        };
        let living: HashSet<u32> = processes().collect();
        self.heavy.retain(|pid| living.contains(pid));
        let rank = |pid: u32| (!self.heavy.contains(&pid), own(pid), pid);
        let mut pids: Vec<(bool, bool, u32)> = living.into_iter().map(rank).collect();
        pids.sort_unstable();
        pids.into_iter().map(|(_, _, pid)| pid).collect()
    }
}

/// All processes of this pid namespace.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    let folder = fs::read_dir("/proc").into_iter().flatten().flatten();
    folder.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Sockets among a process's descriptors; none when it is gone or closed to us. What is looked at is taken from `left`.
pub(super) fn held<'a>(
    pid: u32,
    left: &'a mut usize,
    asked: impl Fn(u64) -> bool + 'a,
) -> impl Iterator<Item = u64> + 'a {
    // An empty folder costs something, too.
    *left = left.saturating_sub(1);
    let folder = fs::read_dir(format!("/proc/{pid}/fd"));
    let links = folder.into_iter().flatten().flatten().take(DESCRIPTORS_MAX);
    links.filter_map(move |entry| {
        *left = left.saturating_sub(1);
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?;
        let inode = inode.strip_suffix(']')?.parse().ok()?;
        asked(inode).then_some(inode)
    })
}

/// The furthest ancestor that holds the socket, too: descriptors are handed down.
fn eldest(mut pid: u32, left: &mut usize, inode: u64) -> u32 {
    for _ in 0..ANCESTORS_MAX {
        let Some(parent) = super::image::parent(pid) else {
            break;
        };
        if held(parent, left, |held| held == inode).next().is_none() {
            break;
        }
        pid = parent;
    }
    pid
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn own_socket() -> (TcpListener, u64) {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let text = link.to_string_lossy().into_owned();
        let inode = text["socket:[".len()..text.len() - 1].parse().unwrap();
        (socket, inode)
    }

    /// Steps until nothing is missing, or everything that is was said to be.
    fn all(search: &mut Search, wanted: &HashMap<u64, u32>, likely: &[u32]) -> Step {
        let mut whole = Step::default();
        let mut wanted = wanted.clone();
        while !wanted.is_empty() {
            let step = search.step(&wanted, likely.iter().copied());
            wanted
                .retain(|inode, _| !step.found.contains_key(inode) && !step.missed.contains(inode));
            whole.found.extend(step.found);
            whole.missed.extend(step.missed);
        }
        whole
    }

    #[test]
    fn own_sockets_are_found_with_and_without_a_guess() {
        let (_socket, inode) = own_socket();
        let own = std::process::id();
        let uid = fs::metadata("/proc/self").unwrap().uid();
        let wanted = HashMap::from([(inode, uid), (u64::MAX, uid)]);
        let expected = Step {
            found: HashMap::from([(inode, own)]),
            missed: vec![u64::MAX],
        };
        let mut search = Search::default();
        assert_eq!(all(&mut search, &wanted, &[]), expected);
        assert_eq!(all(&mut search, &wanted, &[u32::MAX, own]), expected);
        assert!(search.round.is_empty() && search.asked.is_empty());
    }

    #[test]
    fn a_step_ends_and_the_next_one_goes_on() {
        let uid = fs::metadata("/proc/self").unwrap().uid();
        let mut search = Search::default();
        let wanted = HashMap::from([(u64::MAX, uid)]);
        // Asked again and again, this process takes all that a step has.
        let own = vec![std::process::id(); STEP_DESCRIPTORS];
        search.round.clone_from(&own);
        search.asked.insert(u64::MAX);
        let step = search.step(&wanted, own.iter().copied());
        assert_eq!(
            step,
            Step::default(),
            "nobody is missed before all were asked"
        );
        let before = search.round.len();
        assert!(0 < before && before < own.len(), "whoever is likely");
        // What was asked for later is missed when all were asked for it.
        search.step(&wanted, own.iter().copied());
        let both = HashMap::from([(u64::MAX, uid), (u64::MAX - 1, uid)]);
        search.step(&both, own.iter().copied());
        assert_eq!(search.asked, HashSet::from([u64::MAX]));
        let missed = all(&mut search, &both, &[]).missed;
        assert_eq!(missed, [u64::MAX, u64::MAX - 1]);
    }

    #[test]
    fn who_has_many_descriptors_is_asked_last() {
        let uid = fs::metadata("/proc/self").unwrap().uid();
        let own = std::process::id();
        let (socket, inode) = own_socket();
        let copies: Result<Vec<_>, _> =
            (0..HEAVY_DESCRIPTORS).map(|_| socket.try_clone()).collect();
        // Where a process may not have as many, none is heavy.
        let Ok(copies) = copies else { return };
        let mut search = Search::default();
        let users = HashSet::from([uid]);
        let wanted = HashMap::from([(inode, uid)]);
        assert_eq!(all(&mut search, &wanted, &[]).found[&inode], own);
        assert!(search.heavy.contains(&own));
        search.heavy.insert(u32::MAX);
        assert_eq!(search.by_likelihood(&users).first(), Some(&own));
        assert!(!search.heavy.contains(&u32::MAX), "it is gone");
        // It counts as it is now.
        drop(copies);
        assert_eq!(all(&mut search, &wanted, &[]).found[&inode], own);
        assert!(search.heavy.is_empty());
    }

    #[test]
    fn a_round_goes_on_for_what_came_since_and_leaves_out_the_heavy_only_once() {
        let mut search = Search {
            round: vec![1, 2],
            heavy: HashSet::from([1]),
            ..Search::default()
        };
        assert!(!search.may_begin(), "another one is to be asked");
        search.round.pop();
        assert!(search.may_begin());
        assert!(!search.may_begin(), "all are to be asked this time");
        search.round.pop();
        assert!(search.may_begin());
        search.round.push(1);
        assert!(search.may_begin());
    }
}
