//! Which processes there are, what they run, and who started them.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::weight;
use crate::event::{Exec, ProcessKey, UnixNs};

/// How long an ended process is still known: answers and rows about it arrive late.
const EXITED_KEPT_NS: u64 = 60_000_000_000;
/// How many ended processes are known: a build makes hundreds a second, and they are seldom asked about.
const EXITED_MAX: usize = 8192;
/// What the words of all images may take, bytes: a thousand processes of a busy host take two million. Of more, the heaviest images
/// keep fewer words, those of ended processes before those of living ones.
const IMAGES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How far up the ancestors are searched; deeper trees are cut.
const ANCESTORS_MAX: usize = 16;

/// Names one exec, for as long as this table is there: two of one number are the same image, whatever is left of its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageNumber(u64);

#[derive(Clone, Debug, Default)]
struct Entry {
    image: Option<ImageNumber>,
    parent: Option<ProcessKey>,
    exited: bool,
}

/// An image, also where children share it.
#[derive(Debug)]
struct Image {
    exec: Arc<Exec>,
    /// See [`weight::bytes`].
    bytes: usize,
    /// Entries that run it, or ran it.
    entries: usize,
    /// Those of them that have not ended.
    living: usize,
}

/// All processes of the host, bounded. When full, ended ones go first, then the oldest.
#[derive(Debug)]
pub struct ProcessTable {
    entries: HashMap<ProcessKey, Entry>,
    images: HashMap<ImageNumber, Image>,
    /// The next image's.
    number: ImageNumber,
    /// Of all images.
    image_bytes: usize,
    /// In the order they came, for the bound.
    order: VecDeque<ProcessKey>,
    exited: VecDeque<(UnixNs, ProcessKey)>,
    processes_max: usize,
    evicted: u64,
}

