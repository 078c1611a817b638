//! Why the probes are off, and what to do to have them on again.

use std::fmt;
use std::path::PathBuf;

use crate::guard::Cause;

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Off {
    /// The kill switch.
    Switched {
        /// The file that does it.
        file: PathBuf,
        /// Its first line, redacted.
        note: Option<String>,
    },
    /// The collector, for this host or all.
    Ordered {
        /// Who ordered it and why, redacted.
        note: Option<String>,
    },
    /// The crash guard.
    Guarded {
        /// What it has seen.
        cause: Cause,
        /// Where it remembers it.
        file: PathBuf,
    },
}

impl fmt::Display for Off {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switched { file, note } => {
                write!(f, "switched off by {}", file.display())?;
                if let Some(note) = note {
                    write!(f, " ({note})")?;
                }
                f.write_str("; delete that file to attach again")
            }
            Self::Ordered { note } => {
                f.write_str("switched off from the collector")?;
                if let Some(note) = note {
                    write!(f, " ({note})")?;
                }
                f.write_str("; `gnomon sensors enable` there attaches again")
            }
            Self::Guarded { cause, file } => {
                f.write_str(match cause {
                    Cause::EndedTwice => {
                        "the sensor ended twice within ten minutes without a clean stop (killed, crashed, or out of memory)"
                    }
                    Cause::HostWentDown => {
                        "the host went down within a minute after the probes were attached"
                    }
                })?;
                let file = file.display();
                write!(
                    f,
                    "; find out why, then start once with --force-attach, or delete {file}, to attach again"
                )
            }
        }
    }
}
