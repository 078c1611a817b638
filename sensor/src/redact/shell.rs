//! Shell commands inside of text: `curl -u bob:…`, `mysql -p…`, `echo … | sudo -S`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::REDACTED;
use super::value::{is_secret_value, regex};

/// Flags that take `user:password`.
pub(super) const USER_FLAGS: &[&str] = &[
    "-u",
    "-U",
    "--user",
    "--proxy-user",
    "--userpass",
    "--userpwd",
    "--http-basic",
    "--login",
];

/// What a password is piped into.
static PIPED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)\b((?:echo|printf)\s+(?:-[ne]+\s+)*)("[^"]*"|'[^']*'|[^|]+?)(\s*\|\s*(?:sudo\s[^|;&]*?-S\b|chpasswd|passwd|(?:\S+\s+)?(?:su|kinit|cryptsetup)\b|[^|;&]*?-stdin\b|[^|;&]*?--passphrase-fd\b))"#,
    )
});

/// Programs that take a password right after `-p`, and the `-p…` after one.
static ATTACHED_PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"\b(?:mysql[a-z]*|mariadb[a-z-]*|sshpass|7z[ar]?|u?n?rar)(?:\.exe)?\s")
});
static ATTACHED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(\s["']?-h?p)("[^"]+"|'[^']+'|[^\s"']+)"#));

/// `-ubob:…`.
static ATTACHED_USER: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(^|[\s"'(\[,])(-[uU]["']?)([A-Za-z0-9._@\\-]{1,64}:[^\s"']+)"#));

/// `export NAME='…'`, `NAME="…" program` inside of a script.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(^|[\s;&|({])([A-Z_][A-Z0-9_]{0,127}=)("[^"]*(?:"|$)|'[^']*(?:'|$)|(?:\$\([^)]*(?:\)|$)|`[^`]*(?:`|$)|[^\s"'`;&|)])+)"#,
    )
});

/// A script without the values of the variables it sets, as those of an environment go. `keep` says which may stay.
pub(super) fn assignments(script: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let replace = |found: &Captures<'_>| {
        let value = &found[3];
        let bare = value.trim_matches(['"', '\'']);
        if keep(found[2].trim_end_matches('='), bare) {
            return found[0].to_owned();
        }
        let mark = if value.starts_with(['"', '\'']) {
            &value[..1]
        } else {
            ""
        };
        format!("{}{}{mark}{REDACTED}{mark}", &found[1], &found[2])
    };
    ASSIGNMENT.replace_all(script, replace).into_owned()
}

/// Whether `program` (no folders) takes a password right after `-p`.
pub(super) fn attaches_password(program: &str) -> bool {
    ATTACHED_PROGRAM
        .find(&format!("{program} "))
        .is_some_and(|found| found.start() == 0)
}

/// Replaces passwords in the arguments of commands.
pub(super) fn pass(text: &str) -> String {
    let mut text = attached(text);
    if text.contains("-u") || text.contains("-U") {
        text = ATTACHED_USER
            .replace_all(&text, |found: &Captures<'_>| {
                let pair = user(&found[3], false)
                    .map_or_else(|| found[3].to_owned(), |kept| format!("{kept}{REDACTED}"));
                format!("{}{}{pair}", &found[1], &found[2])
            })
            .into_owned();
    }
    if text.contains('|') {
        text = PIPED
            .replace_all(&text, |found: &Captures<'_>| {
                if is_secret_value(&found[2]) {
                    format!("{}{REDACTED}{}", &found[1], &found[3])
                } else {
                    found[0].to_owned()
                }
            })
            .into_owned();
    }
    text
}

fn attached(text: &str) -> String {
    if !text.contains("-p") && !text.contains("-hp") {
        return text.to_owned();
    }
    let Some(program) = ATTACHED_PROGRAM.find(text) else {
        return text.to_owned();
    };
    let (before, after) = text.split_at(program.end() - 1);
    let after = ATTACHED.replace_all(after, |found: &Captures<'_>| {
        if is_secret_value(&found[2]) {
            format!("{}{REDACTED}", &found[1])
        } else {
            found[0].to_owned()
        }
    });
    format!("{before}{after}")
}

/// What stays of `user:password`: `user:`. None where there is no password. User and group numbers stay, and so do URLs.
/// With `slash`, `user/password` counts too.
pub(super) fn user(pair: &str, slash: bool) -> Option<&str> {
    let numbers = pair.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let at = pair.find(|c| matches!(c, ':' | '%') || (slash && c == '/'))?;
    let (name, password) = (&pair[..at], &pair[at + 1..]);
    let none = numbers
        || name.is_empty()
        || name.starts_with('+')
        || password.is_empty()
        || password.starts_with("//");
    if none || !is_secret_value(password) {
        return None;
    }
    Some(&pair[..=at])
}
