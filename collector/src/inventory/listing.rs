//! Listings: a documented view, narrowed by filters.

mod views;

use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    prefix::{self, PrefixError},
    query::Answer,
    question::Question,
    word,
};
use crate::store::{Store, StoreError};
use views::SESSION_OF_CALL;
pub use views::VIEWS;

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
mod tests;
