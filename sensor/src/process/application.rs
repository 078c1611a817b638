//! The AI application that a process is, named from its executable and arguments.
//!
//! The names are data: data/applications.json. What a client says of itself on the wire is not asked: that is
//! `clientInfo`, told beside this.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::launch::{Launch, base_name, launch};
use super::package::npm_in_path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    /// File names of its executables and scripts, lower case.
    #[serde(default)]
    programs: Vec<String>,
    /// Packages of npm.
    #[serde(default)]
    packages: Vec<String>,
    /// Modules of python.
    #[serde(default)]
    modules: Vec<String>,
    /// Parts of the paths of its executables and scripts, lower case.
    #[serde(default)]
    paths: Vec<String>,
}

struct Table {
    programs: HashMap<String, &'static str>,
    packages: HashMap<String, &'static str>,
    modules: HashMap<String, &'static str>,
    paths: Vec<(String, &'static str)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let applications: Vec<Application> =
        serde_json::from_str(include_str!("../../data/applications.json"))
            .expect("data/applications.json is part of the program");
    let mut table = Table {
        programs: HashMap::new(),
        packages: HashMap::new(),
        modules: HashMap::new(),
        paths: Vec::new(),
    };
    for application in applications {
        // Once per program run: the table lives as long as it.
        let name: &'static str = application.name.leak();
        table
            .programs
            .extend(application.programs.into_iter().map(|p| (p, name)));
        table
            .packages
            .extend(application.packages.into_iter().map(|p| (p, name)));
        table
            .modules
            .extend(application.modules.into_iter().map(|m| (m, name)));
        table
            .paths
            .extend(application.paths.into_iter().map(|p| (p, name)));
    }
    // Longer parts first: an extension inside of an editor's folder is the extension.
    table
        .paths
        .sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    table
});

/// An AI application and what gave it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name, as people know it.
    pub name: &'static str,
    /// By what it is known.
    pub by: Sign,
}

/// What gives an application away. The user can write all of it, some of it more easily.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The package that its script or executable lies in, or that its command line names.
    Package,
    /// The folder that its installer makes.
    Place,
    /// No more than the name of a file, in a folder for programs.
    FileName,
}

impl Sign {
    /// In words, for evidence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "its package",
            Self::Place => "the folder it is installed in",
            Self::FileName => "the name of its program",
        }
    }
}

/// Names the AI application, or none. Never from what the process says of itself on the wire.
/// The caller walks up the ancestors.
#[must_use]
pub fn application(exe: Option<&str>, argv: &[String]) -> Option<Named> {
    let by_package = |name: Option<&&'static str>| {
        name.map(|name| Named {
            name,
            by: Sign::Package,
        })
    };
    match launch(exe, argv, None) {
        Launch::NodeScript(path) => by_npm_path(&path).or_else(|| by_path(&path)),
        Launch::PythonScript(path) => by_path(&path),
        Launch::PythonModule(module) => {
            let top = module.split('.').next().unwrap_or(&module);
            by_package(TABLE.modules.get(top))
        }
        Launch::NpmPackage(package) => {
            let name = package
                .get(1..)
                .and_then(|p| p.find('@'))
                .map_or(&*package, |at| &package[..=at]);
            by_package(TABLE.packages.get(name))
        }
        Launch::PythonPackage(package) => {
            let name = package
                .split(['=', '<', '>', '@', '[', '~', '!'])
                .next()
                .unwrap_or(&package);
            by_package(TABLE.programs.get(name))
        }
        Launch::Image(_) => None,
        Launch::Nameless | Launch::Program => None,
    }
    .or_else(|| exe.and_then(|exe| by_npm_path(exe).or_else(|| by_path(exe))))
    .or_else(|| by_first_argument(exe, argv))
}

fn by_npm_path(path: &str) -> Option<Named> {
    Some(Named {
        name: TABLE.packages.get(npm_in_path(path)?.name)?,
        by: Sign::Package,
    })
}

fn by_path(path: &str) -> Option<Named> {
    let lower = path.to_ascii_lowercase();
    let part = TABLE
        .paths
        .iter()
        .find(|(part, _)| lower.contains(part.as_str()));
    if let Some((_, name)) = part {
        return Some(Named {
            name,
            by: Sign::Place,
        });
    }
    let name = TABLE.programs.get(&base_name(path))?;
    is_where_programs_are(&lower).then_some(Named {
        name,
        by: Sign::FileName,
    })
}

/// Anybody's file may bear an application's name; one that was installed lies where programs are.
fn is_where_programs_are(path: &str) -> bool {
    const FOLDERS: &[&str] = &["bin", "sbin", ".bin", "libexec"];
    const TREES: &[&str] = &[
        "/usr/",
        "/opt/",
        "/snap/",
        "/nix/store/",
        // Flatpak, and where an AppImage is mounted while it runs.
        "/app/",
        "/tmp/.mount_",
    ];
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    FOLDERS.contains(&folder.rsplit('/').next().unwrap_or(folder))
        || TREES.iter().any(|tree| path.starts_with(tree))
        || path.ends_with(".appimage")
}

/// The first argument is the caller's to choose: asked only where the executable is not known.
fn by_first_argument(exe: Option<&str>, argv: &[String]) -> Option<Named> {
    let first = argv.first().filter(|_| exe.is_none())?;
    by_path(first)
}

#[cfg(test)]
mod tests;
