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

/// Names the AI application, or none. Never from what the process says of itself on the wire.
/// The caller walks up the ancestors.
#[must_use]
pub fn application(exe: Option<&str>, argv: &[String]) -> Option<&'static str> {
    match launch(exe, argv, None) {
        Launch::NodeScript(path) => by_npm_path(&path).or_else(|| by_path(&path)),
        Launch::PythonScript(path) => by_path(&path),
        Launch::PythonModule(module) => {
            let top = module.split('.').next().unwrap_or(&module);
            TABLE.modules.get(top).copied()
        }
        Launch::NpmPackage(package) => {
            let name = package
                .get(1..)
                .and_then(|p| p.find('@'))
                .map_or(&*package, |at| &package[..=at]);
            TABLE.packages.get(name).copied()
        }
        Launch::PythonPackage(package) => {
            let name = package
                .split(['=', '<', '>', '@', '[', '~', '!'])
                .next()
                .unwrap_or(&package);
            TABLE.programs.get(name).copied()
        }
        Launch::Image(_) => None,
        Launch::Nameless | Launch::Program => None,
    }
    .or_else(|| exe.and_then(|exe| by_npm_path(exe).or_else(|| by_path(exe))))
    .or_else(|| by_first_argument(exe, argv))
}

fn by_npm_path(path: &str) -> Option<&'static str> {
    TABLE.packages.get(npm_in_path(path)?.name).copied()
}

fn by_path(path: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let part = TABLE
        .paths
        .iter()
        .find(|(part, _)| lower.contains(part.as_str()));
    part.map(|(_, name)| *name)
        .or_else(|| TABLE.programs.get(&base_name(path)).copied())
}

/// The first argument is the caller's to choose: asked only where the executable is not known.
fn by_first_argument(exe: Option<&str>, argv: &[String]) -> Option<&'static str> {
    let first = argv.first().filter(|_| exe.is_none())?;
    by_path(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exe: &str, argv: &str, expect: Option<&str>) {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        assert_eq!(
            application(Some(exe).filter(|e| !e.is_empty()), &argv),
            expect,
            "{exe} {argv:?}"
        );
    }

    #[test]
    fn named_from_programs_and_scripts() {
        for (exe, argv, name) in [
            (
                "/home/a/.local/share/claude/versions/2.1.3",
                "claude",
                "Claude Code",
            ),
            (
                "/usr/bin/node",
                "node /usr/lib/node_modules/@anthropic-ai/claude-code/cli.js",
                "Claude Code",
            ),
            (
                "/home/a/.vscode/extensions/anthropic.claude-code-2.1.0/resources/native-binary/claude",
                "claude",
                "Claude Code",
            ),
            (
                "/x/node_modules/@openai/codex/vendor/x86_64-unknown-linux-musl/codex/codex",
                "codex exec hi",
                "Codex",
            ),
            (
                "/usr/bin/node",
                "node --max-old-space-size=12052 /usr/local/bin/gemini mcp list",
                "Gemini CLI",
            ),
            (
                "/usr/bin/node",
                "node /x/node_modules/@google/gemini-cli/dist/index.js",
                "Gemini CLI",
            ),
            (
                "/usr/bin/node",
                "node /usr/local/bin/qwen mcp list",
                "Qwen Code",
            ),
            (
                "/usr/share/cursor/cursor",
                "/usr/share/cursor/cursor --type=utility",
                "Cursor",
            ),
            ("/opt/Cursor-1.2.3-x86_64.AppImage", "x", "Cursor"),
            (
                "/home/a/.cursor-server/bin/abc/node",
                "node /home/a/.cursor-server/bin/abc/out/bootstrap-fork --type=extensionHost",
                "Cursor",
            ),
            (
                "/usr/share/code/code",
                "/usr/share/code/code --type=utility",
                "VS Code",
            ),
            (
                "/home/a/.vscode-server/bin/abc/node",
                "node /x/bootstrap-fork",
                "VS Code",
            ),
            ("/usr/bin/zed-editor", "zed", "Zed"),
            ("/usr/local/bin/goose", "goose acp", "Goose"),
            ("/home/a/.opencode/bin/opencode", "opencode", "opencode"),
            (
                "/usr/bin/node",
                "node /x/node_modules/@modelcontextprotocol/inspector-cli/build/cli.js",
                "MCP Inspector",
            ),
            (
                "/usr/bin/node",
                "node /home/a/.npm/_npx/1/node_modules/.bin/mcp-remote https://x.example/mcp",
                "mcp-remote",
            ),
            (
                "/usr/bin/node",
                "node /usr/bin/npx -y mcp-remote@0.1 https://x.example/mcp",
                "mcp-remote",
            ),
            ("/usr/bin/python3", "python3 -m mcp_proxy", "mcp-proxy"),
            (
                "/usr/bin/python3",
                "/v/bin/python /v/bin/open-webui serve",
                "Open WebUI",
            ),
            ("", "/usr/bin/claude --print", "Claude Code"),
        ] {
            check(exe, argv, Some(name));
        }
    }

    #[test]
    fn others_have_no_name() {
        for (exe, argv) in [
            ("/usr/bin/bash", "bash"),
            ("/usr/bin/node", "node server.js"),
            ("/usr/bin/node", "node -e claude"),
            ("/usr/bin/vim", "vim /home/a/claude"),
            (
                "/usr/bin/node",
                "node /x/node_modules/@modelcontextprotocol/server-everything/dist/index.js stdio",
            ),
            ("/usr/bin/python3", "python3 -m mcp_server_time"),
            ("/usr/bin/evil", "claude"),
            ("", ""),
        ] {
            check(exe, argv, None);
        }
    }
}
