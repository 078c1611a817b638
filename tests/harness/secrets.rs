//! Fifty planted secrets, and the search for them in everything that Gnomon keeps or prints.
//!
//! The values are made at run time from a fixed start, so that no scanner of repositories stumbles
//! over this file, and each run plants the same ones.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const UPPER_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Where each secret is planted.
#[derive(Debug)]
pub struct Planted {
    /// Arguments of a stdio server.
    pub argv: Vec<String>,
    /// Environment of a stdio server.
    pub env: BTreeMap<String, String>,
    /// HTTP headers.
    pub headers: BTreeMap<String, String>,
    /// Query strings of an endpoint, one URL each; without the question mark.
    pub queries: Vec<String>,
    /// `user:password` of a URL.
    pub user_infos: Vec<String>,
    /// URIs of resources that a client reads.
    pub resources: Vec<String>,
    /// Texts that a tool fails with.
    pub errors: Vec<String>,
    /// Every secret by itself.
    pub secrets: Vec<String>,
}

impl Planted {
    /// Plants all fifty.
    #[must_use]
    pub fn new() -> Self {
        let mut maker = Maker {
            state: 0x9e37_79b9_7f4a_7c15,
            secrets: Vec::new(),
        };
        let argv = argv(&mut maker);
        let env = env(&mut maker);
        let headers = headers(&mut maker);
        let queries = queries(&mut maker);
        let user_infos = vec![format!("robot:{}", maker.of("", 20, LETTERS_AND_DIGITS))];
        let resources = resources(&mut maker);
        let errors = errors(&mut maker);
        Self {
            argv,
            env,
            headers,
            queries,
            user_infos,
            resources,
            errors,
            secrets: maker.secrets,
        }
    }
}

impl Default for Planted {
    fn default() -> Self {
        Self::new()
    }
}

fn argv(maker: &mut Maker) -> Vec<String> {
    let mut argv = Vec::new();
    for (flag, prefix, length) in [
        ("--token", "ghp_", 36),
        ("--api-key", "sk-ant-api03-", 48),
        ("--access-token", "glpat-", 22),
        ("--password", "", 14),
        ("--client-secret", "", 32),
        ("--auth", "hf_", 34),
    ] {
        argv.push(flag.to_owned());
        argv.push(maker.of(prefix, length, LETTERS_AND_DIGITS));
    }
    for (flag, prefix, length) in [
        ("--token=", "npm_", 36),
        ("--api-key=", "", 40),
        ("--secret=", "xoxb-", 40),
        ("--bearer=", "sk_live_", 24),
    ] {
        argv.push(format!(
            "{flag}{}",
            maker.of(prefix, length, LETTERS_AND_DIGITS)
        ));
    }
    argv.push("-e".to_owned());
    argv.push(format!(
        "GITHUB_TOKEN={}",
        maker.of("github_pat_", 60, LETTERS_AND_DIGITS)
    ));
    argv.push("--header".to_owned());
    argv.push(format!(
        "Authorization: Bearer {}",
        maker.of("", 43, LETTERS_AND_DIGITS)
    ));
    argv.push(format!(
        "postgres://app:{}@db.example/main",
        maker.of("", 18, LETTERS_AND_DIGITS)
    ));
    argv.push(format!(
        "https://example.org/mcp?api_key={}",
        maker.of("", 32, HEX)
    ));
    argv.push(maker.of("AKIA", 16, UPPER_AND_DIGITS));
    argv
}

fn env(maker: &mut Maker) -> BTreeMap<String, String> {
    [
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_PASSWORD",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), maker.of("", 40, LETTERS_AND_DIGITS)))
    .collect()
}

fn headers(maker: &mut Maker) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    headers.insert(
        "Authorization".to_owned(),
        format!("Bearer {}", maker.jwt()),
    );
    for name in [
        "X-API-Key",
        "X-Auth-Token",
        "Private-Token",
        "X-Vault-Token",
        "X-Unheard-Of",
        "CF-Access-Client-Secret",
    ] {
        headers.insert(name.to_owned(), maker.of("", 36, LETTERS_AND_DIGITS));
    }
    headers.insert(
        "Cookie".to_owned(),
        format!("session={}", maker.of("", 48, HEX)),
    );
    headers
}

fn queries(maker: &mut Maker) -> Vec<String> {
    [
        "api_key",
        "token",
        "access_token",
        "tavilyApiKey",
        "sig",
        "code",
        "unheard_of",
    ]
    .into_iter()
    .map(|name| format!("{name}={}", maker.of("", 32, LETTERS_AND_DIGITS)))
    .collect()
}

