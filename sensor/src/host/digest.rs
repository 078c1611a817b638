//! Digests of executables and scripts, computed on a thread of their own: a browser-sized binary takes a
//! second to read, and events do not wait.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::path::{executable_of_gone, open_of};
use crate::event::{Exec, ProcessKey};
use crate::own;

/// `PATH_MAX` (include/uapi/linux/limits.h): no longer path can be opened, and none is kept.
const PATH_BYTES_MAX: usize = 4096;
/// Files waiting for their turn; more are asked for again later.
const QUEUE_MAX: usize = 64;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Digests kept.
const KNOWN_MAX: usize = 4096;

/// A file as it is now: when it is written to, it is another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Content {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Digests that are known or on their way.
pub(super) struct Digests {
    known: HashMap<Content, Option<String>>,
    /// What processes run, so that each is opened once, while it lives.
    asked: HashMap<(ProcessKey, Option<String>), Content>,
    queue: SyncSender<(Content, File)>,
    done: Receiver<(Content, Option<String>)>,
    ready: bool,
}

impl Digests {
    pub(super) fn start() -> std::io::Result<Self> {
        let (queue, files) = sync_channel::<(Content, File)>(QUEUE_MAX);
        let (results, done) = sync_channel(QUEUE_MAX);
        thread::Builder::new()
            .name("digest".into())
            .spawn(move || {
                own::step_back();
                for (content, file) in files {
                    let digest = sha256(file);
                    if results.send((content, digest)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            known: HashMap::new(),
            asked: HashMap::new(),
            queue,
            done,
            ready: false,
        })
    }

    pub(super) fn get(&mut self, image: &Exec, script: Option<&str>) -> Option<String> {
        self.collect();
        if script.is_some_and(|path| path.len() >= PATH_BYTES_MAX) {
            return None;
        }
        let question = (image.process, script.map(str::to_owned));
        if let Some(content) = self.asked.get(&question) {
            return self.known.get(content).cloned().flatten();
        }
        let file = open(image, script)?;
        let content = content(&file)?;
        if self.asked.len() >= KNOWN_MAX {
            self.asked.clear();
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        if !self.known.contains_key(&content) {
            self.queue.try_send((content.clone(), file)).ok()?;
            self.known.insert(content.clone(), None);
        }
        let digest = self.known.get(&content).cloned().flatten();
        self.asked.insert(question, content);
        digest
    }

    pub(super) fn take_ready(&mut self) -> bool {
        self.collect();
        std::mem::take(&mut self.ready)
    }

    fn collect(&mut self) {
        while let Ok((content, digest)) = self.done.try_recv() {
            self.ready |= digest.is_some();
            self.known.insert(content, digest);
        }
    }
}

/// Opens what a process runs. The number of a process may be another's by now: then the inode differs.
fn open(image: &Exec, script: Option<&str>) -> Option<File> {
    if let Some(script) = script {
        return open_of(image, script);
    }
    let Ok(file) = File::open(format!("/proc/{}/exe", image.process.pid)) else {
        return executable_of_gone(image);
    };
    let inode = file.metadata().ok()?.ino();
    image
        .exe_inode
        .is_none_or(|exe| exe.inode == inode)
        .then_some(file)
}

fn content(file: &File) -> Option<Content> {
    let metadata = file.metadata().ok()?;
    let readable = metadata.is_file() && metadata.len() <= FILE_BYTES_MAX;
    readable.then(|| Content {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn sha256(file: File) -> Option<String> {
    let mut file = file.take(FILE_BYTES_MAX);
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
