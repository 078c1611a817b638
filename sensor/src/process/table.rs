//! Which processes there are, what they run, and who started them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::event::{Exec, ProcessKey, UnixNs};

/// How long an ended process is still known: answers and rows about it arrive late.
const EXITED_KEPT_NS: u64 = 60_000_000_000;
/// How many ended processes are known: a build makes hundreds a second, and they are seldom asked about.
const EXITED_MAX: usize = 8192;
/// What their command lines may take, bytes.
const EXITED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How far up the ancestors are searched; deeper trees are cut.
const ANCESTORS_MAX: usize = 16;

#[derive(Clone, Debug, Default)]
struct Entry {
    exec: Option<Arc<Exec>>,
    parent: Option<ProcessKey>,
    exited: bool,
}

impl Entry {
    /// Of the command line, also where a child shares it.
    fn bytes(&self) -> usize {
        let argv = self.exec.iter().flat_map(|exec| &exec.argv);
        argv.map(String::len).sum()
    }
}

/// All processes of the host, bounded. When full, ended ones go first, then the oldest.
#[derive(Debug)]
pub struct ProcessTable {
    entries: HashMap<ProcessKey, Entry>,
    /// In the order they came, for the bound.
    order: VecDeque<ProcessKey>,
    exited: VecDeque<(UnixNs, ProcessKey)>,
    /// Of the command lines of these.
    exited_bytes: usize,
    processes_max: usize,
    evicted: u64,
}

