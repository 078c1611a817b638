//! The engine as a process: confined by the kernel, its folder its own; and a ClickHouse server by URL.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    collector::{Collector, PROGRAM, library, poll},
    observations::{call, session, stdio},
    sensor::Sensor,
};

/// `default` may do everything here, unlike in the collector's own configuration.
const USERS: &str = "<clickhouse><profiles><default/>\
    <asks><readonly>2</readonly></asks><bare><readonly>1</readonly></bare>\
    <wide><readonly>1</readonly><max_execution_time>60</max_execution_time><max_result_rows>1000000000</max_result_rows>\
    <max_result_bytes>10000000000</max_result_bytes></wide></profiles><quotas><default/></quotas><users><default>\
    <password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>\
    </default><asks><password></password><networks><ip>127.0.0.1</ip></networks><profile>asks</profile><quota>default</quota>\
    </asks><bare><password></password><networks><ip>127.0.0.1</ip></networks><profile>bare</profile><quota>default</quota>\
    </bare><wide><password></password><networks><ip>127.0.0.1</ip></networks><profile>wide</profile><quota>default</quota>\
    </wide></users></clickhouse>";

/// A ClickHouse without the collector's restrictions, in a folder of its own.
pub(crate) struct Bare {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bare {
    /// `None` where no engine is installed.
    pub(crate) fn start() -> Option<Self> {
        let library = library()?;
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        for made in ["data", "run"] {
            fs::create_dir(path(made)).expect("folder");
        }
        fs::write(path("run/users.xml"), USERS).expect("users");
        let config = format!(
            "<clickhouse><logger><log>{}</log><console>0</console></logger><http_port>0</http_port>\
             <listen_host>127.0.0.1</listen_host><user_directories><users_xml>\
             <path>{}</path></users_xml></user_directories></clickhouse>",
            path("run/clickhouse.log").display(),
            path("run/users.xml").display()
        );
        fs::write(path("run/config.xml"), config).expect("config");
        let child = Command::new(PROGRAM)
            .arg("engine")
            .arg("--library")
            .arg(library)
            .arg("--config")
            .arg(path("run/config.xml"))
            .arg("--users")
            .arg(path("run/users.xml"))
            .arg("--data")
            .arg(path("data"))
            .arg("--port-file")
            .arg(path("run/port"))
            .arg("--parent")
            .arg(std::process::id().to_string())
            .current_dir(path("run"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let port_file = path("run/port");
        let mut bare = Self {
            folder,
            child,
            port: 0,
        };
        bare.port = poll("the engine's port", 60, || {
            let text = fs::read_to_string(&port_file).ok()?;
            text.strip_suffix('\n')?.parse().ok()
        });
        Some(bare)
    }

    fn ask(&self, query: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("timeout");
        let head = format!(
            "POST / HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            query.len()
        );
        stream
            .write_all(format!("{head}{query}").as_bytes())
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }
}

#[test]
fn even_a_user_with_every_right_is_confined() {
    if !landlock() {
        assert!(
            std::env::var_os("CI").is_none(),
            "this kernel has no Landlock"
        );
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let Some(bare) = Bare::start() else { return };
    let secret = bare.folder.path().join("secret");
    fs::write(&secret, "plainly readable").expect("a file");

    assert!(bare.ask("SELECT 'it answers'").contains("it answers"));
    fs::write(bare.folder.path().join("run/kept"), "plainly readable").expect("a file");
    let beside = |name: &str| bare.folder.path().join(name).display().to_string();
    for file in [
        "/etc/passwd",
        "/etc/hostname",
        &secret.display().to_string(),
        &beside("run/kept"),
        &beside("run/clickhouse.log"),
        &beside("run/port"),
        "/proc/self/cwd/clickhouse.log",
    ] {
        for query in [
            format!("SELECT file('{file}')"),
            format!("SELECT * FROM file('{file}', 'LineAsString')"),
        ] {
            let answer = bare.ask(&query);
            assert!(answer.contains("Exception"), "{query}: {answer}");
            assert!(
                !answer.contains("root:") && !answer.contains("plainly readable"),
                "{query}: {answer}"
            );
        }
    }
    let outside = TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = outside.local_addr().expect("an address");
    let query =
        format!("SELECT * FROM url('http://{there}/', 'LineAsString') SETTINGS http_max_tries = 1");
    let answer = bare.ask(&query);
    assert!(answer.contains("Exception"), "{answer}");
    outside.set_nonblocking(true).expect("set");
    assert_eq!(
        outside.accept().expect_err("nobody came").kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
fn the_engines_secrets_are_gone_once_it_runs() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let run = collector.path("state/clickhouse/run");
    let gone = || !run.join("config.xml").exists() && !run.join("users.xml").exists();
    assert!(gone());
    // It has what it needs for another start all the same.
    let first = collector.engine_pid().expect("an engine");
    collector.signal("KILL", first);
    poll("another engine", 60, || {
        let pid = collector.engine_pid()?;
        (pid != first && collector.sql("SELECT 1").status == 200).then_some(())
    });
    assert!(gone());
    assert!(collector.stop("TERM").success());
}

fn landlock() -> bool {
    fs::read_to_string("/sys/kernel/security/lsm").map_or(true, |list| list.contains("landlock"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_by_url_is_used_the_same_way() {
    let Some(bare) = Bare::start() else { return };
    let Some(mut collector) = Collector::prepared("") else {
        return;
    };
    let settings = format!(
        "state_dir = \"{}\"\n[clickhouse]\nurl = \"http://127.0.0.1:{}\"\ndatabase = \"mcp\"\nuser = \"default\"\n",
        collector.path("state").display(),
        bare.port
    );
    fs::write(collector.path("collector.toml"), settings).expect("settings");
    collector.start();
    assert_eq!(collector.engine_pid(), None);
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let batch = || vec![session(stdio("s1", 1, 1)), call("s1", 1)];
    sensor.store(1, batch()).await.expect("stored");
    sensor.store(1, batch()).await.expect("acknowledged");
    assert_eq!(collector.get("/api/v1/sessions").rows().len(), 1);
    assert!(
        bare.ask("SELECT 'calls', count() FROM mcp.call_fact")
            .contains("calls\t1")
    );
    // Without a read-only user nobody's SQL is run.
    let refused = collector.sql("SELECT 1");
    assert_eq!(refused.status, 501, "{}", refused.body);
    assert!(refused.body.contains("clickhouse.analyst_user"));
    assert!(collector.stop("TERM").success());
}

#[test]
fn the_analyst_of_a_server_by_url_has_limits() {
    let Some(bare) = Bare::start() else { return };
    let Some(mut collector) = Collector::prepared("") else {
        return;
    };
    let (state, file) = (collector.path("state"), collector.path("collector.toml"));
    let settings = |analyst: &str| {
        let text = format!(
            "state_dir = \"{}\"\n[clickhouse]\nurl = \"http://127.0.0.1:{}\"\nuser = \"default\"\nanalyst_user = \"{analyst}\"\n",
            state.display(),
            bare.port
        );
        fs::write(&file, text).expect("settings");
    };
    // One that may write, and one that can neither be given limits nor has its own.
    for (analyst, missing) in [("default", "may write"), ("bare", "max_execution_time")] {
        settings(analyst);
        let done = collector.command("serve").output().expect("run");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && said.contains(missing), "{said}");
    }
    settings("asks");
    collector.start();
    assert_eq!(collector.number("SELECT 1"), 1);
    for query in [
        "SELECT number FROM numbers(1000000)",
        "SELECT repeat('x', 1000000) FROM numbers(1000)",
        "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
    ] {
        let refused = collector.sql(query);
        assert_eq!(refused.status, 400, "{query}: {:.300}", refused.body);
    }
    // Whatever a profile allows, the collector does not hold more than it can.
    assert!(collector.stop("TERM").success());
    settings("wide");
    collector.start();
    let refused = collector.sql("SELECT repeat('x', 1000000) FROM numbers(150)");
    assert_eq!(refused.status, 400, "{:.300}", refused.body);
    assert!(
        refused.body.contains("larger than"),
        "{:.300}",
        refused.body
    );
}

#[test]
fn a_data_folder_in_use_is_named() {
    let Some(bare) = Bare::start() else { return };
    let Some(collector) = Collector::prepared("") else {
        return;
    };
    let clickhouse = collector.path("state/clickhouse");
    fs::create_dir_all(&clickhouse).expect("folder");
    std::os::unix::fs::symlink(bare.folder.path().join("data"), clickhouse.join("data"))
        .expect("linked");
    let done = collector.command("serve").output().expect("run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        !done.status.success() && said.contains("another process uses this data folder"),
        "{said}"
    );
}
