//! Answers calls: lines on standard input and output, or HTTP on a port.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use anyhow::{Context, Result};

use super::padded;

/// Serves one session on standard input and output.
pub(super) fn lines() -> Result<()> {
    // Unbuffered: one write for each answer.
    let answers = std::fs::File::from(rustix::io::dup(rustix::stdio::stdout())?);
    serve_lines(std::io::stdin().lock(), answers)
}

/// Serves one session on the first connection to a port that it prints.
pub(super) fn tcp_lines() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("listen")?;
    println!("port {}", listener.local_addr()?.port());
    let (connection, _) = listener.accept()?;
    connection.set_nodelay(true)?;
    serve_lines(connection.try_clone()?, connection)
}

fn serve_lines(requests: impl Read, mut answers: impl Write) -> Result<()> {
    let mut requests = BufReader::with_capacity(64 * 1024, requests);
    let mut line = Vec::new();
    loop {
        line.clear();
        if requests.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Some(answer) = answer(&line) {
            answers.write_all(&answer)?;
        }
    }
}

/// Serves sessions until it is killed, a thread for each connection.
pub(super) fn http(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).context("listen")?;
    println!("port {}", listener.local_addr()?.port());
    for connection in listener.incoming() {
        let connection = connection?;
        // A client that goes away in the middle is no failure of the server.
        thread::spawn(move || serve(connection).ok());
    }
    Ok(())
}

fn serve(mut connection: TcpStream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut requests = BufReader::with_capacity(64 * 1024, connection.try_clone()?);
    while let Some((session, body)) = request(&mut requests)? {
        let response = match answer(&body) {
            Some(answer) => {
                // The first answer of a session gives it its id: the name that the client gave it.
                let session =
                    session.or_else(|| Some(between(&body, b"\"name\":\"c-")?.to_owned()));
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: {}\r\nContent-Length: {}\r\n\r\n",
                    session.as_deref().unwrap_or("none"),
                    answer.len()
                );
                [head.as_bytes(), &answer].concat()
            }
            None => b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        connection.write_all(&response)?;
    }
    Ok(())
}

/// The session id and the body of the next request; none at the end.
fn request(requests: &mut impl BufRead) -> Result<Option<(Option<String>, Vec<u8>)>> {
    let (mut session, mut length) = (None, 0);
    let mut line = String::new();
    loop {
        line.clear();
        if requests.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(": ") {
            match name {
                "Mcp-Session-Id" => session = Some(value.to_owned()),
                "Content-Length" => length = value.parse().context("a length")?,
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body)?;
    Ok(Some((session, body)))
}

/// The answer to a request of our own client, as long as the request; none to a notification.
fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let id = request.strip_prefix(b"{\"jsonrpc\":\"2.0\",\"id\":")?;
    let id = std::str::from_utf8(&id[..id.iter().position(|byte| *byte == b',')?]).ok()?;
    let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{");
    if let Some(tag) = between(request, b"\"name\":\"c-") {
        let result = format!(
            "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{{\"tools\":{{}}}},\"serverInfo\":{{\"name\":\"s-{tag}\",\"version\":\"1.0\"}}}}}}\n"
        );
        return Some((head + &result).into_bytes());
    }
    let head = head + "\"content\":[{\"type\":\"text\",\"text\":\"";
    Some(padded(&head, "\"}]}}", request.len()))
}

/// What stands between a mark and the next quotation mark.
fn between<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let start = text.windows(mark.len()).position(|piece| piece == mark)? + mark.len();
    let rest = &text[start..];
    std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'"')?]).ok()
}
