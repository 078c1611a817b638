//! Lists: a view with filters in the query string, a bounded number of rows at a time, and its question.

use maud::{Markup, html};

use super::{
    Answering, Asked, Document, Fault, cell, link,
    queries::queries,
    row,
    table::{Column, table},
};
use crate::{
    html::{exact, plain, text_up_to},
    inventory::listing::{ALL, Part, View, resolved},
};

/// Rows of one page.
const ROWS: u64 = 100;
/// Pages of one list; further in, a filter is the better way.
const PAGES_MAX: u64 = 1000;
/// What `since` offers; any other that the view takes can be written into the address.
const SINCE: [&str; 4] = ["1h", "24h", "7d", "30d"];
/// The value that takes a filter back which is set without being asked for.
const ANY: &str = "any";

/// A list of a view.
#[derive(Debug)]
pub(super) struct List {
    /// Name of the view.
    pub(super) view: &'static str,
    /// Path of its page.
    pub(super) path: &'static str,
    /// Title.
    pub(super) title: &'static str,
    /// What it is, in a sentence.
    pub(super) about: &'static str,
    /// What is asked of the view: never all columns, which may be long.
    pub(super) select: &'static [&'static str],
    /// What is shown.
    pub(super) columns: &'static [Column],
    /// The form.
    pub(super) filters: &'static [Filter],
    /// A filter that is set unless another value of it, or `any` or `all`, is asked for.
    pub(super) default: Option<(&'static str, &'static str)>,
    /// What to do where there is nothing at all.
    pub(super) empty: fn() -> Markup,
}

/// A filter of the form.
#[derive(Debug)]
pub(super) enum Filter {
    /// Anything: name and label.
    Text(&'static str, &'static str),
    /// One of these: name, label, values.
    Choice(&'static str, &'static str, &'static [&'static str]),
}

/// Filters that several lists have.
impl Filter {
    /// By verdict, the worst first.
    pub(super) const VERDICT: Self = Self::Choice(
        "verdict",
        "Verdict",
        &["shadow", "unknown", "sanctioned", "approved"],
    );
    /// By route.
    pub(super) const ROUTE: Self = Self::Choice(
        "route",
        "Route",
        &["local", "direct", "gateway", "bridge", "inbound", "opaque"],
    );
    /// By a server's identity or name.
    pub(super) const SERVER: Self = Self::Text("server", "Server or its name");
    /// By host.
    pub(super) const HOST: Self = Self::Text("host", "Host");
    /// By user.
    pub(super) const USER: Self = Self::Text("user", "User");
    /// By client.
    pub(super) const CLIENT: Self = Self::Text("client", "Client");
}

/// What the query string asks of a list.
struct Wanted {
    /// As the query string has them.
    given: Vec<(String, String)>,
    /// As the view takes them.
    filters: Vec<(String, String)>,
    page: u64,
}

impl List {
    /// The page with it.
    pub(super) fn answer(&'static self, asked: Asked) -> Answering {
        Box::pin(async move { self.document(&asked).await })
    }

    /// The view is not of this collector.
    pub(super) fn absent(&self) -> Fault {
        Fault::Missing {
            what: format!("there is no view {:?} in this collector", self.view),
            advice: "it comes with another version".to_owned(),
        }
    }

    async fn document(&self, asked: &Asked) -> Result<Document, Fault> {
        let view = View::named(self.view).ok_or_else(|| self.absent())?;
        let mut wanted = self.wanted(asked)?;
        let part = Part {
            columns: self.select,
            limit: ROWS,
            offset: (wanted.page - 1) * ROWS,
        };
        // Of what is too long or wrong the question says so, before anything is asked.
        view.question(part, &wanted.filters, asked.now)?;
        wanted.filters = resolved(&asked.store, &wanted.filters).await?;
        let question = view.question(part, &wanted.filters, asked.now)?;
        let count = view.count(&wanted.filters, asked.now)?;
        let answer = question.ask(&asked.store).await?;
        let rows = row::rows(&answer)?;
        let total = match answer.total {
            // Behind the last row ClickHouse may not tell how many there are.
            Some(total) if !rows.is_empty() => total,
            _ => self.counted(asked, &count).await?,
        };
        let body = html! {
            header.head {
                h1 { (self.title) " " span.count { (cell::number(total)) } }
                p.about { (self.about) }
            }
            (self.form(&wanted))
            (self.chips(&wanted))
            @if rows.is_empty() {
                div.empty {
                    @if wanted.page > 1 {
                        p { "There is no page " (wanted.page) ". " a href=(self.address(&wanted.given, None, 1)) { "The first page" } }
                    } @else if wanted.filters.is_empty() {
                        ((self.empty)())
                    } @else {
                        p { "Nothing fits these filters. " a href=(self.cleared()) { "Without filters" } }
                    }
                }
            } @else {
                (table(self.title, self.columns, &rows, asked.now))
            }
            (self.pager(&wanted, rows.len() as u64, total))
            (queries(&[&question, &count]))
        };
        Ok(Document {
            title: self.title.to_owned(),
            body,
        })
    }

    async fn counted(
        &self,
        asked: &Asked,
        count: &crate::inventory::question::Question,
    ) -> Result<u64, Fault> {
        let rows = asked.rows(count).await?;
        Ok(rows.first().and_then(|row| row.number("rows")).unwrap_or(0))
    }

