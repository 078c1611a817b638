//! One conversation, heard: by the whole pipeline, and byte by byte beside it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use gnomon_policy::Policy;
use gnomon_sensor::{
    event::{Body, Direction, Event, Transfer},
    host::NoHost,
    observation::{self, CallStatus, HostName, SessionId},
    pipeline::{Limits, Output, Pipeline},
    snapshot::snapshot,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::harness::Harness;

const DEADLINE: Duration = Duration::from_secs(200);

/// Length and SHA-256 of a message.
pub(crate) type Message = (u64, String);

/// What was said, and what was heard of it.
pub(crate) struct Heard {
    pub(crate) client: u32,
    pub(crate) server: u32,
    pub(crate) sent: Vec<Message>,
    /// Lines of the client's stream, as copied.
    pub(crate) seen: Vec<Message>,
    /// Client and server of each session of one of the two.
    pub(crate) sessions: Vec<(Option<u32>, Option<u32>)>,
    pub(crate) channel: &'static str,
    /// Calls that were told and answered.
    pub(crate) calls: usize,
    pub(crate) lost: BTreeMap<&'static str, u64>,
}

/// Has a client and a server speak, and listens.
pub(crate) fn hear(channel: &str, form: &str, shape: &str) -> Heard {
    let arguments = [channel, form, shape];
    let (mut ear, mut peers);
    if shape == "middle" {
        peers = Peers::start(&arguments);
        peers.line();
        ear = Ear::open(Some(peers.child.id()));
        peers.go();
    } else {
        ear = Ear::open(None);
        peers = Peers::start(&arguments);
        ear.ours.insert(peers.child.id());
    }
    let said = ear.listen(&mut peers);
    ear.heard(&said)
}

/// The two processes.
struct Peers {
    child: Child,
    lines: Receiver<String>,
}

impl Peers {
    fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/recall/speak.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = sync_channel(16);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines
            .recv_timeout(DEADLINE)
            .expect("the peers say something")
    }

    fn go(&mut self) {
        let mut input = self.child.stdin.take().expect("piped");
        input.write_all(b"go\n").expect("written");
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kernel side, and all that listens to it.
struct Ear {
    harness: Harness,
    pipeline: Pipeline,
    /// The peers: what the rest of the host does is not listened to, so that a busy host does not slow the test.
    ours: HashSet<u32>,
    /// Copied bytes of each end and direction, cut into lines.
    streams: HashMap<(u64, Direction), Stream>,
    sessions: HashMap<SessionId, observation::Session>,
    answered: Vec<SessionId>,
}

impl Ear {
    fn open(client: Option<u32>) -> Self {
        let mut harness = Harness::attach();
        let mut pipeline = Pipeline::new(
            HostName::new("test"),
            b"salt",
            Policy::empty(),
            Box::new(NoHost),
            Limits::default(),
        );
        let mut output = Output::default();
        let mut ours = HashSet::from_iter(client);
        for event in snapshot(&mut harness.kernel).expect("a snapshot") {
            if concerns(&mut ours, &event) {
                pipeline.push(event, &mut output);
            }
        }
        Self {
            harness,
            pipeline,
            ours,
            streams: HashMap::new(),
            sessions: HashMap::new(),
            answered: Vec::new(),
        }
    }

    /// Until the peers are done and everything before that was read.
    fn listen(&mut self, peers: &mut Peers) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let mut said = None;
        let mut done_at = u64::MAX;
        loop {
            let mut events = Vec::new();
            let wait = Duration::from_millis(if said.is_some() { 0 } else { 20 });
            let ring = &mut self.harness.ring;
            let count = ring.read(wait, &mut events).expect("the ring reads");
            let over = events.iter().any(|event| event.time > done_at);
            let mut output = Output::default();
            for event in events {
                if concerns(&mut self.ours, &event) {
                    self.note(&event);
                    self.pipeline.push(event, &mut output);
                    self.judge(&mut output);
                }
            }
            self.pipeline.state(now(), &mut output);
            self.take(output);
            if said.is_some() && (count == 0 || over) {
                break;
            }
            if said.is_none() {
                said = peers.lines.try_recv().ok();
                done_at = if said.is_some() { now() } else { u64::MAX };
            }
            assert!(Instant::now() < deadline, "the peers do not come to an end");
        }
        let mut output = Output::default();
        self.pipeline.finish(now(), &mut output);
        self.take(output);
        serde_json::from_str(&said.expect("said")).expect("JSON")
    }

    fn judge(&mut self, output: &mut Output) {
        for (end, verdict) in output.judgements.drain(..) {
            self.harness.judge(end, verdict);
        }
        for end in output.closed.drain(..) {
            self.harness.kernel.forget(end).expect("forgotten");
        }
    }

    fn note(&mut self, event: &Event) {
        match &event.body {
            Body::Transfer(transfer) => self.stream(transfer).push(transfer),
            // What was read before the word of splicing came.
            Body::Standby(transfer) => self.stream(transfer).reserve = transfer.payload.clone(),
            Body::Spliced(_) => {
                for stream in self.streams.values_mut() {
                    let bytes = std::mem::take(&mut stream.reserve);
                    stream.bytes(&bytes);
                }
            }
            _ => {}
        }
    }

    fn stream(&mut self, transfer: &Transfer) -> &mut Stream {
        let key = (transfer.end.key.inode, transfer.direction);
        self.streams.entry(key).or_default()
    }

    fn take(&mut self, mut output: Output) {
        self.judge(&mut output);
        for observation in output.observations {
            match observation.body {
                observation::Body::Session(session) => {
                    self.sessions.insert(session.id.clone(), *session);
                }
                observation::Body::Call(call) if call.status == CallStatus::Ok => {
                    self.answered.push(call.session);
                }
                _ => {}
            }
        }
    }

    fn heard(self, said: &Value) -> Heard {
        let number = |value: &Value| value.as_u64().expect("a number");
        let pid = |name: &str| number(&said[name]) as u32;
        let (client, server) = (pid("client"), pid("server"));
        let inode = |at: usize| number(&said["inodes"][at]);
        let sent = said["sent"].as_array().expect("messages");
        let stream = |key| {
            self.streams
                .get(&key)
                .map(|stream: &Stream| stream.lines.clone())
        };
        let mut seen = stream((inode(0), Direction::Write)).unwrap_or_default();
        seen.extend(stream((inode(1), Direction::Read)).unwrap_or_default());
        let ours: Vec<&observation::Session> = self
            .sessions
            .values()
            .filter(|session| {
                [&session.client.process, &session.server.process]
                    .into_iter()
                    .flatten()
                    .any(|process| [client, server].contains(&process.pid))
            })
            .collect();
        let mut lost: BTreeMap<&'static str, u64> = BTreeMap::new();
        let kernel = self.harness.kernel.losses();
        for (reason, count) in kernel.into_iter().chain(self.pipeline.counters().lost) {
            *lost.entry(reason.name()).or_default() += count;
        }
        let pid_of =
            |process: &Option<observation::Process>| process.as_ref().map(|process| process.pid);
        Heard {
            client,
            server,
            sent: sent
                .iter()
                .map(|message| {
                    (
                        number(&message[0]),
                        message[1].as_str().expect("a digest").to_owned(),
                    )
                })
                .collect(),
            seen,
            sessions: ours
                .iter()
                .map(|session| {
                    (
                        pid_of(&session.client.process),
                        pid_of(&session.server.process),
                    )
                })
                .collect(),
            channel: ours.first().map_or("", |session| session.channel.as_str()),
            calls: self
                .answered
                .iter()
                .filter(|id| ours.iter().any(|session| session.id == **id))
                .count(),
            lost,
        }
    }
}

/// Whether an event is of one of these processes; their children are added to them.
fn concerns(ours: &mut HashSet<u32>, event: &Event) -> bool {
    match &event.body {
        Body::Fork { parent, child } => {
            if ours.contains(&parent.pid) {
                ours.insert(child.pid);
            }
            ours.contains(&child.pid)
        }
        Body::Exec(exec) => {
            if exec.parent.is_some_and(|parent| ours.contains(&parent.pid)) {
                ours.insert(exec.process.pid);
            }
            ours.contains(&exec.process.pid)
        }
        Body::Exit { process }
        | Body::EndOfStream { process, .. }
        | Body::Holder { process, .. } => ours.contains(&process.pid),
        Body::Transfer(transfer) | Body::Spliced(transfer) | Body::Standby(transfer) => {
            ours.contains(&transfer.process.pid)
        }
        Body::SocketState(_) | Body::Lost { .. } => true,
    }
}

/// One direction of one end, as copied.
#[derive(Default)]
struct Stream {
    line: Vec<u8>,
    lines: Vec<Message>,
    reserve: Vec<u8>,
}

impl Stream {
    fn push(&mut self, transfer: &Transfer) {
        if transfer.lost_before > 0 {
            self.line = b"a gap".to_vec();
        }
        self.bytes(&transfer.payload);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // Of a line that never ends it is enough that it is not one that was sent.
            if self.line.len() < 32 * 1024 * 1024 {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                self.lines.push((text.len() as u64, hex(text)));
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos() as u64
}
