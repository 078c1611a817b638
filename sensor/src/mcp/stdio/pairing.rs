//! Which lane answers which: by the processes at their ends.

use crate::event::{Channel, ProcessKey};
use crate::flow::users::Users;
use crate::flow::{FlowTable, Lane};
use crate::mcp::session::SessionNumber;
use crate::mcp::table::SessionTable;
use crate::observation::Quality;

/// Whether `answers` goes the other way between the same processes as `requests`, and how sure that is.
pub(super) fn reversed(flows: &FlowTable, requests: Lane, answers: Lane) -> Option<Quality> {
    if requests == answers {
        return None;
    }
    if requests.back() == answers && flows.get(requests.flow)?.channel != Channel::Pipe {
        return Some(Quality::Exact);
    }
    let there = flows.get(requests.flow)?.lane(requests.from);
    let back = flows.get(answers.flow)?.lane(answers.from);
    let far = agree(&there.readers, &back.writers);
    match (far, agree(&there.writers, &back.readers)) {
        // Who read the request gave the answer; the client need not have read it yet.
        (Some(true), Some(_)) => Some(Quality::Exact),
        // In a pipeline of a shell one process asks and another reads.
        (Some(true), None) | (Some(false), Some(true)) => Some(Quality::Likely),
        // A script reads, and a program that it starts for every answer writes.
        (None, Some(true)) => there
            .readers
            .meets(&back.sponsors)
            .then_some(Quality::Likely),
        (Some(false) | None, _) => None,
    }
}

/// Who answers: who writes the answers, unless that is somebody whom the reader of the requests has started for it.
pub(super) fn server(flows: &FlowTable, requests: Lane, answers: Lane) -> Option<ProcessKey> {
    let reader = || flows.get(requests.flow)?.lane(requests.from).readers.last();
    let Some(back) = flows.get(answers.flow).map(|flow| flow.lane(answers.from)) else {
        return reader();
    };
    let script = flows.get(requests.flow).and_then(|flow| {
        let readers = &flow.lane(requests.from).readers;
        let starts = !readers.meets(&back.writers) && readers.meets(&back.sponsors);
        readers.last().filter(|_| starts)
    });
    script.or_else(|| back.writers.last()).or_else(reader)
}

/// Whether both processes were seen at both lanes, or the two lanes are one socket: no pipeline looks like that.
pub(super) fn is_closed(flows: &FlowTable, requests: Lane, answers: Lane) -> bool {
    let (Some(there), Some(back)) = (flows.get(requests.flow), flows.get(answers.flow)) else {
        return false;
    };
    let is_one_socket = requests.back() == answers && there.channel != Channel::Pipe;
    let (there, back) = (there.lane(requests.from), back.lane(answers.from));
    is_one_socket || (there.readers.meets(&back.writers) && there.writers.meets(&back.readers))
}

/// Some(true): the same process. Some(false): one of them is not known. None: different ones.
fn agree(one: &Users, other: &Users) -> Option<bool> {
    if one.is_empty() || other.is_empty() {
        return Some(false);
    }
    one.meets(other).then_some(true)
}

/// How well a session is founded, for choosing between guesses.
pub(super) fn rank(sessions: &SessionTable, number: SessionNumber) -> u8 {
    sessions
        .get(number)
        .map_or(0, |session| match (session.initialized, session.decisive) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        })
}
