//! The outcome of one check, as a line that a guest prints and the host reads.

use std::fmt;

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A test of sensor/tests/kernel.
    Kernel,
    /// What peers did against what a sensor told.
    Conversation,
    /// What was done to the host.
    Host,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Kernel, Self::Conversation, Self::Host];

    /// As [`fmt::Display`] writes it.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Conversation => "conversation",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.word())
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) subject: Subject,
    pub(crate) name: String,
    pub(crate) passed: bool,
}

const MARK: &str = "check:";
const PASSED: &str = "passed";
const FAILED: &str = "failed";

impl Check {
    /// Of a line as [`fmt::Display`] writes it; none: the line is something else.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(MARK)?.split_whitespace();
        let (subject, passed, name) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            subject: Subject::of_word(subject)?,
            name: name.to_owned(),
            passed: match passed {
                PASSED => true,
                FAILED => false,
                _ => return None,
            },
        })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.passed { PASSED } else { FAILED };
        write!(to, "{MARK} {} {outcome} {}", self.subject, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for passed in [true, false] {
            let check = Check {
                subject: Subject::Conversation,
                name: "python_over_pipes".to_owned(),
                passed,
            };
            assert_eq!(Check::of_line(&format!("{check} 3 s")), Some(check));
        }
        for other in [
            "",
            "check: kernel",
            "check: kernel perhaps x",
            "check: x passed y",
        ] {
            assert_eq!(Check::of_line(other), None);
        }
    }
}
