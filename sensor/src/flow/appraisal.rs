//! What the kernel is told about a flow: whether its bytes are worth copying.
//!
//! `NotMcp` is provisional: the kernel looks again after some bytes, some time, or a new process.

use super::decoder::Reading;
use crate::event::FlowVerdict;
use crate::protocol::lines::LINE_BYTES_MAX as MESSAGE_BYTES_MAX;

/// Bytes without any JSON-RPC after which lines are taken for something else. A banner may come before the
/// first message, and the requests of the other lane bring this one back.
const NOISE_BYTES_MAX: u64 = 8 * 1024;
/// A flow with so much of them is about to be judged.
const CLOSE_BYTES: u64 = 1024;
/// An unfinished line that does not begin like JSON is given up after this many bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// JSON-RPC that is not MCP's is watched for this long: its first decisive message may come late.
const RPC_BYTES_MAX: u64 = 64 * 1024;
/// Lines of another protocol after which the flow is taken for that one's. A single one may be a log line, or somebody who hides
/// behind it.
const AGAINST_MAX: u32 = 16;
/// Unjudged bytes after which the kernel is told to go on, well before its share of 1 MiB is used up.
const RENEW_BYTES: u64 = 256 * 1024;

/// What one flow has shown so far.
#[derive(Debug, Default)]
pub struct Appraisal {
    told: Option<Told>,
    /// Bytes since the last JSON-RPC message, or since the flow was looked at again.
    noise: u64,
    /// Bytes since the kernel was last told anything.
    since_told: u64,
    rpc: bool,
    against: u32,
    mcp: bool,
    foreign_exchange: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Inspect,
    Mcp,
    Heads,
    NotMcp,
}

impl Appraisal {
    /// Bytes arrived.
    pub const fn bytes(&mut self, count: u64) {
        self.noise += count;
        self.since_told += count;
    }

    /// JSON-RPC was read, or another protocol was recognised.
    pub const fn message(&mut self, rpc: bool, against: bool) {
        if rpc {
            self.rpc = true;
            self.noise = 0;
        }
        self.against = self.against.saturating_add(against as u32);
    }

    /// The flow carries a session.
    pub const fn mcp(&mut self) {
        self.mcp = true;
    }

    /// An HTTP exchange was none of MCP's.
    pub const fn foreign_exchange(&mut self) {
        self.foreign_exchange = true;
    }

    /// It is about to be judged: what the kernel copies until then is for nothing, most likely.
    #[must_use]
    pub fn is_close(&self) -> bool {
        let open = matches!(self.told, None | Some(Told::Inspect));
        open && !self.mcp && self.noise >= CLOSE_BYTES
    }

    /// The other lane turned out to carry a session, or the kernel looks again: start over.
    pub fn renew(&mut self) {
        *self = Self {
            mcp: self.mcp,
            told: self.told,
            ..Self::default()
        };
    }

    /// The kernel looks again by itself, or has forgotten what it was told.
    pub fn look_again(&mut self) {
        *self = Self {
            mcp: self.mcp,
            ..Self::default()
        };
    }

    /// One of its ends is new to the kernel's side: what was decided is told of it, too.
    pub const fn tell_again(&mut self) {
        self.told = None;
    }

    /// What the kernel is to be told now, if anything. `session`: a session uses this flow or may begin on
    /// it. `unfinished`: the line that was begun.
    pub fn verdict(
        &mut self,
        reading: Reading,
        session: bool,
        unfinished: &[u8],
    ) -> Option<FlowVerdict> {
        let next = self.judge(reading, session, unfinished);
        // What is copied is told again now and then: the kernel's table is bounded, too, and what it has
        // forgotten it takes for unjudged.
        let again = next != Told::NotMcp && self.since_told >= RENEW_BYTES;
        if self.told == Some(next) && !again {
            return None;
        }
        // A fresh flow is inspected anyway.
        let first = self.told.is_none() && next == Told::Inspect && !again;
        self.told = Some(next);
        self.since_told = 0;
        (!first).then_some(match next {
            Told::Inspect => FlowVerdict::Inspect,
            Told::Mcp => FlowVerdict::Mcp,
            Told::Heads => FlowVerdict::Heads,
            Told::NotMcp => FlowVerdict::NotMcp,
        })
    }