impl ProcessTable {
    /// A table of at most `processes_max` processes.
    #[must_use]
    pub fn new(processes_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            exited: VecDeque::new(),
            exited_bytes: 0,
            processes_max,
            evicted: 0,
        }
    }

    /// A process runs a new image.
    pub fn exec(&mut self, exec: Exec) {
        let process = exec.process;
        let entry = self.entry(process);
        entry.parent = exec.parent.or(entry.parent);
        entry.exec = Some(Arc::new(exec));
    }

    /// A process was made; it runs its parent's image until it execs.
    pub fn fork(&mut self, parent: ProcessKey, child: ProcessKey) {
        let image = self
            .entries
            .get(&parent)
            .and_then(|entry| entry.exec.clone());
        let entry = self.entry(child);
        entry.parent = Some(parent);
        if entry.exec.is_none() {
            entry.exec = image;
        }
    }

    /// A process ended.
    pub fn exit(&mut self, time: UnixNs, process: ProcessKey) {
        if let Some(entry) = self.entries.get_mut(&process)
            && !entry.exited
        {
            entry.exited = true;
            self.exited_bytes += entry.bytes();
            self.exited.push_back((time, process));
        }
    }

    /// Forgets what ended long ago, or before many others.
    pub fn tick(&mut self, now: UnixNs) {
        while let Some(&(time, process)) = self.exited.front()
            && (time.saturating_add(EXITED_KEPT_NS) < now
                || self.exited.len() > EXITED_MAX
                || self.exited_bytes > EXITED_BYTES_MAX)
        {
            self.exited.pop_front();
            self.remove(process);
        }
        if self.order.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.order.retain(|process| entries.contains_key(process));
        }
    }

    /// The image that a process runs, or ran.
    #[must_use]
    pub fn image(&self, process: ProcessKey) -> Option<&Arc<Exec>> {
        self.entries.get(&process)?.exec.as_ref()
    }

    /// Whether it is known to have ended.
    #[must_use]
    pub fn is_gone(&self, process: ProcessKey) -> bool {
        self.entries.get(&process).is_some_and(|entry| entry.exited)
    }

    /// The parent.
    #[must_use]
    pub fn parent(&self, process: ProcessKey) -> Option<ProcessKey> {
        self.entries.get(&process)?.parent
    }

    /// The latest living child that still runs the image it was forked with: what a process goes on as that ends after its fork.
    #[must_use]
    pub fn heir(&self, process: ProcessKey) -> Option<ProcessKey> {
        let image = self.image(process)?;
        let goes_on = |entry: &Entry| {
            let same = entry
                .exec
                .as_ref()
                .is_some_and(|own| Arc::ptr_eq(own, image));
            entry.parent == Some(process) && !entry.exited && same
        };
        let children = self.entries.iter().filter(|(_, entry)| goes_on(entry));
        children
            .map(|(child, _)| *child)
            .max_by_key(|child| child.start_ns)
    }

    /// The process and its ancestors, nearest first.
    pub fn lineage(&self, process: ProcessKey) -> impl Iterator<Item = ProcessKey> + '_ {
        std::iter::successors(Some(process), |process| self.parent(*process)).take(ANCESTORS_MAX)
    }

    /// How many processes had to make way since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    fn entry(&mut self, process: ProcessKey) -> &mut Entry {
        if !self.entries.contains_key(&process) {
            if self.entries.len() >= self.processes_max {
                self.make_room();
            }
            self.order.push_back(process);
        }
        self.entries.entry(process).or_default()
    }

    fn remove(&mut self, process: ProcessKey) -> bool {
        let Some(entry) = self.entries.remove(&process) else {
            return false;
        };
        if entry.exited {
            self.exited_bytes = self.exited_bytes.saturating_sub(entry.bytes());
        }
        true
    }

    fn make_room(&mut self) {
        let next = |table: &mut Self| {
            let ended = table.exited.pop_front().map(|(_, process)| process);
            ended.or_else(|| table.order.pop_front())
        };
        while let Some(process) = next(self) {
            if self.remove(process) {
                self.evicted += 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey {
            pid,
            start_ns: u64::from(pid),
        }
    }

    fn exec(pid: u32, exe: &str) -> Exec {
        Exec {
            process: key(pid),
            parent: None,
            started: 0,
            exe: Some(exe.into()),
            exe_inode: None,
            argv: vec![],
            argv_truncated: false,
            cwd: None,
            uid: 0,
            login_uid: None,
            login_session: None,
            cgroup: 0,
        }
    }

    #[test]
    fn a_child_runs_its_parents_image_until_it_execs() {
        let mut table = ProcessTable::new(8);
        table.exec(exec(1, "/bin/sh"));
        table.fork(key(1), key(2));
        assert_eq!(table.image(key(2)).unwrap().exe.as_deref(), Some("/bin/sh"));
        table.exec(exec(2, "/bin/cat"));
        assert_eq!(
            table.image(key(2)).unwrap().exe.as_deref(),
            Some("/bin/cat")
        );
        assert_eq!(table.lineage(key(2)).collect::<Vec<_>>(), [key(2), key(1)]);
    }

    #[test]
    fn a_forked_child_is_the_heir_until_it_runs_something_else() {
        let mut table = ProcessTable::new(8);
        table.exec(exec(1, "/bin/server"));
        assert_eq!(table.heir(key(1)), None);
        table.fork(key(1), key(2));
        table.fork(key(1), key(3));
        table.exec(exec(3, "/bin/helper"));
        table.exit(9, key(1));
        assert_eq!(table.heir(key(1)), Some(key(2)));
        table.exit(9, key(2));
        assert_eq!(table.heir(key(1)), None);
    }

    #[test]
    fn ended_processes_are_known_for_a_while() {
        let mut table = ProcessTable::new(8);
        table.exec(exec(1, "/bin/sh"));
        table.exit(1000, key(1));
        table.tick(2000);
        assert!(table.is_gone(key(1)) && table.image(key(1)).is_some());
        table.tick(1001 + EXITED_KEPT_NS);
        assert!(table.image(key(1)).is_none());
    }

    #[test]
    fn of_many_that_ended_the_last_are_known() {
        let mut table = ProcessTable::new(2 * EXITED_MAX);
        let last = u32::try_from(EXITED_MAX).unwrap() + 9;
        for pid in 0..=last {
            table.exec(exec(pid, "/bin/x"));
            table.exit(1000, key(pid));
        }
        table.tick(1000);
        assert!(table.image(key(9)).is_none() && table.image(key(last)).is_some());
        assert_eq!(table.entries.len(), EXITED_MAX);
        assert_eq!(table.take_evicted(), 0);
    }

    #[test]
    fn long_command_lines_of_those_that_ended_are_bounded() {
        let mut table = ProcessTable::new(2 * EXITED_MAX);
        for pid in 0..2000 {
            let mut exec = exec(pid, "/bin/x");
            exec.argv = vec!["a".repeat(16 * 1024)];
            table.exec(exec);
            table.exit(1000, key(pid));
            table.tick(1000);
        }
        assert!(table.exited_bytes <= EXITED_BYTES_MAX);
        assert!(table.entries.len() <= EXITED_BYTES_MAX / (16 * 1024));
        assert!(table.image(key(1999)).is_some());
        table.tick(2 * EXITED_KEPT_NS);
        assert_eq!((table.exited_bytes, table.entries.len()), (0, 0));
    }

    #[test]
    fn the_table_is_bounded_and_counts() {
        let mut table = ProcessTable::new(4);
        for pid in 0..100 {
            table.exec(exec(pid, "/bin/x"));
        }
        assert_eq!(table.entries.len(), 4);
        assert_eq!(table.take_evicted(), 96);
        assert!(table.order.len() <= 4);
    }
}
