//! The questions that a part of a page is made from, to be asked elsewhere.

use maud::{Markup, html};

use crate::{html::lines, inventory::question::Question};

/// Characters of a question that are shown; values in it are bounded.
const QUERY_CHARS_MAX: usize = 40_000;

/// The questions of a part, folded.
pub(super) fn queries(questions: &[&Question]) -> Markup {
    html! {
        details.sql {
            summary { @if questions.len() == 1 { "Query" } @else { "Queries" } }
            p { "Every figure here is its query’s. To have it elsewhere: " code { "gnomon sql" } " with this text in quotes." }
            @for question in questions {
                pre { code { (lines(&question.text(), QUERY_CHARS_MAX)) } }
            }
        }
    }
}