    fn judge(&self, reading: Reading, session: bool, unfinished: &[u8]) -> Told {
        if self.mcp {
            return Told::Mcp;
        }
        if session {
            return Told::Inspect;
        }
        match reading {
            Reading::Closed => Told::NotMcp,
            Reading::Undecided => Told::Inspect,
            Reading::Http if self.foreign_exchange => Told::Heads,
            Reading::Http => Told::Inspect,
            Reading::Lines => self.judge_lines(unfinished),
        }
    }

    fn judge_lines(&self, unfinished: &[u8]) -> Told {
        let first = unfinished.iter().find(|byte| !byte.is_ascii_whitespace());
        let json_begun = matches!(first, Some(b'{' | b'['));
        let binary = unfinished
            .iter()
            .take(64)
            // But for the escape that colours a terminal's text.
            .any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31));
        // What began like JSON and does not end is no message that anybody reads.
        let endless = self.noise > MESSAGE_BYTES_MAX as u64;
        let give_up = self.against >= AGAINST_MAX
            || binary
            || endless
            || (!json_begun && unfinished.len() > LINE_BYTES_MAX)
            || (!json_begun
                && self.noise
                    > if self.rpc {
                        RPC_BYTES_MAX
                    } else {
                        NOISE_BYTES_MAX
                    });
        if give_up { Told::NotMcp } else { Told::Inspect }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_given_up_and_begun_json_is_not() {
        let mut flow = Appraisal::default();
        flow.bytes(NOISE_BYTES_MAX + 1);
        assert_eq!(flow.verdict(Reading::Lines, false, b"  {\"jsonrpc\""), None);
        assert_eq!(
            flow.verdict(Reading::Lines, false, b""),
            Some(FlowVerdict::NotMcp)
        );
        assert_eq!(flow.verdict(Reading::Lines, false, b""), None, "told once");
    }

    #[test]
    fn a_line_without_an_end_is_given_up_unless_it_is_a_sessions() {
        let mut flow = Appraisal::default();
        flow.bytes(MESSAGE_BYTES_MAX as u64);
        assert_ne!(
            flow.verdict(Reading::Lines, false, b"{\"a\":\""),
            Some(FlowVerdict::NotMcp)
        );
        flow.bytes(1);
        assert_ne!(
            flow.verdict(Reading::Lines, true, b"{\"a\":\""),
            Some(FlowVerdict::NotMcp)
        );
        assert_eq!(
            flow.verdict(Reading::Lines, false, b"{\"a\":\""),
            Some(FlowVerdict::NotMcp)
        );
    }

    #[test]
    fn a_session_is_copied_and_told_once() {
        let mut flow = Appraisal::default();
        flow.mcp();
        assert_eq!(
            flow.verdict(Reading::Http, true, b""),
            Some(FlowVerdict::Mcp)
        );
        assert_eq!(flow.verdict(Reading::Http, true, b""), None);
    }

    #[test]
    fn the_share_of_a_long_message_is_renewed() {
        let mut flow = Appraisal::default();
        assert_eq!(flow.verdict(Reading::Lines, false, b"{"), None);
        flow.bytes(RENEW_BYTES);
        assert_eq!(
            flow.verdict(Reading::Lines, false, b"{"),
            Some(FlowVerdict::Inspect)
        );
    }

    #[test]
    fn other_http_is_judged_by_its_heads() {
        let mut flow = Appraisal::default();
        flow.foreign_exchange();
        assert_eq!(
            flow.verdict(Reading::Http, false, b""),
            Some(FlowVerdict::Heads)
        );
        flow.mcp();
        assert_eq!(
            flow.verdict(Reading::Http, true, b""),
            Some(FlowVerdict::Mcp)
        );
    }
}
