//! The answer in ten lines: what a CISO was told, clause by clause, each with its figures and what to decide.
//!
//! Sentences are made of figures that were answered; none is computed here. What this version cannot answer is said so.

mod sentence;

use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    answered::{Clause, Report},
    period::{Period, text},
};
pub(crate) use sentence::thousands;
use sentence::{Sentences, plural};

/// The ten lines.
#[must_use]
pub fn answers(report: &Report) -> Vec<Clause> {
    let say = Sentences(report);
    vec![
        Clause {
            id: "endpoints",
            claim: "“The report comes back with two hundred MCP endpoints.”",
            answer: say.endpoints(),
            decision: "Take the servers under “What to decide” one by one.",
            figures: &[
                "totals.servers",
                "totals.hosts",
                "totals.users",
                "totals.clients",
                "totals.sessions",
                "totals.calls",
                "decide.open",
            ],
        },
        Clause {
            id: "owners",
            claim: "“Unknown owners.”",
            answer: say.owners(),
            decision: "Ask the candidates; name an owner, or retire.",
            figures: &[
                "owners.without",
                "owners.with_candidate",
                "owners.single_user",
            ],
        },
        Clause {
            id: "laptops",
            claim: "“Some on engineer laptops.”",
            answer: say.laptops(),
            decision: "Say for each group whether servers may run there.",
            figures: &["totals.hosts", "hosts.listed", "usage.groups"],
        },
        Clause {
            id: "third_parties",
            claim: "“Some hitting third-party APIs at a cadence nobody can describe.”",
            answer: say.third_parties(),
            decision: "Route them through the gateway, or retire them.",
            figures: &[
                "third_parties.count",
                "third_parties.calls",
                "third_parties.cadence",
            ],
        },
        Clause {
            id: "credentials",
            claim: "“A handful reach production data with credentials that belong to one person.”",
            answer: say.credentials(),
            decision: "Ask who answers when that person leaves.",
            figures: &["owners.single_user"],
        },
        Clause {
            id: "change_management",
            claim: "“None went through change management.”",
            answer: say.change_management(),
            decision: "Approve, except with an end, or retire the rest.",
            figures: &[
                "audit.approved_servers",
                "audit.excepted_servers",
                "shadow.servers",
                "shadow.server_share",
                "totals.servers",
            ],
        },
        Clause {
            id: "audit",
            claim: "“None land in the audit pipeline.”",
            answer: say.audit(),
            decision: "Route what matters through the gateway, and keep its log.",
            figures: &[
                "audit.gateway_share",
                "shadow.call_share",
                "shadow.session_share",
                "totals.sessions",
            ],
        },
        Clause {
            id: "exposure",
            claim: "Who else can reach them?",
            answer: say.exposure(),
            decision: "Bind to loopback, put behind the gateway, or retire.",
            figures: &["exposure.beyond_host", "exposure.inbound_count"],
        },
        Clause {
            id: "findings",
            claim: "What is open, and what is new?",
            answer: say.findings(),
            decision: "Take the critical and high ones first.",
            figures: &["findings.open", "findings.kinds", "changes.new_count"],
        },
        Clause {
            id: "unseen",
            claim: "What is not in these figures?",
            answer: say.unseen(),
            decision: "Roll sensors out where they are missing, or strike the hosts off the list.",
            figures: &[
                "hosts.listed",
                "hosts.covered",
                "hosts.silent_count",
                "hosts.peers_count",
                "blind.lost",
                "blind.processes",
            ],
        },
    ]
}

/// What to know before the figures are used.
#[must_use]
pub fn notes(report: &Report, period: &Period, now: OffsetDateTime) -> Vec<String> {
    let say = Sentences(report);
    let mut notes = Vec::new();
    let missing = (report.sections.iter().flat_map(|s| &s.figures))
        .filter(|f| f.outcome.is_err())
        .count();
    if missing > 0 {
        notes.push(format!(
            "{} could not be answered and say why in their place: make the report again, or ask for a shorter period.",
            plural(missing as u64, "figure")
        ));
    }
    if report.moved {
        notes.push(
            "Facts of the period came in while the report was made: figures may differ from each other, and from their queries, by those."
                .to_owned(),
        );
    }
    let kept = now - Duration::days(report.retention_days.into());
    if period.from < kept {
        notes.push(format!(
            "Facts are kept {} days: of the time before {} little or nothing is left.",
            report.retention_days,
            text(kept.truncate_to_second())
        ));
    }
    let since = say.value("hosts.since").as_str().map(str::to_owned);
    match since
        .as_deref()
        .map(|s| (s, OffsetDateTime::parse(s, &Rfc3339)))
    {
        Some((told, Ok(since))) if since > period.from => notes.push(format!(
            "The oldest word of a sensor that is kept is of {}: before it nothing was seen.",
            told.get(..19)
                .map_or_else(|| told.to_owned(), |t| format!("{t}Z"))
        )),
        Some(_) => {}
        None => notes.push("No sensor has ever reported: there is nothing to show yet.".to_owned()),
    }
    if report.policy_version == 0 && say.count("totals.sessions").unwrap_or(0) > 0 {
        notes.push(
            "No policy was in force: without one every session is shadow. gnomon policy apply FILE takes one into force."
                .to_owned(),
        );
    }
    if say.count("hosts.listed") == Some(0) {
        notes.push(
            "There is no asset list: what share of the fleet is covered cannot be said. Name one in the collector's settings, [assets] file."
                .to_owned(),
        );
    }
    if now - period.to > Duration::hours(1) {
        notes.push(
            "The period is over. Verdicts, coverage and the asset list are as of the making of this report, not of the period's end."
                .to_owned(),
        );
    }
    notes
}
