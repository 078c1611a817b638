//! The one redactor: nothing of a host's text becomes an observation without passing it.
//!
//! argv, URLs, resource URIs, header values, error and definition texts, paths. What looks like a secret by its
//! place (a flag, a key, user-info, a query), by its form (known formats), or by its randomness
//! ([`random`]) is replaced by [`REDACTED`]. Rather one word too many than one secret.
//!
//! All functions are bounded ([`TEXT_BYTES_MAX`], [`ARGS_MAX`]), take time linear in what they keep, leave no
//! control characters, and change nothing when applied to their own result.

mod argv;
mod clean;
mod disguise;
mod fold;
mod formats;
mod memo;
mod names;
mod percent;
mod phrases;
mod place;
mod random;
mod shell;
mod text;
mod url;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use memo::Memo;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Longest result, in bytes; the rest is cut, and [`CUT`] says so.
pub const TEXT_BYTES_MAX: usize = 4096;

/// What stands where text was cut.
pub const CUT: &str = "[cut]";

/// Most arguments of a command line; the last place tells how many more there were.
pub const ARGS_MAX: usize = 64;

/// Times a text is looked at. Two do in practice: the second sees no change.
const PASSES_MAX: usize = 6;

/// Free text: error messages, descriptions, paths.
#[must_use]
pub fn text(text: &str) -> String {
    settle(text, text::pass)
}

/// Command lines: each argument by itself, and those that belong to the flag before them.
#[must_use]
pub fn argv(argv: &[String]) -> Vec<String> {
    let mut now = argv::pass(argv);
    for _ in 0..PASSES_MAX {
        let next = argv::pass(&now);
        if next == now {
            return now;
        }
        now = next;
    }
    vec![REDACTED.to_owned()]
}

/// A URL: no user-info, no query values, no fragment, no token in the path. What is no URL is treated as text.
#[must_use]
pub fn url(url: &str) -> String {
    let rules = |url: &str| url::pass(url).unwrap_or_else(|| text::pass(url));
    settle(url, |url| text::unmasked(url, rules))
}

/// A resource URI as `scheme://host#digest`: the digest (16 hex digits of SHA-256) tells resources apart. User-info
/// and query values are not part of it, so that it is no test for guessed passwords.
#[must_use]
pub fn resource(uri: &str) -> String {
    url::resource(uri)
}

/// The value of a header, given its name. Values of a few harmless headers stay, after passing [`text`].
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    if names::is_plain_header(name) {
        text(value)
    } else {
        REDACTED.to_owned()
    }
}

/// Applies `pass` until nothing changes, so that a second redaction is never different from the first.
fn settle(input: &str, pass: impl Fn(&str) -> String) -> String {
    let mut now = clean::cut(&pass(&clean::window(input)));
    for _ in 0..PASSES_MAX {
        let next = clean::cut(&pass(&clean::window(&now)));
        if next == now {
            return now;
        }
        now = next;
    }
    REDACTED.to_owned()
}
