//! What is a secret by its place: after a name or a flag, before a host; and by its form.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::value::{PACKAGE_KINDS, is_long_flag, is_secret_value, looks_made_up, regex};
use super::{REDACTED, formats, names, percent, phrases, shell};

/// A name and what sets it off from its value. JSON inside of JSON has backslashes before its quotation marks. Name
/// and sign may be percent-encoded.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"([A-Za-z%][A-Za-z0-9_.%-]{0,127})\\*["']?\]?\s{0,8}(?::=|=>|=|:|%(?:25){0,2}3[AaDd])\s{0,8}"#,
    )
});

/// A flag and what sets it off from its value, where a shell command is text.
static FLAG: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?:^|[\s"'(\[,])(--?[A-Za-z][A-Za-z0-9_-]{0,127})["',]{0,2}(?:=|\s{1,8})"#)
});

/// Quoted to the closing mark, or to the end where there is none; else up to a blank.
static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"^(?:\\+"[^"]*(?:"|$)|"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|`[^`]*(?:`|$)|\([^()]*(?:\)|$)|[^\s]+)"#,
    )
});

/// What YAML puts before a value on lines of its own, or before one with a type.
static BLOCK: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:[|>][-+0-9]{0,2}|!![a-z]{1,16})\s+"));
static NEXT_KEY: LazyLock<Regex> = LazyLock::new(|| regex(r"\s[A-Za-z0-9_.-]{1,64}:(?:\s|$)"));

/// Schemes of the Authorization header, in running text.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?i)\b(bearer|basic|digest|negotiate|dpop|apikey|token|password|passwd|pwd|passphrase|secret|credential)s?(\s+(?:(?:is|was|of|for)\s+)?|\s*["'`]\s*)([^\s"'`]+)"#,
    )
});

/// `user:password@host`, `user/password@//host`, `user%password@`.
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"([A-Za-z0-9._+-]{1,64})([:%])([^\s/"'@:]{1,128})@([A-Za-z0-9\[][A-Za-z0-9.:-]*)|([A-Za-z0-9._]{1,64})/([^\s/"'@]{1,128})@(//|[A-Za-z0-9.-]+:[0-9]{2,5}/)"#,
    )
});

/// The rules that know a secret by its place or its form: what decoded text is held against.
pub(super) fn pass(text: &str) -> String {
    let mut text = formats::pass(text);
    // Gates before the dearer searches: most text has none of these signs.
    if text.contains('-') {
        text = flags(&shell::pass(&text));
    }
    if text.contains([':', '=', '%']) {
        text = keys(&text);
    }
    user_info(&schemes(&phrases::pass(&text)))
}

/// A name with what stands around it.
struct Named<'a> {
    /// What was passed since the name before, this name and its separator included.
    before: &'a str,
    name: &'a str,
    value: &'a str,
    /// All that follows, the value first.
    after: &'a str,
    /// There is nothing else in the text.
    alone: bool,
}

impl Named<'_> {
    /// How much of what follows is the value, in bytes. A block of YAML ends at the next key: the ends of its lines
    /// are blanks here.
    fn value_bytes(&self) -> usize {
        let Some(block) = BLOCK.find(self.after) else {
            return self.value.len();
        };
        NEXT_KEY
            .find(&self.after[block.end()..])
            .map_or(self.after.len(), |next| block.end() + next.start())
    }

    /// `auth.example:8443`, `//auth-gw:9000/mcp`; by itself also `token-service:9000`: a host and its port.
    fn is_host_and_port(&self) -> bool {
        let Some(front) = self
            .before
            .strip_suffix(':')
            .and_then(|b| b.strip_suffix(self.name))
        else {
            return false;
        };
        let digits = self.value.bytes().take_while(u8::is_ascii_digit).count();
        let ends = !self.value[digits..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let host = self.name.contains('.')
            || front.ends_with("//")
            || (self.alone && self.name.contains('-'));
        host && ends && (2..=5).contains(&digits)
    }
}

