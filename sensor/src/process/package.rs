//! The package that a server process runs: its identity in the inventory.
//!
//! All of it is `claimed`: paths, arguments and package.json are the user's to write. Proof (root-owned files,
//! lock files, image digests) comes with later work.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::launch::{Launch, absolute, launch};

/// Folders looked into above a script for the file that names its project.
const PARENTS_MAX: usize = 8;
/// Dependencies looked into for the one that owns a command.
const DEPENDENCIES_MAX: usize = 64;
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
        Launch::NodeScript(path) => Some(node_script(&path, read).unwrap_or_else(|| file(&path))),
        Launch::PythonScript(path) => {
            Some(python_script(&path, argv, cwd, read).unwrap_or_else(|| file(&path)))
        }
        Launch::PythonModule(module) => python_module(&module, cwd, read),
        Launch::NpmPackage(spec) => npm_spec(&spec),
        Launch::PythonPackage(spec) => pypi_spec(&spec),
        Launch::Image(image) => oci(&image),
        Launch::Nameless => None,
        // A compiled program may be part of an npm package.
        Launch::Program => node_modules(exe?, read),
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

// ---- npm

/// A package's place in a path.
pub(super) struct NpmPath<'a> {
    /// `@scope/name` or `name`; `.bin/command` gives the command.
    pub(super) name: &'a str,
    /// Up to and with the package's folder; for a command, up to `node_modules`.
    root: &'a str,
    command: bool,
}

/// Finds the innermost `node_modules/…` of a path.
pub(super) fn npm_in_path(path: &str) -> Option<NpmPath<'_>> {
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

fn node_script(path: &str, read: Read<'_>) -> Option<Package> {
    node_modules(path, read)
        .or_else(|| global_command(path, read))
        .or_else(|| parents(path).find_map(|folder| package_json(folder, read)?.package()))
}

/// The folder names the package; its package.json gives the version, or nothing where it says another name.
fn node_modules(path: &str, read: Read<'_>) -> Option<Package> {
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
fn npm_spec(spec: &str) -> Option<Package> {
    let at = spec.get(1..)?.find('@').map(|at| at + 1);
    let (name, version) = at.map_or((spec, None), |at| (&spec[..at], Some(&spec[at + 1..])));
    let exact = version.filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    is_npm_name(name).then(|| claimed(format!("npm:{name}"), exact.map(str::to_owned)))
}

// ---- python

fn pypi(name: &str, version: Option<String>) -> Option<Package> {
    let fits = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    fits.then(|| claimed(format!("pypi:{}", normalised(name)), version))
}

/// One form of a name: PEP 503.
fn normalised(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// `name[extra]==1.2`
fn pypi_spec(spec: &str) -> Option<Package> {
    let name = spec
        .split(['=', '<', '>', '@', '[', '~', '!', ' '])
        .next()?;
    let version = spec
        .split_once("==")
        .or_else(|| spec.rsplit_once('@'))
        .map(|(_, v)| v);
    let exact = version.filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    pypi(name, exact.map(str::to_owned))
}

/// A module is taken for the package of its name; one that lies in the working directory for its project.
fn python_module(module: &str, cwd: Option<&str>, read: Read<'_>) -> Option<Package> {
    let top = module.split('.').next()?;
    if let Some(package) = cwd.and_then(|cwd| {
        let here = ["", "src/"]
            .iter()
            .any(|s| read(&format!("{cwd}/{s}{top}/__init__.py")).is_some());
        if here {
            pyproject(&absolute("x", Some(cwd)), read)
        } else {
            None
        }
    }) {
        return Some(package);
    }
    pypi(top, None)
}

/// Commands that run a server file of the user's.
const SERVER_RUNNERS: &[&str] = &["fastmcp", "mcp"];

fn python_script(
    path: &str,
    argv: &[String],
    cwd: Option<&str>,
    read: Read<'_>,
) -> Option<Package> {
    if let Some((_, rest)) = path
        .split_once("/site-packages/")
        .or_else(|| path.split_once("/dist-packages/"))
    {
        let module = rest.split('/').next()?;
        return pypi(module.strip_suffix(".py").unwrap_or(module), None);
    }
    let (folder, name) = path.rsplit_once('/')?;
    if !folder.ends_with("/bin") || name.ends_with(".py") {
        return pyproject(path, read);
    }
    if SERVER_RUNNERS.contains(&name) {
        let run = argv.iter().position(|a| a == "run" || a == "dev");
        let server = run.and_then(|at| argv[at + 1..].iter().find(|a| !a.starts_with('-')))?;
        let server = absolute(server.split(':').next()?, cwd);
        return pyproject(&server, read).or_else(|| Some(file(&server)));
    }
    // uv and pipx name the folder of an installed tool after its package.
    let tool = ["/uv/tools/", "/pipx/venvs/"].iter().find_map(|place| {
        let (_, rest) = folder.split_once(place)?;
        rest.split('/').next()
    });
    pypi(tool.unwrap_or(name), None)
}

/// The project whose file lies above a script.
fn pyproject(path: &str, read: Read<'_>) -> Option<Package> {
    let text = parents(path).find_map(|folder| read(&format!("{folder}/pyproject.toml")))?;
    let table: toml::Table = text.parse().ok()?;
    let project = table.get("project")?;
    let field = |key: &str| project.get(key).and_then(|v| v.as_str());
    pypi(field("name")?, field("version").map(str::to_owned))
}

/// Folders above a path, the nearest first; never the root.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(folder, _)| folder), |folder| {
        folder.rsplit_once('/').map(|(parent, _)| parent)
    })
    .take_while(|folder| !folder.is_empty())
    .take(PARENTS_MAX)
}

