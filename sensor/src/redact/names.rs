//! Names that announce a secret: flags, keys, variables, parameters, headers.

/// Words that make a name secret by themselves.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "creds",
    "dsn",
    "jwt",
    "otp",
    "pass",
    "passphrase",
    "passcode",
    "passwd",
    "password",
    "passwords",
    "pat",
    "pin",
    "psk",
    "pw",
    "pwd",
    "sas",
    "secret",
    "secrets",
    "sig",
    "signature",
    "token",
];
/// Endings of names written in one word.
const SECRET_ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
];
/// A `key` after one of these is a secret.
const KEY_KINDS: &[&str] = &[
    "access",
    "account",
    "api",
    "app",
    "application",
    "auth",
    "client",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "shared",
    "signing",
    "ssh",
    "storage",
    "subscription",
];
/// What is said about a secret, not the secret.
const ABOUT_ENDINGS: &[&str] = &[
    "algorithm",
    "budget",
    "count",
    "dir",
    "endpoint",
    "enabled",
    "env",
    "expiry",
    "field",
    "file",
    "format",
    "header",
    "issuer",
    "length",
    "limit",
    "method",
    "mode",
    "path",
    "provider",
    "required",
    "scheme",
    "timeout",
    "ttl",
    "type",
    "uri",
    "url",
    "var",
];
/// Headers whose values tell nothing but form.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "mcp-method",
    "mcp-protocol-version",
    "server",
    "transfer-encoding",
    "user-agent",
    "vary",
];

/// Whether a value under this name is a secret. Takes `--api-key`, `API_KEY`, `apiKey`, `X-Api-Key`.
pub(super) fn is_secret(name: &str) -> bool {
    let words = split(name);
    let Some(last) = words.last() else {
        return false;
    };
    if ABOUT_ENDINGS.contains(&last.as_str()) {
        return false;
    }
    let key = |i: usize| {
        matches!(words[i].as_str(), "key" | "keys")
            && i > 0
            && KEY_KINDS.contains(&words[i - 1].as_str())
    };
    let string = |i: usize| words[i] == "string" && i > 0 && words[i - 1] == "connection";
    (0..words.len()).any(|i| {
        let word = words[i].as_str();
        SECRET_WORDS.contains(&word)
            || SECRET_ENDINGS.iter().any(|e| word.ends_with(e))
            || key(i)
            || string(i)
    })
}

/// The same for a flag or a query parameter, where a bare `key` is one too.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    let bare = name.trim_start_matches(['-', '/', '+', '\u{2013}', '\u{2014}']);
    bare.eq_ignore_ascii_case("key") || is_secret(bare)
}

/// Whether a header's value may be told.
pub(super) fn is_plain_header(name: &str) -> bool {
    PLAIN_HEADERS
        .iter()
        .any(|h| h.eq_ignore_ascii_case(name.trim()))
}

/// Lower-case words of a name, cut at separators and at `aB`.
fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower = false;
    // Longer names are not read by people; a bound for hostile ones.
    for c in name.chars().take(256) {
        let cut = !c.is_ascii_alphanumeric() || (lower && c.is_ascii_uppercase());
        if cut && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        lower = c.is_ascii_lowercase();
        if let Some(word) = words.last_mut()
            && c.is_ascii_alphanumeric()
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "--token",
            "API_KEY",
            "apiKey",
            "X-Api-Key",
            "GITHUB_PERSONAL_ACCESS_TOKEN",
            "password",
            "pgpassword",
            "client_secret",
            "tavilyApiKey",
            "accesstoken",
            "AWS_SECRET_ACCESS_KEY",
            "sig",
            "ConnectionString",
            "db-pass",
            "AccountKey",
            "SLACK_MCP_XOXP_TOKEN",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "max_tokens",
            "--token-file",
            "author",
            "authority",
            "keyboard",
            "key",
            "tokenizer",
            "--port",
            "token_type",
            "passive",
            "KUBECONFIG",
            "monkey",
            "compass",
            "",
            "--",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_secret_parameter("--key") && is_secret_parameter("key"));
    }
}
