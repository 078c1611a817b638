//! Rows on paper: a table for people, JSON and CSV for programs.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod table;

use std::io::{self, IsTerminal};

use clap::ValueEnum;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: the columns that fit.
    Table,
    /// One array of objects.
    Json,
    /// All columns.
    Csv,
}

/// What may be asked for: rows, or a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asked {
    /// For people: the columns that fit
    Table,
    /// One array of objects, keys are the view's columns; of a report one object
    Json,
    /// All columns, RFC 4180; what a spreadsheet would run as a formula gets a ' in front
    Csv,
    /// Of a report: one page, for a browser and for A4
    Html,
    /// Of a report, in a later version
    #[value(hide = true)]
    Pdf,
}

/// What a table is written on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paper {
    /// Columns; none: lines may be as long as they like.
    pub(crate) width: Option<usize>,
    /// Colour may be used.
    pub(crate) colour: bool,
}

/// Of a terminal that does not say.
const WIDTH: usize = 80;
const WIDTH_MIN: usize = 40;
/// Of a cell, where the lines have no end: what a stranger chose is not to blow up all the others.
pub(crate) const CELL_WIDTH_MAX: usize = 400;

impl Paper {
    /// Standard output: `COLUMNS`, else the terminal's width, else 80; without an end where it is no terminal, for
    /// a program there wants all of it. Colour on a terminal only, and not with `NO_COLOR` or `TERM=dumb`.
    pub(crate) fn of_stdout() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        let variable = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        let measured = terminal_size::terminal_size_of(&out).map(|(width, _)| width.0.into());
        let width = variable.or_else(|| terminal.then(|| measured.unwrap_or(WIDTH)));
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            width: width.map(|width: usize| width.max(WIDTH_MIN)),
            colour: terminal && !plain,
        }
    }
}
