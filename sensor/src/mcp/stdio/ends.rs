//! When a session over lines is over: its server's last word ends it, its client's only announces that.

use super::{ANSWERING_NS, CLOSING_NS, Role, Stdio, UNPAIRED_MAX};
use crate::event::UnixNs;
use crate::flow::{FlowId, FlowTable, Lane, Side};
use crate::mcp::session::SessionNumber;
use crate::mcp::table::SessionTable;
use crate::process::table::ProcessTable;

impl Stdio {
    /// One lane is over. So is the session once its server says no more; after its client's last word
    /// answers may still come.
    pub fn lane_ended(&mut self, time: UnixNs, lane: Lane, sessions: &mut SessionTable) {
        match self.lanes.get(&lane) {
            Some(&(number, Role::FromServer)) => self.over(time, number, sessions),
            Some(&(number, Role::FromClient)) => self.client_ended(time, number, sessions),
            None => {}
        }
    }

    /// The client of a session is gone; what it asked may still be answered. Nothing of that if somebody else
    /// is known to write for it.
    pub fn client_gone(
        &mut self,
        time: UnixNs,
        number: SessionNumber,
        flows: &FlowTable,
        processes: &ProcessTable,
        sessions: &mut SessionTable,
    ) {
        let requests = self
            .lanes
            .iter()
            .find(|(_, bound)| **bound == (number, Role::FromClient))
            .and_then(|(lane, _)| Some(flows.get(lane.flow)?.lane(lane.from)));
        let others = requests.is_some_and(|lane| {
            lane.writers
                .iter()
                .any(|process| !processes.is_gone(process))
        });
        if !others {
            self.client_ended(time, number, sessions);
        }
    }

    fn client_ended(&mut self, time: UnixNs, number: SessionNumber, sessions: &mut SessionTable) {
        if self.closing.iter().any(|(_, closing)| *closing == number) {
            return;
        }
        if self.closing.len() >= UNPAIRED_MAX
            && let Some((_, oldest)) = self.closing.pop_front()
        {
            sessions.count_dropped(u64::from(is_waiting(oldest, sessions)));
            self.over(time, oldest, sessions);
        }
        self.closing.push_back((time, number));
    }

    /// Sessions are over whose client said its last word some time ago, and whose server nothing more.
    pub(super) fn end_closing(&mut self, now: UnixNs, sessions: &mut SessionTable) {
        for (since, number) in std::mem::take(&mut self.closing) {
            let waits = is_waiting(number, sessions);
            let until = since.saturating_add(if waits { ANSWERING_NS } else { CLOSING_NS });
            if until <= now {
                self.over(until, number, sessions);
            } else {
                self.closing.push_back((since, number));
            }
        }
    }

    /// A flow is gone.
    pub fn flow_ended(&mut self, time: UnixNs, flow: FlowId, sessions: &mut SessionTable) {
        for from in [Side::A, Side::B] {
            self.lane_ended(time, Lane { flow, from }, sessions);
        }
        self.quoting.retain(|lane| lane.flow != flow);
    }

    pub(super) fn over(
        &mut self,
        time: UnixNs,
        number: SessionNumber,
        sessions: &mut SessionTable,
    ) {
        match sessions.get(number) {
            Some(session) if session.identified => sessions.end(time, number),
            _ => {
                self.forget(number);
                sessions.forget(number);
            }
        }
    }
}

fn is_waiting(number: SessionNumber, sessions: &SessionTable) -> bool {
    sessions
        .get(number)
        .is_some_and(|session| !session.ended && session.is_waiting())
}
