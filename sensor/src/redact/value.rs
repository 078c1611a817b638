//! What the rules ask of a value before they take it for a secret.

use regex::Regex;

use super::REDACTED;

/// What stands before a colon in package names, not in passwords.
pub(super) const PACKAGE_KINDS: &[&str] = &[
    "npm",
    "pypi",
    "oci",
    "jsr",
    "github",
    "gitlab",
    "file",
    "workspace",
    "docker",
    "mailto",
    "acct",
    "pkg",
    "go",
    "bin",
];

/// A pattern of ours.
pub(super) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a literal pattern")
}

/// Empty values, placeholders and truth values tell nothing.
pub(super) fn is_secret_value(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\'', '`', '\\', ',', ';']);
    let placeholder = (bare.starts_with("${") && bare.ends_with('}') && !bare[2..].contains("${"))
        || bare.strip_prefix('$').is_some_and(|n| {
            !n.is_empty() && n.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        });
    let plain = matches!(
        bare,
        "" | "true" | "false" | "null" | "none" | "None" | "undefined"
    ) || bare == REDACTED;
    // `${X:-default}` and `$(cat …)` may hold one.
    let simple = placeholder && !bare.contains([':', '(', '-', ' ']);
    let tells_nothing = plain || simple || is_json_begin(value);
    !tells_nothing
}

/// `"auth": {` and `"tokens": [` open something with keys of its own.
fn is_json_begin(value: &str) -> bool {
    let value = value.trim_start_matches(['{', '[']);
    value.is_empty()
}

/// A long flag with or without its value. Letters right after digits are rather a password's: `--hunter2x`.
pub(super) fn is_long_flag(text: &str) -> bool {
    let Some(flag) = text.strip_prefix("--") else {
        return false;
    };
    let name = flag.split('=').next().unwrap_or(flag).as_bytes();
    let named = name
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    let mixed = name
        .windows(2)
        .any(|pair| pair[0].is_ascii_digit() && pair[1].is_ascii_alphabetic());
    named && !mixed
}

/// Not a word of a sentence: a digit, a capital inside, or a sign that sentences do not have.
pub(super) fn looks_made_up(value: &str) -> bool {
    let core = value.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}']);
    let core = core.trim_start_matches(['(', '[', '{']);
    core.len() >= 4
        && (core.bytes().any(|b| b.is_ascii_digit())
            || core
                .chars()
                .skip(1)
                .any(|c| c.is_ascii_uppercase() && core.chars().any(|c| c.is_ascii_lowercase()))
            || core.contains(['+', '=', '_', '~', '!', '@', '#', '$', '%', '^', '&', '*']))
}
