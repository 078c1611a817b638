//! The program against canned answers of the API, through a real listener.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

const TOKEN: &str = "t0ken";
const SESSIONS: &str = include_str!("answers/sessions.json");

/// Answers one request and gives what was asked.
fn answer(status: &'static str, body: &'static str) -> (String, JoinHandle<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = Request::read(&mut stream);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        request
    });
    (api, thread)
}

struct Request {
    line: String,
    token: String,
    body: String,
}

impl Request {
    fn read(stream: &mut TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let (mut token, mut length) = (String::new(), 0);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "authorization" => token = value.to_owned(),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        Self {
            line: line.trim().to_owned(),
            token,
            body: String::from_utf8(body).unwrap(),
        }
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    command.current_dir(folder).env_clear();
    command.env("USER", "ann").env("COLUMNS", "80");
    command
}

fn gnomon(api: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let mut command = command(folder.path());
    command
        .args(arguments)
        .env("GNOMON_API", api)
        .env("GNOMON_TOKEN_FILE", token);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output of a listing of the canned sessions.
fn sessions(arguments: &[&str], columns: Option<&str>) -> String {
    let (api, thread) = answer("200 OK", SESSIONS);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut command = command(folder.path());
    command
        .arg("sessions")
        .args(arguments)
        .args(["--api", &api, "--token-file"])
        .arg(token);
    match columns {
        Some("") => command.env_remove("COLUMNS"),
        Some(columns) => command.env("COLUMNS", columns),
        None => &mut command,
    };
    let output = command.output().unwrap();
    thread.join().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_table_fits_80_columns() {
    let table = sessions(&[], None);
    for line in table.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_wide_table_has_more_columns() {
    insta::assert_snapshot!(sessions(&[], Some("200")));
}

#[test]
fn a_table_for_another_program_is_not_cut() {
    let table = sessions(&[], Some(""));
    let canned: serde_json::Value = serde_json::from_str(SESSIONS).unwrap();
    for row in canned["rows"].as_array().unwrap() {
        for column in ["id", "server"] {
            let whole = row[column].as_str().unwrap();
            let whole = if whole.starts_with("bin:") {
                &whole[..12]
            } else {
                whole
            };
            assert!(table.contains(whole), "{whole} is not in\n{table}");
        }
    }
    assert!(!table.contains('…'), "{table}");
}

#[test]
fn a_collector_that_hangs_is_not_waited_for_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let slow = std::thread::spawn(move || {
        // One never answers, the other never ends.
        let (first, _) = listener.accept().unwrap();
        let (mut second, _) = listener.accept().unwrap();
        Request::read(&mut second);
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{";
        second.write_all(head.as_bytes()).unwrap();
        // Until the program has gone.
        let _ = second.read_to_end(&mut Vec::new());
        drop(first);
    });
    for _ in 0..2 {
        let output = gnomon(&api, &["sessions", "--timeout", "1"]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains("did not answer within 1 s"), "{said}");
        assert!(said.contains("--timeout"), "{said}");
    }
    slow.join().unwrap();
}

#[test]
fn words_are_taken_in_any_case() {
    let (api, thread) = answer("200 OK", "{\"columns\":[],\"rows\":[]}");
    let output = gnomon(
        &api,
        &["sessions", "--verdict", "Shadow", "--state", "OPEN"],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = thread.join().unwrap().line;
    assert!(line.contains("verdict=Shadow&state=OPEN"), "{line}");
}

#[test]
fn json_is_one_array_with_the_columns_of_the_view() {
    let json = sessions(&["--format", "json"], None);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    let canned: serde_json::Value = serde_json::from_str(SESSIONS).unwrap();
    assert_eq!(rows, canned["rows"]);
    assert!(!json.contains(['\u{1b}', '\u{202e}']));
    assert!(json.contains("18446744073709551615"));
}

#[test]
fn csv_has_all_columns_and_no_formulas() {
    insta::assert_snapshot!(sessions(&["--format", "csv"], None).replace("\r\n", "␍␊\n"));
}

#[test]
fn filters_and_the_token_are_sent() {
    let (api, thread) = answer("200 OK", "{\"columns\":[],\"rows\":[],\"truncated\":false}");
    let output = gnomon(
        &api,
        &[
            "calls", "--server", "npm:@a/b", "--since", "24h", "--limit", "5", "--format", "json",
        ],
    );
    assert_eq!(text(&output.stdout), "[]\n");
    let request = thread.join().unwrap();
    assert_eq!(
        request.line,
        "GET /api/v1/calls?server=npm%3A%40a%2Fb&since=24h&limit=5 HTTP/1.1"
    );
    assert_eq!(request.token, format!("Bearer {TOKEN}"));
}

#[test]
fn every_listing_has_a_table() {
    for view in [
        "servers",
        "sessions",
        "calls",
        "listeners",
        "tools",
        "sensors",
        "coverage",
        "findings",
    ] {
        let (api, thread) = answer(
            "200 OK",
            "{\"columns\":[],\"rows\":[{}],\"truncated\":true}",
        );
        let output = gnomon(&api, &[view]);
        assert!(thread.join().unwrap().line.contains(view));
        assert!(output.status.success());
        let table = text(&output.stdout);
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.lines().all(|line| line.len() <= 80), "{table}");
        assert!(text(&output.stderr).contains("only the first 1 rows"));
    }
}

#[test]
fn sql_shows_the_columns_it_gets() {
    let body = "{\"columns\":[{\"name\":\"server\"},{\"name\":\"n\"}],\"rows\":[{\"server\":\"npm:x\",\"n\":\"2\"}],\"truncated\":false}";
    let (api, thread) = answer("200 OK", body);
    let output = gnomon(
        &api,
        &["sql", "SELECT server, count() AS n FROM calls GROUP BY 1"],
    );
    insta::assert_snapshot!(text(&output.stdout));
    let request = thread.join().unwrap();
    assert_eq!(request.line, "POST /api/v1/sql HTTP/1.1");
    assert_eq!(
        request.body,
        "{\"query\":\"SELECT server, count() AS n FROM calls GROUP BY 1\"}"
    );
}

#[test]
fn refusals_say_what_where_and_what_to_do() {
    let body = "{\"error\":{\"what\":\"table function url is refused\",\"where\":\"sql\",\"advice\":\"only reading the views is allowed\"}}";
    let (api, thread) = answer("400 Bad Request", body);
    let output = gnomon(&api, &["sql", "SELECT * FROM url('x')"]);
    thread.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected =
        "gnomon: sql: table function url is refused; only reading the views is allowed\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn what_the_collector_refuses_in_a_filter_is_wrong_usage() {
    let body = "{\"error\":{\"what\":\"class \\\"foo\\\" is no word of findings\",\"where\":\"findings\",\"advice\":\"class is one of shadow_server, or all\"}}";
    let (api, thread) = answer("400 Bad Request", body);
    let output = gnomon(&api, &["findings", "--class", "foo"]);
    thread.join().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("shadow_server, or all"));
}

#[test]
fn probes_are_off_for_a_reason_and_on_again_without() {
    let body = "{\"host\":\"laptop-17\",\"ordered\":null,\"author\":\"ann\",\"probes\":\"on\",\"reason\":null}";
    let (api, thread) = answer("200 OK", body);
    let output = gnomon(&api, &["sensors", "enable", "laptop-17"]);
    let line = thread.join().unwrap().line;
    assert!(
        line.contains("probes=on&host=laptop-17&reason=enabled%20again"),
        "{line}"
    );
    assert_eq!(text(&output.stdout), "ordered: probes on on laptop-17\n");
    let output = gnomon("http://127.0.0.1:9", &["sensors", "disable", "laptop-17"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--reason"));
}

#[test]
fn a_policy_is_shown_and_applied_and_its_faults_have_lines() {
    let shown = "{\"version\":3,\"author\":\"ann\",\"applied\":\"2026-03-01T08:00:00Z\",\"digest\":\"ab\",\"toml\":\"# gateways\\n\",\"warnings\":[]}";
    let (api, thread) = answer("200 OK", shown);
    assert_eq!(
        text(&gnomon(&api, &["policy", "show"]).stdout),
        "# gateways\n"
    );
    thread.join().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, "naems = 1\n").unwrap();
    let path = file.to_str().unwrap();
    let faulty = "{\"error\":{\"what\":\"policy.toml:1: unknown key\",\"where\":\"policy\",\"advice\":\"\",\"faults\":[{\"file\":\"policy.toml\",\"line\":1,\"column\":1,\"what\":\"unknown key naems\",\"fix\":\"write names\"}]}}";
    let (api, thread) = answer("422 Unprocessable Entity", faulty);
    let output = gnomon(&api, &["policy", "apply", path]);
    let request = thread.join().unwrap();
    assert_eq!(request.body, "naems = 1\n");
    assert!(request.line.contains("author=ann"), "{}", request.line);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("policy.toml:1:1: unknown key naems; write names"));

    let output = gnomon("http://127.0.0.1:9", &["policy", "apply", "/nowhere.toml"]);
    assert!(text(&output.stderr).contains("cannot read the policy file /nowhere.toml"));
}

#[test]
fn a_policy_has_a_bound_warnings_and_an_author() {
    let output = gnomon("http://127.0.0.1:9", &["policy", "apply", "/dev/zero"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/dev/zero is longer than a policy may be"));

    let applied = "{\"version\":4,\"warnings\":[{\"file\":\"p.toml\",\"line\":2,\"column\":1,\"what\":\"it has ended\",\"fix\":\"remove it\"}]}";
    let (api, thread) = answer("200 OK", applied);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::write(folder.path().join("p.toml"), "version = 1\n").unwrap();
    let mut command = command(folder.path());
    let output = command
        .env_remove("USER")
        .args(["policy", "apply", "p.toml", "--api", &api, "--token-file"])
        .arg(token)
        .output()
        .unwrap();
    let line = thread.join().unwrap().line;
    assert!(
        line.contains("author=") && !line.contains("author=unknown"),
        "{line}"
    );
    assert_eq!(text(&output.stdout), "policy version 4 is in force\n");
    assert_eq!(
        text(&output.stderr),
        "gnomon: warning: p.toml:2:1: it has ended; remove it\n"
    );
}

#[test]
fn a_full_standard_error_is_no_panic() {
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let failed = |stderr: Stdio| {
        let mut command = command(folder.path());
        let command = command.args(["sessions", "--api", "http://10.0.0.1:9"]);
        command.stderr(stderr).status().unwrap().code()
    };
    assert_eq!(failed(full().into()), Some(1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(failed(writer.into()), Some(1));

    // Standard output is where the answer goes: that it did not get there is a failure.
    let (api, thread) = answer("200 OK", SESSIONS);
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut command = command(folder.path());
    command.args(["sessions", "--api", &api, "--token-file"]);
    command.arg(token).stdout(full()).stderr(full());
    assert_eq!(command.status().unwrap().code(), Some(1));
    thread.join().unwrap();
}

#[test]
fn a_limit_of_ones_own_cuts_nothing() {
    let body = "{\"columns\":[],\"rows\":[{\"n\":1}],\"truncated\":true}";
    let (api, thread) = answer("200 OK", body);
    let output = gnomon(&api, &["sql", "SELECT 1 AS n LIMIT 1"]);
    thread.join().unwrap();
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_collector_that_is_away_and_a_wrong_token_are_said() {
    let output = gnomon("http://127.0.0.1:9", &["sessions"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot reach the collector at http://127.0.0.1:9"));
    let (api, thread) = answer("401 Unauthorized", "{}");
    let output = gnomon(&api, &["sessions"]);
    thread.join().unwrap();
    assert!(
        text(&output.stderr).contains("does not accept the token in"),
        "{}",
        text(&output.stderr)
    );
    assert!(!text(&output.stderr).contains(TOKEN));
    let (api, thread) = answer("200 OK", "<html>");
    let output = gnomon(&api, &["sessions"]);
    thread.join().unwrap();
    assert!(text(&output.stderr).contains("not as a collector"));
}

#[test]
fn the_collector_of_a_checkout_is_found_from_below_it() {
    let (api, thread) = answer("200 OK", "{\"rows\":[]}");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".gnomon/collector");
    let below = folder.path().join("a/b");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::create_dir_all(&below).unwrap();
    let output = command(&below).arg("sessions").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no collector found"));
    let output = command(&below)
        .args(["sessions", "--api", "http://127.0.0.1:9"])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(
        said.starts_with("gnomon: --token-file is missing"),
        "{said}"
    );

    std::fs::write(
        state.join("endpoint.json"),
        format!("{{\"api\":\"{api}\",\"pid\":1}}"),
    )
    .unwrap();
    std::fs::write(state.join("api-token"), TOKEN).unwrap();
    let output = command(&below)
        .args(["sessions", "--api", "http://127.0.0.1:9"])
        .output()
        .unwrap();
    assert!(
        text(&output.stderr).contains("--token-file is missing"),
        "{}",
        text(&output.stderr)
    );
    let output = command(&below)
        .args(["sessions", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "[]\n", "{}", text(&output.stderr));
    assert_eq!(thread.join().unwrap().token, format!("Bearer {TOKEN}"));
}

#[test]
fn wrong_usage_is_2_and_help_has_examples() {
    for wrong in [
        &["frobnicate"][..],
        &["sessions", "--limit", "0"],
        &["sql"],
        &["sql", " "],
        &["sessions", "--since", "tomorrow"],
        &["sessions", "--verdict", "fine"],
        &["servers", "--verdict", ""],
        &["sessions", "--format", "html"],
        &["report", "--format", "pdf"],
        &["report", "--format", "csv"],
        &["report", "--period", "fortnight"],
        &["report", "--period", "0d"],
        &["report", "--period", "401d"],
        &["report", "--period", "99999999999999999999d"],
        &["report", "--from", "yesterday"],
        &["report", "--to", "2026-01-02"],
        &[
            "report",
            "--period",
            "30d",
            "--from",
            "2026-01-01T00:00:00Z",
        ],
        &[],
    ] {
        assert_eq!(
            gnomon("http://127.0.0.1:9", wrong).status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
    for command in [
        &["--help"][..],
        &["sessions", "--help"],
        &["sql", "--help"],
        &["policy", "apply", "--help"],
        &["report", "--help"],
    ] {
        let output = gnomon("http://127.0.0.1:9", command);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("Examples:"), "{command:?}");
    }
}

#[test]
fn findings_are_open_ones_by_default_and_fit_80_columns() {
    let (api, thread) = answer("200 OK", include_str!("answers/findings.json"));
    let table = text(&gnomon(&api, &["findings"]).stdout);
    let line = thread.join().unwrap().line;
    assert_eq!(line, "GET /api/v1/findings?state=open HTTP/1.1");
    for line in table.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    insta::assert_snapshot!(table);
    let (api, thread) = answer("200 OK", include_str!("answers/findings.json"));
    let arguments = [
        "findings",
        "--state",
        "ALL",
        "--severity",
        "High",
        "--host",
        "h",
    ];
    assert!(gnomon(&api, &arguments).status.success());
    let line = thread.join().unwrap().line;
    assert_eq!(line, "GET /api/v1/findings?severity=high&host=h HTTP/1.1");
    let output = gnomon("http://127.0.0.1:9", &["findings", "--severity", "worst"]);
    assert_eq!(output.status.code(), Some(2));
}

/// What `gnomon show …` prints of a canned answer.
fn shown(body: &'static str, arguments: &[&str]) -> (String, String) {
    let (api, thread) = answer("200 OK", body);
    let mut all = vec!["show"];
    all.extend(arguments);
    let output = gnomon(&api, &all);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), thread.join().unwrap().line)
}

#[test]
fn a_server_and_a_finding_are_shown_within_80_columns() {
    let server = include_str!("answers/show_server.json");
    let (paper, line) = shown(server, &["server", "npm:@a/b"]);
    assert_eq!(line, "GET /api/v1/show/server?key=npm%3A%40a%2Fb HTTP/1.1");
    for line in paper.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    assert!(!paper.contains(['\u{1b}', '\u{202e}']));
    insta::assert_snapshot!("show_server", paper);
    let finding = include_str!("answers/show_finding.json");
    let (paper, line) = shown(finding, &["finding", "58c1"]);
    assert_eq!(line, "GET /api/v1/show/finding?key=58c1 HTTP/1.1");
    insta::assert_snapshot!("show_finding", paper);
}

#[test]
fn what_is_shown_is_one_object_or_a_line_for_each_value() {
    let server = include_str!("answers/show_server.json");
    let (json, _) = shown(server, &["server", "npm:a", "--format", "json"]);
    assert!(!json.contains(['\u{1b}', '\u{202e}']));
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    let canned: serde_json::Value = serde_json::from_str(server).unwrap();
    for section in canned["sections"].as_array().unwrap() {
        let name = section["name"].as_str().unwrap();
        assert_eq!(object[name], section["rows"], "{name}");
    }
    assert_eq!(object["kind"], "server");
    let (csv, _) = shown(server, &["server", "npm:a", "--format", "csv"]);
    assert!(
        csv.starts_with("section,row,column,value\r\nserver,1,server,npm:"),
        "{csv}"
    );
    assert!(csv.contains("calls,1,name,read_file\r\n"), "{csv}");
    assert!(csv.contains("calls,2,name,\r\n"), "{csv}");
}

#[test]
fn several_that_fit_are_listed() {
    let body = "{\"error\":{\"what\":\"\\\"npm:\\\" fits several: npm:a, npm:b\",\"where\":\"server\",\"advice\":\"write more of it\"}}";
    let (api, thread) = answer("409 Conflict", body);
    let output = gnomon(&api, &["show", "server", "npm:"]);
    thread.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "gnomon: server: \"npm:\" fits several: npm:a, npm:b; write more of it\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let path = file.to_str().unwrap();
    let (api, thread) = answer("200 OK", "<!DOCTYPE html>…");
    let output = gnomon(&api, &["report", "--period", "7d", "--out", path]);
    let line = thread.join().unwrap().line;
    assert_eq!(line, "GET /api/v1/report?format=html&period=7d HTTP/1.1");
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(0), String::new())
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "<!DOCTYPE html>…");

    let refused =
        "{\"error\":{\"what\":\"period \\\"9d\\\"\",\"where\":\"report\",\"advice\":\"shorter\"}}";
    let (api, thread) = answer("400 Bad Request", refused);
    let output = gnomon(&api, &["report", "--period", "9d", "--out", path]);
    thread.join().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "gnomon: report: period \"9d\"; shorter\n"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "<!DOCTYPE html>…");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let (api, thread) = answer("200 OK", "x");
    let output = gnomon(&api, &["report", "--out", "/nowhere/report.html"]);
    thread.join().unwrap();
    assert!(text(&output.stderr).contains("cannot write /nowhere/report.html"));
}

#[test]
fn a_report_goes_to_standard_output_and_json_is_safe_there() {
    let (api, thread) = answer("200 OK", "{\"name\":\"a\u{202e}b\"}");
    let output = gnomon(
        &api,
        &["report", "--format", "json", "--to", "2026-01-02T00:00:00Z"],
    );
    let line = thread.join().unwrap().line;
    assert_eq!(
        line,
        "GET /api/v1/report?format=json&to=2026-01-02T00%3A00%3A00Z HTTP/1.1"
    );
    assert_eq!(text(&output.stdout), "{\"name\":\"a\\u202eb\"}\n");
}

#[test]
fn a_report_with_gaps_is_written_and_fails() {
    let (api, thread) = answer("200 OK\r\nX-Gnomon-Complete: false", "<p>");
    let output = gnomon(&api, &["report"]);
    thread.join().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(1), "<p>".to_owned())
    );
    assert!(text(&output.stderr).contains("could not be answered"));
}