fn resources(maker: &mut Maker) -> Vec<String> {
    vec![
        format!("note://vault/{}", maker.of("ghp_", 36, LETTERS_AND_DIGITS)),
        format!("note://vault/{}", maker.of("", 64, HEX)),
        format!(
            "https://files.example/{}/notes.txt",
            maker.of("", 40, LETTERS_AND_DIGITS)
        ),
        format!(
            "https://files.example/notes.txt?sig={}",
            maker.of("", 43, LETTERS_AND_DIGITS)
        ),
        format!(
            "https://reader:{}@files.example/notes.txt",
            maker.of("", 20, LETTERS_AND_DIGITS)
        ),
        format!(
            "postgres://app:{}@db.example/main/table",
            maker.of("", 16, LETTERS_AND_DIGITS)
        ),
    ]
}

fn errors(maker: &mut Maker) -> Vec<String> {
    vec![
        format!("401 for token {}", maker.of("ghp_", 36, LETTERS_AND_DIGITS)),
        format!(
            "cannot connect: postgres://app:{}@db.example/main",
            maker.of("", 18, LETTERS_AND_DIGITS)
        ),
        format!(
            "GET https://api.example/v1?api_key={} failed",
            maker.of("", 32, HEX)
        ),
        format!("Authorization: Bearer {} was refused", maker.jwt()),
        format!("password={} is wrong", maker.of("", 12, LETTERS_AND_DIGITS)),
        format!(
            "key {} has expired",
            maker.of("AIza", 35, LETTERS_AND_DIGITS)
        ),
        format!(
            "{{\"client_secret\":\"{}\"}}",
            maker.of("", 40, LETTERS_AND_DIGITS)
        ),
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            maker.of("", 64, LETTERS_AND_DIGITS)
        ),
        format!(
            "slack said no to {}",
            maker.of("xoxp-", 50, LETTERS_AND_DIGITS)
        ),
        format!("X-Api-Key: {}", maker.of("", 30, LETTERS_AND_DIGITS)),
    ]
}

/// Makes secrets and remembers them.
struct Maker {
    state: u64,
    secrets: Vec<String>,
}

impl Maker {
    /// `prefix` and then `length` characters of `alphabet`.
    fn of(&mut self, prefix: &str, length: usize, alphabet: &[u8]) -> String {
        let secret = format!("{prefix}{}", self.characters(length, alphabet));
        self.secrets.push(secret.clone());
        secret
    }

    fn jwt(&mut self) -> String {
        let (claims, signature) = (
            self.characters(60, LETTERS_AND_DIGITS),
            self.characters(43, LETTERS_AND_DIGITS),
        );
        let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJ{claims}.{signature}");
        self.secrets.push(signature);
        jwt
    }

    fn characters(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length)
            .map(|_| char::from(alphabet[self.next() as usize % alphabet.len()]))
            .collect()
    }

    /// xorshift64: any fixed sequence without a pattern will do.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 16
    }
}

/// Pieces by which a secret is searched for: whole runs would miss a torn or compressed one.
const PIECE_BYTES: usize = 10;

/// The secrets of which a piece is in `haystack`, in either case (hosts are lower-cased).
#[must_use]
pub fn found_in<'a>(haystack: &[u8], secrets: &'a [String]) -> Vec<&'a str> {
    let pieces = secrets.iter().flat_map(|secret| {
        let tail = &secret[secret.len().saturating_sub(PIECE_BYTES)..];
        let middle = &secret[(secret.len() - PIECE_BYTES) / 2..][..PIECE_BYTES];
        [(tail, secret), (middle, secret)]
    });
    let wanted: Vec<(Vec<u8>, &str)> = pieces
        .map(|(piece, secret)| (piece.to_ascii_lowercase().into_bytes(), secret.as_str()))
        .collect();
    let by_first: BTreeMap<[u8; 4], Vec<&(Vec<u8>, &str)>> =
        wanted.iter().fold(BTreeMap::new(), |mut map, entry| {
            map.entry([entry.0[0], entry.0[1], entry.0[2], entry.0[3]])
                .or_insert_with(Vec::new)
                .push(entry);
            map
        });
    let lower = haystack.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, start) in lower.windows(4).enumerate() {
        for (piece, secret) in by_first.get(start).into_iter().flatten() {
            if lower[at..].starts_with(piece) && !found.contains(secret) {
                found.push(*secret);
            }
        }
    }
    found
}

/// Every regular file under `folder`, but not under `except`.
///
/// # Errors
/// A folder cannot be read. A file that vanishes while we look is passed over.
pub fn files(folder: &Path, except: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && entry.path() != except {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_and_all_differ() {
        let planted = Planted::new();
        let mut secrets = planted.secrets.clone();
        secrets.sort();
        secrets.dedup();
        assert_eq!(secrets.len(), 50, "{}", secrets.len());
    }

    #[test]
    fn a_piece_is_found_in_either_case() {
        let planted = Planted::new();
        let hay = format!("... {} ...", planted.secrets[3].to_uppercase());
        assert_eq!(
            found_in(hay.as_bytes(), &planted.secrets),
            [planted.secrets[3].as_str()]
        );
        assert!(found_in(b"nothing of that kind", &planted.secrets).is_empty());
    }
}
