//! Filters whose values are words of the contract: another word is a slip of the pen, and an empty list would
//! read like "there is none".

use gnomon_policy::finding::KINDS;

const VERDICTS: &[&str] = &["approved", "sanctioned", "shadow", "unknown"];
const ROUTES: &[&str] = &["local", "direct", "gateway", "bridge", "inbound", "opaque"];

/// The words that a filter of a view may have, if they are settled.
#[must_use]
pub fn of(view: &str, filter: &str) -> Option<Vec<&'static str>> {
    let words: &[&str] = match (view, filter) {
        ("findings", "class") => return Some(KINDS.iter().map(|kind| kind.class).collect()),
        (_, "verdict") => VERDICTS,
        (_, "route") => ROUTES,
        ("sessions", "state") => &["open", "ended"],
        ("listeners" | "findings", "state") => &["open", "closed"],
        ("coverage", "state") => &["gap", "decoded", "opaque", "late", "detached", "shed"],
        (_, "status") => &["ok", "error", "tool_error", "cancelled", "unanswered"],
        (_, "severity") => &["low", "medium", "high", "critical"],
        (_, "mcp") => &["seen", "probed", "unknown"],
        (_, "exposure") => &["unix", "loopback", "host", "private", "public", "any"],
        _ => return None,
    };
    Some(words.to_vec())
}
