//! Answers that are kept for a moment: their requests were not reported yet, or it is not clear whose they are.

use super::message::Response;
use crate::event::UnixNs;

/// How long an answer waits for its request: longer than any call takes to return after its bytes were read.
const KEPT_NS: u64 = 5_000_000_000;
/// A list of more tools than this is not kept with an answer; it comes again.
const TOOLS_MAX: usize = 64;

/// Whether the request of an answer of this time will not come any more.
pub(super) const fn is_late(time: UnixNs, now: UnixNs) -> bool {
    time.saturating_add(KEPT_NS) <= now
}

/// What of an answer is kept.
pub(super) fn shorten(response: &mut Response) {
    if let Some(tools) = &response.tools
        && tools.len() > TOOLS_MAX
    {
        response.tools = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::message::{Era, Outcome};
    use crate::mcp::tools::{Digest, Tool};

    #[test]
    fn a_long_list_of_tools_is_not_kept() {
        for (tools, kept) in [(TOOLS_MAX, true), (TOOLS_MAX + 1, false)] {
            let tool = Tool {
                name: "t".to_owned(),
                digest: Digest::of(b"t"),
            };
            let mut response = Response {
                id: None,
                outcome: Outcome::Ok,
                handshake: None,
                tools: Some(vec![tool; tools]),
                tools_dropped: 0,
                era: Era::Unknown,
            };
            shorten(&mut response);
            assert_eq!(response.tools.is_some(), kept);
        }
    }
}
