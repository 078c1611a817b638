//! Facts and policy to a judgement.

use crate::facts::{BaseRoute, Facts};
use crate::policy::Policy;
use crate::verdict::{Judgement, Reason, Route, Status, Verdict, code};

/// Judges one session. Pure: the same facts and policy give the same judgement anywhere, at any time.
#[must_use]
pub fn judge(facts: &Facts, policy: &Policy) -> Judgement {
    let _ = policy;
    let route = match facts.base_route {
        BaseRoute::Local => Route::Local,
        BaseRoute::Direct => Route::Direct,
        BaseRoute::Inbound => Route::Inbound,
        BaseRoute::Bridge => Route::Bridge,
        BaseRoute::Opaque => Route::Opaque,
    };
    let reasons = vec![Reason {
        code: code::NO_GATEWAY_CONFIGURED,
        text: "the policy has no gateway".to_owned(),
    }];
    Judgement {
        route,
        leg: None,
        gateway: None,
        verdict: Verdict {
            status: Status::Shadow,
            reasons,
        },
    }
}
