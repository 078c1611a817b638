//! Digests of executables and scripts, computed on a thread of their own: a browser-sized binary takes a
//! second to read, and events do not wait.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::path::Mounts;
use crate::event::{EndKey, Exec};

/// Files waiting for their turn; more are asked for again later.
const QUEUE_MAX: usize = 64;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Digests kept.
const KNOWN_MAX: usize = 4096;
/// What a process runs: the executable, or the script that its interpreter was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    executable: Option<EndKey>,
    /// Set for a script: its cgroup, working directory and argument: paths mean different files
    /// in different containers.
    script: Option<String>,
}

/// A subject, and where this program can read it.
type Place = (Subject, String);

/// Digests that are known or on their way.
pub(super) struct Digests {
    known: HashMap<Subject, Option<String>>,
    queue: SyncSender<Place>,
    done: Receiver<(Subject, Option<String>)>,
    ready: bool,
}

impl Digests {
    pub(super) fn start() -> std::io::Result<Self> {
        let (queue, subjects) = sync_channel::<Place>(QUEUE_MAX);
        let (results, done) = sync_channel(QUEUE_MAX);
        thread::Builder::new()
            .name("digest".into())
            .spawn(move || {
                for (subject, path) in subjects {
                    let digest = sha256(&path);
                    if results.send((subject, digest)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            known: HashMap::new(),
            queue,
            done,
            ready: false,
        })
    }

    pub(super) fn get(&mut self, image: &Exec, script: Option<&str>) -> Option<String> {
        let (subject, path) = subject(image, script)?;
        self.collect();
        if let Some(digest) = self.known.get(&subject) {
            return digest.clone();
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        if self.queue.try_send((subject.clone(), path)).is_ok() {
            self.known.insert(subject, None);
        }
        None
    }

    pub(super) fn take_ready(&mut self) -> bool {
        self.collect();
        std::mem::take(&mut self.ready)
    }

    fn collect(&mut self) {
        while let Ok((subject, digest)) = self.done.try_recv() {
            self.ready |= digest.is_some();
            self.known.insert(subject, digest);
        }
    }
}

fn subject(image: &Exec, script: Option<&str>) -> Option<Place> {
    let Some(script) = script else {
        let path = format!("/proc/{}/exe", image.process.pid);
        return Some((
            Subject {
                executable: image.exe_inode,
                script: None,
            },
            path,
        ));
    };
    let path = Mounts::of(image.process.pid)?.local(script, image.cwd.as_deref())?;
    let place = format!(
        "{}:{}:{script}",
        image.cgroup,
        image.cwd.as_deref().unwrap_or_default()
    );
    Some((
        Subject {
            executable: image.exe_inode,
            script: Some(place),
        },
        path,
    ))
}

fn sha256(path: &str) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return None;
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            count => hash.update(buffer.get(..count)?),
        }
    }
    Some(
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}
