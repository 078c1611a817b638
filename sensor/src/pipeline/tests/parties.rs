//! Whose word a session's verdict rests on where several processes take part in it, or listen where a gateway is.

use std::net::{IpAddr, SocketAddr};

use gnomon_policy::Status;
use time::OffsetDateTime;

use super::*;
use crate::event::{Exec, Tuple};
use crate::host::UnixList;
use crate::process::container::Container;

const POLICY: &str = r#"
[[gateway]]
name = "local"
names = ["127.0.0.1:9000"]
addresses = ["127.0.0.1:9000"]

[[gateway]]
name = "remote"
names = ["gw.example:8443"]
addresses = ["10.0.0.5:8443"]

[[gateway]]
name = "guarded"
names = ["127.0.0.1:9002"]
addresses = ["127.0.0.1:9002"]
users = ["gateway"]

[[sanction]]
servers = ["bin:good"]
reason = "pilot"
author = "kim"
until = 2100-01-01
"#;

/// This host's address, and a server's on another one.
const OWN: &str = "10.0.0.9";
const BACKEND: &str = "10.9.0.7:9100";
const GATEWAY: ProcessKey = key(50);
const WORKER: ProcessKey = key(51);
const BOB: ProcessKey = key(60);
/// A server that has an exception, and one that has none.
const GOOD: ProcessKey = key(70);
const BAD: ProcessKey = key(71);
/// First requests and what follows them; what is answered first.
const BEGINS: &str = "Accept: application/json, text/event-stream\r\n";
const GOES_ON: &str = "Accept: application/json, text/event-stream\r\nMcp-Session-Id: one\r\n";
const GIVES_ID: &str = "Mcp-Session-Id: one\r\n";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const LISTED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;

const fn key(pid: u32) -> ProcessKey {
    ProcessKey {
        pid,
        start_ns: pid as u64,
    }
}

/// Users are told by number, and programs by their names.
struct Named;

