//! What an interpreter or a package runner was told to run.

/// Arguments looked at: what is run stands near the beginning.
const ARGS_MAX: usize = 64;

/// What a process runs, as its command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Launch {
    /// A script of node, bun or deno; as written, made absolute with the working directory.
    NodeScript(String),
    /// A script of python; the same.
    PythonScript(String),
    /// `python -m module`.
    PythonModule(String),
    /// A package of npm, with a version if written: `npx`, `npm exec`, `pnpm dlx`, `yarn dlx`, `bunx`.
    NpmPackage(String),
    /// A package of PyPI: `uvx`, `uv tool run`, `pipx run`.
    PythonPackage(String),
    /// An image: `docker run`, `podman run`.
    Image(String),
    /// An interpreter with nothing that has a name: code on its command line, standard input.
    Nameless,
    /// A program that stands for itself.
    Program,
}

/// Reads a command line.
pub(super) fn launch(exe: Option<&str>, argv: &[String], cwd: Option<&str>) -> Launch {
    let argv = &argv[..argv.len().min(ARGS_MAX)];
    let program = exe.or_else(|| argv.first().map(String::as_str));
    let program = program.map(base_name).unwrap_or_default();
    // npm and its like set their title, which is one argument: "npm exec @scope/name".
    let titled: Vec<String>;
    let argv = match argv {
        [title] if title.contains(' ') => {
            titled = title.split(' ').map(str::to_owned).collect();
            &titled
        }
        _ => argv,
    };
    let arguments: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
    if is_python(&program) {
        return python(&arguments, cwd);
    }
    match program.as_str() {
        "node" | "nodejs" | "bun" | "deno" | "tsx" | "electron" => {
            let invoked = argv.first().map(|a| base_name(a)).unwrap_or_default();
            runner(&invoked, &arguments).unwrap_or_else(|| node(&arguments, cwd))
        }
        program => runner(program, &arguments).unwrap_or(Launch::Program),
    }
}

/// Last segment of a path in lower case, without what the kernel and packers add.
pub(super) fn base_name(path: &str) -> String {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let name = name.strip_prefix('-').unwrap_or(&name);
    let bare = name.strip_suffix(".exe").unwrap_or(name);
    match bare.strip_suffix(".appimage") {
        // Cursor-1.2.3-x86_64.AppImage
        Some(image) => image.split('-').next().unwrap_or(image).to_owned(),
        None => bare.to_owned(),
    }
}

fn is_python(program: &str) -> bool {
    let rest = program
        .strip_prefix("python")
        .or_else(|| program.strip_prefix("pypy"));
    rest.is_some_and(|r| {
        r.bytes()
            .all(|b| b.is_ascii_digit() || b == b'.' || b == b't')
    })
}

fn node(arguments: &[&str], cwd: Option<&str>) -> Launch {
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "-e" | "--eval" | "-p" | "--print" | "-" => return Launch::Nameless,
            "-r"
            | "--require"
            | "--import"
            | "--loader"
            | "--experimental-loader"
            | "--env-file"
            | "-C"
            | "--conditions" => {
                rest.next();
            }
            // bun run x, deno run x
            "run" | "--" => {}
            _ if argument.starts_with('-') => {}
            _ if argument.starts_with("npm:") => {
                return Launch::NpmPackage(argument[4..].to_owned());
            }
            _ => {
                let script = absolute(argument, cwd);
                return npm_script(&script, rest.as_slice()).unwrap_or(Launch::NodeScript(script));
            }
        }
    }
    Launch::Nameless
}

/// npm and npx are scripts of node themselves.
fn npm_script(script: &str, rest: &[&str]) -> Option<Launch> {
    match base_name(script).as_str() {
        "npx-cli.js" | "npx" => runner("npx", rest),
        "npm-cli.js" | "npm" => runner("npm", rest),
        "pnpm.cjs" | "pnpm" => runner("pnpm", rest),
        "yarn.js" | "yarn" => runner("yarn", rest),
        _ => None,
    }
}

