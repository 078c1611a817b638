//! Listings: a documented view, narrowed by filters.

use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    prefix::{self, PrefixError},
    query::Answer,
    question::Question,
    word,
};
use crate::store::{Store, StoreError};

/// Rows of a listing without `limit`.
const LIMIT_DEFAULT: u64 = 10_000;
/// Rows of a listing, at most.
const LIMIT_MAX: u64 = 100_000;
/// The value of a filter of words that takes every word.
pub const ALL: &str = "all";
/// A server's identity may be this long.
const VALUE_BYTES_MAX: usize = 16 << 10;

/// A view that can be listed, its order, and its filters: name and condition on `{name:String}`.
#[derive(Debug)]
pub struct View {
    /// Name of the view, and of its path in the API.
    pub name: &'static str,
    order: &'static str,
    /// Column that `since` is held against.
    time: &'static str,
    filters: &'static [(&'static str, &'static str)],
}

/// Which columns and rows of a listing are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Columns, in order; none: all.
    pub columns: &'static [&'static str],
    /// Rows, at most, where the filters name no limit.
    pub limit: u64,
    /// Rows that are left out before them.
    pub offset: u64,
}

impl Part {
    /// What the API lists.
    const ALL: Self = Self {
        columns: &[],
        limit: LIMIT_DEFAULT,
        offset: 0,
    };
}

