//! Parts of a page: a heading, a table, and the question that gives it.

use maud::{Markup, html};

use super::{
    Asked, Fault, cell, link,
    list::List,
    queries::queries,
    row,
    table::{Column, table},
};
use crate::inventory::{
    listing::{Part, View},
    question::Question,
};

/// A heading with what belongs to it.
pub(super) fn section(title: Markup, body: Markup) -> Markup {
    html! { section { h2 { (title) } (body) } }
}

/// The first rows of a list, narrowed by filters, with a link to the whole of it.
pub(super) async fn first_of(
    asked: &Asked,
    title: &str,
    list: &List,
    filters: &[(&str, &str)],
    rows_max: u64,
    empty: &str,
) -> Result<Markup, Fault> {
    let view = View::named(list.view).ok_or_else(|| list.absent())?;
    let owned: Vec<(String, String)> = filters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let part = Part {
        columns: list.select,
        limit: rows_max,
        offset: 0,
    };
    let question = view.question(part, &owned, asked.now)?;
    let count = view.count(&owned, asked.now)?;
    let answer = question.ask(&asked.store).await?;
    let rows = row::rows(&answer)?;
    let total = answer.total.unwrap_or(rows.len() as u64);
    let more = total > rows.len() as u64;
    let all = link::to(list.path, filters);
    let heading = html! { (title) " " span.count { (cell::number(total)) } };
    Ok(section(
        heading,
        html! {
            @if rows.is_empty() {
                p.empty { (empty) }
            } @else {
                (table(title, list.columns, &rows, asked.now))
            }
            div.under {
                @if more { a href=(all) { "All " (cell::number(total)) } }
                @else if !rows.is_empty() { a href=(all) { "As a list" } }
                (queries(&[&question, &count]))
            }
        },
    ))
}

/// A table of a question of its own.
pub(super) async fn of_question(
    asked: &Asked,
    title: &str,
    columns: &[Column],
    question: &Question,
    empty: &str,
) -> Result<Markup, Fault> {
    let answer = question.ask(&asked.store).await?;
    let rows = row::rows(&answer)?;
    Ok(section(
        html! { (title) },
        html! {
            @if rows.is_empty() {
                p.empty { (empty) }
            } @else {
                (table(title, columns, &rows, asked.now))
            }
            @if answer.truncated {
                p.note { "Only the first " (rows.len()) " of " (answer.total.unwrap_or_default()) " are shown here." }
            }
            div.under { (queries(&[question])) }
        },
    ))
}