fn python(arguments: &[&str], cwd: Option<&str>) -> Launch {
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "-m" => {
                let module = rest
                    .next()
                    .map_or(Launch::Nameless, |m| Launch::PythonModule((*m).to_owned()));
                return module;
            }
            "-c" | "-" => return Launch::Nameless,
            "-W" | "-X" => {
                rest.next();
            }
            // -um, -Im: flags joined.
            _ if argument.starts_with('-')
                && !argument.starts_with("--")
                && argument.ends_with('m') =>
            {
                return rest
                    .next()
                    .map_or(Launch::Nameless, |m| Launch::PythonModule((*m).to_owned()));
            }
            _ if argument.starts_with('-') => {}
            _ => return Launch::PythonScript(absolute(argument, cwd)),
        }
    }
    Launch::Nameless
}

/// Programs that fetch a package and run it.
fn runner(program: &str, arguments: &[&str]) -> Option<Launch> {
    let npm = |rest| positional(rest, &["-p", "--package"], NPM_VALUES).map(Launch::NpmPackage);
    let python = |rest| {
        // `--from git+https://…` names no package; the command does then.
        let plain = |p: &String| !p.contains("://") && !p.contains('/');
        positional(rest, &["--from", "--spec"], UV_VALUES)
            .filter(plain)
            .or_else(|| positional(rest, &[], UV_VALUES_FROM))
            .map(Launch::PythonPackage)
    };
    match (program, arguments) {
        ("npx" | "bunx" | "pnpx", rest)
        | ("npm" | "pnpm", ["exec" | "x" | "dlx", rest @ ..])
        | ("yarn", ["dlx", rest @ ..])
        | ("bun", ["x", rest @ ..]) => npm(rest),
        ("uvx", rest) | ("uv", ["tool", "run", rest @ ..]) | ("pipx", ["run", rest @ ..]) => {
            python(rest)
        }
        ("docker" | "podman" | "nerdctl", rest) => {
            let run = rest.iter().position(|a| *a == "run")?;
            positional(&rest[run + 1..], &[], DOCKER_VALUES).map(Launch::Image)
        }
        _ => None,
    }
}

const NPM_VALUES: &[&str] = &[
    "-c",
    "--call",
    "-w",
    "--workspace",
    "--registry",
    "--prefix",
    "--cache",
];
const UV_VALUES: &[&str] = &[
    "--python",
    "--with",
    "--index",
    "--index-url",
    "--extra-index-url",
    "--directory",
    "--cache-dir",
];
const UV_VALUES_FROM: &[&str] = &[
    "--from",
    "--spec",
    "-p",
    "--python",
    "--with",
    "--index",
    "--index-url",
    "--extra-index-url",
    "--directory",
    "--cache-dir",
];
const DOCKER_VALUES: &[&str] = &[
    "-a",
    "--attach",
    "--add-host",
    "--cap-add",
    "--cap-drop",
    "--cidfile",
    "--cpus",
    "--cpu-shares",
    "--device",
    "--dns",
    "--entrypoint",
    "-e",
    "--env",
    "--env-file",
    "--expose",
    "--gpus",
    "--group-add",
    "-h",
    "--hostname",
    "--label",
    "-l",
    "--log-driver",
    "-m",
    "--memory",
    "--mount",
    "--name",
    "--network",
    "--net",
    "-p",
    "--publish",
    "--pid",
    "--platform",
    "--pull",
    "--restart",
    "--runtime",
    "--security-opt",
    "--shm-size",
    "--stop-signal",
    "--tmpfs",
    "-u",
    "--user",
    "--userns",
    "--ulimit",
    "-v",
    "--volume",
    "-w",
    "--workdir",
];

/// The value of one of `named`, else the first argument that is no flag and no flag's value.
fn positional(arguments: &[&str], named: &[&str], with_value: &[&str]) -> Option<String> {
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        let (flag, value) = argument
            .split_once('=')
            .map_or((argument, None), |(f, v)| (f, Some(v)));
        if named.contains(&flag) {
            return value.or_else(|| rest.next().copied()).map(str::to_owned);
        }
        if argument == "--" {
            return rest.next().map(|a| (*a).to_owned());
        }
        if !argument.starts_with('-') {
            return Some(argument.to_owned());
        }
        if with_value.contains(&flag) && value.is_none() {
            rest.next();
        }
    }
    None
}

