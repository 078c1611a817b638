//! Packages of PyPI: by module, by script, by the project that a script lies in.

use super::{NAME_BYTES_MAX, Package, Read, claimed, file, parents};
use crate::process::launch::absolute;

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
pub(super) fn pypi_spec(spec: &str) -> Option<Package> {
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
pub(super) fn python_module(
    module: &str,
    argv: &[String],
    cwd: Option<&str>,
    read: Read<'_>,
) -> Option<Package> {
    let top = module.split('.').next()?;
    if APPLICATION_SERVERS.contains(&top)
        && let Some(package) = application(argv, cwd, read)
    {
        return Some(package);
    }
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

/// Commands that serve a module of the user's, named as `module:object`.
const APPLICATION_SERVERS: &[&str] = &["uvicorn", "hypercorn", "gunicorn", "granian", "daphne"];

/// What an application server was told to serve: two of them are not one server because the same program serves both.
fn application(argv: &[String], cwd: Option<&str>, read: Read<'_>) -> Option<Package> {
    let is_dotted = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
    };
    let module = argv.iter().skip(1).find_map(|argument| {
        let (module, object) = argument.split_once(':')?;
        let object = object.strip_suffix("()").unwrap_or(object);
        (is_dotted(module) && is_dotted(object)).then_some(module)
    })?;
    let path = absolute(&module.replace('.', "/"), cwd);
    let path = [format!("{path}.py"), format!("{path}/__init__.py")]
        .into_iter()
        .find(|path| read(path).is_some());
    match path {
        Some(path) => pyproject(&path, read).or_else(|| Some(file(&path))),
        None => pypi(module.split('.').next()?, None),
    }
}

pub(super) fn python_script(
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
    if APPLICATION_SERVERS.contains(&name)
        && let Some(package) = application(argv, cwd, read)
    {
        return Some(package);
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
