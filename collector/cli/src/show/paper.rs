//! Sections for people: a record as names and values, everything else as a table under its title.

use std::io::{self, Write};

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::section;
use crate::answer::{Answer, Section};
use crate::escape;
use crate::format::{Paper, table};
use crate::view;

/// Of lines of text, where the paper has no end.
const LINES_WIDTH: usize = 80;
/// Room for the names of a record.
const NAME_WIDTH: usize = 14;
/// Characters of one value of a record; what is longer is cut, with a notice.
const VALUE_CHARS_MAX: usize = 1000;

/// Writes all that have rows, and last which have none.
pub(super) fn write(out: &mut impl Write, sections: &[Section], paper: &Paper) -> io::Result<()> {
    let mut empty = Vec::new();
    let mut first = true;
    for Section {
        name,
        title,
        answer,
    } in sections
    {
        let title = escape::line(title);
        if answer.rows.is_empty() {
            empty.push(title.into_owned());
            continue;
        }
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        if section::RECORDS.contains(&name.as_str()) && answer.rows.len() == 1 {
            record(out, answer, paper)?;
            continue;
        }
        match paper.colour {
            true => writeln!(out, "\x1b[1m{title}\x1b[0m")?,
            false => writeln!(out, "{title}")?,
        }
        let mut columns = (section::view(name).columns)();
        // What all rows of a section have in common is not asked for: a column of it would be empty.
        let there = answer.columns();
        if !there.is_empty() {
            columns.retain(|column| column.is_of(&there));
        }
        table::write_columns(out, answer, columns, paper)?;
        if answer.truncated {
            writeln!(out, "(only the first {} are shown)", answer.rows.len())?;
        }
    }
    if !empty.is_empty() {
        writeln!(out)?;
        let sentence = format!("nothing is on record of: {}", empty.join("; "));
        for line in lines(&sentence, lines_width(paper)) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn record(out: &mut impl Write, answer: &Answer, paper: &Paper) -> io::Result<()> {
    for column in answer.columns() {
        let value = answer.rows[0].value(column);
        let text = match &value {
            Value::Null => "-".to_owned(),
            Value::Array(items) if items.is_empty() => "-".to_owned(),
            value => view::words(value),
        };
        let mut text = escape::line(&text).into_owned();
        if let Some((end, _)) = text.char_indices().nth(VALUE_CHARS_MAX) {
            let left_out = text[end..].chars().count();
            text.truncate(end);
            text.push_str(&format!("… ({left_out} characters more: --format json)"));
        }
        wrapped(out, &escape::line(column), &text, lines_width(paper))?;
    }
    Ok(())
}

/// Sentences are broken also where lines may be as long as they like.
fn lines_width(paper: &Paper) -> usize {
    paper.width.unwrap_or(LINES_WIDTH)
}

/// `name  value`, the value in as many lines as it needs.
fn wrapped(out: &mut impl Write, name: &str, text: &str, width: usize) -> io::Result<()> {
    let room = width.saturating_sub(NAME_WIDTH + 2).max(20);
    for (index, line) in lines(text, room).iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let padding = NAME_WIDTH.saturating_sub(name.width()) + 2;
        writeln!(
            out,
            "{}",
            format!("{name}{}{line}", " ".repeat(padding)).trim_end()
        )?;
    }
    Ok(())
}

/// Broken at blanks; words that are longer than a line are broken anywhere.
fn lines(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let blank = usize::from(!line.is_empty());
        if line.width() + blank + word.width() > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if line.width() + c.width().unwrap_or(0) > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(lines("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(lines("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(lines("", 5), [""]);
    }

    proptest! {
        #[test]
        fn never_wider(text in "\\PC{0,60}", room in 2_usize..30) {
            for line in lines(&text, room) {
                prop_assert!(line.width() <= room, "{line:?}");
            }
        }
    }
}
