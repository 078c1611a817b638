//! Tool definitions and their digests.

use std::fmt;

/// Most tools of one list that are kept; the largest list seen in the wild has 300.
pub const TOOLS_MAX: usize = 4096;

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One tool of a `tools/list` answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name, cleaned (see [`super::message::NAME_BYTES_MAX`]).
    pub name: String,
    /// Digest of the whole definition in canonical form: the same however it was written.
    pub digest: Digest,
}
