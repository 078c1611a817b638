//! The ring buffer as a reader for a thread of its own.
#![allow(unsafe_code, reason = "poll of the C library")]

use std::{io, os::fd::AsRawFd as _, time::Duration};

use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;

use super::{clock::Clock, raw, warning::ToTracing};
use crate::event::{Body, Event, LossReason};

/// Events taken in one go, so that a flood does not keep the caller from its other work.
const BATCH_EVENTS_MAX: usize = 1024;
/// Bytes of records taken in one go.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads events. Waiting costs nothing; the first record after a pause wakes the reader at once.
pub struct Ring {
    map: RingBuf<MapData>,
    clock: Clock,
    warnings: Option<EbpfLogger<ToTracing>>,
}

impl Ring {
    pub(super) fn new(map: RingBuf<MapData>, warnings: Option<EbpfLogger<ToTracing>>) -> Self {
        Self {
            map,
            clock: Clock::measure(),
            warnings,
        }
    }

    /// The clock of the events, and what of the wall clock it had noted when events were last read.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits until there are events or `timeout` is over, and appends them in the order in which the
    /// kernel recorded them; returns how many. A record that is not understood is an event, too.
    ///
    /// # Errors
    /// Waiting failed for another reason than a signal.
    pub fn read(&mut self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<usize> {
        let count = self.take(events);
        if count > 0 {
            return Ok(count);
        }
        if !self.wait(timeout)? {
            if let Some(warnings) = &mut self.warnings {
                warnings.flush();
            }
            return Ok(0);
        }
        Ok(self.take(events))
    }

    fn take(&mut self, events: &mut Vec<Event>) -> usize {
        self.clock.follow();
        let before = events.len();
        let mut bytes = 0;
        while events.len() - before < BATCH_EVENTS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(item) = self.map.next() else { break };
            bytes += item.len();
            events.push(raw::decode(&item, &self.clock).unwrap_or_else(|| bad_record(&self.clock)));
        }
        events.len() - before
    }

    fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let mut entry = libc::pollfd {
            fd: self.map.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let timeout_ms = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one live entry.
        let ready = unsafe { libc::poll(&raw mut entry, 1, timeout_ms) };
        if ready >= 0 {
            return Ok(ready > 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted {
            Ok(false)
        } else {
            Err(error)
        }
    }
}

fn bad_record(clock: &Clock) -> Event {
    Event {
        time: clock.now(),
        body: Body::Lost {
            reason: LossReason::BadRecord,
            count: 1,
        },
    }
}