impl ProcessTable {
    /// A table of at most `processes_max` processes.
    #[must_use]
    pub fn new(processes_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            images: HashMap::new(),
            number: ImageNumber(0),
            image_bytes: 0,
            order: VecDeque::new(),
            exited: VecDeque::new(),
            processes_max,
            evicted: 0,
        }
    }

    /// A process runs a new image.
    pub fn exec(&mut self, exec: Exec) {
        let process = exec.process;
        let entry = self.entry(process);
        entry.parent = exec.parent.or(entry.parent);
        let (before, living) = (entry.image, usize::from(!entry.exited));
        let number = self.number;
        self.number.0 += 1;
        let bytes = weight::bytes(&exec);
        self.image_bytes += bytes;
        self.images.insert(
            number,
            Image {
                exec: Arc::new(exec),
                bytes,
                entries: 1,
                living,
            },
        );
        self.entry(process).image = Some(number);
        self.let_go(before, living);
        self.lighten();
    }

    /// A process was made; it runs its parent's image until it execs.
    pub fn fork(&mut self, parent: ProcessKey, child: ProcessKey) {
        let image = self.entries.get(&parent).and_then(|entry| entry.image);
        let entry = self.entry(child);
        entry.parent = Some(parent);
        if entry.image.is_some() {
            return;
        }
        let living = usize::from(!entry.exited);
        // To make room for the child its parent may have gone.
        if let Some((number, shared)) =
            image.and_then(|number| Some((number, self.images.get_mut(&number)?)))
        {
            shared.entries += 1;
            shared.living += living;
            self.entry(child).image = Some(number);
        }
    }

    /// A process ended.
    pub fn exit(&mut self, time: UnixNs, process: ProcessKey) {
        if let Some(entry) = self.entries.get_mut(&process)
            && !entry.exited
        {
            entry.exited = true;
            self.exited.push_back((time, process));
            if let Some(image) = entry.image.and_then(|image| self.images.get_mut(&image)) {
                image.living -= 1;
            }
        }
    }

    /// Forgets what ended long ago, or before many others.
    pub fn tick(&mut self, now: UnixNs) {
        while let Some(&(time, process)) = self.exited.front()
            && (time.saturating_add(EXITED_KEPT_NS) < now || self.exited.len() > EXITED_MAX)
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
        let number = self.image_number(process)?;
        Some(&self.images.get(&number)?.exec)
    }

    /// Which image that is.
    #[must_use]
    pub fn image_number(&self, process: ProcessKey) -> Option<ImageNumber> {
        self.entries.get(&process)?.image
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
        let image = self.image_number(process)?;
        let goes_on = |entry: &Entry| {
            entry.parent == Some(process) && !entry.exited && entry.image == Some(image)
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

    /// How many processes had to make way, or images to lose words, since the last call.
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
        self.let_go(entry.image, usize::from(!entry.exited));
        true
    }

    /// One entry less has an image.
    fn let_go(&mut self, image: Option<ImageNumber>, living: usize) {
        let Some(number) = image else { return };
        if let Some(image) = self.images.get_mut(&number) {
            image.entries -= 1;
            image.living -= living;
            if image.entries == 0 {
                self.image_bytes -= image.bytes;
                self.images.remove(&number);
            }
        }
    }

    /// Takes words from the heaviest images when all take too much: nobody can fill our memory with command lines, nor drive out
    /// those of others. An eighth is made free at once, so that of thousands not every exec searches for the next. Ends, since an
    /// image that was made lighter twice has no words.
    fn lighten(&mut self) {
        if self.image_bytes <= IMAGES_BYTES_MAX {
            return;
        }
        let target = IMAGES_BYTES_MAX - IMAGES_BYTES_MAX / 8;
        while self.image_bytes > target {
            let is_heavy = |image: &Image| image.bytes > weight::SHORT_BYTES;
            let any_heavy = self.images.values().any(is_heavy);
            // Of those that take about the same the oldest first: whoever began just now is asked about soon.
            let mut heaviest: Vec<(bool, u32, Reverse<ImageNumber>)> = (self.images.iter())
                .filter(|(_, image)| is_heavy(image) || (!any_heavy && image.bytes > 0))
                .map(|(number, image)| (image.living == 0, image.bytes.ilog2(), Reverse(*number)))
                .collect();
            heaviest.sort_unstable_by_key(|image| Reverse(*image));
            for (.., Reverse(number)) in heaviest {
                if self.image_bytes <= target {
                    return;
                }
                if let Some(image) = self.images.get_mut(&number) {
                    let lighter = weight::lighter(&image.exec);
                    let left = weight::bytes(&lighter);
                    self.image_bytes = self.image_bytes - image.bytes + left;
                    (image.exec, image.bytes) = (Arc::new(lighter), left);
                    self.evicted += 1;
                }
            }
        }
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

    /// What a user can make of the 16 KiB that are copied: the kernel's side allows 256 arguments of 63 bytes.
    fn heavy(pid: u32) -> Exec {
        Exec {
            argv: (0..256).map(|_| "a".repeat(63)).collect(),
            cwd: Some("/d".repeat(2000)),
            ..exec(pid, &"/x".repeat(2000))
        }
    }

    #[test]
    fn what_command_lines_take_is_bounded_and_counted() {
        let last = 9 * 1024;
        for ends in [true, false] {
            let mut table = ProcessTable::new(2 * EXITED_MAX);
            let mut honest = exec(1, "/usr/bin/node");
            honest.argv = vec!["node".into(), "/srv/server.js".into()];
            table.exec(honest);
            for pid in 2..=last {
                table.exec(heavy(pid));
                table.fork(key(pid), key(20_000 + pid % 8));
                if ends {
                    table.exit(1000, key(pid));
                }
                assert!(table.image_bytes <= IMAGES_BYTES_MAX);
            }
            let held: usize = table.images.values().map(|image| image.bytes).sum();
            let real = |image: &Image| weight::bytes(&image.exec);
            assert_eq!(table.image_bytes, held);
            assert_eq!(held, table.images.values().map(real).sum::<usize>());
            let argv = |pid| table.image(key(pid)).unwrap().argv.len();
            assert_eq!((argv(1), argv(last)), (2, 256), "ends: {ends}");
            let cut = table.image(key(last - 2000)).unwrap();
            assert!(cut.argv_truncated && cut.argv.len() < 16);
            assert_eq!((&cut.exe, &cut.cwd, cut.uid), (&None, &None, 0));
            assert!(table.take_evicted() > u64::from(last) / 2);
        }
    }

    #[test]
    fn an_image_goes_with_the_last_that_runs_it() {
        let mut table = ProcessTable::new(8);
        table.exec(heavy(1));
        table.fork(key(1), key(2));
        table.exit(1000, key(1));
        table.tick(2 * EXITED_KEPT_NS);
        assert!(table.image(key(1)).is_none() && table.image(key(2)).is_some());
        table.exec(exec(2, "/bin/sh"));
        assert_eq!(table.images.len(), 1);
        table.exit(1000, key(2));
        table.tick(2 * EXITED_KEPT_NS);
        assert_eq!((table.image_bytes, table.images.len()), (0, 0));
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
