//! When a session is stated, and how often.
//!
//! At once when it is identified and when something about it changes that people look for; seldom when it
//! merely goes on; a last time when it has ended.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::listening::{ListenersTold, named};
use super::tools::{Previous, ToolsTold};
use super::{Output, Pipeline};
use crate::event::UnixNs;
use crate::mcp::session::{Outline, Session, SessionNumber};
use crate::observation::{self, Body, Call, Observation, SessionId, Tools};
use crate::process::listeners::Place;
use crate::redact;
use crate::statement::{Served, Sources, policy_facts};

/// A session that goes on is stated this often, with its new counts.
const GOES_ON_NS: u64 = 5_000_000_000;

/// What was stated so far.
#[derive(Default)]
pub(super) struct Told {
    sessions: HashMap<SessionNumber, ToldSession>,
    /// Sessions that went on and are stated again when their time comes.
    due: BTreeSet<(UnixNs, SessionNumber)>,
    tools: ToolsTold,
    pub(super) listeners: ListenersTold,
    /// Where sessions over unix sockets are served; none: on no named socket.
    pub(super) unix: HashMap<SessionNumber, Option<Place>>,
    judge_again: bool,
}

struct ToldSession {
    id: SessionId,
    outline: Outline,
    /// Without the arguments of its processes: those are kept once, in what is known of processes.
    last: observation::Session,
    served: Served,
    time: UnixNs,
    /// Where its server listens was told, too.
    placed: bool,
}

impl Told {
    pub(super) const fn judge_again(&mut self) {
        self.judge_again = true;
    }
}

impl Pipeline {
    /// States what changed.
    pub(super) fn tell(&mut self, now: UnixNs, output: &mut Output) {
        // The clock was set back: what is due by the old time is due now.
        let farthest = now.saturating_add(2 * GOES_ON_NS);
        if self
            .told
            .due
            .last()
            .is_some_and(|(time, _)| *time > farthest)
        {
            self.tell_all(now, output);
        }
        self.tell_tools(now, output);
        for number in self.sessions.take_changed() {
            self.tell_change(now, number, output);
        }
        while let Some((time, number)) = self.told.due.first().copied()
            && time <= now
        {
            self.told.due.remove(&(time, number));
            self.tell_session(now, number, output);
        }
        self.tell_tools(now, output);
        // What one session teaches may change the verdict on others, once each.
        for _ in 0..2 {
            let digests = self.host.digests_ready();
            if !std::mem::take(&mut self.told.judge_again) && !digests {
                return;
            }
            self.tell_differences(now, output);
        }
    }

    /// States every session that went on since it was last stated.
    pub(super) fn tell_all(&mut self, now: UnixNs, output: &mut Output) {
        let numbers: BTreeSet<SessionNumber> =
            self.told.due.iter().map(|(_, number)| *number).collect();
        self.told.due.clear();
        for number in numbers {
            self.tell_session(now, number, output);
        }
    }

    fn tell_change(&mut self, now: UnixNs, number: SessionNumber, output: &mut Output) {
        let Some(session) = self.sessions.get(number) else {
            return;
        };
        if !session.identified {
            if session.ended {
                self.forget(number);
            }
            return;
        }
        match self.told.sessions.get(&number) {
            Some(told) if told.outline == session.outline() => {
                self.told
                    .due
                    .insert((told.time.saturating_add(GOES_ON_NS), number));
                let id = told.id.clone();
                self.tell_calls(number, &id, output);
            }
            _ => self.tell_session(now, number, output),
        }
    }

    /// States sessions whose route or verdict is another by now, or whose server has got a name.
    fn tell_differences(&mut self, now: UnixNs, output: &mut Output) {
        let told: Vec<(SessionNumber, SessionId, u32, Served)> = self
            .told
            .sessions
            .iter()
            .map(|(number, told)| {
                let served = told.served.clone();
                (*number, told.id.clone(), told.last.rev, served)
            })
            .collect();
        for (number, id, rev, served) in told {
            let stated = self.sources(served).session_of(number, id, rev);
            let stated = stated.map(|(stated, served)| (without_arguments(stated), served));
            let known = self.told.sessions.get(&number);
            if let (Some((stated, _)), Some(known)) = (stated, known)
                && (stated.judgement != known.last.judgement || stated.server != known.last.server)
            {
                self.tell_session(now, number, output);
            }
        }
    }

