//! What is around every page: head, navigation, foot. And pages that only say something.

use maud::{DOCTYPE, Markup, html};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Document, PAGES, Page};
use crate::html::{plain, text};

/// A whole page. `page`: which one, for the navigation; `None`: none of them, and no navigation, for those who
/// are not signed in.
#[must_use]
pub fn whole(page: Option<&Page>, document: &Document, now: OffsetDateTime) -> Markup {
    let made = now.replace_nanosecond(0).unwrap_or(now);
    let made = made.format(&Rfc3339).unwrap_or_default();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (plain(&document.title, 120)) " · Gnomon" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body {
                a.skip href="#main" { "To the content" }
                header.top {
                    a.brand href="/" { (mark()) "Gnomon" }
                    @if let Some(page) = page { (navigation(page)) }
                }
                main id="main" tabindex="-1" { (document.body) }
                footer {
                    "Gnomon " (env!("CARGO_PKG_VERSION")) " · read-only · as of "
                    time datetime=(made) { (made) } " · all times are UTC"
                }
            }
        }
    }
}

fn navigation(page: &Page) -> Markup {
    html! {
        nav aria-label="Pages" {
            ul {
                @for entry in &PAGES {
                    @if let Some(name) = entry.name {
                        li {
                            a href=(entry.path)
                                aria-current=[(entry.path == page.under).then_some(if entry.path == page.path { "page" } else { "true" })]
                                { (name) }
                        }
                    }
                }
            }
        }
    }
}

/// The pointer of a sundial and its shadow.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" {
            path.pointer d="M8 19V4l9 15z" {}
            path.ground d="M3 19h18" {}
        }
    }
}

/// A page that says what is wrong and what to do.
#[must_use]
pub fn message(title: &str, what: &str, advice: &str) -> Document {
    Document {
        title: title.to_owned(),
        body: html! {
            div.message {
                h1 { (title) }
                p { (text(what)) }
                @if !advice.is_empty() { p.advice { (text(advice)) } }
            }
        },
    }
}
