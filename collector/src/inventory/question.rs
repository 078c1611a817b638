//! A question to the documented views: statement, the values in it, and its text with the values written out.
//!
//! What the API lists and what the page shows is asked in this one way, and each question can be shown as the
//! text that `gnomon sql` takes, so that every figure can be had by its query.

use super::query::{Answer, run};
use crate::{
    html::is_hidden,
    store::{Store, StoreError},
};

/// Longest answering of one question, seconds.
const SECONDS_MAX: u64 = 30;
const SETTINGS: [(&str, &str); 2] = [
    // Without it a cut listing may not be known as such, nor how much there is.
    ("exact_rows_before_limit", "1"),
    // ClickHouse gives up when we do: else what nobody waits for any more would go on beside what sensors send.
    ("max_execution_time", "30"),
];

/// A statement with `{name:Type}` in it, and what fills them.
#[derive(Clone, Debug)]
pub struct Question {
    sql: String,
    parameters: Vec<(&'static str, String)>,
}

impl Question {
    /// A statement without FORMAT and settings. Texts of others never stand in it: see [`Self::with`].
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
        }
    }

    /// Fills `{name:String}` or `{name:Int64}`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// Asks it.
    ///
    /// # Errors
    /// ClickHouse is away or refuses, it takes longer than 30 s, or the answer is too large.
    pub async fn ask(&self, store: &Store) -> Result<Answer, StoreError> {
        let client = store.connection().await?.writer;
        run(&client, &self.sql, &self.parameters, &SETTINGS, SECONDS_MAX).await
    }

    /// The statement as it is sent, and its parameters.
    #[must_use]
    pub fn parts(&self) -> (&str, &[(&'static str, String)]) {
        (&self.sql, &self.parameters)
    }

    /// The statement with its values written out, as `gnomon sql` takes it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.sql.len() + 64);
        let mut rest = self.sql.as_str();
        // From left to right once: a value that looks like a parameter stays a value.
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            match self.literal(&rest[..end]) {
                Some(literal) => text.push_str(&literal),
                None => text.push_str(&rest[..end]),
            }
            rest = &rest[end..];
        }
        text.push_str(rest);
        text
    }

    /// The value of a parameter such as `{host:String}`.
    fn literal(&self, place: &str) -> Option<String> {
        let (name, kind) = place
            .strip_prefix('{')?
            .strip_suffix('}')?
            .split_once(':')?;
        let (_, value) = self.parameters.iter().find(|(known, _)| *known == name)?;
        Some(if kind == "String" {
            quoted(value)
        } else {
            value.clone()
        })
    }
}

/// A text in quotes, as ClickHouse reads it. What is invisible is written as its bytes, so that it survives a
/// terminal and shows.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('\'');
    for c in value.chars() {
        match c {
            '\'' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            _ if is_hidden(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            }
            _ => text.push(c),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clickhouse_is_given_as_long_as_we_wait() {
        let seconds = SECONDS_MAX.to_string();
        assert!(SETTINGS.contains(&("max_execution_time", &seconds)));
    }

    #[test]
    fn values_are_written_out_and_stay_values() {
        let question = Question::new(
            "SELECT * FROM x WHERE a = {a:String} AND b = {b:String} AND t >= f({t:Int64}, 'UTC')",
        )
        .with("a", "it's {b:String} \\ \u{1b}\n")
        .with("b", "\u{202e}two")
        .with("t", "17");
        assert_eq!(
            question.text(),
            "SELECT * FROM x WHERE a = 'it\\'s {b:String} \\\\ \\x1b\\n' AND b = '\\xe2\\x80\\xaetwo' AND t >= f(17, 'UTC')"
        );
    }
}
