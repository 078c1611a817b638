//! Opens sessions and makes calls.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddrV4, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::clock;

use super::{Channel, Conversation, Done, own, padded, session_tag};

type Source = BufReader<Box<dyn Read + Send>>;
type Sink = Box<dyn Write + Send>;

/// Does it all, to the end.
pub(super) fn converse(plan: &Conversation) -> Result<Done> {
    let mut done = Done {
        client: std::process::id(),
        servers: Vec::new(),
        answered: 0,
        micros: 0,
    };
    let start = Instant::now();
    if let Some(port) = plan.server_port {
        done.answered = pooled(plan, port)?;
    } else {
        for number in 0..plan.sessions {
            let tag = session_tag(&plan.tag, number);
            let mut link = Link::open(plan.channel)?;
            done.servers.push(link.server.id());
            link.handshake(&tag)?;
            done.answered += link.calls(plan, &tag)?;
            link.close()?;
        }
    }
    done.micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(done)
}

/// A server of our own and the way to it.
struct Link {
    server: Child,
    source: Source,
    sink: Sink,
    is_http: bool,
    /// 0 for pipes and unix sockets.
    server_port: u16,
}

impl Link {
    fn open(channel: Channel) -> Result<Self> {
        let mut server_port = 0;
        let (server, source, sink): (Child, Box<dyn Read + Send>, Sink) = match channel {
            Channel::Pipe => {
                let mut server = own(&["lines"])?
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()?;
                let source = server.stdout.take().context("its output")?;
                let sink = server.stdin.take().context("its input")?;
                (server, Box::new(source), Box::new(sink))
            }
            Channel::Unix => {
                let (ours, theirs) = UnixStream::pair()?;
                let server = own(&["lines"])?
                    .stdin(OwnedFd::from(theirs.try_clone()?))
                    .stdout(OwnedFd::from(theirs))
                    .spawn()?;
                (server, Box::new(ours.try_clone()?), Box::new(ours))
            }
            Channel::Tcp | Channel::Http => {
                let role = if channel == Channel::Tcp {
                    "tcp-lines"
                } else {
                    "http"
                };
                let mut server = own(&[role])?.stdout(Stdio::piped()).spawn()?;
                let mut said = BufReader::new(server.stdout.take().context("its output")?);
                let mut line = String::new();
                said.read_line(&mut line)?;
                let port = line.trim().strip_prefix("port ").context("its port")?;
                server_port = port.parse()?;
                let stream = connect(0, server_port)?;
                (server, Box::new(stream.try_clone()?), Box::new(stream))
            }
        };
        Ok(Self {
            server,
            source: BufReader::with_capacity(64 * 1024, source),
            sink,
            is_http: channel == Channel::Http,
            server_port,
        })
    }

    fn handshake(&mut self, tag: &str) -> Result<()> {
        self.sink
            .write_all(&framed(initialize(tag), None, self.is_http))?;
        receive(&mut self.source, self.is_http)?;
        self.sink
            .write_all(&framed(initialized(), Some(tag), self.is_http))?;
        if self.is_http {
            receive(&mut self.source, true)?;
        }
        Ok(())
    }

    fn calls(&mut self, plan: &Conversation, tag: &str) -> Result<u64> {
        if plan.every_us > 0 {
            let every = Duration::from_micros(plan.every_us);
            let start = Instant::now();
            for number in 0..plan.calls {
                let due = every * number;
                clock::pass(due.saturating_sub(start.elapsed()));
                let request = framed(call(number, tag, plan.bytes), Some(tag), self.is_http);
                self.sink.write_all(&request)?;
                receive(&mut self.source, self.is_http)?;
            }
            return Ok(u64::from(plan.calls));
        }
        if self.is_http {
            return at_once(plan, tag, self.server_port);
        }
        let (source, sink) = (&mut self.source, &mut self.sink);
        thread::scope(|scope| {
            let writer = scope.spawn(|| -> Result<()> {
                for number in 0..plan.calls {
                    sink.write_all(&call(number, tag, plan.bytes))?;
                }
                Ok(())
            });
            for _ in 0..plan.calls {
                receive(source, false)?;
            }
            writer
                .join()
                .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
            Ok(u64::from(plan.calls))
        })
    }

