//! A table for people, within the width of the paper.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{CELL_WIDTH_MAX, Paper};
use crate::answer::Answer;
use crate::view::{Cell, Column, Kind, View};

const GAP: usize = 2;
/// Columns from which on ids are shown whole.
const WIDE: usize = 160;
/// Of a long id, so much is shown on narrower paper.
const ID_SHOWN: usize = 8;

/// A column as it will be printed.
struct Laid {
    header: String,
    kind: Kind,
    min: usize,
    rank: u8,
    width: usize,
    cells: Vec<Cell>,
}

/// Writes the columns that fit, cut where they must be.
pub(crate) fn write(
    out: &mut impl Write,
    answer: &Answer,
    view: &View,
    paper: &Paper,
) -> io::Result<()> {
    write_columns(out, answer, (view.columns)(), paper)
}

/// Writes these columns, or all of the answer's where there are none, so far as they fit.
pub(crate) fn write_columns(
    out: &mut impl Write,
    answer: &Answer,
    mut columns: Vec<Column>,
    paper: &Paper,
) -> io::Result<()> {
    if columns.is_empty() {
        let any = answer.columns();
        columns = any
            .iter()
            .map(|name| Column::new(name, &[name], Kind::Text))
            .collect();
    }
    let laid = lay(
        columns
            .iter()
            .map(|column| Laid::of(column, answer, paper.width))
            .collect(),
        paper.width.unwrap_or(usize::MAX),
    );
    let header: Vec<_> = laid
        .iter()
        .map(|column| (column, column.header.as_str(), None))
        .collect();
    line(out, &header, paper)?;
    for index in 0..answer.rows.len() {
        let cells: Vec<_> = laid
            .iter()
            .map(|column| {
                let cell = &column.cells[index];
                (column, cell.text.as_str(), cell.colour)
            })
            .collect();
        line(out, &cells, paper)?;
    }
    Ok(())
}

impl Laid {
    fn of(column: &Column, answer: &Answer, paper_width: Option<usize>) -> Self {
        let header = column.header.clone();
        let cells: Vec<Cell> = answer.rows.iter().map(|row| column.cell(row)).collect();
        let widest = cells
            .iter()
            .map(|cell| cell.text.width())
            .max()
            .unwrap_or(0);
        let width = widest.min(CELL_WIDTH_MAX).max(header.width()).max(1);
        // Where room is short the start of an id is enough for people, and for filters.
        let is_short = column.kind == Kind::Id && paper_width.is_some_and(|width| width < WIDE);
        let width = if is_short {
            width.min(ID_SHOWN).max(header.width())
        } else {
            width
        };
        // A number that is cut is another number.
        let is_number = matches!(column.kind, Kind::Number | Kind::Duration);
        let min = if is_number {
            width
        } else {
            column.min.max(header.width()).min(width)
        };
        let differ = cells.windows(2).any(|two| two[0].text != two[1].text);
        Self {
            header,
            kind: column.kind,
            min,
            rank: if column.parts && differ {
                0
            } else {
                column.rank
            },
            width,
            cells,
        }
    }
}

/// Leaves out columns of a rank that does not fit, and shrinks what is left.
fn lay(columns: Vec<Laid>, width: usize) -> Vec<Laid> {
    let total = |columns: &[&Laid]| {
        let cells: usize = columns.iter().map(|column| column.width).sum();
        cells + GAP * columns.len().saturating_sub(1)
    };
    let highest = columns.iter().map(|column| column.rank).max().unwrap_or(0);
    let mut rank = 0;
    while rank < highest {
        let more: Vec<&Laid> = columns
            .iter()
            .filter(|column| column.rank <= rank + 1)
            .collect();
        if total(&more) > width {
            break;
        }
        rank += 1;
    }
    let mut laid: Vec<Laid> = columns
        .into_iter()
        .filter(|column| column.rank <= rank)
        .collect();
    while total(&laid.iter().collect::<Vec<_>>()) > width {
        let widest = laid.iter_mut().filter(|column| column.width > column.min);
        let Some(widest) = widest.max_by_key(|column| column.width) else {
            break;
        };
        widest.width -= 1;
    }
    laid
}

fn line(
    out: &mut impl Write,
    cells: &[(&Laid, &str, Option<u8>)],
    paper: &Paper,
) -> io::Result<()> {
    let mut text = String::new();
    for (index, (column, cell, colour)) in cells.iter().enumerate() {
        let cell = cut(cell, column.width, column.kind);
        let padding = " ".repeat(column.width - cell.width());
        let cell = match colour.filter(|_| paper.colour) {
            Some(code) => format!("\x1b[{code}m{cell}\x1b[0m"),
            None => cell,
        };
        if index > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        match column.kind {
            Kind::Number | Kind::Duration => text.extend([padding, cell]),
            _ => text.extend([cell, padding]),
        }
    }
    writeln!(out, "{}", text.trim_end())
}

/// At most `width` columns of `text`. Of identities the end tells more than the middle.
fn cut(text: &str, width: usize, kind: Kind) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if kind == Kind::Id && text.is_ascii() {
        return text.chars().take(width).collect();
    }
    let room = width.saturating_sub(1);
    let tail_room = if kind == Kind::Identity { room / 2 } else { 0 };
    let mut head = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room - tail_room {
            break;
        }
        head.push(c);
    }
    let mut tail = Vec::new();
    let mut used = 0;
    for c in text.chars().rev() {
        used += c.width().unwrap_or(0);
        if used > tail_room {
            break;
        }
        tail.push(c);
    }
    head.push('…');
    head.extend(tail.into_iter().rev());
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts() {
        assert_eq!(cut("abcdef", 6, Kind::Text), "abcdef");
        assert_eq!(cut("abcdef", 5, Kind::Text), "abcd…");
        assert_eq!(
            cut("npm:@scope/server-name", 11, Kind::Identity),
            "npm:@…-name"
        );
        assert_eq!(cut("日本語日本語", 6, Kind::Text), "日本…");
        assert_eq!(cut("abc", 1, Kind::Text), "…");
        assert_eq!(cut("3f9a1c2044", 8, Kind::Id), "3f9a1c20");
    }

    proptest! {
        #[test]
        fn never_wider(text in "\\PC{0,40}", width in 1_usize..50, identity in any::<bool>()) {
            let kind = if identity { Kind::Identity } else { Kind::Text };
            prop_assert!(cut(&text, width, kind).width() <= width);
        }
    }
}