// ---- images

/// The image without tag and digest, which are its version.
fn oci(image: &str) -> Option<Package> {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(n, d)| (n, Some(d)));
    // A colon after the last slash is a tag, before it a port.
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = name[slash..].find(':').map_or((name, None), |at| {
        (&name[..slash + at], Some(&name[slash + at + 1..]))
    });
    let fits = !name.is_empty()
        && name.len() <= 255
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b));
    fits.then(|| claimed(format!("oci:{name}"), digest.or(tag).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        (
            "/n/1/package.json",
            r#"{"dependencies":{"@modelcontextprotocol/server-filesystem":"^1"}}"#,
        ),
        (
            "/n/1/node_modules/@modelcontextprotocol/server-filesystem/package.json",
            r#"{"name":"@modelcontextprotocol/server-filesystem","version":"2026.1.2","bin":{"mcp-server-filesystem":"dist/index.js"}}"#,
        ),
        (
            "/n/1/node_modules/liar/package.json",
            r#"{"name":"@modelcontextprotocol/server-filesystem","version":"9"}"#,
        ),
        (
            "/usr/local/lib/node_modules/tool/package.json",
            r#"{"name":"tool","version":"1.0.0","bin":"x.js"}"#,
        ),
        (
            "/srv/app/package.json",
            r#"{"name":"my-server","version":"0.1.0"}"#,
        ),
        (
            "/srv/py/pyproject.toml",
            "[project]\nname = \"My_Server\"\nversion = \"0.2.0\"\n",
        ),
        ("/srv/py/src/my_server/__init__.py", ""),
        ("/srv/bad/package.json", "{"),
        ("/srv/bad/pyproject.toml", "["),
        (
            "/srv/odd/package.json",
            r#"{"name":"../../etc","version":1}"#,
        ),
    ];

    fn check(exe: &str, argv: &str, cwd: &str, expect: Option<(&str, Option<&str>)>) {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        let mut read = |path: &str| {
            FILES
                .iter()
                .find(|(p, _)| *p == path)
                .map(|(_, text)| (*text).to_owned())
        };
        let found = package(Some(exe), &argv, Some(cwd), &mut read);
        let found = found
            .as_ref()
            .map(|p| (p.key.as_str(), p.version.as_deref()));
        assert_eq!(found, expect, "{argv:?} in {cwd}");
    }

    #[test]
    fn node_packages() {
        let filesystem = Some((
            "npm:@modelcontextprotocol/server-filesystem",
            Some("2026.1.2"),
        ));
        let node = "/usr/bin/node";
        check(
            node,
            "node /n/1/node_modules/.bin/mcp-server-filesystem /tmp",
            "/",
            filesystem,
        );
        check(
            node,
            "node /n/1/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js",
            "/",
            filesystem,
        );
        check(
            node,
            "node dist/index.js",
            "/n/1/node_modules/@modelcontextprotocol/server-filesystem",
            filesystem,
        );
        check(
            node,
            "node /n/1/node_modules/liar/index.js",
            "/",
            Some(("npm:liar", None)),
        );
        check(
            node,
            "node /n/1/node_modules/.bin/unknown",
            "/",
            Some(("file:/n/1/node_modules/.bin/unknown", None)),
        );
        check(
            node,
            "node /usr/local/bin/tool",
            "/",
            Some(("npm:tool", Some("1.0.0"))),
        );
        check(
            node,
            "node index.js",
            "/srv/app",
            Some(("npm:my-server", Some("0.1.0"))),
        );
        check(
            node,
            "node src/deep/index.js",
            "/srv/app",
            Some(("npm:my-server", Some("0.1.0"))),
        );
        check(
            node,
            "node index.js",
            "/srv/bad",
            Some(("file:/srv/bad/index.js", None)),
        );
        check(
            node,
            "node index.js",
            "/srv/odd",
            Some(("file:/srv/odd/index.js", None)),
        );
        check(
            node,
            "node /usr/bin/npx -y @a/b@1.2.3",
            "/",
            Some(("npm:@a/b", Some("1.2.3"))),
        );
        check(
            node,
            "node /usr/bin/npx -y b@latest",
            "/",
            Some(("npm:b", None)),
        );
        check(node, "node -e 1", "/", None);
    }

    #[test]
    fn python_packages() {
        let python = "/usr/bin/python3.13";
        check(
            python,
            "python -m mcp_server_time --local-timezone x",
            "/",
            Some(("pypi:mcp-server-time", None)),
        );
        check(
            python,
            "/v/bin/python /v/bin/mcp-server-git",
            "/",
            Some(("pypi:mcp-server-git", None)),
        );
        check(
            python,
            "python /home/a/.local/share/uv/tools/mcp-tools/bin/serve",
            "/",
            Some(("pypi:mcp-tools", None)),
        );
        check(
            python,
            "python /v/lib/python3.13/site-packages/my_mod/server.py",
            "/",
            Some(("pypi:my-mod", None)),
        );
        check(
            python,
            "python server.py",
            "/srv/py",
            Some(("pypi:my-server", Some("0.2.0"))),
        );
        check(
            python,
            "python -m my_server",
            "/srv/py",
            Some(("pypi:my-server", Some("0.2.0"))),
        );
        check(
            python,
            "python /v/bin/fastmcp run server.py:mcp",
            "/srv/py",
            Some(("pypi:my-server", Some("0.2.0"))),
        );
        check(
            python,
            "python /v/bin/fastmcp run server.py",
            "/srv/x",
            Some(("file:/srv/x/server.py", None)),
        );
        check(
            python,
            "python server.py",
            "/srv/bad",
            Some(("file:/srv/bad/server.py", None)),
        );
        check(
            "/usr/bin/uvx",
            "uvx mcp-server-time@1.2",
            "/",
            Some(("pypi:mcp-server-time", Some("1.2"))),
        );
        check(
            "/usr/bin/uv",
            "uv tool run --from mcp-tools[x]==2.0 serve",
            "/",
            Some(("pypi:mcp-tools", Some("2.0"))),
        );
        check(python, "python -c 1", "/", None);
    }

    #[test]
    fn images_and_programs() {
        let docker = "/usr/bin/docker";
        check(
            docker,
            "docker run -i --rm -e TOKEN ghcr.io/acme/server:1.2 stdio",
            "/",
            Some(("oci:ghcr.io/acme/server", Some("1.2"))),
        );
        check(
            docker,
            "docker run -i localhost:5000/s",
            "/",
            Some(("oci:localhost:5000/s", None)),
        );
        check(
            docker,
            "docker run s@sha256:ab",
            "/",
            Some(("oci:s", Some("sha256:ab"))),
        );
        check("/usr/bin/mcp-server", "mcp-server stdio", "/", None);
        check(
            "/n/1/node_modules/liar/bin/native",
            "native",
            "/",
            Some(("npm:liar", None)),
        );
    }
}
