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
    ("/srv/app1/main.py", ""),
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
    for (command, cwd, key) in [
        (
            "/v/bin/uvicorn main:app --port 80",
            "/srv/app1",
            "file:/srv/app1/main.py",
        ),
        (
            "-m uvicorn --host h:80 main:app",
            "/srv/app1",
            "file:/srv/app1/main.py",
        ),
        (
            "/v/bin/gunicorn -b localhost:80 my_server:make()",
            "/srv/py/src",
            "pypi:my-server",
        ),
        (
            "/v/bin/uvicorn acme_mcp.web:app",
            "/srv/app1",
            "pypi:acme-mcp",
        ),
        ("/v/bin/uvicorn", "/srv/app1", "pypi:uvicorn"),
    ] {
        let version = (key == "pypi:my-server").then_some("0.2.0");
        check(
            python,
            &format!("python {command}"),
            cwd,
            Some((key, version)),
        );
    }
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
