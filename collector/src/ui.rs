//! The page: the inventory for a browser, read-only, rendered here, without scripts.
//!
//! A page is a file with a [`Page`] in it, and an entry in [`PAGES`]: that is its path, its place in the
//! navigation and its rendering, all there is. What it shows comes from [`Question`]s to the documented views
//! and nowhere else, and every table and figure has its question beneath it, as `gnomon sql` takes it.
//! Lists are described by columns and filters ([`list`]) and ask what the API's listings ask.
//!
//! Texts from outside go through [`crate::html`]; links through [`link`]. HTTP is the API's: this module takes
//! names and values and gives markup, or a [`Fault`].

mod calls;
mod cell;
mod chart;
mod coverage;
mod finding;
mod findings;
mod frame;
mod host;
mod hosts;
mod link;
mod list;
mod listeners;
mod overview;
mod queries;
mod row;
mod section;
mod server;
mod servers;
mod session;
mod sessions;
mod table;

use std::pin::Pin;

use maud::Markup;
use time::OffsetDateTime;

use crate::{
    inventory::{listing::ListError, question::Question},
    store::{Store, StoreError},
};
pub use frame::{message, whole};
use row::Row;

/// Every page there is; those with a name stand in the navigation, in this order.
pub static PAGES: [Page; 12] = [
    overview::PAGE,
    findings::PAGE,
    finding::PAGE,
    servers::PAGE,
    server::PAGE,
    sessions::PAGE,
    session::PAGE,
    calls::PAGE,
    listeners::PAGE,
    hosts::PAGE,
    host::PAGE,
    coverage::PAGE,
];

/// The style of all pages.
pub const STYLE: &str = include_str!("ui/style.css");
/// The icon of all pages.
pub const ICON: &str = include_str!("ui/icon.svg");

/// A page: where it is, and how it is made.
#[derive(Debug)]
pub struct Page {
    /// Path, without query.
    pub path: &'static str,
    /// Name in the navigation; `None`: it is reached by links.
    pub name: Option<&'static str>,
    /// Path of the page in the navigation that it belongs to.
    pub under: &'static str,
    /// Makes it.
    pub answer: fn(Asked) -> Answering,
}

/// A page in the making.
pub type Answering = Pin<Box<dyn Future<Output = Result<Document, Fault>> + Send>>;

/// What a page is made from.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where facts are.
    pub store: Store,
    /// Names and values of the query string, without those that are empty.
    pub query: Vec<(String, String)>,
    /// What relative times count from.
    pub now: OffsetDateTime,
}

/// What stands between the navigation and the foot.
#[derive(Debug)]
pub struct Document {
    /// Title, without the program's name.
    pub title: String,
    /// The rest.
    pub body: Markup,
}

/// Why there is no such page.
#[derive(Debug)]
pub enum Fault {
    /// The query string is wrong.
    Wrong {
        /// What is wrong.
        what: String,
        /// What to write instead.
        advice: String,
    },
    /// There is nothing of that name.
    Missing {
        /// What there is not.
        what: String,
        /// Where to look instead.
        advice: String,
    },
    /// ClickHouse is away or refuses.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ListError> for Fault {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Filter { what, advice } => Self::Wrong { what, advice },
            ListError::Store(error) => Self::Store(error),
        }
    }
}

impl Asked {
    /// The values of these names and no others, each given at most once.
    fn named<const N: usize>(&self, names: [&str; N]) -> Result<[Option<&str>; N], Fault> {
        let mut values = [None; N];
        for (name, value) in &self.query {
            let Some(at) = names.iter().position(|known| known == name) else {
                return Err(Fault::Wrong {
                    what: format!("this page takes no {name:?}"),
                    advice: format!("it takes {}", names.join(", ")),
                });
            };
            if values[at].replace(value.as_str()).is_some() {
                return Err(Fault::Wrong {
                    what: format!("{name} is given twice"),
                    advice: "give it once".to_owned(),
                });
            }
        }
        Ok(values)
    }

    /// The rows that answer a question.
    async fn rows(&self, question: &Question) -> Result<Vec<Row>, Fault> {
        let answer = question.ask(&self.store).await?;
        Ok(row::rows(&answer)?)
    }
}

/// A value that a page cannot do without.
fn needed<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, Fault> {
    value.ok_or_else(|| Fault::Wrong {
        what: format!("this page needs {name}"),
        advice: "come here by a link of a list".to_owned(),
    })
}
