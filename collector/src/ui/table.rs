//! Tables: columns by head and cell. On a narrow screen each row becomes a block, its heads beside the values.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::row::Row;

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    head: &'static str,
    class: &'static str,
    cell: fn(&Row, OffsetDateTime) -> Markup,
}

/// A column of texts. `cell` gets the row and the time that relative times count from.
pub(super) const fn column(head: &'static str, cell: fn(&Row, OffsetDateTime) -> Markup) -> Column {
    Column {
        head,
        class: "text",
        cell,
    }
}

/// A column of numbers: on the right.
pub(super) const fn figure(head: &'static str, cell: fn(&Row, OffsetDateTime) -> Markup) -> Column {
    Column {
        head,
        class: "number",
        cell,
    }
}

/// A column of texts that should not be broken early.
pub(super) const fn roomy(head: &'static str, cell: fn(&Row, OffsetDateTime) -> Markup) -> Column {
    Column {
        head,
        class: "text roomy",
        cell,
    }
}

/// A column that takes the room that is left.
pub(super) const fn wide(head: &'static str, cell: fn(&Row, OffsetDateTime) -> Markup) -> Column {
    Column {
        head,
        class: "wide",
        cell,
    }
}

/// A table of these rows. `label` says what it is to those who do not see it.
pub(super) fn table(label: &str, columns: &[Column], rows: &[Row], now: OffsetDateTime) -> Markup {
    html! {
        table role="table" aria-label=(label) {
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th scope="col" role="columnheader" class=(column.class) { (column.head) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for column in columns {
                            td role="cell" class=(column.class) data-label=(column.head) {
                                div { ((column.cell)(row, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Names and values side by side.
pub(super) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