impl Host for Named {
    fn user(&mut self, uid: u32) -> Option<String> {
        let names = ["root", "gateway", "bob"];
        names.get(uid as usize).map(|name| (*name).to_owned())
    }
    fn container(&mut self, _pid: u32) -> Option<Container> {
        None
    }
    fn read_text(&mut self, _image: &Exec, _path: &str) -> Option<String> {
        None
    }
    fn digest(&mut self, image: &Exec, _script: Option<&str>) -> Option<String> {
        let exe = image.exe.as_deref()?;
        Some(exe.trim_start_matches("/opt/").to_owned())
    }
    fn digests_ready(&mut self) -> bool {
        false
    }
    fn addresses(&mut self) -> Vec<IpAddr> {
        vec![OWN.parse().expect("an address")]
    }
    fn netns(&mut self) -> Option<u32> {
        None
    }
    fn netns_of(&mut self, _pid: u32) -> Option<u32> {
        None
    }
    fn unix_sockets(&mut self, _pid: u32, _wanted: &mut dyn Iterator<Item = u64>) -> UnixList {
        UnixList::nothing()
    }
    fn tcp_listening(&mut self) -> HashSet<u64> {
        HashSet::new()
    }
    fn socket_access(&mut self, _pid: u32, _path: &str) -> Option<String> {
        None
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn end(inode: u64, local: SocketAddr, remote: SocketAddr) -> End {
    End {
        channel: Channel::Tcp,
        tuple: Some(Tuple { local, remote }),
        ..pipe(inode)
    }
}

struct Scene {
    run: Run,
    /// Of sockets and client ports.
    next: u16,
}

impl Scene {
    fn new() -> Self {
        let mut run = Run::new();
        let now = OffsetDateTime::UNIX_EPOCH;
        let policy = Policy::parse(POLICY, "p", now).expect("a policy").0;
        run.pipeline.set_policy(policy);
        run.pipeline.host = Box::new(Named);
        let mut scene = Self { run, next: 30_000 };
        for (process, exe, uid) in [
            (GATEWAY, "gateway", 1),
            (BOB, "bob", 2),
            (GOOD, "good", 2),
            (BAD, "bad", 2),
        ] {
            scene.run.event(Body::Exec(Box::new(Exec {
                process,
                parent: None,
                started: 1,
                exe: Some(format!("/opt/{exe}")),
                exe_inode: None,
                argv: vec![exe.to_owned()],
                argv_truncated: false,
                cwd: None,
                uid,
                login_uid: None,
                login_session: None,
                cgroup: 0,
            })));
        }
        scene
    }

    fn listens(&mut self, process: ProcessKey, address: &str) {
        self.next += 1;
        let nowhere = SocketAddr::new(at(address).ip(), 0);
        self.run.event(Body::SocketState(SocketState {
            end: end(self.next.into(), at(address), nowhere),
            state: TcpState::Listen,
            process: Some(process),
            held: false,
        }));
    }

    /// One request and its answer on a connection of their own. `server`: where it is on this host.
    fn exchange(
        &mut self,
        client: ProcessKey,
        (to, server): (&str, Option<ProcessKey>),
        request: &str,
        answer: &str,
    ) {
        self.next += 2;
        let to = at(to);
        let from = if to.ip().is_loopback() {
            to.ip()
        } else {
            at(&format!("{OWN}:1")).ip()
        };
        let from = SocketAddr::new(from, self.next);
        let (near, far) = (end(self.next.into(), from, to), end(0, to, from));
        let far = End {
            key: EndKey {
                device: 9,
                inode: u64::from(self.next) + 1,
            },
            ..far
        };
        self.call(client, &near, Direction::Write, request);
        if let Some(server) = server {
            self.call(server, &far, Direction::Read, "");
            self.call(server, &far, Direction::Write, answer);
        } else {
            self.call(client, &near, Direction::Read, answer);
        }
    }

    fn call(&mut self, process: ProcessKey, end: &End, direction: Direction, bytes: &str) {
        self.run.event(Body::Transfer(Transfer {
            process,
            thread: process.pid,
            fd: None,
            end: *end,
            direction,
            entered: 0,
            lost_before: 0,
            length: bytes.len() as u64,
            payload: bytes.into(),
            copied: !bytes.is_empty(),
        }));
    }

    /// The first request of a session with an id, and its answer.
    fn begins(&mut self, client: ProcessKey, server: (&str, Option<ProcessKey>)) {
        let request = post(server.0, BEGINS, INITIALIZE.trim_end());
        let answer = ok(GIVES_ID, INITIALIZED.trim_end());
        self.exchange(client, server, &request, &answer);
    }

    /// One that goes on with it.
    fn goes_on(&mut self, client: ProcessKey, server: (&str, Option<ProcessKey>)) {
        let request = post(server.0, GOES_ON, LIST);
        self.exchange(client, server, &request, &ok("", LISTED));
    }

    /// The only session as it was stated last: its status and the decisive reason.
    fn verdict(&self) -> (Status, &'static str) {
        let sessions = self.run.sessions();
        let last = sessions.last().expect("a session");
        assert!(sessions.iter().all(|session| session.id == last.id));
        let verdict = &last.judgement.verdict;
        (verdict.status, verdict.reasons[0].code)
    }
}

fn post(host: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ok(headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const UPSTREAM: (Status, &str) = (Status::Approved, "gateway_process");

#[test]
fn workers_of_a_gateway_share_its_session() {
    let mut scene = Scene::new();
    scene.listens(GATEWAY, "127.0.0.1:9000");
    scene.run.event(Body::Fork {
        parent: GATEWAY,
        child: WORKER,
    });
    scene.begins(GATEWAY, (BACKEND, None));
    scene.goes_on(WORKER, (BACKEND, None));
    assert_eq!(scene.verdict(), UPSTREAM);
    // It listens no more when its session is stated last.
    scene.run.event(Body::Exit { process: GATEWAY });
    scene.run.event(Body::Exit { process: WORKER });
    assert_eq!(scene.verdict(), UPSTREAM);
}

/// Who goes round a gateway to a server behind it may send a request with the same id through it.
#[test]
fn a_request_that_the_gateway_passes_on_does_not_lend_it_a_session() {
    for gateway_first in [false, true] {
        let mut scene = Scene::new();
        scene.listens(GATEWAY, "127.0.0.1:9000");
        let turns = if gateway_first {
            [GATEWAY, BOB, GATEWAY]
        } else {
            [BOB, GATEWAY, GATEWAY]
        };
        scene.begins(turns[0], (BACKEND, None));
        for client in &turns[1..] {
            scene.goes_on(*client, (BACKEND, None));
        }
        let (status, _) = scene.verdict();
        assert_eq!(status, Status::Shadow, "{turns:?}");
    }
}

#[test]
fn a_listener_on_the_address_of_another_host_is_nobody() {
    let mut scene = Scene::new();
    scene.listens(BOB, "10.0.0.5:8443");
    scene.begins(BOB, (BACKEND, None));
    assert_eq!(scene.verdict(), (Status::Shadow, "no_gateway"));
}

#[test]
fn a_listener_on_all_of_ipv6_beside_the_gateway_is_nobody() {
    for bob_first in [false, true] {
        let mut listeners = [(GATEWAY, "127.0.0.1:9000"), (BOB, "[::]:9000")];
        if bob_first {
            listeners.reverse();
        }
        let scene = |client| {
            let mut scene = Scene::new();
            for (process, address) in listeners {
                scene.listens(process, address);
            }
            scene.begins(client, (BACKEND, None));
            scene.verdict()
        };
        assert_eq!(scene(BOB), (Status::Shadow, "no_gateway"));
        assert_eq!(scene(GATEWAY), UPSTREAM);
    }
    // Alone it takes IPv4 as well.
    let mut scene = Scene::new();
    scene.listens(GATEWAY, "[::]:9000");
    scene.begins(GATEWAY, (BACKEND, None));
    assert_eq!(scene.verdict(), UPSTREAM);
}

/// That somebody else listened there is known to the end of the session.
#[test]
fn the_gateway_that_goes_away_leaves_its_place_to_nobody() {
    let mut scene = Scene::new();
    scene.listens(GATEWAY, "127.0.0.1:9000");
    scene.listens(BOB, "[::]:9000");
    scene.begins(BOB, (BACKEND, None));
    scene.run.event(Body::Exit { process: GATEWAY });
    scene.goes_on(BOB, (BACKEND, None));
    assert_eq!(scene.verdict(), (Status::Shadow, "no_gateway"));
}

#[test]
fn every_process_that_answered_must_run_as_the_gateways_user() {
    let place = |server| ("127.0.0.1:9002", Some(server));
    for (first, second, expect) in [
        (GATEWAY, GATEWAY, (Status::Approved, "gateway")),
        (
            BOB,
            GATEWAY,
            (Status::Unknown, "gateway_process_not_expected"),
        ),
        (
            GATEWAY,
            BOB,
            (Status::Unknown, "gateway_process_not_expected"),
        ),
    ] {
        let mut scene = Scene::new();
        scene.begins(CLIENT, place(first));
        scene.goes_on(CLIENT, place(second));
        assert_eq!(scene.verdict(), expect, "{first:?} {second:?}");
    }
}

/// The id of an event stream leads to its session from any address.
#[test]
fn a_request_to_a_server_with_an_exception_does_not_lend_it() {
    let (good, bad) = (
        ("127.0.0.1:9300", Some(GOOD)),
        ("127.0.0.1:9400", Some(BAD)),
    );
    let far = (BACKEND, None);
    let judged = |server: (&str, Option<ProcessKey>), then: (&str, Option<ProcessKey>)| {
        let mut scene = Scene::new();
        let target = "/messages?session_id=one";
        let events = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\r\ndata: {target}\r\n\r\n\
             event: message\r\ndata: {}\r\n\r\n",
            INITIALIZED.trim_end()
        );
        let opens = "GET /sse HTTP/1.1\r\nHost: any\r\nAccept: text/event-stream\r\n\r\n";
        scene.exchange(CLIENT, server, opens, &events);
        let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        let asks = post("any", "", INITIALIZE.trim_end()).replacen("/mcp", target, 1);
        scene.exchange(CLIENT, server, &asks, accepted);
        let moves = post("any", "", "x").replacen("/mcp", target, 1);
        scene.exchange(CLIENT, then, &moves, accepted);
        scene.verdict().0
    };
    assert_eq!(judged(good, good), Status::Sanctioned);
    assert_eq!(judged(good, ("[::1]:9300", Some(GOOD))), Status::Sanctioned);
    for (server, then) in [(bad, good), (good, bad), (far, good), (good, far)] {
        assert_eq!(judged(server, then), Status::Shadow, "{server:?} {then:?}");
    }
}
