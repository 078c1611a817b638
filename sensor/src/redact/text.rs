//! One look at free text: URLs, by place, by form, by looks, in this order.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::value::regex;
use super::{REDACTED, disguise, fold, place, url, words};

/// `scheme://…` up to a blank or a quotation mark.
static URL: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s"'<>`]+"#));

/// All rules once.
pub(super) fn pass(text: &str) -> String {
    unmasked(text, rules)
}

/// What `rules` make of the text in ASCII, where that brings a secret to light; else of the text as it is.
pub(super) fn unmasked(text: &str, rules: impl Fn(&str) -> String) -> String {
    if text.is_ascii() {
        return rules(text);
    }
    let folded = fold::pass(text);
    let redacted = rules(&folded);
    if redacted == folded {
        rules(text)
    } else {
        redacted
    }
}

fn rules(text: &str) -> String {
    let text = disguise::joined(text);
    let text = text.as_str();
    let text = if text.contains("://") {
        URL.replace_all(text, |found: &Captures<'_>| {
            url::pass(&found[0]).unwrap_or_else(|| REDACTED.to_owned())
        })
    } else {
        Cow::Borrowed(text)
    };
    disguise::pass(&words::pass(&place::pass(&text)))
}
