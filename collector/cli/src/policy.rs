//! `gnomon policy`: the policy in force, and another in its place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::api::{Api, Remark};
use crate::escape;
use crate::format::Format;

const PATH: &str = "/api/v1/policy";
/// The collector takes no longer one.
const POLICY_BYTES_MAX: u64 = 1 << 20;
const PASSWD_BYTES_MAX: u64 = 4 << 20;
const APPLY_EXAMPLES: &str = "\
Examples:
  gnomon policy apply policy.toml
  gnomon policy show > policy.toml

docs/policy.md says what a policy file holds; deploy/policy.example.toml is one.";

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Print the policy in force, as it was written
    Show,
    /// Put a policy in force; every session is judged again
    #[command(after_help = APPLY_EXAMPLES)]
    Apply {
        /// The policy file
        file: PathBuf,
    },
}

#[derive(Deserialize)]
struct Shown {
    version: u64,
    author: Option<String>,
    applied: Option<String>,
    digest: Option<String>,
    toml: Option<String>,
    #[serde(default)]
    warnings: Vec<Remark>,
}

/// One row, as the `policies` view has it.
#[derive(Serialize)]
struct Row<'a> {
    version: u64,
    applied: Option<&'a str>,
    author: Option<&'a str>,
    digest: Option<&'a str>,
    toml: Option<&'a str>,
}

impl Action {
    /// Does it.
    pub(crate) fn run(self, api: &Api, format: Format) -> Result<()> {
        match self {
            Self::Show => show(&api.get(PATH)?, format),
            Self::Apply { file } => {
                let text = read(&file)?;
                let parameters = [("file", file.display().to_string()), ("author", author())];
                let shown: Shown = api.post(PATH, &parameters, "application/toml", text)?;
                for warning in &shown.warnings {
                    let warning = warning.to_string();
                    crate::say(&format!("warning: {}", escape::lines(&warning)));
                }
                writeln!(io::stdout(), "policy version {} is in force", shown.version)?;
                Ok(())
            }
        }
    }
}

/// A policy file's text.
fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    let failed = || format!("cannot read the policy file {shown}");
    let mut bytes = Vec::new();
    (File::open(path).with_context(failed)?)
        .take(POLICY_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(failed)?;
    if bytes.len() as u64 > POLICY_BYTES_MAX {
        bail!(
            "{shown} is longer than a policy may be, {POLICY_BYTES_MAX} bytes; name a policy file"
        );
    }
    String::from_utf8(bytes).with_context(failed)
}

/// Who is at the keyboard, for the record: by the environment's word, else the name of this process's user.
pub(crate) fn author() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("SUDO_USER")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .or_else(user)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The name that `/etc/passwd` has for this process's user; its number where there is none.
fn user() -> Option<String> {
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let mut known = String::new();
    if let Ok(file) = File::open("/etc/passwd") {
        // A broken one leaves the number.
        let _ = file.take(PASSWD_BYTES_MAX).read_to_string(&mut known);
    }
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(id.as_str())).then(|| name.to_owned())
    });
    name.or_else(|| Some(format!("user {id}")))
}

fn show(shown: &Shown, format: Format) -> Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            let row = Row {
                version: shown.version,
                applied: shown.applied.as_deref(),
                author: shown.author.as_deref(),
                digest: shown.digest.as_deref(),
                toml: shown.toml.as_deref(),
            };
            let text = serde_json::to_string(&[row]).context("a policy is JSON")?;
            writeln!(out, "{}", escape::json(&text))?;
        }
        Format::Csv => bail!("a policy is not a table; use --format table or json"),
        Format::Table => match &shown.toml {
            Some(toml) => {
                let author = shown.author.as_deref().unwrap_or("unknown");
                let applied = shown.applied.as_deref().unwrap_or("unknown");
                crate::say(&format!(
                    "policy version {}, applied {} by {}",
                    shown.version,
                    escape::line(applied),
                    escape::line(author)
                ));
                write!(out, "{}", escape::lines(toml))?;
                if !toml.ends_with('\n') {
                    writeln!(out)?;
                }
            }
            None => crate::say("no policy is in force; `gnomon policy apply FILE` puts one"),
        },
    }
    Ok(())
}