    fn tell_session(&mut self, now: UnixNs, number: SessionNumber, output: &mut Output) {
        let Some(session) = self.sessions.get(number) else {
            return;
        };
        let (outline, ended) = (session.outline(), session.ended);
        if let (Some(server), Some(address)) = (session.server, session.http.server)
            && (session.http.namespaces.iter())
                .all(|netns| !super::is_foreign_netns(&mut *self.host, *netns))
            && self.listeners.serves(address, server)
        {
            self.told.judge_again();
        }
        let known = self.told.sessions.get(&number);
        let id = known.map_or_else(|| session_id(&self.salt, session), |told| told.id.clone());
        let rev = known.map_or(1, |told| told.last.rev + 1);
        let was_placed = known.is_some_and(|told| told.placed);
        let served = known.map(|told| told.served.clone()).unwrap_or_default();
        let stated = self.sources(served).session_of(number, id.clone(), rev);
        let Some((mut stated, served)) = stated else {
            return;
        };
        let facts = policy_facts(&stated, &self.host_name);
        if self.fronts.learn(&facts, &stated.judgement) {
            self.told.judge_again();
        }
        if ended {
            self.tell_calls(number, &id, output);
        }
        // A server may listen no more while it still serves whom it has.
        let place = self.note_listener(now, number, !ended && !was_placed, output);
        let placed = was_placed || place.is_some();
        stated
            .evidence
            .extend(place.and_then(|place| named(&place)));
        let body = Body::Session(Box::new(stated.clone()));
        let stated = without_arguments(stated);
        let time = self.timeline.wall(now);
        output.observations.push(Observation { time, body });
        self.tell_calls(number, &id, output);
        if ended {
            // Its tools are told while it is still known.
            self.told.sessions.insert(
                number,
                ToldSession {
                    id,
                    outline,
                    last: stated,
                    served,
                    time: now,
                    placed,
                },
            );
            self.tell_tools(now, output);
            self.told.sessions.remove(&number);
            self.forget(number);
        } else {
            self.told.sessions.insert(
                number,
                ToldSession {
                    id,
                    outline,
                    last: stated,
                    served,
                    time: now,
                    placed,
                },
            );
        }
    }

    fn tell_calls(&mut self, number: SessionNumber, id: &SessionId, output: &mut Output) {
        for call in self.sessions.take_finished(number) {
            let body = Body::Call(Call {
                session: id.clone(),
                method: call.method,
                name: call.name,
                status: call.status,
                duration_us: call.duration_us,
                request_bytes: call.request_bytes,
                response_bytes: call.response_bytes,
                number: call.number,
                error_text: call.error_text,
            });
            let time = self.timeline.wall(call.time);
            output.observations.push(Observation { time, body });
        }
    }

    fn tell_tools(&mut self, now: UnixNs, output: &mut Output) {
        let time = self.timeline.wall(now);
        for (number, tools) in self.sessions.take_tool_lists() {
            let told = self.told.sessions.get(&number);
            let Some(server) = told.and_then(|told| told.last.server.key.clone()) else {
                // Its session is not stated yet, or the key is still being made.
                if self
                    .sessions
                    .get(number)
                    .is_some_and(|session| !session.ended)
                {
                    self.sessions.list_tools_again(number, tools);
                }
                continue;
            };
            for tool in tools {
                let name = redact::text(&tool.name);
                let Some(Previous(previous)) = self.told.tools.note(&server, &name, tool.digest)
                else {
                    continue;
                };
                let body = Body::Tools(Tools {
                    server: server.clone(),
                    tool: name,
                    digest: tool.digest.to_string(),
                    first: time,
                    previous: previous.map(|digest| digest.to_string()),
                });
                output.observations.push(Observation { time, body });
            }
        }
    }

    fn forget(&mut self, number: SessionNumber) {
        for flow in self.stdio.flows_of(number) {
            if let Some(flow) = self.flows.get_mut(flow) {
                flow.pinned = false;
            }
        }
        self.sessions.forget(number);
        self.stdio.forget(number);
        self.http.forget(number);
        self.told.unix.remove(&number);
    }

    fn sources(&mut self, served: Served) -> Split<'_> {
        let sources = Sources {
            processes: &self.processes,
            flows: &self.flows,
            listeners: &self.listeners,
            fronts: &self.fronts,
            policy: &self.policy,
            host: &mut *self.host,
            host_name: &self.host_name,
            known: &mut self.known,
            timeline: &self.timeline,
            served,
        };
        Split {
            sources,
            sessions: &self.sessions,
        }
    }
}

/// The sources of a statement beside the sessions it is about.
struct Split<'a> {
    sources: Sources<'a>,
    sessions: &'a crate::mcp::table::SessionTable,
}

impl Split<'_> {
    fn session_of(
        mut self,
        number: SessionNumber,
        id: SessionId,
        rev: u32,
    ) -> Option<(observation::Session, Served)> {
        let session = self.sessions.get(number)?;
        let stated = self.sources.session(session, id, rev);
        Some((stated, self.sources.served))
    }
}

fn without_arguments(mut stated: observation::Session) -> observation::Session {
    let sides = [&mut stated.client.process, &mut stated.server.process];
    for process in sides.into_iter().flatten() {
        process.argv = Vec::new();
    }
    stated
}

/// Unique over hosts, boots and time, and the same whenever the same session is stated.
fn session_id(salt: &[u8], session: &Session) -> SessionId {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(session.number.0.to_le_bytes());
    hash.update(session.started.to_le_bytes());
    for process in [session.client, session.server].into_iter().flatten() {
        hash.update(process.pid.to_le_bytes());
        hash.update(process.start_ns.to_le_bytes());
    }
    let mut text = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        let _ = write!(text, "{byte:02x}");
    }
    SessionId::new(&text)
}
