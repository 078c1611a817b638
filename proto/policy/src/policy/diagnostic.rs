//! What is wrong with a policy file, and where.

use std::fmt;
use std::ops::Range;

/// Faults reported of one file at most; a broken file need not be told apart in every line.
const ERRORS_MAX: usize = 100;

/// A fault: the policy is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Name of the file as given to [`Policy::parse`](crate::Policy::parse).
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Something that works, but should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Name of the file as given to [`Policy::parse`](crate::Policy::parse).
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was noticed.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            what,
            fix,
        } = self;
        write!(f, "{file}:{line}:{column}: {what}; {fix}")
    }
}

impl std::error::Error for PolicyError {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            what,
            fix,
        } = self;
        write!(f, "{file}:{line}:{column}: warning: {what}; {fix}")
    }
}

/// Collects them while a file is read.
pub(super) struct Diagnostics<'a> {
    file: &'a str,
    text: &'a str,
    pub(super) errors: Vec<PolicyError>,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Diagnostics<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, span: &Range<usize>, what: String, fix: &str) {
        if self.errors.len() >= ERRORS_MAX {
            return;
        }
        let (line, column) = self.place(span.start);
        self.errors.push(PolicyError {
            file: self.file.to_owned(),
            line,
            column,
            what,
            fix: fix.to_owned(),
        });
    }

    pub(super) fn warn(&mut self, span: &Range<usize>, what: String, fix: &str) {
        if self.warnings.len() >= ERRORS_MAX {
            return;
        }
        let (line, column) = self.place(span.start);
        self.warnings.push(Warning {
            file: self.file.to_owned(),
            line,
            column,
            what,
            fix: fix.to_owned(),
        });
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }
}
