//! Recorded flows, turned into the events that the kernel would have given.
//!
//! A recording is a JSON object a line, one for each successful call that moved bytes; `facts` about real
//! peers come this way. Processes have small numbers and no more than a title, so what is stated of them is
//! `null`; both ends of a flow are known from its rows.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use gnomon_policy::Policy;
use serde::Deserialize;

use crate::event::{
    Body, Channel, Direction, End, EndKey, Event, ProcessKey, Transfer, Tuple, UnixNs,
};
use crate::host::NoHost;
use crate::observation::{self, HostName, Observation};
use crate::pipeline::{Limits, Output, Pipeline};

/// Recordings do not say when they were made: they begin at this time, 2026-01-01T00:00:00Z.
const EPOCH: UnixNs = 1_767_225_600_000_000_000;
/// Longest recording, in seconds: a year.
const SECONDS_MAX: f64 = 31_536_000.0;
/// Device numbers of recorded pipes and sockets; no kernel gives these out.
const PIPES: u32 = u32::MAX;
const SOCKETS: u32 = u32::MAX - 1;

/// One row of a recording.
#[derive(Debug, Deserialize)]
struct Row {
    /// Seconds since the first row.
    t: f64,
    proc: u32,
    op: Operation,
    fd: Option<u32>,
    kind: RowKind,
    /// Number of the one-directional byte stream.
    chan: u64,
    from: Option<SocketAddr>,
    to: Option<SocketAddr>,
    len: u64,
    data: Option<String>,
    b64: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Read,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum RowKind {
    #[serde(rename = "pipe")]
    Pipe,
    #[serde(rename = "unix-stream")]
    Unix,
    #[serde(rename = "tcp", alias = "tcpv6")]
    Tcp,
}

/// Runs a recording through the pipeline. Gives the final state of each session, and its calls and tools.
///
/// # Errors
/// When a row is not of the recorded form; says which line.
pub fn replay(text: &str, name: &str, host: &HostName, policy: Policy) -> Result<Vec<Observation>> {
    let events = events(text).with_context(|| format!("{name}: not a recording of flows"))?;
    Ok(run(events, name, host, policy))
}

fn run(events: Vec<Event>, name: &str, host: &HostName, policy: Policy) -> Vec<Observation> {
    let salt = name.as_bytes();
    let mut pipeline = Pipeline::new(
        host.clone(),
        salt,
        policy,
        Box::new(NoHost),
        Limits::default(),
    );
    let mut output = Output::default();
    let mut last = EPOCH;
    for event in events {
        last = last.max(event.time);
        pipeline.push(event, &mut output);
        pipeline.state(last, &mut output);
    }
    pipeline.finish(last, &mut output);
    final_states(output.observations)
}

/// Of each session the last statement, in the place of its first; everything else as it is.
fn final_states(observations: Vec<Observation>) -> Vec<Observation> {
    let mut places: HashMap<observation::SessionId, usize> = HashMap::new();
    let mut kept: Vec<Observation> = Vec::new();
    for stated in observations {
        if let observation::Body::Session(session) = &stated.body {
            if let Some(place) = places.get(&session.id) {
                kept[*place] = stated;
                continue;
            }
            places.insert(session.id.clone(), kept.len());
        }
        kept.push(stated);
    }
    kept
}

fn events(text: &str) -> Result<Vec<Event>> {
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let row: Row =
            serde_json::from_str(line).with_context(|| format!("line {}", number + 1))?;
        rows.push(row);
    }
    // Where a stream's writes were recorded they are its bytes; its reads then only tell who reads.
    let written: HashSet<u64> = rows
        .iter()
        .filter(|row| row.op == Operation::Write)
        .map(|row| row.chan)
        .collect();
    rows.into_iter().map(|row| event(row, &written)).collect()
}

fn event(row: Row, written: &HashSet<u64>) -> Result<Event> {
    let (seconds, end) = (row.t, end(&row)?);
    let payload = match (row.data, row.b64) {
        (Some(data), _) => data.into_bytes(),
        (None, Some(b64)) => base64::engine::general_purpose::STANDARD.decode(b64)?,
        (None, None) => Vec::new(),
    };
    let direction = match row.op {
        Operation::Read => Direction::Read,
        Operation::Write => Direction::Write,
    };
    let followed = direction == Direction::Write || !written.contains(&row.chan);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // seconds of one recording
    let time = EPOCH.saturating_add((seconds.clamp(0.0, SECONDS_MAX) * 1e9) as UnixNs);
    let transfer = Transfer {
        process: ProcessKey {
            pid: row.proc,
            start_ns: 0,
        },
        thread: row.proc,
        fd: row.fd,
        end,
        direction,
        entered: time,
        lost_before: 0,
        length: row.len,
        payload: if followed { payload } else { Vec::new() },
        copied: followed,
    };
    Ok(Event {
        time,
        body: Body::Transfer(transfer),
    })
}

/// The end that a row's process used. A stream of a socket pair is a flow of its own here: which two
/// streams share a socket was not recorded.
fn end(row: &Row) -> Result<End> {
    let (channel, key, peer) = match (row.kind, row.op) {
        (RowKind::Pipe, _) => (Channel::Pipe, row.chan, None),
        (RowKind::Unix, Operation::Write) => (Channel::Unix, 2 * row.chan, Some(2 * row.chan + 1)),
        (RowKind::Unix, Operation::Read) => (Channel::Unix, 2 * row.chan + 1, Some(2 * row.chan)),
        (RowKind::Tcp, _) => (Channel::Tcp, 0, None),
    };
    let tuple = match (row.kind, row.from, row.to) {
        (RowKind::Tcp, Some(from), Some(to)) => Some(tuple(row.op, from, to)),
        (RowKind::Tcp, _, _) => bail!("stream {}: a TCP row without addresses", row.chan),
        _ => None,
    };
    let device = if channel == Channel::Pipe {
        PIPES
    } else {
        SOCKETS
    };
    let object = |inode| EndKey { device, inode };
    Ok(End {
        key: object(key),
        channel,
        peer: peer.map(object),
        tuple,
        netns: 0,
    })
}

/// `from` and `to` are the stream's, not the process's.
fn tuple(op: Operation, from: SocketAddr, to: SocketAddr) -> Tuple {
    let canonical =
        |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let tuple = Tuple {
        local: canonical(from),
        remote: canonical(to),
    };
    match op {
        Operation::Write => tuple,
        Operation::Read => tuple.mirrored(),
    }
}

#[cfg(test)]
mod tests;
