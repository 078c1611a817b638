//! The command line.

use anyhow::{Result, bail};

const USAGE: &str =
    "usage: gnomon-kernels [--quick] [KERNEL…] | gnomon-kernels run [--counted] KERNEL COMMAND…";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Options {
    /// All checks; without a kernel on all there are.
    Test { kernels: Vec<String>, quick: bool },
    /// Any command, by `sh`.
    Run {
        kernel: String,
        counted: bool,
        command: String,
    },
    /// A guest's part.
    Inside { words: Vec<String> },
}

impl Options {
    /// The words of the command line, and the kernels that the environment names.
    pub(crate) fn parse(words: Vec<String>, environment: Option<&str>) -> Result<Self> {
        match words.first().map(String::as_str) {
            Some("inside") => Ok(Self::Inside {
                words: words[1..].to_vec(),
            }),
            Some("run") => {
                let (counted, rest) = flag(&words[1..], "--counted")?;
                let [kernel, command @ ..] = rest.as_slice() else {
                    bail!("{USAGE}");
                };
                if command.is_empty() {
                    bail!("{USAGE}");
                }
                Ok(Self::Run {
                    kernel: kernel.clone(),
                    counted,
                    command: command.join(" "),
                })
            }
            _ => {
                let (quick, mut kernels) = flag(&words, "--quick")?;
                if kernels.is_empty() {
                    let named = environment.unwrap_or_default().split_whitespace();
                    kernels = named.map(str::to_owned).collect();
                }
                Ok(Self::Test { kernels, quick })
            }
        }
    }
}

/// Whether the flag comes first, and what follows it.
fn flag(words: &[String], flag: &str) -> Result<(bool, Vec<String>)> {
    let given = words.first().is_some_and(|word| word == flag);
    let rest = words[usize::from(given)..].to_vec();
    match rest.first() {
        Some(word) if word.starts_with('-') => bail!("no option {word:?}; {USAGE}"),
        _ => Ok((given, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(
            text.split_whitespace().map(str::to_owned).collect(),
            Some("6.1 6.12"),
        )
    }

    #[test]
    fn kernels_of_the_command_line_or_of_the_environment() -> Result<()> {
        let test = |kernels: &[&str], quick| Options::Test {
            kernels: kernels.iter().map(|&name| name.to_owned()).collect(),
            quick,
        };
        assert_eq!(parse("")?, test(&["6.1", "6.12"], false));
        assert_eq!(parse("--quick 6.18")?, test(&["6.18"], true));
        let run = Options::Run {
            kernel: "6.18".to_owned(),
            counted: true,
            command: "uname -r".to_owned(),
        };
        assert_eq!(parse("run --counted 6.18 uname -r")?, run);
        for wrong in ["--slow", "run", "run 6.18", "run --fast 6.18 ls"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
