//! Facts and policy to a judgement.

use crate::address::Authority;
use crate::facts::{BaseRoute, Facts, Transport};
use crate::policy::Policy;
use crate::policy::gateway::{Claim, Gateway};
use crate::policy::sanction::Sanction;
use crate::verdict::{Judgement, Leg, Reason, Route, Status, Verdict, code};

/// Names of one session repeated in a reason.
const NAMES_SHOWN_MAX: usize = 8;
/// Addresses of one session repeated in a reason.
const ADDRESSES_SHOWN_MAX: usize = 8;
const SEVERAL_PATHS: &str = "the session used several paths, or one that cannot be read";

/// Judges one session. Pure: the same facts and policy give the same judgement anywhere, at any time.
///
/// First answer wins: comes from a gateway · goes through one · covered by an exception · goes round a
/// gateway · evidence contradicts or is missing · shadow.
#[must_use]
pub fn judge(facts: &Facts, policy: &Policy) -> Judgement {
    if let Some(judgement) = upstream(facts, policy) {
        return judgement;
    }
    let mut judgement = other_session(facts, policy);
    if let Some(gateway) = policy.gateways.iter().find(|g| g.is_squatted(facts)) {
        judgement.verdict.reasons.push(squatted_reason(gateway));
    }
    if let Some(gateway) = policy.gateways.iter().find(|g| g.is_contested(facts)) {
        contest(&mut judgement.verdict, gateway);
    }
    judgement
}

/// Sessions of everybody else.
fn other_session(facts: &Facts, policy: &Policy) -> Judgement {
    let (claim, claimed) = best_claim(facts, policy);
    if let (Claim::Agreed, Some(gateway)) = (claim, claimed) {
        return through(facts, gateway);
    }
    let front = front(facts, policy);
    // An exception is found by what the session says of its server: worthless where that is contradicted.
    let believable = !matches!(
        claim,
        Claim::NameWithoutAddress
            | Claim::CertificateMismatch
            | Claim::WrongUser
            | Claim::SeveralNames
            | Claim::SeveralAddresses
    );
    let fitting: Vec<&Sanction> = policy
        .sanctions
        .iter()
        .filter(|s| believable && s.fits(facts))
        .collect();
    let covers = |s: &&&Sanction| !s.has_ended(facts.time_unix_ns) && (front.is_none() || s.bypass);
    if let Some(sanction) = fitting.iter().find(covers) {
        return sanctioned(facts, sanction, front);
    }
    let expired = fitting
        .iter()
        .filter(|s| s.has_ended(facts.time_unix_ns))
        .map(|s| expired_reason(s));
    if let Some(front) = front {
        let mut reasons = vec![bypass_reason(front)];
        reasons.extend(expired);
        reasons.extend(claimed.and_then(|g| claim_reason(claim, g, facts)));
        reasons.extend(several_reason(facts).filter(|_| claimed.is_none()));
        return finish(facts, Some(front.to_owned()), Status::Shadow, reasons);
    }
    if let Some(reason) = claimed.and_then(|g| claim_reason(claim, g, facts)) {
        let status = if claim == Claim::PathNotListed {
            Status::Shadow
        } else {
            Status::Unknown
        };
        return finish(facts, None, status, vec![reason]);
    }
    if let Some(reason) = missing_evidence(facts, policy) {
        return finish(facts, None, Status::Unknown, vec![reason]);
    }
    let reasons = expired
        .chain([no_gateway_reason(policy)])
        .chain(several_reason(facts))
        .collect();
    finish(facts, None, Status::Shadow, reasons)
}

/// Sessions of the gateways themselves.
fn upstream(facts: &Facts, policy: &Policy) -> Option<Judgement> {
    let process = policy.gateways.iter().find(|g| g.is_process(facts));
    let source = policy.gateways.iter().find(|g| g.is_source(facts));
    let (gateway, first) = match (process, source) {
        (Some(gateway), _) => (
            gateway,
            reason(
                code::GATEWAY_PROCESS,
                format!("the client is the process of gateway {}", gateway.name),
            ),
        ),
        (None, Some(gateway)) => (
            gateway,
            reason(
                code::GATEWAY_SOURCE,
                format!("arrives from an address of gateway {}", gateway.name),
            ),
        ),
        (None, None) => return None,
    };
    let mut reasons = vec![first];
    if gateway.names_host(&facts.host) {
        reasons.push(named_host_reason(gateway));
    }
    Some(Judgement {
        route: base_route(facts),
        leg: Some(Leg::Upstream),
        gateway: Some(gateway.name.clone()),
        verdict: Verdict {
            status: Status::Approved,
            reasons,
        },
    })
}

