//! Starts the real program in a folder of its own, on free ports, and asks its API.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_gnomon-collector");
const START_S_MAX: u64 = 120;

/// A folder with settings, and the collector running in it or not.
pub(crate) struct Collector {
    folder: TempDir,
    child: Option<Child>,
}

/// An answer of the API.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the answer is JSON")
    }

    pub(crate) fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()["rows"].as_array().cloned().expect("rows")
    }
}

/// Asks until `found` gives something. Panics after `seconds`.
pub(crate) fn poll<T>(what: &str, seconds: u64, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < end, "waited {seconds} s for {what}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

impl Collector {
    /// A folder with settings; not started. `None` where no engine is installed (outside CI).
    pub(crate) fn prepared(settings: &str) -> Option<Self> {
        let library = library()?;
        let folder = tempfile::Builder::new()
            .prefix("gnomon-it-")
            .tempdir()
            .expect("folder");
        let state = folder.path().join("state");
        let text = format!(
            "state_dir = \"{}\"\n{settings}\n[clickhouse]\nlibrary = \"{}\"\n",
            state.display(),
            library.display()
        );
        fs::write(folder.path().join("collector.toml"), text).expect("settings");
        Some(Self {
            folder,
            child: None,
        })
    }

    pub(crate) fn started() -> Option<Self> {
        let mut collector = Self::prepared("")?;
        collector.start();
        Some(collector)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg(subcommand)
            .arg("--config")
            .arg(self.path("collector.toml"));
        command
    }

    pub(crate) fn start(&mut self) {
        let _ = fs::remove_file(self.path("state/endpoint.json"));
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("log");
        let child = self
            .command("serve")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("started");
        self.child = Some(child);
        poll("the collector's endpoint", START_S_MAX, || {
            let ended = self
                .child
                .as_mut()
                .and_then(|c| c.try_wait().expect("watched"));
            assert!(ended.is_none(), "the collector ended: {}", self.log());
            self.path("state/endpoint.json").exists().then_some(())
        });
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// The engine's process: the collector's only child.
    pub(crate) fn engine_pid(&self) -> Option<u32> {
        child_of(self.pid())
    }

    pub(crate) fn signal(&self, name: &str, pid: u32) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status()
            .expect("kill");
        assert!(done.success());
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(&mut self, signal: &str) -> std::process::ExitStatus {
        self.signal(signal, self.pid());
        let mut child = self.child.take().expect("running");
        poll("the collector's end", 20, || {
            child.try_wait().expect("watched")
        })
    }

    fn endpoint(&self, field: &str) -> String {
        let text = fs::read_to_string(self.path("state/endpoint.json")).expect("endpoint.json");
        let value: Value = serde_json::from_str(&text).expect("json");
        value[field].as_str().expect("a field").to_owned()
    }

    pub(crate) fn ingest(&self) -> String {
        self.endpoint("ingest")
    }

    pub(crate) fn api_address(&self) -> String {
        self.endpoint("api")
            .strip_prefix("http://")
            .expect("http")
            .to_owned()
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.path("state/api-token"))
            .expect("token")
            .trim()
            .to_owned()
    }

    /// One request, headers as given.
    pub(crate) fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut stream = TcpStream::connect(self.api_address()).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("timeout");
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream
            .write_all(format!("{request}\r\n{body}").as_bytes())
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .expect("a status");
        let chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        let body = if chunked {
            unchunk(body)
        } else {
            body.to_owned()
        };
        Reply {
            status,
            head: head.to_owned(),
            body,
        }
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token());
        let headers = [
            ("Host", self.api_address()),
            ("Authorization", bearer),
            ("Content-Type", kind.to_owned()),
        ];
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.raw(method, path, &headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "text/plain", "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.ask("POST", path, "text/plain", body)
    }

    pub(crate) fn sql(&self, query: &str) -> Reply {
        self.ask(
            "POST",
            "/api/v1/sql",
            "application/json",
            &json!({ "query": query }).to_string(),
        )
    }

    /// The one number that a statement gives.
    pub(crate) fn number(&self, query: &str) -> u64 {
        let rows = self.sql(query).rows();
        let row = rows[0].as_object().expect("a row");
        row.values()
            .next()
            .and_then(Value::as_u64)
            .expect("a number")
    }

    /// Key, certificate and authority for a host, in a folder of that name.
    pub(crate) fn certify(&self, host: &str) -> PathBuf {
        let out = self.path(host);
        let done = self
            .command("certify")
            .args(["--host", host, "--out"])
            .arg(&out)
            .output()
            .expect("run");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        out
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // The engine dies with it.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn child_of(parent: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    tasks.flatten().find_map(|task| {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

pub(crate) fn alive(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub(crate) fn library() -> Option<PathBuf> {
    let program = Path::new(PROGRAM);
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a checkout");
    let found = std::env::var_os("GNOMON_CHDB")
        .map(PathBuf::from)
        .or_else(|| Some(program.parent()?.join("libchdb.so")).filter(|p| p.is_file()))
        .unwrap_or_else(|| checkout.join(".tools/clickhouse/libchdb.so"));
    if found.is_file() {
        return Some(found);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "no ClickHouse engine at {}: run deploy/setup.sh",
        found.display()
    );
    eprintln!(
        "skipped: no ClickHouse engine at {}: run deploy/setup.sh",
        found.display()
    );
    None
}

fn unchunk(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        if size == 0 {
            break;
        }
        out += &after[..size];
        rest = after[size..].strip_prefix("\r\n").expect("a chunk's end");
    }
    out
}