    fn wanted(&self, asked: &Asked) -> Result<Wanted, Fault> {
        let mut page = 1;
        let mut given = Vec::new();
        for (name, value) in &asked.query {
            match name.as_str() {
                "page" => page = page_number(value)?,
                "limit" | "format" => {
                    return Err(Fault::Wrong {
                        what: format!("the page takes no {name}"),
                        advice: format!("it shows {ROWS} rows at a time; page=2 is the next"),
                    });
                }
                _ => given.push((name.clone(), value.clone())),
            }
        }
        let mut filters = given.clone();
        if let Some((name, value)) = self.default {
            if filters.iter().any(|(known, _)| known == name) {
                let lifts = |value: &str| {
                    [ANY, ALL]
                        .iter()
                        .any(|word| word.eq_ignore_ascii_case(value))
                };
                filters.retain(|(known, value)| known != name || !lifts(value));
            } else {
                filters.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(Wanted {
            given,
            filters,
            page,
        })
    }

    /// The address of this list without one filter, on a page.
    fn address(&self, given: &[(String, String)], without: Option<&str>, page: u64) -> String {
        let number = page.to_string();
        let mut values: Vec<(&str, &str)> = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| Some(*name) != without)
            .collect();
        if let Some((name, _)) = self.default.filter(|(name, _)| Some(*name) == without) {
            values.push((name, ANY));
        }
        if page > 1 {
            values.push(("page", &number));
        }
        link::to(self.path, &values)
    }

    /// The address without any filter.
    fn cleared(&self) -> String {
        match self.default {
            Some((name, _)) => link::to(self.path, &[(name, ANY)]),
            None => self.path.to_owned(),
        }
    }

    fn form(&self, wanted: &Wanted) -> Markup {
        let value = |wanted_name: &str| {
            let found = wanted.filters.iter().find(|(name, _)| name == wanted_name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let in_form = |name: &str| {
            name == "since"
                || self.filters.iter().any(|filter| {
                    matches!(filter, Filter::Text(known, _) | Filter::Choice(known, _, _) if *known == name)
                })
        };
        let any = self.default.map_or("", |_| ANY);
        html! {
            input.toggle type="checkbox" id="filters" checked[!wanted.given.is_empty()];
            label.toggle for="filters" { "Filters" }
            form.filters method="get" action=(self.path) role="search" aria-label={ "Filters of " (self.title) } {
                @for filter in self.filters {
                    @match filter {
                        Filter::Text(name, label) => label {
                            span { (label) }
                            input type="text" name=(name) value=(exact(value(name))) autocomplete="off" spellcheck="false";
                        },
                        Filter::Choice(name, label, values) => label {
                            span { (label) }
                            (choice(name, values, value(name), if self.default.is_some_and(|(known, _)| known == *name) { any } else { "" }))
                        },
                    }
                }
                label { span { "Seen since" } (choice("since", &SINCE, value("since"), "")) }
                @for (name, value) in wanted.given.iter().filter(|(name, _)| !in_form(name)) {
                    input type="hidden" name=(exact(name)) value=(exact(value));
                }
                button type="submit" { "Filter" }
            }
        }
    }

    fn chips(&self, wanted: &Wanted) -> Markup {
        html! {
            @if !wanted.filters.is_empty() {
                ul.chips aria-label="Filters in force" {
                    @for (name, value) in &wanted.filters {
                        li {
                            a href=(self.address(&wanted.given, Some(name), 1)) title="Take this filter away" {
                                span.name { (name) } " " (text_up_to(value, 80)) span.away aria-hidden="true" { "×" }
                            }
                        }
                    }
                    @if wanted.filters.len() > 1 { li { a.all href=(self.cleared()) { "Take all away" } } }
                }
            }
        }
    }

    fn pager(&self, wanted: &Wanted, shown: u64, total: u64) -> Markup {
        let from = (wanted.page - 1) * ROWS + 1;
        let last = total.div_ceil(ROWS).clamp(1, PAGES_MAX);
        html! {
            nav.pager aria-label="Pages" {
                span {
                    @if shown > 0 { "Rows " (cell::number(from)) " to " (cell::number(from + shown - 1)) " of " (cell::number(total)) }
                    @else { "No rows" }
                }
                @if wanted.page > 1 {
                    a rel="prev" href=(self.address(&wanted.given, None, wanted.page - 1)) { "← Previous" }
                }
                @if wanted.page < last {
                    a rel="next" href=(self.address(&wanted.given, None, wanted.page + 1)) { "Next →" }
                }
                @if total > PAGES_MAX * ROWS && wanted.page == last {
                    span.note { "Further rows: narrow the list by a filter." }
                }
            }
        }
    }
}

fn page_number(value: &str) -> Result<u64, Fault> {
    value
        .parse()
        .ok()
        .filter(|page| (1..=PAGES_MAX).contains(page))
        .ok_or_else(|| Fault::Wrong {
            what: "page is not a number that is allowed".to_owned(),
            advice: format!(
                "1 to {PAGES_MAX}; narrow the list by filters to see what is further down"
            ),
        })
}

/// A choice among values. One that is not among them but given stays.
fn choice(name: &str, values: &[&str], given: &str, any: &str) -> Markup {
    html! {
        select name=(name) {
            option value=(any) { "any" }
            @for value in values {
                option value=(value) selected[*value == given] { (value) }
            }
            @if !given.is_empty() && !values.contains(&given) {
                option value=(exact(given)) selected { (plain(given, 40)) }
            }
        }
    }
}