/// The session may be the gateway's own or somebody else's; what else was found of it stays.
fn contest(verdict: &mut Verdict, gateway: &Gateway) {
    let text = format!(
        "the client listens where gateway {} could be, and so does another process; missing: the gateway's `users` in \
         the policy",
        gateway.name
    );
    let reason = reason(code::SEVERAL_LISTENERS, text);
    if matches!(verdict.status, Status::Shadow | Status::Unknown) {
        verdict.status = Status::Unknown;
        verdict.reasons.insert(0, reason);
    } else {
        verdict.reasons.push(reason);
    }
}

/// Without the user's name, which a reason need not repeat.
fn squatted_reason(gateway: &Gateway) -> Reason {
    let text = format!(
        "the client listens on an address of gateway {}, but its user is unknown or not listed for it",
        gateway.name
    );
    reason(code::GATEWAY_USER, text)
}

fn named_host_reason(gateway: &Gateway) -> Reason {
    let text = format!("the policy names this host for gateway {}", gateway.name);
    reason(code::GATEWAY_HOST, text)
}

/// The strongest claim; the first gateway of the file among equals.
fn best_claim<'p>(facts: &Facts, policy: &'p Policy) -> (Claim, Option<&'p Gateway>) {
    policy
        .gateways
        .iter()
        .map(|g| (g.claim(facts), Some(g)))
        .min_by_key(|(claim, _)| *claim)
        .filter(|(claim, _)| *claim != Claim::Nothing)
        .unwrap_or((Claim::Nothing, None))
}

fn through(facts: &Facts, gateway: &Gateway) -> Judgement {
    let text = format!("name and address agree with gateway {}", gateway.name);
    let mut reasons = vec![reason(code::GATEWAY, text)];
    if facts.path.is_none() {
        let text = "the path was not seen".to_owned();
        reasons.push(reason(code::PATH_NOT_SEEN, text));
    }
    if !gateway.certificate_keys.is_empty() && facts.certificate_key.is_none() {
        let text = "the certificate was not seen".to_owned();
        reasons.push(reason(code::CERTIFICATE_NOT_SEEN, text));
    }
    Judgement {
        route: Route::Gateway,
        leg: Some(Leg::Client),
        gateway: Some(gateway.name.clone()),
        verdict: Verdict {
            status: Status::Approved,
            reasons,
        },
    }
}

/// The gateway in front of this session's server: seen to be, or said to be.
fn front<'a>(facts: &'a Facts, policy: &'a Policy) -> Option<&'a str> {
    let declared = || policy.gateways.iter().find(|g| g.declares(facts));
    facts
        .fronted_by
        .as_deref()
        .or_else(|| declared().map(|g| g.name.as_str()))
}

fn sanctioned(facts: &Facts, sanction: &Sanction, front: Option<&str>) -> Judgement {
    let text = format!(
        "exception by {} until {}: {}",
        sanction.author, sanction.until, sanction.reason
    );
    let mut reasons = vec![reason(code::EXCEPTION, text)];
    reasons.extend(front.map(bypass_reason));
    finish(facts, front.map(str::to_owned), Status::Sanctioned, reasons)
}

fn expired_reason(sanction: &Sanction) -> Reason {
    let text = format!(
        "the exception by {} ended: until {}",
        sanction.author, sanction.until
    );
    reason(code::EXCEPTION_EXPIRED, text)
}

fn bypass_reason(gateway: &str) -> Reason {
    let text = format!("goes round gateway {gateway}, which fronts this server");
    reason(code::BYPASS, text)
}

