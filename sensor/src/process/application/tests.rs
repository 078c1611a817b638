use std::collections::BTreeSet;

use super::*;

/// How each application of the table is found running on Linux: executable, arguments, name.
const SEEN: &[(&str, &str, &str)] = &[
    (
        "/x/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        "codex exec hi",
        "Codex",
    ),
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
    (
        "/usr/lib/claude-desktop/electron",
        "electron /usr/lib/claude-desktop/app.asar",
        "Claude Desktop",
    ),
    (
        "/home/a/.vscode/extensions/openai.chatgpt-0.5.1-linux-x64/bin/linux-x86_64/codex",
        "codex app-server",
        "Codex",
    ),
    (
        "/usr/bin/node",
        "node /usr/local/bin/codex exec hi",
        "Codex",
    ),
    (
        "/usr/share/antigravity/antigravity",
        "antigravity --type=utility",
        "Antigravity",
    ),
    ("/home/a/.local/bin/agy", "agy", "Antigravity"),
    (
        "/tmp/.mount_Cursor8aQ2/usr/share/cursor/cursor",
        "cursor --no-sandbox",
        "Cursor",
    ),
    (
        "/home/a/.local/share/cursor-agent/versions/2026.11.02/node",
        "node index.js",
        "Cursor",
    ),
    (
        "/usr/share/code-insiders/code-insiders",
        "code-insiders --type=utility",
        "VS Code",
    ),
    ("/snap/code/190/usr/share/code/code", "code", "VS Code"),
    ("/usr/share/codium/codium", "codium", "VS Code"),
    (
        "/usr/bin/node",
        "node /usr/lib/node_modules/@github/copilot/index.js",
        "Copilot CLI",
    ),
    (
        "/home/a/.config/github-copilot/bin/copilot-language-server",
        "copilot-language-server --stdio",
        "GitHub Copilot",
    ),
    ("/opt/windsurf/windsurf", "windsurf", "Windsurf"),
    (
        "/home/a/.codeium/windsurf/bin/language_server_linux_x64",
        "language_server_linux_x64",
        "Windsurf",
    ),
    ("/home/a/.local/zed.app/libexec/zed-editor", "zed", "Zed"),
    (
        "/usr/bin/node",
        "node /home/a/.npm-global/bin/cline",
        "Cline",
    ),
    (
        "/usr/bin/node",
        "node /x/node_modules/@roo-code/cli/dist/index.js",
        "Roo Code",
    ),
    (
        "/usr/bin/node",
        "node /x/node_modules/@kilocode/cli/index.js",
        "Kilo Code",
    ),
    (
        "/usr/bin/node",
        "node /usr/lib/node_modules/@continuedev/cli/dist/cn.js",
        "Continue",
    ),
    (
        "/usr/bin/node",
        "node /x/node_modules/@jetbrains/junie-cli/bin/index.js",
        "JetBrains Junie",
    ),
    (
        "/home/a/.local/share/JetBrains/Toolbox/apps/pycharm/bin/pycharm",
        "pycharm",
        "JetBrains IDE",
    ),
    ("/opt/idea-IU-263.1/bin/idea", "idea", "JetBrains IDE"),
    ("/opt/eclipse/eclipse", "eclipse -nosplash", "Eclipse"),
    (
        "/usr/lib/goose/resources/bin/goosed",
        "goosed agent",
        "Goose",
    ),
    (
        "/usr/bin/node",
        "node /x/node_modules/@qwen-code/qwen-code/cli.js mcp list",
        "Qwen Code",
    ),
    (
        "/home/a/.local/bin/qchat",
        "qchat chat",
        "Amazon Q Developer",
    ),
    ("/usr/share/kiro/kiro", "kiro", "Kiro"),
    ("/tmp/.mount_LM-Stu1b/lm-studio", "lm-studio", "LM Studio"),
    ("/home/a/.lmstudio/bin/lms", "lms server start", "LM Studio"),
    ("/opt/warpdotdev/warp-terminal/warp", "warp", "Warp"),
    ("/home/a/.local/bin/droid", "droid", "Factory Droid"),
    (
        "/usr/bin/node",
        "node /usr/lib/node_modules/@sourcegraph/amp/dist/main.js",
        "Amp",
    ),
    (
        "/usr/bin/node",
        "node /home/a/.npm-global/bin/auggie --print",
        "Auggie",
    ),
    (
        "/x/node_modules/@charmland/crush/bin/crush",
        "crush run hi",
        "Crush",
    ),
    ("/usr/share/trae/trae", "trae", "Trae"),
    (
        "/home/a/.void-server/bin/x/node",
        "node server-main.js",
        "Void",
    ),
    (
        "/tmp/.mount_CherryA1/cherrystudio",
        "cherrystudio",
        "Cherry Studio",
    ),
    ("/tmp/.mount_5ire-0b/5ire", "5ire", "5ire"),
    ("/usr/lib/witsy/witsy", "witsy", "Witsy"),
    (
        "/tmp/.mount_Anythi9/anythingllm-desktop",
        "anythingllm-desktop",
        "AnythingLLM",
    ),
    (
        "/usr/bin/node",
        "node /srv/LibreChat/api/server/index.js",
        "LibreChat",
    ),
    (
        "/usr/bin/node",
        "node /usr/bin/npx -y supergateway --stdio x",
        "supergateway",
    ),
    (
        "/usr/bin/node",
        "node /x/node_modules/mcp-hub/dist/cli.js --port 1",
        "MCP Hub",
    ),
    (
        "/usr/bin/python3.12",
        "/v/bin/python /v/bin/mcpo --port 8000 -- uvx x",
        "mcpo",
    ),
    (
        "/usr/bin/node",
        "node /x/node_modules/mcporter/dist/cli.js list",
        "mcporter",
    ),
    (
        "/usr/libexec/docker/cli-plugins/docker-mcp",
        "docker mcp gateway run",
        "Docker MCP Toolkit",
    ),
    (
        "/home/a/.docker/cli-plugins/docker-mcp",
        "docker mcp gateway run",
        "Docker MCP Toolkit",
    ),
    (
        "/usr/bin/python3.12",
        "/v/bin/python /v/bin/fast-agent go",
        "fast-agent",
    ),
];