    fn close(mut self) -> Result<()> {
        drop(self.sink);
        drop(self.source);
        if self.is_http {
            self.server.kill()?;
        }
        self.server.wait()?;
        Ok(())
    }
}

/// The calls of one session over several connections, each asking again as soon as it has its answer.
fn at_once(plan: &Conversation, tag: &str, port: u16) -> Result<u64> {
    let connections = u32::from(plan.connections);
    thread::scope(|scope| {
        let ask = |first: u32| -> Result<u64> {
            let mut sink = connect(0, port)?;
            let mut source = BufReader::new(sink.try_clone()?);
            let mut answered = 0;
            for number in (first..plan.calls).step_by(connections as usize) {
                sink.write_all(&framed(call(number, tag, plan.bytes), Some(tag), true))?;
                receive(&mut source, true)?;
                answered += 1;
            }
            Ok(answered)
        };
        let asking: Vec<_> = (0..connections)
            .map(|first| scope.spawn(move || ask(first)))
            .collect();
        let mut answered = 0;
        for asking in asking {
            answered += asking
                .join()
                .map_err(|_| anyhow::anyhow!("a connection panicked"))??;
        }
        Ok(answered)
    })
}

/// All sessions at once on one server, each call on the next connection of the pool.
fn pooled(plan: &Conversation, port: u16) -> Result<u64> {
    let mut pool = Vec::new();
    for number in 0..plan.connections {
        let own_port = if plan.own_port == 0 {
            0
        } else {
            plan.own_port + number
        };
        let stream = connect(own_port, port)?;
        // Gone at once when it is closed, so that the next process can have the same port.
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        pool.push((BufReader::new(stream.try_clone()?), stream));
    }
    let mut turn = 0;
    let mut ask = |body: Vec<u8>, session: Option<&str>| -> Result<()> {
        let size = pool.len();
        let (source, sink) = &mut pool[turn % size];
        turn += 1;
        sink.write_all(&framed(body, session, true))?;
        receive(source, true)
    };
    let tags: Vec<String> = (0..plan.sessions)
        .map(|number| session_tag(&plan.tag, number))
        .collect();
    for tag in &tags {
        ask(initialize(tag), None)?;
        ask(initialized(), Some(tag))?;
    }
    for number in 0..plan.calls {
        for tag in &tags {
            ask(call(number, tag, plan.bytes), Some(tag))?;
        }
    }
    Ok(u64::from(plan.calls) * u64::from(plan.sessions))
}

fn connect(own_port: u16, port: u16) -> Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    let at = |port| SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
    rustix::net::bind(&socket, &at(own_port)).context("bind")?;
    rustix::net::connect(&socket, &at(port)).context("connect")?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn initialize(tag: &str) -> Vec<u8> {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":4000000000,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{{}},\"clientInfo\":{{\"name\":\"c-{tag}\",\"version\":\"1.0\"}}}}}}\n").into_bytes()
}

fn initialized() -> Vec<u8> {
    b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_vec()
}

fn call(number: u32, tag: &str, bytes: usize) -> Vec<u8> {
    let head = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{number},\"method\":\"tools/call\",\"params\":{{\"name\":\"{tag}\",\"arguments\":{{\"text\":\""
    );
    padded(&head, "\"}}}", bytes)
}

/// A message as it goes out: by itself, or in a POST.
fn framed(body: Vec<u8>, session: Option<&str>, is_http: bool) -> Vec<u8> {
    if !is_http {
        return body;
    }
    let session = session.map_or(String::new(), |session| {
        format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-06-18\r\n")
    });
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n{session}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Reads one answer: a line, or a response.
fn receive(source: &mut BufReader<impl Read>, is_http: bool) -> Result<()> {
    let mut line = Vec::new();
    let mut length = 0;
    loop {
        line.clear();
        ensure!(
            source.read_until(b'\n', &mut line)? > 0,
            "the server is gone"
        );
        if !is_http {
            return Ok(());
        }
        if line == b"\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix(b"Content-Length: ") {
            length = std::str::from_utf8(value)?.trim().parse()?;
        }
    }
    std::io::copy(&mut source.take(length), &mut std::io::sink())?;
    Ok(())
}
