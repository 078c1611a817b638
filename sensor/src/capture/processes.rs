//! Processes that were named to the pass: what they run and who started them, told once, and that they are gone.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{holder, image};
use crate::event::{Body, Event, Exec, ProcessKey, UnixNs};
use crate::kernel::clock::Clock;

/// Processes known at the same time; the next ones are named by their number alone.
const PROCESSES_MAX: usize = 16_384;
/// How far up ancestors are told: as far as the pass looks for them.
const ANCESTORS_MAX: usize = 16;

/// What was told.
#[derive(Debug)]
pub(super) struct Processes {
    /// With a digest of what it runs: an exec makes it another program.
    told: HashMap<ProcessKey, u64>,
    /// When they started.
    clock: Clock,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            told: HashMap::new(),
            clock: Clock::measure(),
        }
    }
}

impl Processes {
    /// Takes over the clock, with what it has noted.
    pub(super) fn keep_time(&mut self, clock: &Clock) {
        self.clock.clone_from(clock);
    }

    /// Names a process, and tells what is new about it and its ancestors. None when it is gone.
    pub(super) fn name(
        &mut self,
        time: UnixNs,
        pid: u32,
        events: &mut Vec<Event>,
    ) -> Option<ProcessKey> {
        let own = image::image(pid, &self.clock)?;
        let process = own.process;
        let mut fresh = Vec::new();
        let mut next = Some(own);
        while let Some(image) = next.take()
            && fresh.len() <= ANCESTORS_MAX
        {
            let digest = digest(&image);
            if self.told.get(&image.process) == Some(&digest) {
                break;
            }
            let known = self.told.contains_key(&image.process);
            if !known && self.told.len() >= PROCESSES_MAX {
                break;
            }
            self.told.insert(image.process, digest);
            let parent = image.parent;
            fresh.push(image);
            // Whoever is older than a process that is known is known.
            next = parent
                .filter(|_| !known)
                .and_then(|parent| image::image(parent.pid, &self.clock));
        }
        events.extend(fresh.into_iter().rev().map(|image| Event {
            time,
            body: Body::Exec(Box::new(image)),
        }));
        Some(process)
    }

    /// Whether a process that was told is gone by now.
    #[must_use]
    pub(super) fn is_gone(&self, process: &ProcessKey) -> bool {
        // Of a full table it does not show.
        self.told.len() < PROCESSES_MAX && !self.told.contains_key(process)
    }

    /// Tells which of them are gone.
    pub(super) fn look_after(&mut self, time: UnixNs, events: &mut Vec<Event>) {
        let living: HashSet<u32> = holder::processes().collect();
        let newest: HashMap<u32, u64> = self.told.keys().fold(HashMap::new(), |mut newest, key| {
            let start = newest.entry(key.pid).or_insert(key.start_ns);
            *start = key.start_ns.max(*start);
            newest
        });
        // A number that was given to another process since shows by that one, once it is named.
        let is_gone = |process: &ProcessKey| {
            !living.contains(&process.pid) || newest.get(&process.pid) != Some(&process.start_ns)
        };
        self.told.retain(|process, _| {
            let gone = is_gone(process);
            if gone {
                events.push(Event {
                    time,
                    body: Body::Exit { process: *process },
                });
            }
            !gone
        });
    }
}

fn digest(image: &Exec) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&image.exe_inode, &image.argv).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_told_once_with_its_ancestors_and_again_when_it_is_gone() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (mut processes, mut events) = (Processes::default(), Vec::new());
        // The child may still be on its way to `cat`: that it is one is told when it is named again.
        let process = processes.name(1, child.id(), &mut events).unwrap();
        let parent = image::key(std::process::id()).unwrap();
        let told = |events: &[Event], key| {
            let exec =
                |event: &&Event| matches!(&event.body, Body::Exec(exec) if exec.process == key);
            events.iter().position(|event| exec(&event))
        };
        assert!(told(&events, parent) < told(&events, process), "{events:?}");
        events.clear();
        assert_eq!(
            processes.name(2, std::process::id(), &mut events),
            Some(parent)
        );
        processes.look_after(3, &mut events);
        assert!(told(&events, parent).is_none() && told(&events, process).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        processes.look_after(4, &mut events);
        assert_eq!(
            events.last().map(|event| &event.body),
            Some(&Body::Exit { process })
        );
        assert!(processes.name(5, child.id(), &mut events).is_none());
    }
}