/// What filters become.
struct Narrowed {
    wheres: String,
    limit: Option<u64>,
    parameters: Vec<(&'static str, String)>,
}

impl Narrowed {
    fn question(&self, sql: String) -> Question {
        (self.parameters.iter()).fold(Question::new(sql), |question, (name, value)| {
            question.with(name, value.clone())
        })
    }
}

const SESSION_OF_CALL: &str = "(host, session) IN (SELECT host, id FROM sessions WHERE ";

/// Every listing there is.
pub const VIEWS: [View; 12] = [
    View {
        name: "sessions",
        order: "started DESC, host, id",
        time: "last_seen",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("user", "lowerUTF8(client_user) = lowerUTF8({user:String})"),
            (
                "server",
                "(lowerUTF8(server) = lowerUTF8({server:String}) OR lowerUTF8(server_name) = lowerUTF8({server:String}))",
            ),
            ("session", "id = {session:String}"),
            (
                "client",
                "(lowerUTF8(client_application) = lowerUTF8({client:String}) OR lowerUTF8(client_name) = lowerUTF8({client:String}))",
            ),
            ("key", "server = {key:String}"),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String})",
            ),
            ("route", "lowerUTF8(route) = lowerUTF8({route:String})"),
            ("state", "lowerUTF8(state) = lowerUTF8({state:String})"),
        ],
    },
    View {
        name: "servers",
        order: "last_seen DESC, server",
        time: "last_seen",
        filters: &[
            (
                "host",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({host:String}), hosts)",
            ),
            (
                "user",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({user:String}), users)",
            ),
            (
                "server",
                "(lowerUTF8(server) = lowerUTF8({server:String}) OR arrayExists(x -> lowerUTF8(x) = lowerUTF8({server:String}), names))",
            ),
            (
                "session",
                "server IN (SELECT server FROM sessions WHERE id = {session:String})",
            ),
            ("key", "server = {key:String}"),
            (
                "client",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({client:String}), clients)",
            ),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String})",
            ),
            (
                "route",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({route:String}), routes)",
            ),
        ],
    },
    View {
        name: "calls",
        order: "time DESC, host, session, number DESC",
        time: "time",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("session", "session = {session:String}"),
            ("method", "lowerUTF8(method) = lowerUTF8({method:String})"),
            ("name", "lowerUTF8(name) = lowerUTF8({name:String})"),
            ("status", "lowerUTF8(status) = lowerUTF8({status:String})"),
            ("user", "lowerUTF8(client_user) = lowerUTF8({user:String}))"),
            (
                "server",
                "lowerUTF8(server) = lowerUTF8({server:String}) OR lowerUTF8(server_name) = lowerUTF8({server:String}))",
            ),
            ("key", "server = {key:String})"),
            (
                "client",
                "lowerUTF8(client_application) = lowerUTF8({client:String}) OR lowerUTF8(client_name) = lowerUTF8({client:String}))",
            ),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String}))",
            ),
            ("route", "lowerUTF8(route) = lowerUTF8({route:String}))"),
        ],
    },
    View {
        name: "sensors",
        order: "host",
        time: "last_seen",
        filters: &[("host", "lowerUTF8(host) = lowerUTF8({host:String})")],
    },
    View {
        name: "coverage",
        order: "last_seen DESC, host, what",
        time: "last_seen",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("user", "lowerUTF8(user) = lowerUTF8({user:String})"),
            // A gap is everything but what is read.
            (
                "state",
                "if(lowerUTF8({state:String}) = 'gap', state != 'decoded', lowerUTF8(state) = lowerUTF8({state:String}))",
            ),
        ],
    },
    View {
        name: "listeners",
        order: "host, address, port",
        time: "last_seen",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("user", "lowerUTF8(user) = lowerUTF8({user:String})"),
            ("mcp", "lowerUTF8(mcp) = lowerUTF8({mcp:String})"),
            (
                "exposure",
                "lowerUTF8(exposure) = lowerUTF8({exposure:String})",
            ),
            ("state", "lowerUTF8(state) = lowerUTF8({state:String})"),
            ("address", "address = {address:String}"),
            ("port", "toString(port) = {port:String}"),
        ],
    },
    View {
        name: "tools",
        order: "server, tool, first DESC",
        time: "last_seen",
        filters: &[
            (
                "host",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({host:String}), hosts)",
            ),
            ("server", "lowerUTF8(server) = lowerUTF8({server:String})"),
            ("tool", "lowerUTF8(tool) = lowerUTF8({tool:String})"),
        ],
    },
    View {
        name: "verdicts",
        order: "decided DESC, host, session",
        time: "decided",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("session", "session = {session:String}"),
            (
                "verdict",
                "lowerUTF8(verdict) = lowerUTF8({verdict:String})",
            ),
        ],
    },
    View {
        name: "findings",
        // What is open first, the worst of it first.
        order: "state = 'closed', indexOf(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, id",
        time: "last_seen",
        filters: &[
            ("finding", "id = {finding:String}"),
            ("state", "lowerUTF8(state) = lowerUTF8({state:String})"),
            (
                "severity",
                "lowerUTF8(severity) = lowerUTF8({severity:String})",
            ),
            ("class", "lowerUTF8(class) = lowerUTF8({class:String})"),
            (
                "host",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({host:String}), hosts)",
            ),
            (
                "user",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({user:String}), users)",
            ),
            (
                "server",
                "(subject_kind = 'server' AND lowerUTF8(subject) = lowerUTF8({server:String}))",
            ),
            (
                "subject",
                "lowerUTF8(subject) = lowerUTF8({subject:String})",
            ),
            (
                "tag",
                "arrayExists(x -> lowerUTF8(x) = lowerUTF8({tag:String}), tags)",
            ),
        ],
    },
    View {
        name: "finding_history",
        order: "time DESC, id, number DESC",
        time: "time",
        filters: &[("finding", "id = {finding:String}")],
    },
    View {
        name: "probe_orders",
        order: "ordered DESC, host",
        time: "ordered",
        filters: &[
            ("host", "lowerUTF8(host) = lowerUTF8({host:String})"),
            ("author", "lowerUTF8(author) = lowerUTF8({author:String})"),
        ],
    },
    View {
        name: "policies",
        order: "version DESC",
        time: "applied",
        filters: &[("author", "lowerUTF8(author) = lowerUTF8({author:String})")],
    },
];

/// Why a listing could not be made.
#[derive(Debug, Error)]
pub enum ListError {
    /// What was asked for is wrong.
    #[error("{what}")]
    Filter {
        /// What is wrong.
        what: String,
        /// What to write instead.
        advice: String,
    },
    /// ClickHouse is away or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PrefixError> for ListError {
    fn from(error: PrefixError) -> Self {
        match error {
            PrefixError::Store(error) => Self::Store(error),
            PrefixError::Ambiguous { .. } => Self::Filter {
                what: error.to_string(),
                advice: "write more of it".to_owned(),
            },
        }
    }
}

