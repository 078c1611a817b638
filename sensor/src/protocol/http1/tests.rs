use proptest::prelude::*;

use super::*;

mod odd_heads;

/// Feeds pieces and gives the events as text, body pieces put together.
fn run(pieces: &[(Side, &[u8])]) -> Vec<String> {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    for (side, bytes) in pieces {
        connection.push(*side, bytes, &mut out);
    }
    told(&out)
}

fn told(events: &[HttpEvent]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for event in events {
        let text = match event {
            HttpEvent::Request { exchange, head } => {
                format!("{exchange} > {} {}", head.method, head.target)
            }
            HttpEvent::Response { exchange, head } if head.assumed => {
                format!("{exchange} < assumed")
            }
            HttpEvent::Response { exchange, head } => format!("{exchange} < {}", head.status),
            HttpEvent::RequestBody { exchange, bytes } => {
                body(&mut told, format!("{exchange} > '"), bytes);
                continue;
            }
            HttpEvent::ResponseBody { exchange, bytes } => {
                body(&mut told, format!("{exchange} < '"), bytes);
                continue;
            }
            HttpEvent::RequestEnd { exchange } => format!("{exchange} > end"),
            HttpEvent::ResponseEnd { exchange } => format!("{exchange} < end"),
            HttpEvent::RequestGap { exchange, lost } => format!("{exchange} > lost {lost}"),
            HttpEvent::ResponseGap { exchange, lost } => format!("{exchange} < lost {lost}"),
            HttpEvent::Broken {
                side,
                exchange,
                reason,
            } => format!("{side:?} {exchange:?} {reason}"),
        };
        told.push(text);
    }
    told
}

fn body(told: &mut Vec<String>, prefix: String, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match told.last_mut() {
        Some(last) if last.starts_with(&prefix) => last.push_str(&text),
        _ => told.push(prefix + &text),
    }
}

