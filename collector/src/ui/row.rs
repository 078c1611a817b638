//! A row of an answer, read by column. What is null, empty or of another type is unknown.

use serde_json::{Map, Value};

use crate::{inventory::query::Answer, store::StoreError};

/// One row: columns and values.
#[derive(Debug)]
pub(super) struct Row(Map<String, Value>);

/// The rows of an answer.
pub(super) fn rows(answer: &Answer) -> Result<Vec<Row>, StoreError> {
    let rows: Vec<Map<String, Value>> =
        serde_json::from_str(answer.rows.get()).map_err(|error| {
            let text = format!("the rows are not what FORMAT JSON gives: {error}");
            StoreError::ClickHouse(clickhouse::error::Error::BadResponse(text))
        })?;
    Ok(rows.into_iter().map(Row).collect())
}

impl Row {
    #[cfg(test)]
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Self(map),
            _ => panic!("a row is an object"),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.0
            .get(column)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A number of 0 or more.
    pub(super) fn number(&self, column: &str) -> Option<u64> {
        self.0.get(column).and_then(Value::as_u64)
    }

    /// The texts of an array.
    pub(super) fn texts(&self, column: &str) -> Vec<&str> {
        let items = self.0.get(column).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// The rows of an array of tuples.
    pub(super) fn nested(&self, column: &str) -> Vec<Self> {
        let items = self.0.get(column).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(|map| Self(map.clone()))
            .collect()
    }

    /// Names and values of a map, in the order of the names.
    pub(super) fn pairs(&self, column: &str) -> Vec<(&str, &Value)> {
        let items = self.0.get(column).and_then(Value::as_object);
        let mut pairs: Vec<_> = items
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        pairs.sort_by_key(|(name, _)| *name);
        pairs
    }
}
