//! What was learned of processes for statements, kept: a process can be asked about only while it lives,
//! and its session is stated a last time when it is gone.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::event::{Exec, ProcessKey};
use crate::host::Host;
use crate::observation::{Process, ServerKey, Strength};
use crate::process::package::{self, Package};
use crate::process::table::{ImageNumber, ProcessTable};
use crate::process::weight;
use crate::redact;

/// Processes kept; two for each session, and more.
const PROCESSES_MAX: usize = 16_384;
/// What their words may take, bytes, as they are and as they are stated. Of more, the heaviest lose theirs.
const WORDS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What the words of one take at most after they were made fewer once: of its image, and as they are stated.
const HEAVY_BYTES: usize = 2 * weight::SHORT_BYTES;
/// The last argument of a command line of which more is not kept.
const MORE: &str = "[more]";

/// What is known of the processes that sessions have.
#[derive(Default)]
pub(crate) struct Known {
    processes: HashMap<ProcessKey, Entry>,
    /// Of all of them.
    word_bytes: usize,
    /// Processes that lost words since this was last asked.
    lightened: u64,
}

struct Entry {
    /// The image that all of this is about: an exec makes it another program.
    number: Option<ImageNumber>,
    /// As it was when it was asked for first.
    image: Option<Arc<Exec>>,
    stated: Process,
    package: Option<Option<Package>>,
    identity: Option<(ServerKey, Strength)>,
}

impl Known {
    /// The process as it is stated.
    pub(crate) fn process(
        &mut self,
        key: ProcessKey,
        processes: &ProcessTable,
        host: &mut dyn Host,
    ) -> Process {
        self.entry(key, processes, host).stated.clone()
    }

    /// The server that a process is; none when nothing tells, or not yet.
    pub(crate) fn identity(
        &mut self,
        key: ProcessKey,
        processes: &ProcessTable,
        host: &mut dyn Host,
    ) -> Option<(ServerKey, Strength)> {
        let entry = self.entry(key, processes, host);
        if entry.identity.is_none()
            && let Some(image) = entry.image.clone()
        {
            entry.identity = identify(&image, &mut entry.package, host);
        }
        entry.identity.clone()
    }

    /// Forgets those that are gone and whose sessions are over.
    pub(crate) fn tick(&mut self, processes: &ProcessTable, in_sessions: &HashSet<ProcessKey>) {
        self.processes.retain(|process, _| {
            in_sessions.contains(process)
                || (processes.image(*process).is_some() && !processes.is_gone(*process))
        });
    }

    /// How many processes lost words since the last call.
    pub(crate) fn take_lightened(&mut self) -> u64 {
        std::mem::take(&mut self.lightened)
    }

    /// How many processes are known.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    fn entry(
        &mut self,
        key: ProcessKey,
        processes: &ProcessTable,
        host: &mut dyn Host,
    ) -> &mut Entry {
        let number = processes.image_number(key);
        let same = |known: &Entry| number.is_none() || known.number == number;
        if !self.processes.get(&key).is_some_and(same) {
            if self.processes.len() >= PROCESSES_MAX {
                self.processes
                    .retain(|process, _| !processes.is_gone(*process));
            }
            if self.processes.len() >= PROCESSES_MAX {
                self.processes.clear();
            }
            let image = processes.image(key).cloned();
            let entry = Entry {
                number,
                stated: state(key, image.as_deref(), host),
                image,
                package: None,
                identity: None,
            };
            self.word_bytes += entry.word_bytes();
            self.processes.insert(key, entry);
            self.lighten(key);
        }
        self.processes
            .get_mut(&key)
            .expect("just found or inserted")
    }

    /// Takes words from the heaviest when all take too much, as the table of processes does: but for `asked`, which is stated now.
    fn lighten(&mut self, asked: ProcessKey) {
        if self.word_bytes <= WORDS_BYTES_MAX {
            return;
        }
        // Nothing is taken off it elsewhere: processes were replaced and forgotten since.
        self.word_bytes = self.processes.values().map(Entry::word_bytes).sum();
        if self.word_bytes <= WORDS_BYTES_MAX {
            return;
        }
        let target = WORDS_BYTES_MAX - WORDS_BYTES_MAX / 8;
        for heavy_only in [true, false] {
            let mut heaviest: Vec<(usize, ProcessKey)> = (self.processes.iter())
                .filter(|(process, _)| **process != asked)
                .map(|(process, entry)| (entry.word_bytes(), *process))
                .filter(|(bytes, _)| !heavy_only || *bytes > HEAVY_BYTES)
                .collect();
            heaviest.sort_unstable_by_key(|entry| Reverse(*entry));
            for (bytes, process) in heaviest {
                if self.word_bytes <= target {
                    return;
                }
                if let Some(entry) = self.processes.get_mut(&process) {
                    entry.lighten();
                    self.word_bytes = self.word_bytes - bytes + entry.word_bytes();
                    self.lightened += 1;
                }
            }
        }
    }
}

