//! Settings of `gnomon-sensor run`: the file's shape, checked once into a [`Config`].
//!
//! Unknown keys are refused with file and line. Relative paths count from the file's own folder, so
//! that a folder with a configuration can be moved as a whole. Secrets are named by path only.

mod shape;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::observation::HostName;
use crate::source::Tier;

/// Where the packages put the configuration file.
pub const DEFAULT_PATH: &str = "/etc/gnomon/sensor.toml";

/// Checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Folder of the sensor's own state; the spool is in `spool` below it.
    pub state_dir: PathBuf,
    /// Name shown to people: the setting, or the kernel's node name.
    pub host_name: HostName,
    /// Policy file for stand-alone verdicts, until the collector sends one.
    pub policy: Option<PathBuf>,
    /// Where observations go.
    pub collector: Collector,
    /// Bounds.
    pub limits: Limits,
    /// What events may come from.
    pub tier: Tier,
}

/// How to reach the collector, and how both sides know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// `https://host:port`; never plain text.
    pub server: String,
    /// Name to look for in the collector's certificate, where it is not the host in `server`.
    pub server_name: Option<String>,
    /// Certificate of the authority that signed the collector's certificate, PEM.
    pub ca: PathBuf,
    /// This host's certificate, PEM.
    pub certificate: PathBuf,
    /// This host's private key, PEM, readable by root only.
    pub key: PathBuf,
}

/// Bounds of queues and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes the spool may take on disk; 1 MiB to 64 GiB.
    pub spool_bytes_max: u64,
    /// Observations that may wait for the spool in memory; 64 to 1,000,000.
    pub queue_observations_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spool_bytes_max: 256 << 20,
            queue_observations_max: 8192,
        }
    }
}

/// Why a configuration cannot be used: where, what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}; give the right file with --config", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its text is not the configuration we know.
    #[error("{place}: {what}; {advice}")]
    Invalid {
        /// File, line and column.
        place: Place,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file it names cannot be used.
    #[error("{}: {setting} names {}, {what}", .config.display(), .path.display())]
    File {
        /// The configuration file.
        config: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What it names.
        path: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// From 1; 0 where the place is the file as a whole.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads and checks a file, and the files it names as far as that can be done without using them.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config = Self::parse(&text, path)?;
        config.check_files(path)?;
        Ok(config)
    }

    /// Checks a file's text; `path` is for messages and relative paths.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        shape::parse(text, path)
    }

    fn check_files(&self, config: &Path) -> Result<(), ConfigError> {
        let named = [
            ("collector.ca", Some(&self.collector.ca)),
            ("collector.certificate", Some(&self.collector.certificate)),
            ("collector.key", Some(&self.collector.key)),
            ("policy", self.policy.as_ref()),
        ];
        for (setting, path) in named {
            let Some(path) = path else { continue };
            let fault = |what: String| ConfigError::File {
                config: config.to_owned(),
                setting,
                path: path.clone(),
                what,
            };
            std::fs::File::open(path).map_err(|error| {
                fault(format!(
                    "which cannot be opened ({error}); put the file there or correct the setting"
                ))
            })?;
            if setting == "collector.key" && is_open_to_others(path) {
                return Err(fault("which others can read; chmod 600 it".to_owned()));
            }
        }
        Ok(())
    }
}

fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests;
