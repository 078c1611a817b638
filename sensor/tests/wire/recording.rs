//! Recordings of flows, written by hand.

use std::net::Ipv4Addr;

use base64::Engine as _;
use gnomon_policy::Policy;
use gnomon_sensor::observation::{Body, Call, HostName, Session};
use gnomon_sensor::replay::replay;
use serde_json::{Value, json};

/// Process numbers of most tests.
pub(crate) const CLIENT: u32 = 1;
pub(crate) const SERVER: u32 = 2;

/// The rows of a recording, in the order of time.
#[derive(Default)]
pub(crate) struct Recording {
    rows: Vec<Value>,
    now_ms: u64,
    chans: u64,
}

/// A TCP connection: its ends and the two streams on it.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    client: u32,
    server: u32,
    port: u16,
    server_port: u16,
    chan: u64,
    /// The server's address, where it is on another host: only the client's calls are recorded then.
    remote: Option<Ipv4Addr>,
}

/// Two pipes between a client and a server.
#[derive(Clone, Copy)]
pub(crate) struct Pipes {
    client: u32,
    server: u32,
    chan: u64,
    kind: &'static str,
}

impl Recording {
    /// Lets time pass.
    pub(crate) fn wait_ms(&mut self, ms: u64) -> &mut Self {
        self.now_ms += ms;
        self
    }

    pub(crate) fn pipes(&mut self, client: u32, server: u32) -> Pipes {
        self.chans += 2;
        Pipes {
            client,
            server,
            chan: self.chans,
            kind: "pipe",
        }
    }

    /// Two socket pairs, as node has them.
    pub(crate) fn sockets(&mut self, client: u32, server: u32) -> Pipes {
        Pipes {
            kind: "unix-stream",
            ..self.pipes(client, server)
        }
    }

    pub(crate) fn connect(&mut self, client: u32, server: u32, server_port: u16) -> Connection {
        self.chans += 2;
        let chan = self.chans;
        Connection {
            client,
            server,
            port: 30_000 + u16::try_from(chan % 30_000).expect("a port"),
            server_port,
            chan,
            remote: None,
        }
    }

    /// To a server on another host.
    pub(crate) fn connect_out(
        &mut self,
        client: u32,
        server: Ipv4Addr,
        server_port: u16,
    ) -> Connection {
        Connection {
            remote: Some(server),
            ..self.connect(client, 0, server_port)
        }
    }

    /// A line of the client.
    pub(crate) fn ask(&mut self, pipes: Pipes, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.pipe(pipes, true, bytes.as_ref())
    }

    /// A line of the server.
    pub(crate) fn tell(&mut self, pipes: Pipes, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.pipe(pipes, false, bytes.as_ref())
    }

    fn pipe(&mut self, pipes: Pipes, asks: bool, bytes: &[u8]) -> &mut Self {
        let (from, to, chan) = if asks {
            (pipes.client, pipes.server, pipes.chan)
        } else {
            (pipes.server, pipes.client, pipes.chan + 1)
        };
        for (op, proc) in [("write", from), ("read", to)] {
            self.now_ms += 1;
            let mut row = json!({
                "t": self.now_ms as f64 / 1000.0, "proc": proc, "op": op, "fd": 3, "kind": pipes.kind,
                "chan": chan, "len": bytes.len(),
            });
            if op == "write" {
                row["b64"] = encoded(bytes);
            }
            self.rows.push(row);
        }
        self
    }

    /// Bytes of the client of a connection.
    pub(crate) fn send(&mut self, connection: Connection, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.tcp(connection, true, bytes.as_ref())
    }

    /// Bytes of its server.
    pub(crate) fn reply(&mut self, connection: Connection, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.tcp(connection, false, bytes.as_ref())
    }

    fn tcp(&mut self, connection: Connection, asks: bool, bytes: &[u8]) -> &mut Self {
        let (client, server) = match connection.remote {
            Some(remote) => (Ipv4Addr::new(10, 0, 0, 9), remote),
            None => (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST),
        };
        let client = format!("{client}:{}", connection.port);
        let server = format!("{server}:{}", connection.server_port);
        let (from, to, writer, reader, chan) = if asks {
            (
                client,
                server,
                connection.client,
                connection.server,
                connection.chan,
            )
        } else {
            (
                server,
                client,
                connection.server,
                connection.client,
                connection.chan + 1,
            )
        };
        for (op, proc) in [("write", writer), ("read", reader)] {
            if proc == 0 {
                continue;
            }
            self.now_ms += 1;
            let mut row = json!({
                "t": self.now_ms as f64 / 1000.0, "proc": proc, "op": op, "fd": 5, "kind": "tcp",
                "chan": chan, "from": from, "to": to, "len": bytes.len(),
            });
            if op == "write" || connection.remote.is_some() {
                row["b64"] = encoded(bytes);
            }
            self.rows.push(row);
        }
        self
    }

    /// What is told of it, under no policy.
    pub(crate) fn told(&self) -> Told {
        self.told_under(Policy::empty())
    }

    /// What is told of it.
    pub(crate) fn told_under(&self, policy: Policy) -> Told {
        let rows: Vec<String> = self.rows.iter().map(Value::to_string).collect();
        let host = HostName::new("test");
        let told = replay(&rows.join("\n"), "test", &host, policy).expect("a recording");
        let (mut sessions, mut calls) = (Vec::new(), Vec::new());
        for observation in told {
            match observation.body {
                Body::Session(session) => sessions.push(*session),
                Body::Call(call) => calls.push(call),
                _ => {}
            }
        }
        Told { sessions, calls }
    }
}

fn encoded(bytes: &[u8]) -> Value {
    base64::engine::general_purpose::STANDARD
        .encode(bytes)
        .into()
}

/// Sessions as they were told last, and all calls.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) sessions: Vec<Session>,
    pub(crate) calls: Vec<Call>,
}

impl Told {
    /// The only session.
    pub(crate) fn session(&self) -> &Session {
        assert_eq!(self.sessions.len(), 1, "{:#?}", self.sessions);
        &self.sessions[0]
    }

    /// Calls as `method name status`, in their order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.iter().map(line).collect()
    }

    /// The calls of one session.
    pub(crate) fn calls_of(&self, session: &Session) -> Vec<String> {
        let own = self.calls.iter().filter(|call| call.session == session.id);
        own.map(line).collect()
    }
}

fn line(call: &Call) -> String {
    let name = call.name.as_deref().unwrap_or("-");
    format!("{} {name} {}", call.method, call.status.as_str())
}

/// A POST of JSON.
pub(crate) fn post(target: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost:9000\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer of JSON.
pub(crate) fn ok(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer without a body.
pub(crate) fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// The head of an answer of events, chunked.
pub(crate) fn stream(headers: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes()
}

/// One chunk.
pub(crate) fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// One event with a message.
pub(crate) fn event(message: &str) -> String {
    format!("event: message\r\ndata: {message}\r\n\r\n")
}

pub(crate) fn initialize(id: u32, name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": name, "version": "1"},
    }})
    .to_string()
}

pub(crate) fn initialized(id: u32) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"},
    }})
    .to_string()
}

pub(crate) const CONFIRMED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

pub(crate) fn call(id: u32, tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
        .to_string()
}

pub(crate) fn result(id: u32) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "x"}]}})
        .to_string()
}
