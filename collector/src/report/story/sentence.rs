//! Sentences made of figures; a figure that was not answered is said to be unknown.

use serde_json::Value;

use super::super::answered::{Report, Table};

/// Somebody's text within a sentence is shown up to this long.
const NAME_CHARS_MAX: usize = 60;

/// Sentences from figures.
pub(super) struct Sentences<'a>(pub(super) &'a Report);

impl Sentences<'_> {
    pub(super) fn value(&self, id: &str) -> &Value {
        self.0.figure(id).map_or(&Value::Null, |f| f.value())
    }

    pub(super) fn count(&self, id: &str) -> Option<u64> {
        self.value(id).as_u64()
    }

    /// `1,234 servers`; `an unknown number of servers` where the figure was not answered.
    fn many(&self, id: &str, noun: &str) -> String {
        self.count(id).map_or_else(
            || format!("an unknown number of {noun}s"),
            |n| plural(n, noun),
        )
    }

    fn bare(&self, id: &str) -> String {
        self.count(id)
            .map_or_else(|| "an unknown number".to_owned(), thousands)
    }

    /// `12.5 %`; of nothing there is no share.
    fn share(&self, id: &str) -> String {
        match self.0.figure(id).map(|f| (f.outcome.is_ok(), f.value())) {
            Some((true, Value::Null)) => "no share".to_owned(),
            Some((true, value)) => format!("{value} %"),
            _ => "an unknown share".to_owned(),
        }
    }

    fn table(&self, id: &str) -> Option<&Table> {
        self.0.figure(id)?.outcome.as_ref().ok()
    }

    pub(super) fn endpoints(&self) -> String {
        if self.count("totals.sessions") == Some(0) {
            return "No MCP was seen in the period.".to_owned();
        }
        format!(
            "{} on {}, used by {} through {}, told apart by their AI application or, where that is not known, by what they call \
             themselves: {}, {}. {} want a decision.",
            self.many("totals.servers", "server"),
            self.many("totals.hosts", "host"),
            self.many("totals.users", "user"),
            self.many("totals.clients", "client"),
            self.many("totals.sessions", "session"),
            self.many("totals.calls", "call"),
            self.bare("decide.open"),
        )
    }

    pub(super) fn owners(&self) -> String {
        format!(
            "No owner is on record for any of {}: this version keeps none. Users who can be asked are known for {}. Exactly one user uses {}.",
            self.many("owners.without", "server"),
            self.bare("owners.with_candidate"),
            self.bare("owners.single_user"),
        )
    }

    pub(super) fn laptops(&self) -> String {
        let seen = format!("MCP was seen on {}.", self.many("totals.hosts", "host"));
        let groups = self.table("usage.groups").map(|table| {
            let place = |name| table.column(name).unwrap_or(usize::MAX);
            let (group, hosts) = (place("host_group"), place("hosts"));
            let all = table.cells.iter().filter_map(|row| {
                let name = row.get(group)?.as_str()?;
                Some(format!(
                    "{} {}",
                    short(name),
                    thousands(row.get(hosts)?.as_u64()?)
                ))
            });
            all.take(6).collect::<Vec<_>>()
        });
        match (self.count("hosts.listed"), groups) {
            (Some(0), _) => format!(
                "{seen} Which of them are laptops cannot be said without an asset list with groups."
            ),
            (_, Some(groups)) if !groups.is_empty() => {
                format!(
                    "{seen} By the asset list's groups, hosts: {}.",
                    groups.join(", ")
                )
            }
            _ => format!("{seen} The asset list has no group for any of them."),
        }
    }

    pub(super) fn third_parties(&self) -> String {
        if self.count("third_parties.count") == Some(0) {
            return "None was seen. Servers behind https are not read in this version, so this says little; the cadence of what was \
                    seen is in the section on cadence."
                .to_owned();
        }
        let busiest = self.table("third_parties.cadence").and_then(|table| {
            let row = table.cells.first()?;
            let cell = |name| table.column(name).and_then(|at| row.get(at));
            Some(format!(
                " The most called, {}: {} on {}, {}.",
                short(cell("party")?.as_str()?),
                plural(cell("calls")?.as_u64()?, "call"),
                plural(cell("active_days")?.as_u64()?, "day"),
                cell("rhythm")?.as_str()?,
            ))
        });
        format!(
            "{} outside the own network, {}.{} Servers behind https are not read in this version and are missing.",
            self.count("third_parties.count").map_or_else(
                || "An unknown number of third parties".to_owned(),
                |n| format!(
                    "{} third {}",
                    thousands(n),
                    if n == 1 { "party" } else { "parties" }
                )
            ),
            self.many("third_parties.calls", "call"),
            busiest.unwrap_or_default(),
        )
    }

    pub(super) fn credentials(&self) -> String {
        format!(
            "Not answered in this version: credentials and what they reach are not read yet. The nearest sign: {} used by exactly one user.",
            self.count("owners.single_user").map_or_else(
                || "an unknown number of servers".to_owned(),
                |n| plural(n, "server")
            ),
        )
    }

    pub(super) fn change_management(&self) -> String {
        if self.count("totals.servers") == Some(0) {
            return "No server was seen.".to_owned();
        }
        format!(
            "Of {}, {} went through an approved gateway only and {} are used under an exception on record; {} ({}) have shadow sessions.",
            self.many("totals.servers", "server"),
            self.bare("audit.approved_servers"),
            self.bare("audit.excepted_servers"),
            self.bare("shadow.servers"),
            self.share("shadow.server_share"),
        )
    }

    pub(super) fn audit(&self) -> String {
        if self.count("totals.calls") == Some(0) {
            return format!(
                "No call was seen. Shadow are {} of {}.",
                self.share("shadow.session_share"),
                self.many("totals.sessions", "session")
            );
        }
        format!(
            "{} of all calls passed an approved gateway, where they can be logged; {} were in shadow sessions, and land in no log that \
             this inventory knows of. Of {}, {} are shadow.",
            self.share("audit.gateway_share"),
            self.share("shadow.call_share"),
            self.many("totals.sessions", "session"),
            self.share("shadow.session_share"),
        )
    }

    pub(super) fn exposure(&self) -> String {
        format!(
            "{} with MCP can be reached from beyond their host. From other machines, {} used servers of ours.",
            self.many("exposure.beyond_host", "listener"),
            self.addresses("exposure.inbound_count"),
        )
    }

    fn addresses(&self, id: &str) -> String {
        self.count(id).map_or_else(
            || "an unknown number of addresses".to_owned(),
            |n| {
                format!(
                    "{} {}",
                    thousands(n),
                    if n == 1 { "address" } else { "addresses" }
                )
            },
        )
    }

    pub(super) fn findings(&self) -> String {
        let worst = self.table("findings.kinds").map(|table| {
            let place = |name| table.column(name).unwrap_or(usize::MAX);
            let (severity, findings) = (place("severity"), place("findings"));
            ["critical", "high"].map(|level| {
                let rows = table
                    .cells
                    .iter()
                    .filter(|row| row.get(severity).and_then(Value::as_str) == Some(level));
                rows.filter_map(|row| row.get(findings)?.as_u64())
                    .sum::<u64>()
            })
        });
        let worst = worst.map_or(String::new(), |[critical, high]| {
            format!(
                ", {} critical and {} high",
                thousands(critical),
                thousands(high)
            )
        });
        format!(
            "{} open{worst}. {} new in the period.",
            self.many("findings.open", "finding"),
            self.count("changes.new_count").map_or_else(
                || "An unknown number of servers is".to_owned(),
                |n| format!(
                    "{} {}",
                    plural(n, "server"),
                    if n == 1 { "is" } else { "are" }
                )
            ),
        )
    }

    pub(super) fn unseen(&self) -> String {
        let hosts = match (self.count("hosts.listed"), self.count("hosts.covered")) {
            (Some(0), _) => format!(
                "{} with a sensor; how many there should be is not known, for there is no asset list.",
                self.many("totals.sensors", "host")
            ),
            (Some(listed), Some(covered)) => format!(
                "{} of {} on the asset list have no sensor.",
                thousands(listed.saturating_sub(covered)),
                plural(listed, "host")
            ),
            _ => "The asset list could not be asked.".to_owned(),
        };
        format!(
            "{hosts} {} silent; {} without a sensor spoke MCP with ours. Sensors counted {}; {} could not be read fully. TLS is not read.",
            self.count("hosts.silent_count").map_or_else(
                || "An unknown number of sensors is".to_owned(),
                |n| format!(
                    "{} {}",
                    plural(n, "sensor"),
                    if n == 1 { "is" } else { "are" }
                )
            ),
            self.addresses("hosts.peers_count"),
            self.count("blind.lost").map_or_else(
                || "an unknown number of losses".to_owned(),
                |n| format!(
                    "{} {}",
                    thousands(n),
                    if n == 1 { "loss" } else { "losses" }
                )
            ),
            self.count("blind.processes").map_or_else(
                || "an unknown number of processes".to_owned(),
                |n| format!(
                    "{} {}",
                    thousands(n),
                    if n == 1 { "process" } else { "processes" }
                )
            ),
        )
    }
}

pub(super) fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// A number with its thousands parted: `12,345`.
#[must_use]
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Somebody's text within a sentence.
fn short(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(n), text);
        }
        assert_eq!(plural(1, "server"), "1 server");
    }
}
