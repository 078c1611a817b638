//! The engine's process is confined by the kernel: even a user with every right reads no other file and
//! reaches nobody.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::collector::{PROGRAM, library, poll};

/// `default` may do everything here, unlike in the collector's own configuration.
const USERS: &str = "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default>\
    <password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>\
    </default></users></clickhouse>";

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(port: u16, query: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
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

#[test]
fn the_kernel_confines_it() {
    let Some(library) = library() else { return };
    if !landlock() {
        assert!(
            std::env::var_os("CI").is_none(),
            "this kernel has no Landlock"
        );
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    for made in ["data", "run"] {
        fs::create_dir(path(made)).expect("folder");
    }
    fs::write(path("run/users.xml"), USERS).expect("users");
    fs::write(path("secret"), "plainly readable").expect("a file");
    let config = format!(
        "<clickhouse><http_port>0</http_port><listen_host>127.0.0.1</listen_host><user_directories><users_xml>\
         <path>{}</path></users_xml></user_directories></clickhouse>",
        path("run/users.xml").display()
    );
    fs::write(path("run/config.xml"), config).expect("config");
    let child = Command::new(PROGRAM)
        .arg("engine")
        .arg("--library")
        .arg(library)
        .arg("--config")
        .arg(path("run/config.xml"))
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
    let _child = Killed(child);
    let port = poll("the engine's port", 60, || {
        fs::read_to_string(path("run/port"))
            .ok()?
            .trim()
            .parse()
            .ok()
    });

    assert!(ask(port, "SELECT 'it answers'").contains("it answers"));
    for file in [
        "/etc/passwd",
        "/etc/hostname",
        &path("secret").display().to_string(),
    ] {
        for query in [
            format!("SELECT file('{file}')"),
            format!("SELECT * FROM file('{file}', 'LineAsString')"),
        ] {
            let answer = ask(port, &query);
            assert!(answer.contains("Exception"), "{query}: {answer}");
            assert!(
                !answer.contains("root:") && !answer.contains("plainly readable"),
                "{query}: {answer}"
            );
        }
    }
    let outside = TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = outside.local_addr().expect("an address");
    let answer = ask(
        port,
        &format!(
            "SELECT * FROM url('http://{there}/', 'LineAsString') SETTINGS http_max_tries = 1"
        ),
    );
    assert!(answer.contains("Exception"), "{answer}");
    outside.set_nonblocking(true).expect("set");
    assert_eq!(
        outside.accept().expect_err("nobody came").kind(),
        ErrorKind::WouldBlock
    );
}

fn landlock() -> bool {
    fs::read_to_string("/sys/kernel/security/lsm").map_or(true, |list| list.contains("landlock"))
}
