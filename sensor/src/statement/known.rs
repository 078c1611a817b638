//! What was learned of processes for statements, kept: a process can be asked about only while it lives,
//! and its session is stated a last time when it is gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::event::{Exec, ProcessKey};
use crate::host::Host;
use crate::observation::{Process, ServerKey, Strength};
use crate::process::package::{self, Package};
use crate::process::table::ProcessTable;
use crate::redact;

/// Processes kept; two for each session, and more.
const PROCESSES_MAX: usize = 16_384;

/// What is known of the processes that sessions have.
#[derive(Default)]
pub(crate) struct Known {
    processes: HashMap<ProcessKey, Entry>,
}

struct Entry {
    /// The image that all of this is about: an exec makes it another program.
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
        let image = processes
            .image(key)
            .or_else(|| self.processes.get(&key)?.image.as_ref())
            .cloned();
        let same = |known: &Entry| match (&known.image, &image) {
            (Some(known), Some(image)) => Arc::ptr_eq(known, image),
            (None, None) => true,
            _ => false,
        };
        if !self.processes.get(&key).is_some_and(same) {
            if self.processes.len() >= PROCESSES_MAX {
                self.processes
                    .retain(|process, _| !processes.is_gone(*process));
            }
            if self.processes.len() >= PROCESSES_MAX {
                self.processes.clear();
            }
            let stated = state(key, image.as_deref(), host);
            self.processes.insert(
                key,
                Entry {
                    image,
                    stated,
                    package: None,
                    identity: None,
                },
            );
        }
        self.processes
            .get_mut(&key)
            .expect("just found or inserted")
    }
}

fn state(key: ProcessKey, image: Option<&Exec>, host: &mut dyn Host) -> Process {
    Process {
        pid: key.pid,
        exe: image
            .and_then(|image| image.exe.as_deref())
            .map(redact::text),
        argv: image
            .map(|image| redact::argv(&image.argv))
            .unwrap_or_default(),
        user: image.and_then(|image| host.user(image.uid)),
        uid: image.map(|image| image.uid),
        container: host.container(key.pid).map(|container| container.id),
        started: image
            .map(|image| image.started)
            .filter(|started| *started > 0),
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
