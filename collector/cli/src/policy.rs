//! `gnomon policy`: the policy in force, and another in its place.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::api::{Api, Remark};
use crate::command::Format;
use crate::escape;

const PATH: &str = "/api/v1/policy";
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
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("cannot read the policy file {}", file.display()))?;
                let parameters = [("file", file.display().to_string()), ("author", author())];
                let shown: Shown = api.post(PATH, &parameters, "application/toml", text)?;
                for warning in &shown.warnings {
                    eprintln!("gnomon: warning: {}", escape::lines(&warning.to_string()));
                }
                println!("policy version {} is in force", shown.version);
                Ok(())
            }
        }
    }
}

/// Who is at the keyboard, for the record: by the environment's word.
fn author() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("SUDO_USER")
        .or_else(|| variable("USER"))
        .unwrap_or_else(|| "unknown".to_owned())
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
                eprintln!(
                    "gnomon: policy version {}, applied {} by {}",
                    shown.version,
                    escape::line(applied),
                    escape::line(author)
                );
                write!(out, "{}", escape::lines(toml))?;
                if !toml.ends_with('\n') {
                    writeln!(out)?;
                }
            }
            None => eprintln!("gnomon: no policy is in force; `gnomon policy apply FILE` puts one"),
        },
    }
    Ok(())
}
