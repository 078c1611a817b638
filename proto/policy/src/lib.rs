//! The verdict on an MCP session: one pure function of facts and policy.
//!
//! [`Policy::parse`] checks a policy file, [`judge`] holds the [`Facts`] of one session against it, and
//! [`Fronts`] remembers which servers the gateways were seen to front, so that a session that goes round
//! a gateway is known as such. The same code runs in the sensor (stand-alone) and in the collector (the
//! authority). Nothing here does I/O or reads a clock.

mod address;
mod facts;
pub mod finding;
mod fronts;
mod identity;
mod judge;
mod pattern;
mod place;
mod policy;
mod verdict;

pub use facts::{BaseRoute, Facts, Transport};
pub use fronts::Fronts;
pub use identity::server_identity;
pub use judge::judge;
pub use policy::{Policy, PolicyError, Warning};
pub use verdict::{Judgement, Leg, Reason, Route, Status, Verdict, code};
