//! Rows as the API gives them, in the order of their columns.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Answer to a listing or an SQL statement.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Answer {
    /// Columns in order; a collector may leave them out where there are rows.
    #[serde(default)]
    columns: Vec<Column>,
    /// The rows.
    pub(crate) rows: Vec<Row>,
    /// There are more rows than were given.
    #[serde(default)]
    pub(crate) truncated: bool,
}

/// An answer that is one of several, with its name for programs and for people.
#[derive(Debug, serde::Deserialize)]
#[serde(from = "RawSection")]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) answer: Answer,
}

/// As the API has it. Not flattened: rows are kept as text, which serde cannot do within one.
#[derive(serde::Deserialize)]
struct RawSection {
    name: String,
    title: String,
    #[serde(default)]
    columns: Vec<Column>,
    rows: Vec<Row>,
    #[serde(default)]
    truncated: bool,
}

impl From<RawSection> for Section {
    fn from(raw: RawSection) -> Self {
        let RawSection {
            name,
            title,
            columns,
            rows,
            truncated,
        } = raw;
        Self {
            name,
            title,
            answer: Answer {
                columns,
                rows,
                truncated,
            },
        }
    }
}

#[derive(Debug, serde::Deserialize)]
struct Column {
    name: String,
}

impl Answer {
    /// Names of the columns, in order.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match self.rows.first() {
            _ if !self.columns.is_empty() => self
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect(),
            Some(row) => row.0.iter().map(|(name, _)| name.as_str()).collect(),
            None => Vec::new(),
        }
    }
}

/// One row: column and value, as they came. Values are kept as text, so that a large number stays what
/// it was and nothing changes its order.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<(String, Box<RawValue>)>);

impl Row {
    /// A column's value; null where there is no such column.
    pub(crate) fn value(&self, column: &str) -> Value {
        let found = self.0.iter().find(|(name, _)| name == column);
        found
            .and_then(|(_, raw)| serde_json::from_str(raw.get()).ok())
            .unwrap_or(Value::Null)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row: an object of columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut row = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(entry) = map.next_entry()? {
                    row.push(entry);
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(RowVisitor)
    }
}
