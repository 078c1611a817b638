//! `gnomon report`: what a period brought, as a page or as JSON.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::api::Api;
use crate::escape;
use crate::format::Asked;
use crate::view::is_time;

/// The collector gives up on a report before.
pub(crate) const TIMEOUT_S: u64 = 300;
/// Longest period.
const HOURS_MAX: u64 = 400 * 24;
const EXAMPLES: &str = "\
Examples:
  gnomon report --period 30d --out report.html
  gnomon report --period 24h --format json | jq '.answers[].answer'
  gnomon report --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z --out october.html

One page without scripts, to be read in a browser or printed on A4; pdf comes in a later version. Every
figure has its query, for `gnomon sql`. docs/report.md says what the figures mean, and how to give the
collector an asset list. Exit status 1 with the file written: some figures could not be answered.";

/// Period, and where to.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Wanted {
    /// Length of the period, hours or days: 24h, 7d, 30d; 1h to 400d [default: 30d]
    #[arg(long, value_name = "LENGTH", value_parser = length, conflicts_with = "from")]
    period: Option<String>,
    /// Begin of the period, RFC 3339: 2026-10-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<String>,
    /// End of the period, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<String>,
    /// File to write; - or none: standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A length the collector will take.
fn length(text: &str) -> Result<String, &'static str> {
    let digits = text.strip_suffix(['h', 'd']).unwrap_or("");
    let count = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let count = count.and_then(|digits| digits.parse().ok());
    let hours_each = if text.ends_with('d') { 24 } else { 1 };
    let hours = count.and_then(|count: u64| count.checked_mul(hours_each));
    if !hours.is_some_and(|hours| (1..=HOURS_MAX).contains(&hours)) {
        return Err("write a number of hours or days, such as 24h, 7d or 30d: 1h to 400d");
    }
    Ok(text.to_owned())
}

/// A time the collector will take, so far as its form shows.
fn instant(text: &str) -> Result<String, &'static str> {
    if !is_time(text) {
        return Err("write it as 2026-01-31T00:00:00Z");
    }
    Ok(text.to_owned())
}

/// The form the collector is asked for; what to do instead, where a report has no such form.
pub(crate) const fn form(format: Option<Asked>) -> Result<&'static str, &'static str> {
    match format {
        None | Some(Asked::Html) => Ok("html"),
        Some(Asked::Json) => Ok("json"),
        Some(Asked::Pdf) => Err(
            "pdf is not made in this version: take --format html and print it, it is laid out for A4",
        ),
        Some(Asked::Table | Asked::Csv) => Err("a report is --format html or json"),
    }
}

impl Wanted {
    /// Has it made and writes it. `format` as the command line has it.
    pub(crate) fn run(self, api: &Api, format: Option<Asked>) -> Result<()> {
        let format = form(format).map_err(anyhow::Error::msg)?;
        let pairs = [
            ("period", self.period),
            ("from", self.from),
            ("to", self.to),
        ];
        let mut parameters = vec![("format", format.to_owned())];
        parameters.extend(
            pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let document = api.document("/api/v1/report", &parameters)?;
        let text = if format == "json" {
            // It may be shown on a terminal.
            let text = String::from_utf8_lossy(&document.body);
            format!("{}\n", escape::json(&text)).into_bytes()
        } else {
            document.body
        };
        match self.out.as_deref().filter(|file| *file != Path::new("-")) {
            None => io::stdout().lock().write_all(&text)?,
            Some(file) => write(file, &text).with_context(|| {
                format!(
                    "cannot write {}; check the folder and its permissions",
                    file.display()
                )
            })?,
        }
        if !document.complete {
            bail!(
                "some figures could not be answered and say why in their place; try again, or ask for a shorter period"
            );
        }
        Ok(())
    }
}

/// Whole or not at all, where it is a file; what is none (a terminal, a pipe) is written to.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let special = std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file());
    if special {
        return File::options().write(true).open(file)?.write_all(bytes);
    }
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut name = file.clone().into_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = PathBuf::from(name);
    let done = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&fresh)
        .and_then(|mut new| {
            new.write_all(bytes)?;
            new.sync_all()
        })
        .and_then(|()| std::fs::rename(&fresh, &file));
    if done.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    done
}