impl View {
    /// The view of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VIEWS.iter().find(|view| view.name == name)
    }

    /// Lists it. `filters` are names and values as the caller wrote them.
    ///
    /// # Errors
    /// A filter that does not exist or has no such value; ClickHouse is away.
    pub async fn list(
        &self,
        store: &Store,
        filters: &[(String, String)],
    ) -> Result<Answer, ListError> {
        let filters = resolved(store, filters).await?;
        let question = self.question(Part::ALL, &filters, OffsetDateTime::now_utc())?;
        Ok(question.ask(store).await?)
    }

    /// The question that lists a part of it. `filters` as for [`Self::list`]; `since` counts back from `now`.
    ///
    /// # Errors
    /// A filter that does not exist or has no such value.
    pub fn question(
        &self,
        part: Part,
        filters: &[(String, String)],
        now: OffsetDateTime,
    ) -> Result<Question, ListError> {
        let narrowed = self.narrowed(filters, now)?;
        let columns = match part.columns {
            [] => "*".to_owned(),
            some => some.join(", "),
        };
        let (name, wheres, order) = (self.name, &narrowed.wheres, self.order);
        let limit = narrowed.limit.unwrap_or(part.limit);
        let skip = match part.offset {
            0 => String::new(),
            offset => format!(" OFFSET {offset}"),
        };
        Ok(narrowed.question(format!(
            "SELECT {columns} FROM {name}{wheres} ORDER BY {order} LIMIT {limit}{skip}"
        )))
    }

    /// The question how many rows there are in all, by the same filters.
    ///
    /// # Errors
    /// As [`Self::question`].
    pub fn count(
        &self,
        filters: &[(String, String)],
        now: OffsetDateTime,
    ) -> Result<Question, ListError> {
        let narrowed = self.narrowed(filters, now)?;
        let wheres = &narrowed.wheres;
        Ok(narrowed.question(format!("SELECT count() AS rows FROM {}{wheres}", self.name)))
    }

    fn narrowed(
        &self,
        filters: &[(String, String)],
        now: OffsetDateTime,
    ) -> Result<Narrowed, ListError> {
        let mut conditions = Vec::new();
        let mut parameters: Vec<(&'static str, String)> = Vec::new();
        let mut limit = None;
        for (name, value) in filters {
            if value.len() > VALUE_BYTES_MAX {
                return Err(wrong(
                    format!("{name} is longer than {VALUE_BYTES_MAX} bytes"),
                    "shorten it",
                ));
            }
            let twice = match name.as_str() {
                "limit" => limit.is_some(),
                name => parameters.iter().any(|(known, _)| *known == name),
            };
            if twice {
                return Err(wrong(format!("{name} is given twice"), "give it once"));
            }
            match name.as_str() {
                "limit" => limit = Some(parse_limit(value)?),
                "format" if value == "json" => {}
                "since" => {
                    let column = self.time;
                    conditions.push(format!(
                        "{column} >= fromUnixTimestamp64Micro({{since:Int64}}, 'UTC')"
                    ));
                    parameters.push(("since", parse_since(value, now)?.to_string()));
                }
                _ => {
                    let (name, condition) = self.filter(name)?;
                    if !self.narrows(name, value)? {
                        continue;
                    }
                    // A condition with an open parenthesis is on the call's session.
                    let open = condition.ends_with(')')
                        && condition.matches('(').count() < condition.matches(')').count();
                    conditions.push(if open {
                        format!("{SESSION_OF_CALL}{condition}")
                    } else {
                        condition.to_owned()
                    });
                    parameters.push((name, value.clone()));
                }
            }
        }
        let wheres = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        Ok(Narrowed {
            wheres,
            limit,
            parameters,
        })
    }

    /// Names of the filters, without `since` and `limit`, which all have.
    pub fn filters(&self) -> impl Iterator<Item = &'static str> {
        self.filters.iter().map(|(name, _)| *name)
    }

    /// Whether a filter leaves anything out. Refuses another value than the words that it is about.
    fn narrows(&self, name: &str, value: &str) -> Result<bool, ListError> {
        match word::of(self.name, name) {
            Some(words) if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) => {
                if value.eq_ignore_ascii_case(ALL) {
                    return Ok(false);
                }
                Err(wrong(
                    format!("{name} {value:?} is no word of {}", self.name),
                    &format!("{name} is one of {}, or {ALL}", words.join(", ")),
                ))
            }
            _ => Ok(true),
        }
    }

    fn filter(&self, name: &str) -> Result<(&'static str, &'static str), ListError> {
        self.filters
            .iter()
            .find(|(known, _)| *known == name)
            .copied()
            .ok_or_else(|| {
                let known: Vec<&str> = self
                    .filters
                    .iter()
                    .map(|(known, _)| *known)
                    .chain(["since", "limit"])
                    .collect();
                wrong(
                    format!("{} has no filter {name:?}", self.name),
                    &format!("it has {}", known.join(", ")),
                )
            })
    }
}

