//! One look at free text: URLs, by place, by form, by looks, in this order.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::value::regex;
use super::{REDACTED, place, url, words};

/// `scheme://…` up to a blank or a quotation mark.
static URL: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s"'<>`]+"#));

/// All rules once.
pub(super) fn pass(text: &str) -> String {
    let text = if text.contains("://") {
        URL.replace_all(text, |found: &Captures<'_>| {
            url::pass(&found[0]).unwrap_or_else(|| REDACTED.to_owned())
        })
    } else {
        Cow::Borrowed(text)
    };
    words::pass(&place::pass(&text))
}
