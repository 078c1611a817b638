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
    event::{Body, Event, Exec, LossReason, TcpState},
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
pub fn snapshot(kernel: &mut Kernel) -> Result<Vec<Event>, AttachError> {
    let clock = Clock::measure();
    let mut events = Vec::new();
    let tasks = output(kernel.iterate("snapshot_task")?)?;
    for record in Records(&tasks) {
        events.push(decoded(record, clock));
    }
    events.retain_mut(|event| match &mut event.body {
        // Kernel threads run no image.
        Body::Exec(exec) => exec.exe_inode.is_some() && complete(exec),
        _ => true,
    });
    let files = output(kernel.iterate("snapshot_task_file")?)?;
    let mut told = HashSet::new();
    for record in Records(&files) {
        let event = decoded(record, clock);
        if let Some(state) = held_state(record)
            // A listening socket belongs to all who hold it, as workers of one server do; of a
            // connection it is enough that it is there.
            && told.insert((
                state.end.key,
                state.process.filter(|_| state.state == TcpState::Listen),
            ))
        {
            events.push(Event {
                time: event.time,
                body: Body::SocketState(state),
            });
        }
        events.push(event);
    }
    Ok(events)
}

fn decoded(record: &[u8], clock: Clock) -> Event {
    decode(record, clock).unwrap_or_else(|| Event {
        time: clock.unix_ns(clock.now_boot_ns()),
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
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (record, rest) = self.0.split_at_checked(record_length(self.0)?)?;
        self.0 = rest;
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
    exec.argv_truncated = bytes.len() as u64 > ARGV_BYTES_MAX;
    bytes.truncate(ARGV_BYTES_MAX as usize);
    exec.argv = arguments(&bytes);
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
