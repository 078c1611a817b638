//! The command line: parts, and a shorter or longer time for those that take one.

use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Parts; none: all of them.
    pub(crate) parts: Vec<String>,
    /// How long the parts that take time are to take: churn, resources, silence.
    pub(crate) duration: Option<Duration>,
}

impl Options {
    /// `[--duration 90s] [PART]…`
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--duration" {
                let text = arguments
                    .next()
                    .context("--duration takes a time, such as 90s")?;
                options.duration = Some(duration(&text)?);
            } else if argument.starts_with('-') {
                bail!("no option {argument:?}; usage: gnomon-bench [--duration 90s] [PART]…");
            } else {
                options.parts.push(argument);
            }
        }
        Ok(options)
    }

    /// Whether a part is to be measured.
    pub(crate) fn asks_for(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|asked| asked == part)
    }
}

/// `90s`, `10m` or `1h`.
fn duration(text: &str) -> Result<Duration> {
    let wrong = || format!("{text:?} is no time: 90s, 10m or 1h");
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => bail!(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().with_context(wrong)?;
    Ok(Duration::from_secs(number.saturating_mul(unit_s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn parts_and_times() -> Result<()> {
        let options = parse("--duration 2m churn silence")?;
        assert_eq!(options.duration, Some(Duration::from_secs(120)));
        assert!(options.asks_for("churn") && !options.asks_for("burst"));
        assert!(parse("")?.asks_for("burst"));
        for wrong in ["--duration", "--duration 2", "--duration xs", "--fast"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
