//! Which servers the gateways were seen to front.

use crate::facts::Facts;
use crate::verdict::Judgement;

/// Servers behind gateways, learned from sessions judged `upstream`. Bounded.
#[derive(Clone, Debug, Default)]
pub struct Fronts {}

impl Fronts {
    /// Nothing learned.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a judged session; true when something new was learned, and earlier judgements of
    /// sessions to that server should be made again.
    pub fn learn(&mut self, facts: &Facts, judgement: &Judgement) -> bool {
        let _ = (facts, judgement);
        false
    }

    /// The gateway that fronts the server of this session, if one was seen to.
    #[must_use]
    pub fn gateway_of(&self, facts: &Facts) -> Option<&str> {
        let _ = facts;
        None
    }
}
