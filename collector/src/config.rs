//! The collector's settings: the file's shape, and what it becomes once checked.
//!
//! Every setting has a default; `deploy/collector.toml` documents them all. Unknown keys are refused
//! with file and line. Secrets are named by the path of a file that holds them, never written here.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::finding;

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder for keys, token and the embedded engine's data; mode 0700.
    pub state_dir: PathBuf,
    /// gRPC for sensors.
    pub ingest: Ingest,
    /// HTTP address of the API; loopback only.
    pub api_listen: SocketAddr,
    /// Names beside loopback under which requests to the API and the page may come.
    pub api_names: Vec<String>,
    /// Where facts are kept.
    pub clickhouse: ClickHouse,
    /// How long facts are kept, days, 1 to 3650.
    pub retention_days: u32,
    /// When findings close, and when a sensor is silent.
    pub findings: finding::Settings,
    /// Policy taken into force at start when the store has none yet.
    pub policy_file: Option<PathBuf>,
    /// The hosts that there should be; read at start and when it changes ([`crate::assets`]).
    pub assets_file: Option<PathBuf>,
}

/// gRPC for sensors.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// Address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Names and addresses of this collector beside loopback, for its certificate.
    pub names: Vec<String>,
    /// Streams open at once, at most; further ones are refused.
    pub streams_max: usize,
    /// Bytes of batches held while they wait for ClickHouse, at most; beyond it streams are not read.
    pub pending_bytes_max: usize,
}

/// Where facts are kept.
#[derive(Clone, Debug)]
pub enum ClickHouse {
    /// The engine in a child process.
    Embedded {
        /// `libchdb.so`; `None`: looked for ([`crate::engine::library`]).
        library: Option<PathBuf>,
        /// Memory of the engine, bytes, at most.
        memory_bytes_max: u64,
    },
    /// A server or cluster of your own.
    Url {
        /// `http://` or `https://`.
        url: String,
        /// Database, made if absent.
        database: String,
        /// Name of the cluster for `ON CLUSTER` and `Replicated…` engines; `None`: a single server.
        cluster: Option<String>,
        /// The user that writes.
        writer: Login,
        /// The read-only user that `gnomon sql` runs as; `None`: `gnomon sql` is refused.
        analyst: Option<Login>,
    },
}

