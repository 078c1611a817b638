//! Names that announce a secret: flags, keys, variables, parameters, headers.

/// Words that make a name secret by themselves.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "authtoken",
    "bearer",
    "cookie",
    "cred",
    "credential",
    "credentials",
    "contrasena",
    "creds",
    "dsn",
    "jsessionid",
    "jwt",
    "kennwort",
    "mnemonic",
    "otp",
    "pass",
    "passe",
    "passphrase",
    "passcode",
    "passwd",
    "password",
    "passwords",
    "passwort",
    "pat",
    "pin",
    "psk",
    "pw",
    "pwd",
    "sas",
    "secret",
    "secrets",
    "sessionid",
    "sig",
    "signature",
    "token",
    "totp",
];
/// Endings of names written in one word.
const SECRET_ENDINGS: &[&str] = &[
    "bearer",
    "pass",
    "password",
    "passwd",
    "passphrase",
    "pw",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
];
/// Words that end like one and are none.
const PLAIN_WORDS: &[&str] = &[
    "allpass",
    "bandpass",
    "bypass",
    "compass",
    "encompass",
    "highpass",
    "lowpass",
    "multipass",
    "onepass",
    "overpass",
    "renderpass",
    "singlepass",
    "surpass",
    "trespass",
    "twopass",
    "underpass",
];
/// A `key` after one of these is a secret.
const KEY_KINDS: &[&str] = &[
    "access",
    "account",
    "anon",
    "anthropic",
    "api",
    "app",
    "application",
    "auth",
    "client",
    "encryption",
    "gemini",
    "license",
    "master",
    "openai",
    "private",
    "publishable",
    "secret",
    "service",
    "shared",
    "signing",
    "ssh",
    "storage",
    "stripe",
    "subscription",
    "supabase",
];
/// What has a key in another sense: of a table, a pair, a keyboard.
const PLAIN_KEY_KINDS: &[&str] = &[
    "cache",
    "config",
    "foreign",
    "group",
    "hash",
    "host",
    "hot",
    "index",
    "json",
    "object",
    "partition",
    "primary",
    "pub",
    "public",
    "range",
    "routing",
    "row",
    "sort",
    "unique",
];
/// `tokens` after one of these are no pieces of text.
const TOKENS_KINDS: &[&str] = &[
    "access", "api", "auth", "bearer", "refresh", "secret", "session",
];
/// Words that announce a secret as an argument of its own, without dashes: `ngrok authtoken …`.
const BARE_WORDS: &[&str] = &[
    "accesstoken",
    "addauthtoken",
    "apikey",
    "authtoken",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "xapikey",
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
    // The header, not one of two axes.
    if name.eq_ignore_ascii_case("x-key") {
        return true;
    }
    let key = |i: usize| {
        matches!(words[i].as_str(), "key" | "keys")
            && i > 0
            && KEY_KINDS.contains(&words[i - 1].as_str())
    };
    let tokens =
        |i: usize| words[i] == "tokens" && i > 0 && TOKENS_KINDS.contains(&words[i - 1].as_str());
    let session = |i: usize| words[i] == "id" && i > 0 && words[i - 1] == "session";
    let string = |i: usize| words[i] == "string" && i > 0 && words[i - 1] == "connection";
    (0..words.len()).any(|i| {
        let word = words[i].as_str();
        SECRET_WORDS.contains(&word)
            || (SECRET_ENDINGS.iter().any(|e| word.ends_with(e)) && !PLAIN_WORDS.contains(&word))
            || key(i)
            || tokens(i)
            || session(i)
            || string(i)
    })
}

/// The same for a flag or a query parameter, where a bare `key` is one too, and `--stripe-key`.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    let bare = name.trim_start_matches(['-', '/', '+', '\u{2013}', '\u{2014}']);
    bare.eq_ignore_ascii_case("key") || is_secret(bare) || is_kind_of_key(bare)
}

/// Vendors and kinds of keys are many, other keys few.
fn is_kind_of_key(name: &str) -> bool {
    let words = split(name);
    match words.as_slice() {
        [.., kind, key] => key == "key" && !PLAIN_KEY_KINDS.contains(&kind.as_str()),
        _ => false,
    }
}

/// `--tokens`: secrets, or a number of pieces of text.
pub(super) fn is_tokens(name: &str) -> bool {
    name.trim_start_matches('-').eq_ignore_ascii_case("tokens")
}

/// A word without dashes that announces the argument after it.
pub(super) fn is_bare_word(word: &str) -> bool {
    // Longer than any of them: not worth a copy.
    word.len() <= 32 && {
        let joined = word.replace(['-', '_'], "").to_ascii_lowercase();
        BARE_WORDS.contains(&joined.as_str()) && !word.starts_with('-')
    }
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
        lower = c.is_ascii_lowercase() || c.is_ascii_digit();
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
            "--oauth2Bearer",
            "--access_tokens",
            "OPENAI_KEY",
            "PGPASS",
            "MYPW",
            "X_CRED",
            "X-Key",
            "--session-id",
            "Mcp-Session-Id",
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
            "bypass",
            "lowpass",
            "tokens",
            "public_key",
            "",
            "--",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_secret_parameter("--key") && is_secret_parameter("key"));
        assert!(is_secret_parameter("--acme-key") && !is_secret_parameter("--sort-key"));
        assert!(is_bare_word("X-Api-Key") && is_bare_word("add-authtoken"));
        assert!(!is_bare_word("--password") && !is_bare_word("token"));
    }
}