use Side::{Client, Server};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn exchanges_on_a_kept_connection() {
    assert_eq!(
        run(&[
            (Client, b"POST /mcp HTTP/1.1\r\nContent-Length: 3\r\n\r\n"),
            (Client, b"abc"),
            (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            (Client, b"DELETE /mcp HTTP/1.1\r\n\r\n"),
            (Server, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ]),
        [
            "0 > POST /mcp",
            "0 > 'abc",
            "0 > end",
            "0 < 200",
            "0 < 'ok",
            "0 < end",
            "1 > DELETE /mcp",
            "1 > end",
            "1 < 204",
            "1 < end",
        ]
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let two = [GET, b"GET /b HTTP/1.1\r\n\r\n"].concat();
    assert_eq!(
        run(&[
            (Client, &two),
            (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
        ]),
        ["0 > GET /", "0 > end", "1 > GET /b", "1 > end", "0 < 200", "0 < 'a", "0 < end", "1 < 404", "1 < end"]
    );
}

#[test]
fn chunks_with_extensions_and_trailers() {
    assert_eq!(
        run(&[
            (Client, GET),
            (Server, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (Server, b"3;name=\"v\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1 200 OK\r\n"),
        ]),
        ["0 > GET /", "0 > end", "0 < 200", "0 < 'abc0123456789", "0 < end"]
    );
}

#[test]
fn responses_without_a_body() {
    assert_eq!(
        run(&[
            (Client, b"HEAD / HTTP/1.1\r\n\r\n"),
            (
                Server,
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
            ),
            (Client, GET),
            (
                Server,
                b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
            ),
        ]),
        [
            "0 > HEAD /",
            "0 > end",
            "0 < 200",
            "0 < end",
            "1 > GET /",
            "1 > end",
            "1 < 304",
            "1 < end"
        ]
    );
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.push(Client, b"GET / HTTP/1.0\r\n\r\n", &mut out);
    connection.push(Server, b"HTTP/1.0 200 OK\r\n\r\nab", &mut out);
    connection.push(Server, b"cd", &mut out);
    connection.close(Server, &mut out);
    assert_eq!(
        told(&out),
        ["0 > GET /", "0 > end", "0 < 200", "0 < 'abcd", "0 < end"]
    );
}

#[test]
fn after_an_upgrade_or_a_tunnel_nothing_is_read() {
    for (request, answer, status) in [
        (
            &b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"[..],
            &b"HTTP/1.1 101 Switching\r\n\r\n"[..],
            101,
        ),
        (
            b"CONNECT a.example:443 HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            200,
        ),
    ] {
        let told = run(&[
            (Client, request),
            (Server, answer),
            (Client, GET),
            (Server, answer),
        ]);
        assert_eq!(told[2..], [format!("0 < {status}"), "0 < end".to_owned()]);
    }
}

#[test]
fn the_middle_of_a_connection_is_followed_from_the_next_head() {
    assert_eq!(
        run(&[
            (Server, b"rest of a body"),
            (Client, b"GET / HTTP/1.1\r\n\r\n"),
            (Server, b"more of it"),
            (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ]),
        [
            "Server None not_http",
            "0 > GET /",
            "0 > end",
            "0 < 200",
            "0 < end"
        ]
    );
}

#[test]
fn a_response_whose_request_was_not_seen_is_an_exchange_of_its_own() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        run(&[
            (Server, answer),
            (Client, GET),
            (Client, GET),
            (Server, answer)
        ])[2..],
        [
            "1 > GET /",
            "1 > end",
            "2 > GET /",
            "2 > end",
            "2 < 200",
            "2 < end"
        ]
    );
}

#[test]
fn an_event_stream_is_known_from_its_middle() {
    assert_eq!(
        run(&[
            (Server, b"1c\r\nevent: message\r\ndata: {}\r\n\r\n\r\n"),
            (Server, b"9\r\ndata: a\n\n\r\n")
        ]),
        [
            "0 < assumed",
            "0 < 'event: message\r\ndata: {}\r\n\r\ndata: a\n\n"
        ]
    );
    assert_eq!(
        run(&[
            (Server, b"data: {}\n\n"),
            (Server, b"data: a\n\n"),
            (Server, b"HTTP/1.1 204 No\r\n\r\n")
        ]),
        [
            "0 < assumed",
            "0 < 'data: {}\n\ndata: a\n\n",
            "Server Some(0) no_end",
            "1 < 204",
            "1 < end"
        ]
    );
}

#[test]
fn what_two_peers_may_read_differently_is_not_followed() {
    for (head, reason) in [
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "length_ambiguous",
        ),
        ("Content-Length: 3\r\nContent-Length: 4", "length_ambiguous"),
        ("Content-Length: 3, 4", "length_ambiguous"),
        ("Content-Length: +3", "bad_length"),
        ("Content-Length: 0x3", "bad_length"),
        ("Content-Length:", "bad_length"),
        ("Content-Length: 99999999999999999999", "bad_length"),
        ("Transfer-Encoding: chunked, gzip", "transfer_coding"),
        ("Transfer-Encoding: chunked, chunked", "transfer_coding"),
        ("Transfer-Encoding: gzip", "transfer_coding"),
    ] {
        let request = format!("POST / HTTP/1.1\r\n{head}\r\n\r\nabc");
        assert_eq!(
            run(&[(Client, request.as_bytes())]),
            [format!("Client None {reason}")],
            "{head}"
        );
    }
}

#[test]
fn bad_chunks_break_the_side_and_the_next_head_mends_it() {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunk, reason) in [
        (&b"g\r\n"[..], "bad_chunk"),
        (b"\r\n", "bad_chunk"),
        (b"1\nx", "bad_chunk"),
        (b"1\r\nxy", "bad_chunk"),
        (b"-1\r\n", "bad_chunk"),
        (b"ffffffffffffffff\r\n", "chunk_too_long"),
    ] {
        let told = run(&[(Client, HEAD), (Client, chunk), (Client, GET)]);
        let broken = format!("Client Some(0) {reason}");
        assert!(told.contains(&broken), "{told:?}");
        assert_eq!(told[told.len() - 2..], ["1 > GET /", "1 > end"]);
    }
}

#[test]
fn what_is_no_http_is_told_once() {
    for (bytes, reason) in [
        (&b"\x16\x03\x01\x02\x00"[..], "tls"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        (b"{\"jsonrpc\":\"2.0\"}", "not_http"),
        (b"\0\0\0\0", "not_http"),
    ] {
        assert_eq!(
            run(&[(Client, bytes), (Client, bytes)]),
            [format!("Client None {reason}")]
        );
    }
}

#[test]
fn heads_are_bounded() {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.push(Client, b"GET / HTTP/1.1\r\nx: ", &mut out);
    for _ in 0..1000 {
        connection.push(Client, &[b'y'; 1000], &mut out);
        assert!(connection.pending_bytes() <= HEAD_BYTES_MAX);
    }
    assert_eq!(told(&out), ["Client None head_too_long"]);
}

#[test]
fn a_declared_giant_takes_no_memory() {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.push(
        Client,
        b"POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\nab",
        &mut out,
    );
    assert_eq!(connection.pending_bytes(), 0);
    connection.close(Client, &mut out);
    assert_eq!(
        told(&out),
        ["0 > POST /", "0 > 'ab", "Client Some(0) cut_short"]
    );
}

#[test]
fn losses_inside_a_body_keep_step() {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.push(
        Client,
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nab",
        &mut out,
    );
    connection.gap(Client, 8, &mut out);
    connection.push(
        Server,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nxy",
        &mut out,
    );
    connection.gap(Server, 10, &mut out); // the rest of the chunk and its line end
    connection.push(Server, b"1\r\nz\r\n0\r\n\r\n", &mut out);
    assert_eq!(
        told(&out),
        [
            "0 > POST /",
            "0 > 'ab",
            "0 > lost 8",
            "0 > end",
            "0 < 200",
            "0 < 'xy",
            "0 < lost 10",
            "0 < 'z",
            "0 < end"
        ]
    );
}

#[test]
fn a_loss_past_a_chunk_is_mended_at_the_next_chunk() {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.push(Client, GET, &mut out);
    connection.push(
        Server,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n",
        &mut out,
    );
    connection.gap(Server, 500, &mut out);
    connection.push(Server, b"who knows", &mut out);
    connection.push(Server, b"1\r\nz\r\n", &mut out);
    connection.gap(Server, 500, &mut out);
    connection.push(Server, b"HTTP/1.1 204 No\r\n\r\n", &mut out);
    assert_eq!(
        told(&out)[2..],
        [
            "0 < 200",
            "0 < 'xy",
            "0 < lost 500",
            "0 < 'z",
            "0 < lost 500",
            "Server Some(0) gap",
            "1 < 204",
            "1 < end"
        ]
    );
}

#[test]
fn a_loss_between_messages_breaks_the_side_until_the_next_head() {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.gap(Client, 7, &mut out);
    connection.push(Client, b"tail", &mut out);
    connection.push(Client, GET, &mut out);
    assert_eq!(told(&out), ["Client None gap", "0 > GET /", "0 > end"]);
}

#[test]
fn debug_shows_no_values() {
    let mut out = Vec::new();
    Connection::new().push(
        Client,
        b"POST /a?key=s3cret HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nContent-Length: 6\r\n\r\ns3cret",
        &mut out,
    );
    assert_eq!(out.len(), 3);
    assert!(!format!("{out:?}").contains("s3cret"));
}

#[test]
fn guesses_from_the_first_bytes() {
    for (bytes, guess) in [
        (&b"POST /mcp HTTP/1.1\r\nacce"[..], Guess::Yes),
        (b"PO", Guess::More),
        (b"GET /long", Guess::More),
        (b"GET", Guess::More),
        (b"\r\n\nGET / HTTP/1.1", Guess::Yes),
        (b"\n", Guess::More),
        (b"GETS /", Guess::More),
        (b"get / HTTP/1.1", Guess::Yes),
        (b"GET / HTTP/1.7", Guess::Yes),
        (b"GET / HTTP/3", Guess::No),
        (b"GET / HTTP/x", Guess::No),
        (b"GET /\r\n", Guess::No),
        (b"PRI * HTTP/2.0\r\n", Guess::No),
        (b"EHLO mail.example\r\n", Guess::No),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Guess::No),
        (b"INFO server started", Guess::No),
        (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Guess::No),
        (b"HTTP/1.1 200 OK", Guess::No),
        (b"{\"method\"", Guess::No),
    ] {
        assert_eq!(
            Connection::looks_like_request(bytes),
            guess,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    for (bytes, guess) in [
        (&b"HTTP/1.1 200 OK"[..], Guess::Yes),
        (b"HTTP/1.0 404", Guess::Yes),
        (b"\r\nHTTP/1.1 200", Guess::Yes),
        (b"HTTP/1.2 200 OK", Guess::Yes),
        (b"HTTP/1.1200", Guess::More),
        (b"HTTP/1.", Guess::More),
        (b"HTTP/1.1 2", Guess::More),
        (b"HTTP/2 200", Guess::No),
        (b"HTTP/1.1 OK", Guess::No),
    ] {
        assert_eq!(
            Connection::looks_like_response(bytes),
            guess,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

/// A body and how it is written.
fn framed() -> impl Strategy<Value = (String, String)> {
    let chunked = proptest::collection::vec("[a-f0-9\\r\\n]{1,9}", 0..4).prop_map(|parts| {
        let chunks: String = parts
            .iter()
            .map(|part| format!("{:x};e\r\n{part}\r\n", part.len()))
            .collect();
        (
            parts.concat(),
            format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nt: v\r\n\r\n"),
        )
    });
    let sized = "[a-f0-9\\r\\n]{0,20}".prop_map(|text| {
        let written = format!("Content-Length: {}\r\n\r\n{text}", text.len());
        (text, written)
    });
    prop_oneof![chunked, sized]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(
        exchanges in proptest::collection::vec((framed(), framed()), 1..4),
        size in 1_usize..40,
    ) {
        let (mut connection, mut out, mut expected) = (Connection::new(), Vec::new(), Vec::new());
        for (number, ((asked, request), (answered, response))) in exchanges.iter().enumerate() {
            let request = format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{request}");
            let response = format!("HTTP/1.1 200 OK\r\nServer: b\r\n{response}");
            for (side, text, mark, head, body) in [
                (Client, request, '>', "POST /mcp", asked),
                (Server, response, '<', "200", answered),
            ] {
                text.as_bytes().chunks(size).for_each(|piece| connection.push(side, piece, &mut out));
                expected.push(format!("{number} {mark} {head}"));
                if !body.is_empty() {
                    expected.push(format!("{number} {mark} '{body}"));
                }
                expected.push(format!("{number} {mark} end"));
            }
        }
        prop_assert_eq!(told(&out), expected);
    }

    #[test]
    fn no_bytes_do_harm(
        pieces in proptest::collection::vec((any::<bool>(), prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            Just(GET.to_vec()),
            Just(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".to_vec()),
            Just(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            Just(b"a\r\n".to_vec()),
            Just(b"data: x\n\n".to_vec()),
        ], 0_u64..9), 0..30),
    ) {
        let (mut connection, mut out) = (Connection::new(), Vec::new());
        for (is_client, bytes, lost) in &pieces {
            let side = if *is_client { Client } else { Server };
            if *lost < 3 {
                connection.gap(side, *lost, &mut out);
            }
            connection.push(side, bytes, &mut out);
        }
        connection.close(Client, &mut out);
        connection.close(Server, &mut out);
    }
}
