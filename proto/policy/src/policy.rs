//! A checked policy: gateways, exceptions, and the digest of the text they were read from.

mod diagnostic;
pub(crate) mod gateway;
mod parse;
pub(crate) mod sanction;
mod table;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

pub use diagnostic::{PolicyError, Warning};
use gateway::Gateway;
use sanction::Sanction;

/// Gateways and exceptions, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) sanctions: Vec<Sanction>,
    digest: String,
}

impl Policy {
    /// Reads and checks a policy file's text. `file_name` is repeated in messages; `now` tells which
    /// exceptions have ended, which is a warning.
    ///
    /// # Errors
    /// Every fault found (at most 100), in the order of the file.
    pub fn parse(
        text: &str,
        file_name: &str,
        now: OffsetDateTime,
    ) -> Result<(Self, Vec<Warning>), Vec<PolicyError>> {
        let (gateways, sanctions, warnings) = parse::parse(text, file_name, now)?;
        let policy = Self {
            gateways,
            sanctions,
            digest: digest(text),
        };
        Ok((policy, warnings))
    }

    /// No gateway, no exception: everything is shadow.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            gateways: Vec::new(),
            sanctions: Vec::new(),
            digest: digest(""),
        }
    }

    /// SHA-256 of the policy text, lower-case hex.
    #[must_use]
    pub fn version_digest(&self) -> String {
        self.digest.clone()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::empty()
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests;
