//! What was there before us, as the same events: processes, and who holds which ends.
//!
//! From BPF iterators rather than a walk of /proc: one pass in the kernel sees every descriptor with
//! its peer. Only the words that the kernel does not keep in one place (arguments, paths) are read
//! from /proc.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
};

use crate::{
    event::{Body, EndKey, Event, Exec, LossReason, ProcessKey, TcpState},
    kernel::{AttachError, Kernel, arguments, clock::Clock, decode, held_state, record_length},
};

/// Bytes taken from one iterator: 64 MiB are half a million descriptors.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// As at exec.
const ARGV_BYTES_MAX: u64 = 16 * 1024;

/// Everything that is there now. Attach first, so that nothing falls between.
///
/// # Errors
/// The kernel refuses the iterators.
pub fn snapshot(kernel: &mut Kernel) -> Result<Snapshot, AttachError> {
    Ok(Snapshot {
        clock: Clock::measure(),
        tasks: Records::of(output(kernel.iterate("snapshot_task")?)?),
        files: Records::of(output(kernel.iterate("snapshot_task_file")?)?),
        holder: None,
        told: HashSet::new(),
    })
}

/// The events of a snapshot, processes first. Each is made when it is asked for: all of them at once, with the command lines of
/// all processes, could be more than there is memory for.
pub struct Snapshot {
    clock: Clock,
    tasks: Records,
    files: Records,
    /// Comes after the state of its socket.
    holder: Option<Event>,
    /// Sockets whose state was told; of listening ones, by whom they are held.
    told: HashSet<(EndKey, Option<ProcessKey>)>,
}

impl Iterator for Snapshot {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.holder.take() {
            return Some(event);
        }
        while let Some(record) = self.tasks.next() {
            let mut event = decoded(record, &self.clock);
            let runs = match &mut event.body {
                // Kernel threads run no image.
                Body::Exec(exec) => exec.exe_inode.is_some() && complete(exec),
                _ => true,
            };
            if runs {
                return Some(event);
            }
        }
        let record = self.files.next()?;
        let event = decoded(record, &self.clock);
        if let Some(state) = held_state(record)
            // A listening socket belongs to all who hold it, as workers of one server do; of a
            // connection it is enough that it is there.
            && self.told.insert((
                state.end.key,
                state.process.filter(|_| state.state == TcpState::Listen),
            ))
        {
            let time = event.time;
            self.holder = Some(event);
            let body = Body::SocketState(state);
            return Some(Event { time, body });
        }
        Some(event)
    }
}

fn decoded(record: &[u8], clock: &Clock) -> Event {
    decode(record, clock).unwrap_or_else(|| Event {
        time: clock.now(),
        body: Body::Lost {
            reason: LossReason::BadRecord,
            count: 1,
        },
    })
}

fn output(file: File) -> Result<Vec<u8>, AttachError> {
    let mut bytes = Vec::new();
    file.take(OUTPUT_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(AttachError::Iterator)?;
    Ok(bytes)
}

/// Records, one behind the other.
struct Records {
    bytes: Vec<u8>,
    taken: usize,
}

impl Records {
    const fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }

    fn next(&mut self) -> Option<&[u8]> {
        let rest = self.bytes.get(self.taken..)?;
        let record = rest.get(..record_length(rest)?)?;
        self.taken += record.len();
        Some(record)
    }
}

/// Adds arguments and paths; false if the process is gone by now.
fn complete(exec: &mut Exec) -> bool {
    let folder = format!("/proc/{}", exec.process.pid);
    let Ok(file) = File::open(format!("{folder}/cmdline")) else {
        return false;
    };
    let mut bytes = Vec::new();
    // A process that ends meanwhile reads as empty.
    let _ = file.take(ARGV_BYTES_MAX + 1).read_to_end(&mut bytes);
    let cut = bytes.len() as u64 > ARGV_BYTES_MAX;
    bytes.truncate(ARGV_BYTES_MAX as usize);
    let (argv, more) = arguments(&bytes);
    exec.argv = argv;
    exec.argv_truncated = cut || more;
    exec.exe = link(&format!("{folder}/exe"));
    exec.cwd = link(&format!("{folder}/cwd"));
    true
}

fn link(path: &str) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    let text = String::from_utf8_lossy(target.as_os_str().as_bytes()).into_owned();
    Some(
        text.strip_suffix(" (deleted)")
            .map(str::to_owned)
            .unwrap_or(text),
    )
}