/// Filters with starts of ids written out.
///
/// # Errors
/// A start fits several; ClickHouse is away.
pub async fn resolved(
    store: &Store,
    filters: &[(String, String)],
) -> Result<Vec<(String, String)>, ListError> {
    let mut filters = filters.to_vec();
    for (name, value) in &mut filters {
        if let Some(whole) = prefix::whole(store, name, value).await? {
            *value = whole;
        }
    }
    Ok(filters)
}

fn wrong(what: String, advice: &str) -> ListError {
    ListError::Filter {
        what,
        advice: advice.to_owned(),
    }
}

fn parse_limit(value: &str) -> Result<u64, ListError> {
    value
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| {
            wrong(
                format!("limit {value:?} is not a number that is allowed"),
                "1 to 100000",
            )
        })
}

/// RFC 3339, or a time back from now such as `90s`, `30m`, `24h`, `7d`. Microseconds since the epoch.
fn parse_since(value: &str, now: OffsetDateTime) -> Result<i64, ListError> {
    let absolute = OffsetDateTime::parse(value, &Rfc3339).ok();
    let back = || -> Option<OffsetDateTime> {
        let unit = value.chars().last()?;
        let count: i64 = value
            .strip_suffix(unit)?
            .parse()
            .ok()
            .filter(|n| (0..=1_000_000).contains(n))?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        now.checked_sub(time::Duration::seconds(count * seconds))
    };
    let at = absolute.or_else(back).ok_or_else(|| {
        wrong(
            format!("since {value:?} is not a time"),
            "write 2026-01-31T00:00:00Z, or back from now: 90s, 30m, 24h, 7d",
        )
    })?;
    Ok(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(view: &str, filters: &[(&str, &str)]) -> Result<String, String> {
        let filters: Vec<_> = filters
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let view = View::named(view).expect("a view");
        view.question(Part::ALL, &filters, OffsetDateTime::UNIX_EPOCH)
            .map(|question| question.parts().0.to_owned())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn values_never_enter_the_text() {
        for view in &VIEWS {
            for (name, _) in view.filters {
                let hostile = "x' OR 1=1 --";
                if let Some(words) = word::of(view.name, name) {
                    assert!(statement(view.name, &[(name, hostile)]).is_err(), "{name}");
                    assert!(statement(view.name, &[(name, words[0])]).is_ok(), "{name}");
                    continue;
                }
                let sql = statement(view.name, &[(name, hostile)]).expect("a statement");
                assert!(!sql.contains("OR 1=1"), "{sql}");
                assert_eq!(sql.matches('(').count(), sql.matches(')').count(), "{sql}");
            }
        }
    }

    #[test]
    fn words_are_found_in_any_case_and_ids_as_they_are() {
        let sql = statement("sessions", &[("verdict", "Shadow"), ("session", "aB")]);
        let sql = sql.expect("a statement");
        assert!(sql.contains("lowerUTF8(verdict) = lowerUTF8({verdict:String})"));
        assert!(sql.contains("id = {session:String}"), "{sql}");
        let sql = statement("servers", &[("host", "H")]).expect("a statement");
        assert!(
            sql.contains("lowerUTF8(x) = lowerUTF8({host:String}), hosts"),
            "{sql}"
        );
    }

    #[test]
    fn wrong_filters_say_what_there_is() {
        assert_eq!(
            statement("sensors", &[("verdict", "x")]),
            Err("sensors has no filter \"verdict\"".to_owned())
        );
        assert!(statement("sessions", &[("limit", "0")]).is_err());
        assert!(statement("sessions", &[("since", "yesterday")]).is_err());
        for twice in [
            [("host", "a"), ("host", "b")],
            [("since", "1h"), ("since", "2h")],
            [("limit", "1"), ("limit", "2")],
        ] {
            assert!(statement("sessions", &twice).is_err(), "{twice:?}");
        }
        let all = statement("findings", &[("state", "All")]).expect("a statement");
        assert!(!all.contains("WHERE"), "{all}");
        assert_eq!(
            statement("findings", &[("class", "shadow")]),
            Err("class \"shadow\" is no word of findings".to_owned())
        );
    }

    #[test]
    fn since_is_a_time_or_a_span() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).expect("time");
        assert_eq!(
            parse_since("1h", now).expect("span"),
            (1_000_000 - 3600) * 1_000_000
        );
        assert_eq!(
            parse_since("1970-01-01T00:00:01Z", now).expect("time"),
            1_000_000
        );
        assert!(parse_since("5 parsecs", now).is_err());
        assert!(parse_since("é", now).is_err());
    }
}
