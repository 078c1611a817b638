//! The file as it is written, and the way from there to checked settings.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Collector, Config, ConfigError, Limits, Place};
use crate::observation::HostName;
use crate::source::Tier;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    state_dir: Option<PathBuf>,
    host_name: Option<Spanned<String>>,
    policy: Option<PathBuf>,
    collector: CollectorShape,
    #[serde(default)]
    limits: LimitsShape,
    #[serde(default)]
    kernel: KernelShape,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectorShape {
    server: Spanned<String>,
    server_name: Option<String>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsShape {
    spool_bytes_max: Option<Spanned<i64>>,
    queue_observations_max: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelShape {
    tier: Option<Spanned<i64>>,
}

/// Text to settings; see [`Config::parse`].
pub(super) fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| ConfigError::Invalid {
        place: error
            .span()
            .map_or_else(|| whole(path), |span| place(text, path, span.start)),
        what: error.message().replace('\n', ", "),
        advice: "deploy/sensor.toml documents every setting",
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let at = |setting: Option<PathBuf>, default: &str| {
        folder.join(setting.unwrap_or_else(|| PathBuf::from(default)))
    };
    let invalid = |span: std::ops::Range<usize>, what: String, advice| ConfigError::Invalid {
        place: place(text, path, span.start),
        what,
        advice,
    };
    let server = file.collector.server;
    check_server(server.get_ref()).map_err(|what| {
        invalid(
            server.span(),
            what,
            "write it as \"https://collector.example:4400\"",
        )
    })?;
    let host_name = match file.host_name {
        Some(name) if name.get_ref().trim().is_empty() || name.get_ref().len() > 253 => {
            let what = "host_name is empty or longer than 253 bytes".to_owned();
            return Err(invalid(
                name.span(),
                what,
                "leave it out to use the kernel's node name",
            ));
        }
        Some(name) => HostName::new(name.get_ref()),
        None => node_name(),
    };
    let bounded =
        |setting: Option<Spanned<i64>>, name: &str, range: RangeInclusive<u64>, default| {
            let Some(setting) = setting else {
                return Ok(default);
            };
            let value = u64::try_from(*setting.get_ref())
                .ok()
                .filter(|value| range.contains(value));
            value.ok_or_else(|| {
                let what = format!("{name} is not within {} and {}", range.start(), range.end());
                invalid(setting.span(), what, "choose a value in that range")
            })
        };
    let limits = Limits::default();
    let spool_bytes_max = bounded(
        file.limits.spool_bytes_max,
        "spool_bytes_max",
        1 << 20..=64 << 30,
        limits.spool_bytes_max,
    )?;
    let queue_observations_max = bounded(
        file.limits.queue_observations_max,
        "queue_observations_max",
        64..=1_000_000,
        limits.queue_observations_max as u64,
    )?;
    let tier = match file.kernel.tier {
        None => Tier::Best,
        Some(tier) if *tier.get_ref() == 3 => Tier::Capture,
        Some(tier) => {
            let what = format!("kernel.tier is {}, only 3 can be asked for", tier.get_ref());
            return Err(invalid(
                tier.span(),
                what,
                "leave it out to use the best that the kernel allows",
            ));
        }
    };
    Ok(Config {
        state_dir: at(file.state_dir, "/var/lib/gnomon"),
        host_name,
        policy: file.policy.map(|policy| folder.join(policy)),
        collector: Collector {
            server: server.into_inner().trim_end_matches('/').to_owned(),
            server_name: file.collector.server_name,
            ca: at(file.collector.ca, "/etc/gnomon/ca.pem"),
            certificate: at(file.collector.certificate, "/etc/gnomon/sensor.pem"),
            key: at(file.collector.key, "/etc/gnomon/sensor.key"),
        },
        limits: Limits {
            spool_bytes_max,
            queue_observations_max: usize::try_from(queue_observations_max)
                .expect("at most a million"),
        },
        tier,
    })
}

fn check_server(server: &str) -> Result<(), String> {
    let uri: http::Uri = server
        .parse()
        .map_err(|error| format!("collector.server is no URL: {error}"))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") => return Err("collector.server is plain http, which is never used".into()),
        _ => return Err("collector.server has no https:// in front".into()),
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err("collector.server has a user name in it".into());
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err("collector.server has a path".into());
    }
    Ok(())
}

/// `uname -n`, which is where /proc has it from.
fn node_name() -> HostName {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    HostName::new(if name.is_empty() { "localhost" } else { name })
}

fn whole(path: &Path) -> Place {
    Place {
        path: path.to_owned(),
        line: 0,
        column: 0,
    }
}

fn place(text: &str, path: &Path, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
