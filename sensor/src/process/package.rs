//! The package that a server process runs: its identity in the inventory.
//!
//! All of it is `claimed`: paths, arguments and package.json are the user's to write. Proof (root-owned files,
//! lock files, image digests) comes with later work.

mod image;
mod npm;
mod pypi;

use super::launch::{Launch, launch};

pub(super) use npm::npm_in_path;

/// Folders looked into above a script for the file that names its project.
const PARENTS_MAX: usize = 8;
/// Longest name taken, in bytes: npm allows 214.
const NAME_BYTES_MAX: usize = 214;

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
    /// `npm:@scope/name`, `pypi:name`, `oci:image`; `file:/path` for a script that no package names,
    /// whose key is the caller's to make from its content.
    pub key: String,
    /// How sure.
    pub strength: Strength,
    /// Version, where a file or the command line says so. An attribute, never part of the key.
    pub version: Option<String>,
}

type Read<'a> = &'a mut dyn FnMut(&str) -> Option<String>;

/// Names the package that a process runs. `read` gives the text of a file as the process would see it
/// (bounded by the caller), or none.
///
/// A native binary of no known launcher gives none: its key (`go:…`, `bin:sha256`) is the caller's to make. A script
/// is never known by its interpreter: without a package its own path is the key.
#[must_use]
pub fn package(
    exe: Option<&str>,
    argv: &[String],
    cwd: Option<&str>,
    read: Read<'_>,
) -> Option<Package> {
    match launch(exe, argv, cwd) {
        Launch::NodeScript(path) => {
            Some(npm::node_script(&path, read).unwrap_or_else(|| file(&path)))
        }
        Launch::PythonScript(path) => {
            Some(pypi::python_script(&path, argv, cwd, read).unwrap_or_else(|| file(&path)))
        }
        Launch::PythonModule(module) => pypi::python_module(&module, argv, cwd, read),
        Launch::NpmPackage(spec) => npm::npm_spec(&spec),
        Launch::PythonPackage(spec) => pypi::pypi_spec(&spec),
        Launch::Image(image) => image::oci(&image),
        Launch::Nameless => None,
        // A compiled program may be part of an npm package.
        Launch::Program => npm::node_modules(exe?, read),
    }
}

fn claimed(key: String, version: Option<String>) -> Package {
    let version = version
        .filter(|v| !v.is_empty() && v.len() <= 128 && v.bytes().all(|b| b.is_ascii_graphic()));
    Package {
        key,
        strength: Strength::Claimed,
        version,
    }
}

fn file(path: &str) -> Package {
    claimed(format!("file:{path}"), None)
}

/// Folders above a path, the nearest first; never the root.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(folder, _)| folder), |folder| {
        folder.rsplit_once('/').map(|(parent, _)| parent)
    })
    .take_while(|folder| !folder.is_empty())
    .take(PARENTS_MAX)
}

#[cfg(test)]
mod tests;