/// A path without `.` and `..` and, where the working directory is known, from the root.
pub(super) fn absolute(path: &str, cwd: Option<&str>) -> String {
    let joined = match cwd {
        Some(cwd) if !path.starts_with('/') => format!("{cwd}/{path}"),
        _ => path.to_owned(),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in joined.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let root = if joined.starts_with('/') { "/" } else { "" };
    format!("{root}{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        use Launch::{
            Image, Nameless, NodeScript, NpmPackage, Program, PythonModule, PythonPackage,
            PythonScript,
        };
        for (exe, argv, expect) in [
            (
                "/usr/bin/node",
                "node --max-old-space-size=9 /usr/bin/gemini mcp",
                NodeScript("/usr/bin/gemini".into()),
            ),
            (
                "/usr/bin/node",
                "node -r dotenv/config ./dist/../index.js stdio",
                NodeScript("/srv/index.js".into()),
            ),
            (
                "/usr/bin/node",
                "node /usr/lib/node_modules/npm/bin/npx-cli.js -y @a/b@1.2 /x",
                NpmPackage("@a/b@1.2".into()),
            ),
            (
                "/usr/bin/node",
                "node /usr/bin/npm exec -- @a/b",
                NpmPackage("@a/b".into()),
            ),
            ("/usr/bin/node", "node -e 1", Nameless),
            ("/usr/bin/bun", "bun x @a/b", NpmPackage("@a/b".into())),
            (
                "/usr/bin/bun",
                "bun run server.ts",
                NodeScript("/srv/server.ts".into()),
            ),
            (
                "/usr/bin/deno",
                "deno run -A npm:@a/b",
                NpmPackage("@a/b".into()),
            ),
            (
                "/usr/bin/python3.13",
                "python3 -u -m mcp_server_time --x",
                PythonModule("mcp_server_time".into()),
            ),
            (
                "/usr/bin/python3",
                "python3 -um mcp_server_time",
                PythonModule("mcp_server_time".into()),
            ),
            (
                "/usr/bin/python3",
                "python3 -X utf8 server.py",
                PythonScript("/srv/server.py".into()),
            ),
            ("/usr/bin/python3", "python3 -c 1", Nameless),
            (
                "/usr/bin/uv",
                "uv tool run --python 3.12 --from mcp-tools==1.0 cmd",
                PythonPackage("mcp-tools==1.0".into()),
            ),
            (
                "/usr/bin/uvx",
                "uvx --from git+https://x.example/a/b tools",
                PythonPackage("tools".into()),
            ),
            (
                "/usr/bin/docker",
                "docker run -i --rm -e TOKEN --name=x -v /a:/b ghcr.io/acme/s:1.2 serve",
                Image("ghcr.io/acme/s:1.2".into()),
            ),
            ("/usr/bin/docker", "docker ps", Program),
            ("/usr/bin/mcp-server-go", "mcp-server-go stdio", Program),
        ] {
            let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
            assert_eq!(launch(Some(exe), &argv, Some("/srv")), expect, "{argv:?}");
        }
        let titled = ["npm exec @a/b".to_owned()];
        assert_eq!(
            launch(Some("/usr/bin/node"), &titled, None),
            NpmPackage("@a/b".into())
        );
        assert_eq!(launch(None, &[], None), Program);
    }

    #[test]
    fn base_names() {
        for (path, expect) in [
            ("/opt/Cursor-1.2.3-x86_64.AppImage", "cursor"),
            ("/usr/bin/claude (deleted)", "claude"),
            ("-bash", "bash"),
            ("Code.exe", "code"),
            ("", ""),
        ] {
            assert_eq!(base_name(path), expect);
        }
    }
}
