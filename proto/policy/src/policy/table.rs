//! Reads TOML tables key by key, so that every fault has its place and no fault hides the next.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostics;

/// Entries of one list at most.
const LIST_MAX: usize = 10_000;

/// Text and where it stands.
pub(super) type Text = Spanned<String>;

/// One table, and the keys that it may have.
pub(super) struct Table<'a, 'i> {
    table: &'a DeTable<'i>,
    span: Range<usize>,
    noun: &'static str,
}

impl<'a, 'i> Table<'a, 'i> {
    /// Takes a table; unknown keys are faults.
    pub(super) fn new(
        table: &'a DeTable<'i>,
        span: Range<usize>,
        noun: &'static str,
        keys: &[&str],
        to: &mut Diagnostics<'_>,
    ) -> Self {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let what = format!("unknown key `{}` in {noun}", shown(name));
                let fix = format!("remove it; known are {}", keys.join(", "));
                to.error(&key.span(), what, &fix);
            }
        }
        Self { table, span, noun }
    }

    /// Where the table starts.
    pub(super) const fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(key)
    }

    /// The tables of a `[[key]]`.
    pub(super) fn tables(
        &self,
        key: &'static str,
        keys: &[&str],
        to: &mut Diagnostics<'_>,
    ) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let fix = format!("start each with a line [[{key}]]");
        let DeValue::Array(array) = value.get_ref() else {
            let what = format!("`{key}` is not a list of tables");
            to.error(&value.span(), what, &fix);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    tables.push(Self::new(table, item.span(), key, keys, to));
                }
                _ => to.error(
                    &item.span(),
                    format!("`{key}` holds something else than tables"),
                    &fix,
                ),
            }
        }
        tables
    }

    /// A text that must be there, and not empty.
    pub(super) fn text(&self, key: &str, why: &str, to: &mut Diagnostics<'_>) -> Option<Text> {
        let Some(value) = self.value(key) else {
            self.missing(key, why, to);
            return None;
        };
        let text = as_text(value, key, to)?;
        if text.get_ref().trim().is_empty() {
            to.error(&value.span(), format!("`{key}` is empty"), why);
            return None;
        }
        Some(text)
    }

    /// Says that a key is not there.
    pub(super) fn missing(&self, key: &str, why: &str, to: &mut Diagnostics<'_>) {
        to.error(&self.span, format!("{} lacks `{key}`", self.noun), why);
    }

    /// A list of texts that may be left out.
    pub(super) fn texts(&self, key: &str, to: &mut Diagnostics<'_>) -> Vec<Text> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let fix = format!("write {key} = [\"…\"]");
        let DeValue::Array(array) = value.get_ref() else {
            to.error(&value.span(), format!("`{key}` is not a list"), &fix);
            return Vec::new();
        };
        if array.is_empty() {
            // An empty list would mean "all" or "none", depending on the reader.
            to.error(
                &value.span(),
                format!("`{key}` is empty"),
                "fill it or leave it out",
            );
        }
        if array.len() > LIST_MAX {
            to.error(
                &value.span(),
                format!("`{key}` has more than {LIST_MAX} entries"),
                "use patterns or networks",
            );
            return Vec::new();
        }
        array
            .iter()
            .filter_map(|item| as_text(item, key, to))
            .collect()
    }

    /// A list of texts that must be there.
    pub(super) fn some_texts(&self, key: &str, why: &str, to: &mut Diagnostics<'_>) -> Vec<Text> {
        if self.value(key).is_none() {
            self.missing(key, why, to);
        }
        self.texts(key, to)
    }

    /// A truth value, false where left out.
    pub(super) fn flag(&self, key: &str, to: &mut Diagnostics<'_>) -> bool {
        match self.value(key).map(|v| (v.span(), v.get_ref())) {
            None => false,
            Some((_, DeValue::Boolean(flag))) => *flag,
            Some((span, _)) => {
                to.error(
                    &span,
                    format!("`{key}` is neither true nor false"),
                    "write true or false",
                );
                false
            }
        }
    }
}

fn as_text(value: &Spanned<DeValue<'_>>, key: &str, to: &mut Diagnostics<'_>) -> Option<Text> {
    if let DeValue::String(text) = value.get_ref() {
        return Some(Spanned::new(value.span(), text.to_string()));
    }
    let fix = "write it in quotation marks";
    to.error(&value.span(), format!("`{key}` is not text"), fix);
    None
}

/// Foreign text for a message: short, on one line.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