/// Goes from name to name and replaces the values of the secret ones.
fn values(text: &str, name: &Regex, decide: impl Fn(&Named<'_>) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = name.captures(rest) {
        let end = found.get(0).map_or(0, |m| m.end());
        let (before, after) = rest.split_at(end);
        let value = VALUE.find(after).map_or("", |m| m.as_str());
        let name = found.get(1).map_or("", |m| m.as_str());
        let alone = out.is_empty() && before.len() == name.len() + 1 && value.len() == after.len();
        out.push_str(before);
        let named = Named {
            before,
            name,
            value,
            after,
            alone,
        };
        if let Some(replacement) = decide(&named) {
            out.push_str(&replacement);
            rest = &after[named.value_bytes()..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn keys(text: &str) -> String {
    let text = values(text, &KEY, |named| {
        let lower = named.name.to_ascii_lowercase();
        let credentials = lower.ends_with("authorization") || lower.ends_with("cookie");
        if credentials && !named.value.starts_with(['"', '\'', '\\']) {
            // All that follows, up to the next quotation mark: `Bearer x`, `Digest a=b, c=d`.
            return None;
        }
        let secret = names::is_secret(&decoded(named.name))
            && is_secret_value(named.value)
            && !named.is_host_and_port();
        secret.then(|| quoted(named.value))
    });
    authorization(&text)
}

/// A name without percent-encoding.
fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut name = name.to_owned();
    for _ in 0..percent::LAYERS_MAX {
        name = percent::decode(&name);
    }
    Cow::Owned(name)
}

/// `Authorization: …`, `Cookie: …` in running text: everything to the closing quotation mark or the end.
fn authorization(text: &str) -> String {
    static HEADER: LazyLock<Regex> = LazyLock::new(|| {
        regex(r#"(?i)((?:authorization|cookie)\\*["']?\s*[:=]\s*)([^"'\s][^"']*)"#)
    });
    HEADER
        .replace_all(text, |found: &Captures<'_>| {
            format!("{}{REDACTED}", &found[1])
        })
        .into_owned()
}

fn flags(text: &str) -> String {
    values(text, &FLAG, |Named { name, value, .. }| {
        if shell::USER_FLAGS.contains(name) {
            let marks = ['"', '\'', '`', '\\'];
            let start = value.len() - value.trim_start_matches(marks).len();
            let pair = value[start..].trim_end_matches(marks);
            let kept = shell::user(pair, *name == "--login")?;
            let (open, close) = (&value[..start], &value[start + pair.len()..]);
            return Some(format!("{open}{kept}{REDACTED}{close}"));
        }
        let next_flag =
            is_long_flag(value.trim_end_matches(['"', '\'', '`', ',', ';', ')', ']', '}']));
        let secret = !next_flag && is_secret_flag(name, value) && is_secret_value(value);
        secret.then(|| quoted(value))
    })
}

/// Whether a flag's value is a secret. `-p` is a password unless its value is a port, a path or a package.
pub(super) fn is_secret_flag(name: &str, value: &str) -> bool {
    if name == "-p" {
        let bare = value.trim_matches(['"', '\'']);
        let port = bare.len() <= 5 && bare.bytes().all(|b| b.is_ascii_digit());
        let ports = bare.contains(':')
            && bare
                .bytes()
                .all(|b| b.is_ascii_digit() || b".:-[]".contains(&b));
        let protocol = bare.ends_with("/tcp") || bare.ends_with("/udp");
        let other = bare.starts_with(['@', '-', '/', '.']) || bare.is_empty();
        return !(port || ports || protocol || other);
    }
    names::is_secret_parameter(name)
}

/// The replacement in the quotation marks of the value.
fn quoted(value: &str) -> String {
    for mark in ["\\\"", "\"", "'", "`"] {
        if value.starts_with(mark) {
            return format!("{mark}{REDACTED}{mark}");
        }
    }
    REDACTED.to_owned()
}

fn schemes(text: &str) -> String {
    SCHEME
        .replace_all(text, |found: &Captures<'_>| {
            let value = &found[3];
            if value.starts_with(REDACTED) || !looks_made_up(value) {
                return found[0].to_owned();
            }
            let plural = &found[0][found[1].len()..found[0].len() - found[2].len() - value.len()];
            format!("{}{plural}{}{REDACTED}", &found[1], &found[2])
        })
        .into_owned()
}

pub(super) fn user_info(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    USER_INFO
        .replace_all(text, |found: &Captures<'_>| {
            if found.get(5).is_some() {
                return Cow::Owned(format!("{REDACTED}@{}", &found[7]));
            }
            let (user, password, host) = (&found[1], &found[3], &found[4]);
            let package =
                PACKAGE_KINDS.contains(&user) || host.starts_with("sha256:") || is_version(host);
            if package || (&found[2] == "%" && password.len() < 3) {
                Cow::Owned(found[0].to_owned())
            } else {
                Cow::Owned(format!("{REDACTED}@{host}"))
            }
        })
        .into_owned()
}

/// `1.2.3`, not `10.0.0.5`.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .split(':')
            .next()
            .is_some_and(|h| h.parse::<std::net::Ipv4Addr>().is_err())
}
