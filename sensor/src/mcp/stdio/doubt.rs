//! Who answers what he asked himself may be passing a recording on that comes back to him: an echo, a program that
//! formats, a terminal. He may as well be a server that says first what his client is about to ask. What he says is held back
//! until the other one has said the same, as an echo does, or did not.

use std::collections::VecDeque;

use super::{Early, Role, Stdio, response_id};
use crate::event::UnixNs;
use crate::flow::{FlowTable, Lane};
use crate::mcp::message::Message;
use crate::mcp::table::SessionTable;

/// How long an echo may take.
const DOUBT_NS: u64 = 1_000_000_000;
/// Messages that are held back; the oldest is taken as it is.
const DOUBTFUL_MAX: usize = 64;

impl Stdio {
    /// Whether a message is an answer of a lane to what it asked before the other side did, or follows one.
    pub(super) fn is_doubtful(
        &mut self,
        lane: Lane,
        message: &Message,
        flows: &FlowTable,
        sessions: &SessionTable,
    ) -> bool {
        if self.doubtful.iter().any(|held| held.lane == lane) {
            return true;
        }
        let Some((number, Role::FromClient)) = self.bound(lane, sessions) else {
            return false;
        };
        let asked_itself = response_id(message)
            .zip(sessions.get(number))
            .is_some_and(|(id, session)| session.awaits(id));
        message.is_of_server()
            && asked_itself
            && self
                .better_guess(number, lane, message, flows, sessions)
                .is_some_and(|other| number < other.session)
    }

    /// Holds a message back. Until then its lane passes for one that carries a recording.
    pub(super) fn doubt(
        &mut self,
        time: UnixNs,
        lane: Lane,
        message: Message,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        if message.is_of_server() {
            self.note_quoting(lane);
        }
        self.doubtful.push_back(Early::new(time, lane, message));
        if self.doubtful.len() > DOUBTFUL_MAX
            && let Some(lane) = self.doubtful.front().map(|held| held.lane)
        {
            self.settle(lane, flows, sessions);
        }
    }

    /// Takes what was held back long enough.
    pub(super) fn settle_due(
        &mut self,
        now: UnixNs,
        flows: &FlowTable,
        sessions: &mut SessionTable,
    ) {
        while let Some(held) = self.doubtful.front()
            && held.time.saturating_add(DOUBT_NS) <= now
        {
            self.settle(held.lane, flows, sessions);
        }
    }

    /// Takes what a lane said that was held back.
    pub fn settle(&mut self, lane: Lane, flows: &FlowTable, sessions: &mut SessionTable) {
        let (held, others): (VecDeque<Early>, _) = std::mem::take(&mut self.doubtful)
            .into_iter()
            .partition(|held| held.lane == lane);
        self.doubtful = others;
        for Early {
            time,
            lane,
            message,
            ..
        } in held
        {
            self.settled(time, lane, message, flows, sessions);
        }
    }
}
