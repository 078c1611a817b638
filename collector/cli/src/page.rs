//! `gnomon page`: a fresh link to the page.

use std::io::{self, Write};

use anyhow::{Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::escape;
use crate::format::Format;

const PATH: &str = "/api/v1/page-link";
const EXAMPLES: &str = "\
The link works once and for some minutes; the browser that opens it stays signed in for some hours.
It is printed, not opened: other users of this machine could read it from a browser's command line.

Examples:
  gnomon page
  gnomon page --format json";

/// Makes a link that signs a browser in to the page.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Page {}

/// One row: the link, and until when it works.
#[derive(Deserialize, Serialize)]
struct Link {
    url: String,
    expires: String,
}

impl Page {
    /// Makes it.
    pub(crate) fn run(self, api: &Api, format: Format) -> Result<()> {
        let link: Link = api.post(PATH, &[], "application/json", String::new())?;
        if !(link.url.starts_with("http://") || link.url.starts_with("https://")) {
            bail!("what answers is no collector: its link is no address");
        }
        let mut out = io::stdout().lock();
        match format {
            Format::Table => writeln!(out, "{}", escape::line(&link.url))?,
            Format::Json => {
                let text = serde_json::to_string_pretty(&[link])?;
                writeln!(out, "{}", escape::json(&text))?;
            }
            Format::Csv => {
                let (url, expires) = (escape::line(&link.url), escape::line(&link.expires));
                writeln!(out, "url,expires\r\n{url},{expires}\r")?;
            }
        }
        Ok(out.flush()?)
    }
}