fn check(exe: &str, argv: &str, expect: Option<&str>) {
    let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
    assert_eq!(
        application(Some(exe).filter(|e| !e.is_empty()), &argv).map(|named| named.name),
        expect,
        "{exe} {argv:?}"
    );
}

#[test]
fn named_from_programs_and_scripts() {
    for (exe, argv, name) in SEEN {
        check(exe, argv, Some(name));
    }
}

#[test]
fn every_application_of_the_table_has_been_seen() {
    let seen: BTreeSet<&str> = SEEN.iter().map(|(_, _, name)| *name).collect();
    let table: BTreeSet<&str> = [
        TABLE.programs.values().collect::<Vec<_>>(),
        TABLE.packages.values().collect(),
        TABLE.modules.values().collect(),
        TABLE.paths.iter().map(|(_, name)| name).collect(),
    ]
    .concat()
    .into_iter()
    .copied()
    .collect();
    assert_eq!(table, seen);
}

#[test]
fn a_file_that_bears_the_name_is_not_the_application() {
    for (exe, argv) in [
        ("/usr/bin/node", "node /home/a/work/claude-code"),
        ("/usr/bin/node", "node claude-code"),
        ("/usr/bin/node", "node /home/a/claude-code/index.js"),
        ("/usr/bin/python3", "python3 /home/a/codex"),
        ("/home/a/Downloads/claude", "/home/a/Downloads/claude"),
        ("/tmp/cursor", "cursor"),
        // An interpreter under another name, with the script as its argument.
        ("/tmp/x/gemini", "gemini mcp list"),
        ("/usr/bin/node", "node /x/node_modules/claude-code/index.js"),
        ("/usr/bin/node", "claude-code"),
    ] {
        check(exe, argv, None);
    }
}

#[test]
fn what_gives_it_away_is_said() {
    let by = |exe: &str, argv: &str| {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        application(Some(exe), &argv).map(|named| named.by)
    };
    let node = "/usr/bin/node";
    let script = "node /x/node_modules/@google/gemini-cli/dist/index.js";
    assert_eq!(by(node, script), Some(Sign::Package));
    assert_eq!(by("/usr/share/cursor/cursor", "cursor"), Some(Sign::Place));
    assert_eq!(by(node, "node /usr/bin/gemini"), Some(Sign::FileName));
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
