//! Observations on standard output, for `watch` and `replay`.
//!
//! `json` is one object a line, as the contract has it. `text` is one line each with what matters
//! within the first 80 columns; it is cut at the terminal's edge and nowhere else. Names come from
//! hostile programs: whatever could steer a terminal or hide text is escaped in both formats.

mod escape;
mod text;

pub use escape::{escaped, write_json};

use std::io::{self, IsTerminal, Write};

use crate::observation::{Body, HostName, ListenerMcp, Observation};

/// How observations are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes observations, one line each.
#[derive(Debug)]
pub struct Printer<W> {
    out: W,
    format: Format,
    host: HostName,
    /// Columns, where the lines have to fit.
    width: Option<usize>,
    colour: bool,
}

/// Lines are cut at the terminal's edge, but never before this column.
const WIDTH_MIN: usize = 80;

impl Printer<io::Stdout> {
    /// Prints to standard output, with colour and cut lines only where that is a terminal.
    ///
    /// `NO_COLOR` and `TERM=dumb` are honoured.
    #[must_use]
    pub fn stdout(format: Format, host: HostName) -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
        Self {
            colour: terminal && !plain,
            width: width.filter(|_| terminal).map(|width| width.max(WIDTH_MIN)),
            out,
            format,
            host,
        }
    }
}

impl<W: Write> Printer<W> {
    /// Prints to anything, without colour and without cutting.
    #[must_use]
    pub const fn new(out: W, format: Format, host: HostName) -> Self {
        Self {
            out,
            format,
            host,
            width: None,
            colour: false,
        }
    }

    /// Prints one observation and flushes, so that a reader behind a pipe sees it at once.
    ///
    /// # Errors
    /// What the writer says; `BrokenPipe` means that nobody reads any more.
    pub fn print(&mut self, observation: &Observation) -> io::Result<()> {
        // A host has many listeners; people look for those with MCP, programs get all of them.
        if let (Format::Text, Body::Listener(listener)) = (self.format, &observation.body)
            && listener.mcp == ListenerMcp::Unknown
        {
            return Ok(());
        }
        match self.format {
            Format::Json => write_json(&mut self.out, &observation.printed(&self.host))?,
            Format::Text => {
                let line = text::line(observation);
                self.out
                    .write_all(line.render(self.width, self.colour).as_bytes())?;
            }
        }
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.out
    }
}

#[cfg(test)]
mod tests;
