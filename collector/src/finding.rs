//! Findings: what is worth somebody's decision, opened once, kept while it holds, closed when it is gone.
//!
//! [`rule`] is the table of what is looked for: a question to ClickHouse each, whose kind in
//! [`gnomon_policy::finding`] has the words. A [`pass`] holds what a rule finds against what is open and
//! writes the difference, so that it says the same whoever runs it and however often: collectors keep
//! nothing of it in memory, and several on one store come to the same rows ([`change`]). [`task`] runs
//! passes soon after facts or verdicts changed, and now and then for what only time changes.

mod change;
mod pass;
mod rule;
mod task;

use std::time::Duration;

pub use task::start;

/// How long what is not seen any more stays open, and other times.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A shadow server or a listener that was not seen for so long is gone.
    pub close_after: Duration,
    /// A sensor that was not heard of for so long is silent.
    pub silent_after: Duration,
}
