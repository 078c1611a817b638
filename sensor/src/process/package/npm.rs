//! Packages of npm: by the folder they lie in, by the command that they own, by name on a command line.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NAME_BYTES_MAX, Package, Read, claimed, parents};

/// Dependencies looked into for the one that owns a command.
const DEPENDENCIES_MAX: usize = 64;

/// A package's place in a path.
pub(in crate::process) struct NpmPath<'a> {
    /// `@scope/name` or `name`; `.bin/command` gives the command.
    pub(in crate::process) name: &'a str,
    /// Up to and with the package's folder; for a command, up to `node_modules`.
    root: &'a str,
    command: bool,
}

/// Finds the innermost `node_modules/…` of a path.
pub(in crate::process) fn npm_in_path(path: &str) -> Option<NpmPath<'_>> {
    const FOLDER: &str = "node_modules/";
    let start = path.rfind(FOLDER)? + FOLDER.len();
    let rest = &path[start..];
    if let Some(command) = rest.strip_prefix(".bin/") {
        let fits = !command.is_empty() && !command.contains('/');
        return fits.then_some(NpmPath {
            name: command,
            root: &path[..start - 1],
            command: true,
        });
    }
    let slashes = if rest.starts_with('@') { 2 } else { 1 };
    let length = rest
        .match_indices('/')
        .nth(slashes - 1)
        .map_or(rest.len(), |(at, _)| at);
    let name = &rest[..length];
    is_npm_name(name).then_some(NpmPath {
        name,
        root: &path[..start + length],
        command: false,
    })
}

fn is_npm_name(name: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && !p.starts_with(['.', '_'])
            && p.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    let parts = match name.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    };
    name.len() <= NAME_BYTES_MAX && parts
}

#[derive(Default, Deserialize)]
struct PackageJson {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    bin: serde_json::Value,
}

impl PackageJson {
    fn owns(&self, command: &str) -> bool {
        match &self.bin {
            serde_json::Value::Object(commands) => commands.contains_key(command),
            serde_json::Value::String(_) => {
                let name = self.name.as_deref().unwrap_or_default();
                name.rsplit('/').next() == Some(command)
            }
            _ => false,
        }
    }

    fn package(self) -> Option<Package> {
        let name = self.name.filter(|n| is_npm_name(n))?;
        Some(claimed(format!("npm:{name}"), self.version))
    }
}

fn package_json(folder: &str, read: Read<'_>) -> Option<PackageJson> {
    serde_json::from_str(&read(&format!("{folder}/package.json"))?).ok()
}

pub(super) fn node_script(path: &str, read: Read<'_>) -> Option<Package> {
    node_modules(path, read)
        .or_else(|| global_command(path, read))
        .or_else(|| parents(path).find_map(|folder| package_json(folder, read)?.package()))
}

/// The folder names the package; its package.json gives the version, or nothing where it says another name.
pub(super) fn node_modules(path: &str, read: Read<'_>) -> Option<Package> {
    let found = npm_in_path(path)?;
    if found.command {
        return owner_of(found.name, found.root, read);
    }
    let json = package_json(found.root, read).unwrap_or_default();
    let version = json
        .version
        .filter(|_| json.name.as_deref() == Some(found.name));
    Some(claimed(format!("npm:{}", found.name), version))
}

/// `node_modules/.bin/command`: the project's dependency that has this command (npx makes such a project).
fn owner_of(command: &str, modules: &str, read: Read<'_>) -> Option<Package> {
    let project = modules.strip_suffix("/node_modules")?;
    let dependencies = package_json(project, read).unwrap_or_default().dependencies;
    let same_name = is_npm_name(command).then(|| command.to_owned());
    let names = dependencies
        .into_keys()
        .filter(|n| is_npm_name(n))
        .take(DEPENDENCIES_MAX);
    same_name.into_iter().chain(names).find_map(|name| {
        let json = package_json(&format!("{modules}/{name}"), read)?;
        if json.owns(command) {
            json.package()
        } else {
            None
        }
    })
}

/// `/usr/local/bin/command`, a link into `/usr/local/lib/node_modules`, where both have one name.
fn global_command(path: &str, read: Read<'_>) -> Option<Package> {
    let (prefix, command) = path.split_once("/bin/")?;
    if command.contains('/') || !is_npm_name(command) {
        return None;
    }
    let json = package_json(&format!("{prefix}/lib/node_modules/{command}"), read)?;
    if json.owns(command) {
        json.package()
    } else {
        None
    }
}

/// `@scope/name@1.2.3`
pub(super) fn npm_spec(spec: &str) -> Option<Package> {
    let at = spec.get(1..)?.find('@').map(|at| at + 1);
    let (name, version) = at.map_or((spec, None), |at| (&spec[..at], Some(&spec[at + 1..])));
    let exact = version.filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    is_npm_name(name).then(|| claimed(format!("npm:{name}"), exact.map(str::to_owned)))
}