/// A user of ClickHouse.
#[derive(Clone, Debug)]
pub struct Login {
    /// Name.
    pub user: String,
    /// File whose first line is the password; `None`: no password.
    pub password_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    state_dir: Option<PathBuf>,
    #[serde(default)]
    ingest: RawIngest,
    #[serde(default)]
    api: RawApi,
    #[serde(default)]
    clickhouse: RawClickHouse,
    #[serde(default)]
    retention: RawRetention,
    #[serde(default)]
    findings: RawFindings,
    #[serde(default)]
    policy: RawPolicy,
    #[serde(default)]
    assets: RawAssets,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIngest {
    listen: Option<SocketAddr>,
    #[serde(default)]
    names: Vec<String>,
    streams_max: Option<usize>,
    pending_bytes_max: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApi {
    listen: Option<SocketAddr>,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClickHouse {
    library: Option<PathBuf>,
    memory_bytes_max: Option<u64>,
    url: Option<String>,
    database: Option<String>,
    cluster: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    analyst_user: Option<String>,
    analyst_password_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetention {
    days: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFindings {
    close_after: Option<String>,
    silent_after: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAssets {
    file: Option<PathBuf>,
}

/// Default place of the state, for a collector installed as a service.
const STATE_DIR: &str = "/var/lib/gnomon-collector";
const LOOPBACK_ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const MEMORY_BYTES_MAX: u64 = 2 << 30;
const MEMORY_BYTES_MIN: u64 = 512 << 20;
const STREAMS_MAX: usize = 10_000;
const PENDING_BYTES_MAX: usize = 64 << 20;
/// One message may be this large (`ingest::MESSAGE_BYTES_MAX`), and two must fit.
const PENDING_BYTES_MIN: usize = 16 << 20;
/// A DNS name has 253 at most; then a port.
const HOST_BYTES_MAX: usize = 260;
const RETENTION_DAYS: u32 = 395;
const CLOSE_AFTER: &str = "30d";
/// Laptops sleep overnight.
const SILENT_AFTER: &str = "24h";
const SPAN_S_MAX: u64 = 3650 * 86_400;

impl Config {
    /// Reads and checks a file; without one, all defaults.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has an unknown key, or a value out of bounds.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else {
            return Self::check(toml::from_str("").context("empty settings")?);
        };
        let text = fs::read_to_string(file).with_context(|| {
            format!(
                "reading the settings {}: check the path and its permissions",
                file.display()
            )
        })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Checks settings given as text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes()[..offset]
                .iter()
                .filter(|b| **b == b'\n')
                .count()
                + 1;
            anyhow::anyhow!("{name}:{line}: {}", error.message())
        })?;
        Self::check(raw).with_context(|| format!("settings {name}"))
    }

    fn check(raw: Raw) -> Result<Self> {
        let api_listen = raw.api.listen.unwrap_or(LOOPBACK_ANY_PORT);
        ensure!(
            api_listen.ip().is_loopback(),
            "api.listen = \"{api_listen}\": the API has no sign-in yet and listens on loopback only; use 127.0.0.1:PORT"
        );
        for name in &raw.api.names {
            ensure!(
                is_host(name),
                "api.names: \"{name}\" is no name of a host; write gnomon.corp.example or gnomon.corp.example:8443"
            );
        }
        let streams_max = raw.ingest.streams_max.unwrap_or(STREAMS_MAX);
        ensure!(
            (1..=100_000).contains(&streams_max),
            "ingest.streams_max = {streams_max}: allowed are 1 to 100000"
        );
        let pending_bytes_max = raw.ingest.pending_bytes_max.unwrap_or(PENDING_BYTES_MAX);
        ensure!(
            (PENDING_BYTES_MIN..=1 << 30).contains(&pending_bytes_max),
            "ingest.pending_bytes_max = {pending_bytes_max}: allowed are {PENDING_BYTES_MIN} to {}",
            1 << 30
        );
        let retention_days = raw.retention.days.unwrap_or(RETENTION_DAYS);
        ensure!(
            (1..=3650).contains(&retention_days),
            "retention.days = {retention_days}: allowed are 1 to 3650"
        );
        Ok(Self {
            state_dir: raw.state_dir.unwrap_or_else(|| STATE_DIR.into()),
            ingest: Ingest {
                listen: raw.ingest.listen.unwrap_or(LOOPBACK_ANY_PORT),
                names: raw.ingest.names,
                streams_max,
                pending_bytes_max,
            },
            api_listen,
            api_names: raw.api.names,
            clickhouse: raw.clickhouse.check()?,
            retention_days,
            findings: raw.findings.check()?,
            policy_file: raw.policy.file,
            assets_file: raw.assets.file,
        })
    }
}

impl RawFindings {
    fn check(self) -> Result<finding::Settings> {
        let span = |name: &str, value: Option<String>, default: &str| {
            let text = value.unwrap_or_else(|| default.to_owned());
            span(&text).with_context(|| {
                format!(
                    "findings.{name} = \"{text}\": write 1s to 3650d, such as 90s, 30m, 24h, 7d"
                )
            })
        };
        Ok(finding::Settings {
            close_after: span("close_after", self.close_after, CLOSE_AFTER)?,
            silent_after: span("silent_after", self.silent_after, SILENT_AFTER)?,
        })
    }
}

/// A span of time such as `90s`, `30m`, `24h`, `7d`: a second to ten years.
fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let seconds = count.checked_mul(seconds)?;
    (1..=SPAN_S_MAX)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}

/// A name or address as a Host header has it, with or without a port.
fn is_host(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= HOST_BYTES_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

impl RawClickHouse {
    fn check(self) -> Result<ClickHouse> {
        let Some(url) = self.url else {
            let only_with_url = [
                ("database", self.database.is_some()),
                ("cluster", self.cluster.is_some()),
                ("user", self.user.is_some()),
                ("password_file", self.password_file.is_some()),
                ("analyst_user", self.analyst_user.is_some()),
                (
                    "analyst_password_file",
                    self.analyst_password_file.is_some(),
                ),
            ];
            if let Some((name, _)) = only_with_url.iter().find(|(_, set)| *set) {
                bail!(
                    "clickhouse.{name} belongs to a server of your own: set clickhouse.url too, or remove it"
                );
            }
            let memory_bytes_max = self.memory_bytes_max.unwrap_or(MEMORY_BYTES_MAX);
            ensure!(
                memory_bytes_max >= MEMORY_BYTES_MIN,
                "clickhouse.memory_bytes_max = {memory_bytes_max}: the engine needs at least {MEMORY_BYTES_MIN}"
            );
            return Ok(ClickHouse::Embedded {
                library: self.library,
                memory_bytes_max,
            });
        };
        ensure!(
            self.library.is_none() && self.memory_bytes_max.is_none(),
            "clickhouse.library and clickhouse.memory_bytes_max are for the embedded engine: remove them, or clickhouse.url"
        );
        ensure!(
            url.starts_with("http://") || url.starts_with("https://"),
            "clickhouse.url = \"{url}\": it starts with http:// or https:// (the HTTP interface, usually port 8123 or 8443)"
        );
        let loopback = ["http://127.", "http://localhost", "http://[::1]"];
        ensure!(
            url.starts_with("https://") || loopback.iter().any(|prefix| url.starts_with(prefix)),
            "clickhouse.url = \"{url}\": plain http is for loopback only; use https"
        );
        let database = self.database.unwrap_or_else(|| "gnomon".to_owned());
        for (name, value) in [
            ("database", Some(&database)),
            ("cluster", self.cluster.as_ref()),
        ] {
            let Some(value) = value else { continue };
            ensure!(
                !value.is_empty()
                    && value
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "clickhouse.{name} = \"{value}\": letters, digits and _ only"
            );
        }
        Ok(ClickHouse::Url {
            url,
            database,
            cluster: self.cluster,
            writer: Login {
                user: self.user.unwrap_or_else(|| "default".to_owned()),
                password_file: self.password_file,
            },
            analyst: self.analyst_user.map(|user| Login {
                user,
                password_file: self.analyst_password_file,
            }),
        })
    }
}

impl Login {
    /// The password, from its file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn password(&self) -> Result<String> {
        let Some(file) = &self.password_file else {
            return Ok(String::new());
        };
        let text = fs::read_to_string(file)
            .with_context(|| format!("reading the password file {}", file.display()))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        format!("{:#}", Config::parse(text, "c.toml").expect_err("refused"))
    }

    #[test]
    fn everything_has_a_default() {
        let config = Config::parse("", "c.toml").expect("defaults");
        assert!(config.api_listen.ip().is_loopback());
        assert!(matches!(config.clickhouse, ClickHouse::Embedded { .. }));
    }

    #[test]
    fn unknown_keys_are_refused_with_file_and_line() {
        assert!(
            refused("state_dir = \"/x\"\n[api]\nlistne = \"127.0.0.1:1\"\n")
                .starts_with("c.toml:3: unknown field `listne`")
        );
        assert!(refused("[nope]\n").contains("c.toml:1: unknown field"));
        assert!(refused("[api\n").starts_with("c.toml:1:"));
    }

    #[test]
    fn spans_have_a_unit_and_bounds() {
        let config =
            Config::parse("[findings]\nclose_after = \"90s\"\n", "c.toml").expect("a span");
        assert_eq!(config.findings.close_after, Duration::from_secs(90));
        assert_eq!(config.findings.silent_after, Duration::from_secs(86_400));
        for bad in [
            "0s",
            "7",
            "d",
            "",
            "1 h",
            "4000d",
            "18446744073709551615d",
            "7é",
        ] {
            let text = format!("[findings]\nsilent_after = \"{bad}\"\n");
            assert!(refused(&text).contains("findings.silent_after"), "{bad}");
        }
    }

    #[test]
    fn names_of_the_page_are_names_of_hosts() {
        let config = Config::parse("[api]\nnames = [\"gnomon.corp.example:8443\"]\n", "c.toml");
        assert_eq!(config.expect("a name").api_names.len(), 1);
        for bad in ["", "http://x", "a b", "*", "x/y"] {
            assert!(refused(&format!("[api]\nnames = [\"{bad}\"]\n")).contains("api.names"));
        }
    }

    #[test]
    fn plain_text_stays_on_loopback() {
        assert!(refused("[api]\nlisten = \"0.0.0.0:80\"\n").contains("loopback only"));
        assert!(refused("[clickhouse]\nurl = \"http://db.example:8123\"\n").contains("https"));
    }

    #[test]
    fn the_shipped_default_is_what_an_empty_file_gives() {
        let shipped = include_str!("../../deploy/collector.toml");
        let shipped = Config::parse(shipped, "collector.toml").expect("shipped settings");
        let empty = Config::parse("", "c.toml").expect("defaults");
        assert_eq!(format!("{shipped:?}"), format!("{empty:?}"));
    }
}
