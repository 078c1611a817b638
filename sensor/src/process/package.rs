//! The package that a server process runs: its identity in the inventory.

/// How sure the identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strength {
    /// The user could have written it: a package.json, a path, an argument.
    Claimed,
    /// Proven by something the user cannot write.
    Verified,
}

impl Strength {
    /// The word in output and columns.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Verified => "verified",
        }
    }
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// `npm:@scope/name`, `pypi:name`, `oci:image`.
    pub key: String,
    /// How sure.
    pub strength: Strength,
    /// Version, where a file says so. An attribute, never part of the key.
    pub version: Option<String>,
}

/// Names the package that a process runs. `read` gives the text of a file as the process would see it
/// (bounded by the caller), or none.
///
/// A native binary of no known launcher gives none: its key (`go:…`, `bin:sha256`) is the caller's to make.
#[must_use]
pub fn package(
    exe: Option<&str>,
    argv: &[String],
    cwd: Option<&str>,
    read: &mut dyn FnMut(&str) -> Option<String>,
) -> Option<Package> {
    let _ = (exe, argv, cwd, read);
    None
}