fn claim_reason(claim: Claim, gateway: &Gateway, facts: &Facts) -> Option<Reason> {
    let name = &gateway.name;
    let to = facts
        .server_address
        .map_or_else(|| "an unknown address".to_owned(), |a| a.to_string());
    let (code, text) = match claim {
        Claim::SeveralNames => (
            code::SEVERAL_NAMES,
            format!(
                "the session used several names ({}); name or address are of gateway {name}, but \
                 whom it meant cannot be told",
                written_name(facts)
            ),
        ),
        Claim::SeveralAddresses => (
            code::SEVERAL_ADDRESSES,
            format!(
                "bears the name of gateway {name}, and went to an address of it, but elsewhere, too ({})",
                addresses(facts)
            ),
        ),
        Claim::SeveralPaths => (
            code::SEVERAL_PATHS,
            format!("reaches gateway {name}, but {SEVERAL_PATHS}"),
        ),
        Claim::PathNotListed => (
            code::PATH_NOT_LISTED,
            format!("reaches gateway {name} on a path that the policy does not list"),
        ),
        Claim::CertificateMismatch => (
            code::CERTIFICATE_MISMATCH,
            format!("the certificate's key is not one of gateway {name}"),
        ),
        // Without the user's name, which a reason need not repeat.
        Claim::WrongUser => (
            code::GATEWAY_PROCESS_NOT_EXPECTED,
            format!(
                "name and address agree with gateway {name}, but the process that answers on {to} runs as {}",
                if facts.server_user.is_some() {
                    "a user whom the policy does not list for it"
                } else {
                    "an unknown user; missing: the process"
                }
            ),
        ),
        Claim::NameWithoutAddress => (
            code::NAME_WITHOUT_ADDRESS,
            format!("bears the name of gateway {name}, but went to {to}, which is not its address"),
        ),
        Claim::AddressNotSeen => (
            code::ADDRESS_NOT_SEEN,
            format!("bears the name of gateway {name}; missing: the address it went to"),
        ),
        Claim::AddressWithoutName => (
            code::ADDRESS_WITHOUT_NAME,
            format!(
                "went to {to}, an address of gateway {name}, under another name ({})",
                written_name(facts)
            ),
        ),
        Claim::NameNotSeen => (
            code::NAME_NOT_SEEN,
            format!("went to {to}, an address of gateway {name}; missing: the name it asked for"),
        ),
        Claim::Agreed | Claim::Nothing => return None,
    };
    Some(reason(code, text))
}

/// The name for people; never raw text of the wire, which may hold anything.
fn written_name(facts: &Facts) -> String {
    facts
        .names()
        .take(NAMES_SHOWN_MAX)
        .chain(facts.sni.as_deref())
        .map(|t| Authority::parse(t).map_or_else(|| "unreadable".to_owned(), |a| a.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Where the session went.
fn addresses(facts: &Facts) -> String {
    facts
        .server_addresses()
        .take(ADDRESSES_SHOWN_MAX)
        .map(|address| address.map_or_else(|| "unknown".to_owned(), |a| a.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A note where the contradiction decides nothing.
fn several_reason(facts: &Facts) -> Option<Reason> {
    if facts.has_several_names() {
        let text = format!("the session used several names ({})", written_name(facts));
        return Some(reason(code::SEVERAL_NAMES, text));
    }
    facts
        .has_several_paths()
        .then(|| reason(code::SEVERAL_PATHS, SEVERAL_PATHS.to_owned()))
}

fn missing_evidence(facts: &Facts, policy: &Policy) -> Option<Reason> {
    if facts.base_route == BaseRoute::Opaque {
        let text = "missing: the conversation itself; it could not be read".to_owned();
        return Some(reason(code::OPAQUE, text));
    }
    // Without gateways no evidence could make a difference.
    let nowhere = facts.server_address.is_none()
        && facts.authority.is_none()
        && facts.sni.is_none()
        && facts.endpoint.is_none()
        && facts.transport != Some(Transport::Stdio);
    (nowhere && !policy.gateways.is_empty()).then(|| {
        let text = "missing: name and address of the server".to_owned();
        reason(code::DESTINATION_NOT_SEEN, text)
    })
}

fn no_gateway_reason(policy: &Policy) -> Reason {
    if policy.gateways.is_empty() {
        let text = "the policy has no gateway".to_owned();
        reason(code::NO_GATEWAY_CONFIGURED, text)
    } else {
        let text = "passes no approved gateway".to_owned();
        reason(code::NO_GATEWAY, text)
    }
}

const fn base_route(facts: &Facts) -> Route {
    match facts.base_route {
        BaseRoute::Local => Route::Local,
        BaseRoute::Direct => Route::Direct,
        BaseRoute::Inbound => Route::Inbound,
        BaseRoute::Bridge => Route::Bridge,
        BaseRoute::Opaque => Route::Opaque,
    }
}

fn finish(
    facts: &Facts,
    gateway: Option<String>,
    status: Status,
    reasons: Vec<Reason>,
) -> Judgement {
    Judgement {
        route: base_route(facts),
        leg: None,
        gateway,
        verdict: Verdict { status, reasons },
    }
}

const fn reason(code: &'static str, text: String) -> Reason {
    Reason { code, text }
}

#[cfg(test)]
mod tests;