impl Entry {
    fn word_bytes(&self) -> usize {
        let image = self.image.as_deref().map_or(0, weight::bytes);
        image + weight::argv_bytes(&self.stated.argv) + weight::path_bytes(&self.stated.exe)
    }

    /// Keeps what fits into [`HEAVY_BYTES`], or, of what does, nothing.
    fn lighten(&mut self) {
        let heavy = self.word_bytes() > HEAVY_BYTES;
        if let Some(image) = self.image.take() {
            let is_light = weight::bytes(&image) <= weight::SHORT_BYTES;
            self.image = Some(if heavy && is_light {
                image
            } else {
                Arc::new(weight::lighter(&image))
            });
        }
        self.stated.argv = if heavy {
            with_mark(weight::first(&self.stated.argv))
        } else {
            Vec::new()
        };
        let exe_bytes = weight::path_bytes(&self.stated.exe);
        if !heavy || exe_bytes > weight::SHORT_PATH_BYTES {
            self.stated.exe = None;
        }
    }
}

/// Arguments of which there were more.
fn with_mark(mut argv: Vec<String>) -> Vec<String> {
    if argv.last().is_none_or(|last| last != MORE) {
        argv.push(MORE.to_owned());
    }
    argv
}

fn state(key: ProcessKey, image: Option<&Exec>, host: &mut dyn Host) -> Process {
    Process {
        pid: key.pid,
        exe: image
            .and_then(|image| image.exe.as_deref())
            .map(redact::text),
        argv: image.map(argv).unwrap_or_default(),
        user: image.and_then(|image| host.user(image.uid)),
        uid: image.map(|image| image.uid),
        container: host.container(key.pid).map(|container| container.id),
        started: image
            .map(|image| image.started)
            .filter(|started| *started > 0),
    }
}

fn argv(image: &Exec) -> Vec<String> {
    let argv = redact::argv(&image.argv);
    if image.argv_truncated {
        with_mark(argv)
    } else {
        argv
    }
}

fn identify(
    image: &Exec,
    asked: &mut Option<Option<Package>>,
    host: &mut dyn Host,
) -> Option<(ServerKey, Strength)> {
    let package = asked.get_or_insert_with(|| {
        let mut read = |path: &str| host.read_text(image, path);
        package::package(
            image.exe.as_deref(),
            &image.argv,
            image.cwd.as_deref(),
            &mut read,
        )
    });
    // A script that no package names is known by its content, as a program of its own is.
    let script = package
        .as_ref()
        .and_then(|package| package.key.strip_prefix("file:"));
    match (package.as_ref(), script) {
        (Some(package), None) => {
            let strength = match package.strength {
                package::Strength::Claimed => Strength::Claimed,
                package::Strength::Verified => Strength::Verified,
            };
            Some((ServerKey::new(&redact::text(&package.key)), strength))
        }
        (_, script) => {
            let digest = host.digest(image, script)?;
            // Whoever runs a script can mostly write it; what the kernel runs is what was read.
            let strength = if script.is_some() {
                Strength::Claimed
            } else {
                Strength::Verified
            };
            Some((ServerKey::new(&format!("bin:{digest}")), strength))
        }
    }
}
