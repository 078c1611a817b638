//! A figure with its answer, and the report that holds all of them: what JSON and HTML are made from.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

use super::figure::{Figure, ROWS_MAX, Section, Shape};
use crate::inventory::query::Answer;

/// Version of the JSON's shape. Fields are only ever added to one.
pub const SCHEMA: u32 = 1;

/// All of a report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `report`.
    pub kind: &'static str,
    /// When it was made, RFC 3339.
    pub made: String,
    /// Version of the collector that made it.
    pub version: &'static str,
    /// First second of the period, RFC 3339.
    pub from: String,
    /// First second after it, RFC 3339.
    pub to: String,
    /// Its length, for people.
    pub period: String,
    /// The policy that the verdicts were made by; 0: none.
    pub policy_version: u64,
    /// Days that facts are kept.
    pub retention_days: u32,
    /// Every figure was answered.
    pub complete: bool,
    /// Sessions of the period came in or changed while the report was made: figures may disagree by them.
    pub moved: bool,
    /// What to know before the figures are used.
    pub notes: Vec<String>,
    /// What no sensor of this version sees.
    pub unseen: Vec<String>,
    /// The answer, clause by clause.
    pub answers: Vec<Clause>,
    /// The figures.
    pub sections: Vec<AnsweredSection>,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
pub struct Clause {
    /// Stable.
    pub id: &'static str,
    /// The claim that is answered.
    pub claim: &'static str,
    /// What was found.
    pub answer: String,
    /// What to decide.
    pub decision: &'static str,
    /// Ids of the figures in it.
    pub figures: &'static [&'static str],
}

/// A section with its answers.
#[derive(Debug, Serialize)]
pub struct AnsweredSection {
    /// Stable.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// How to read it, and what to decide.
    pub text: &'static str,
    /// Its figures.
    pub figures: Vec<Answered>,
}

/// A figure with its answer.
#[derive(Debug)]
pub struct Answered {
    /// What was asked.
    pub figure: Figure,
    /// The statement, as `gnomon sql` takes it.
    pub sql: String,
    /// ClickHouse's answer, or why there is none.
    pub outcome: Result<Table, String>,
}

/// An answer: as it came, and read.
#[derive(Debug)]
pub struct Table {
    /// `[{"name", "type"}]`, as it came.
    pub columns: Box<RawValue>,
    /// `[{column: value}]`, as it came.
    pub rows: Box<RawValue>,
    /// Names and types, in order.
    pub heads: Vec<Head>,
    /// The rows, values in the order of the heads.
    pub cells: Vec<Vec<Value>>,
}

/// A column.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Head {
    /// Name.
    pub name: String,
    /// Type, as ClickHouse names it.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Table {
    /// Reads an answer.
    ///
    /// # Errors
    /// It is not what ClickHouse gives.
    pub fn read(answer: Answer) -> Result<Self, serde_json::Error> {
        let heads: Vec<Head> = serde_json::from_str(answer.columns.get())?;
        let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(answer.rows.get())?;
        let cells = rows
            .into_iter()
            .map(|mut row| {
                heads
                    .iter()
                    .map(|head| row.remove(&head.name).unwrap_or(Value::Null))
                    .collect()
            })
            .collect();
        Ok(Self {
            columns: answer.columns,
            rows: answer.rows,
            heads,
            cells,
        })
    }

    /// The place of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.heads.iter().position(|head| head.name == name)
    }

    /// As many rows as a table may have: there may be more.
    #[must_use]
    pub fn cut(&self) -> bool {
        self.cells.len() >= ROWS_MAX
    }
}

impl Answered {
    /// The one value; null where there is none.
    #[must_use]
    pub fn value(&self) -> &Value {
        let first = self.outcome.as_ref().ok().and_then(|t| t.cells.first());
        first.and_then(|row| row.first()).unwrap_or(&Value::Null)
    }
}

impl Serialize for Answered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Figure {
            id,
            title,
            note,
            shape,
            ..
        } = self.figure;
        let table = self.outcome.as_ref().ok();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("title", title)?;
        map.serialize_entry("note", &Some(note).filter(|note| !note.is_empty()))?;
        if let Shape::Value(unit) = shape {
            map.serialize_entry("value", self.value())?;
            map.serialize_entry("unit", &Some(unit).filter(|unit| !unit.is_empty()))?;
        } else {
            map.serialize_entry("columns", &table.map(|t| &*t.columns))?;
            map.serialize_entry("rows", &table.map(|t| &*t.rows))?;
            map.serialize_entry("truncated", &table.is_some_and(Table::cut))?;
        }
        map.serialize_entry("error", &self.outcome.as_ref().err())?;
        map.serialize_entry("sql", &self.sql)?;
        map.end()
    }
}

impl Report {
    /// A figure by its id.
    #[must_use]
    pub fn figure(&self, id: &str) -> Option<&Answered> {
        self.sections
            .iter()
            .flat_map(|section| &section.figures)
            .find(|answered| answered.figure.id == id)
    }
}

impl AnsweredSection {
    /// A section with its answers.
    #[must_use]
    pub fn new(section: &Section, figures: Vec<Answered>) -> Self {
        Self {
            id: section.id,
            title: section.title,
            text: section.text,
            figures,
        }
    }
}
