//! `gnomon show`: all that is known of one server or one finding.

mod paper;
mod section;

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Deserialize;

use crate::answer::Section;
use crate::api::Api;
use crate::escape;
use crate::format::{self, Format, Paper, csv};

const SERVER_EXAMPLES: &str = "\
Examples:
  gnomon show server npm:@scope/name
  gnomon show server bin:3f9a12          the start of a key is enough while no other starts so
  gnomon show server https://mcp.example/mcp --format json";
const FINDING_EXAMPLES: &str = "\
Examples:
  gnomon findings                        lists them with the start of their ids
  gnomon show finding 3f9a12";

/// What to show.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// A server of the inventory: where it runs, who uses it, its verdict, findings, calls, tools, evidence
    #[command(after_help = SERVER_EXAMPLES)]
    Server {
        /// Its identity as `gnomon servers` has it, the start of one, or the name it gives itself
        key: String,
    },
    /// A finding: what it is about, what to decide, its history
    #[command(after_help = FINDING_EXAMPLES)]
    Finding {
        /// Its id, or the start of one
        id: String,
    },
}

#[derive(Deserialize)]
struct Shown {
    kind: String,
    key: String,
    sections: Vec<Section>,
}

impl Action {
    /// Shows it.
    pub(crate) fn run(self, api: &Api, format: Format) -> Result<()> {
        let (what, key) = match self {
            Self::Server { key } => ("server", key),
            Self::Finding { id } => ("finding", id),
        };
        let shown: Shown = api.show(what, key)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        match format {
            Format::Table => paper::write(&mut out, &shown.sections, &Paper::of_stdout())?,
            Format::Json => json(&mut out, &shown)?,
            Format::Csv => comma_separated(&mut out, &shown)?,
        }
        out.flush().context("writing to standard output")
    }
}

/// One object: `kind`, `key`, and an array of objects for each section.
fn json(out: &mut impl Write, shown: &Shown) -> io::Result<()> {
    let string = |text: &str| -> io::Result<String> {
        let text = serde_json::to_string(text).map_err(io::Error::other)?;
        Ok(escape::json(&text).into_owned())
    };
    write!(
        out,
        "{{\"kind\":{},\"key\":{}",
        string(&shown.kind)?,
        string(&shown.key)?
    )?;
    for section in &shown.sections {
        write!(out, ",\n{}:", string(&section.name)?)?;
        format::json::write_rows(out, &section.answer)?;
    }
    out.write_all(b"}\n")
}

/// Sections have columns of their own, so each value is a line: section, row (from 1), column, value.
fn comma_separated(out: &mut impl Write, shown: &Shown) -> io::Result<()> {
    out.write_all(b"section,row,column,value\r\n")?;
    for Section { name, answer, .. } in &shown.sections {
        let columns = answer.columns();
        for (index, row) in answer.rows.iter().enumerate() {
            for column in &columns {
                let value = csv::value(&row.value(column));
                let (name, column) = (csv::field(name), csv::field(column));
                write!(out, "{name},{},{column},{value}\r\n", index + 1)?;
            }
        }
    }
    Ok(())
}
