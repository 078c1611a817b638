//! Heads that are not as they should be, but that servers take.

use super::*;

const BODY: &str = "Host: a\r\nContent-Length: 3\r\n\r\nabc";
const FOLLOWED: [&str; 5] = ["> 'abc", "> end", "1 > GET /", "1 > end", ""];

/// Reads a request and a plain one behind it, in pieces of every size; gives the first's head.
fn followed(request: &str) -> RequestHead {
    let text = [request.as_bytes(), GET].concat();
    let mut first = None;
    for size in [1, 2, 3, 7, 64, 1000, text.len()] {
        let (mut connection, mut out) = (Connection::new(), Vec::new());
        for piece in text.chunks(size) {
            connection.push(Client, piece, &mut out);
        }
        let shown: String = request.chars().take(60).collect();
        let told = told(&out);
        assert_eq!(told.len(), 5, "{shown:?} by {size}: {told:?}");
        for (line, end) in told.iter().skip(1).zip(FOLLOWED) {
            assert!(line.ends_with(end), "{shown:?} by {size}: {told:?}");
        }
        let Some(HttpEvent::Request { head, .. }) = out.into_iter().next() else {
            unreachable!("{shown:?}");
        };
        assert_eq!(head.headers.text("host"), Some("a"), "{shown:?}");
        assert_eq!(*first.get_or_insert_with(|| head.clone()), head);
    }
    first.expect("was read")
}

#[test]
fn odd_fields_are_read_or_left_out() {
    for (line, value) in [
        ("X-A: b", Some("b")),
        ("X-A: b\r\n c\r\n\t d", Some("b c d")),
        ("X-A:\r\n b", Some(" b")),
        ("X-A : b", Some("b")),
        ("X-A: b\0", Some("b\u{fffd}")),
        ("X-A: \u{1}b\u{7f}", Some("\u{fffd}b\u{fffd}")),
        ("X-A: b\rX-B: c", Some("b\u{fffd}X-B: c")),
        ("X-A: \u{e9}\tb", Some("\u{e9}\tb")),
        ("X-A:", Some("")),
        (": b", None),
        ("no colon", None),
        (" folded onto nothing: b", None),
        ("no colon\r\n folded onto nothing", None),
        ("X A: b", None),
        ("X\0-A: b", None),
        ("\u{e9}: b", None),
    ] {
        for end in ["\r\n", "\n"] {
            let head =
                followed(&format!("POST /mcp HTTP/1.1\r\n{line}\r\n{BODY}").replace("\r\n", end));
            assert_eq!(head.headers.text("x-a"), value, "{line:?}");
        }
    }
}

#[test]
fn odd_request_lines_are_read() {
    for (line, method, target) in [
        ("\nPOST /mcp HTTP/1.1", "POST", "/mcp"),
        ("\r\n\r\n\nPOST /mcp HTTP/1.1", "POST", "/mcp"),
        ("POST /mcp HTTP/1.2", "POST", "/mcp"),
        ("POST /mcp HTTP/1.10", "POST", "/mcp"),
        ("POST /mcp HTTP/0.9", "POST", "/mcp"),
        ("POST /mcp HTTP/2.0", "POST", "/mcp"),
        ("POST\t/mcp  HTTP/1.1 ", "POST", "/mcp"),
        ("QUERY /mcp HTTP/1.1", "QUERY", "/mcp"),
        ("M-SEARCH * HTTP/1.1", "M-SEARCH", "*"),
        ("post /mcp HTTP/1.1", "post", "/mcp"),
        ("POST /m\u{e9}\u{1} HTTP/1.1", "POST", "/m\u{e9}\u{fffd}"),
    ] {
        let head = followed(&format!("{line}\r\n{BODY}"));
        assert_eq!(
            (head.method.as_str(), head.target.as_str()),
            (method, target)
        );
    }
    let long = format!("/{}", "x".repeat(5000));
    assert_eq!(
        followed(&format!("POST {long} HTTP/1.1\r\n{BODY}")).target,
        long
    );
    let head = followed(&format!("POST /mcp HTTP/1.0\r\n{BODY}"));
    assert_eq!(head.version, Version::Http10);
}

#[test]
fn long_heads_are_read_and_bounded() {
    let long = format!("X-A: {}", "a".repeat(200 * 1024));
    followed(&format!("POST / HTTP/1.1\r\n{long}\r\n{BODY}"));
    let many = "x: a\r\n".repeat(1000);
    let head = followed(&format!("POST / HTTP/1.1\r\n{many}{BODY}"));
    assert_eq!(head.headers.len(), 1002);
    // What is needed is kept from behind any number of others, up to a bound of its own.
    let many = "x: a\r\n".repeat(5000);
    let head = followed(&format!(
        "POST / HTTP/1.1\r\n{many}mcp-session-id: s\r\n{BODY}"
    ));
    assert_eq!(head.headers.len(), 1027);
    assert_eq!(head.headers.text("mcp-session-id"), Some("s"));
    let many = "host: a\r\n".repeat(5000);
    let told = run(&[(Client, format!("GET / HTTP/1.1\r\n{many}{BODY}").as_bytes())]);
    assert_eq!(told, ["Client None too_many_headers"]);
}

#[test]
fn every_host_is_given() {
    let head = followed(&format!("GET / HTTP/1.1\r\nhost: a\r\nHOST : b\r\n{BODY}"));
    let hosts: Vec<_> = head.headers.all("host").collect();
    assert_eq!(hosts, [&b"a"[..], b"b", b"a"]);
}

#[test]
fn odd_framing_is_not_followed() {
    for (fields, reason) in [
        ("Content-Length : 3", "length_ambiguous"),
        ("Content-Length\0: 3", "length_ambiguous"),
        (" Content-Length: 3", "length_ambiguous"),
        ("X: a\r\n\tTransfer-Encoding: chunked", "length_ambiguous"),
        ("X: a\rContent-Length: 3", "length_ambiguous"),
        ("Content-Length:\r\n 3", "length_ambiguous"),
        ("Transfer-Encoding: chunked\r\n , gzip", "length_ambiguous"),
        ("Content-Length: 3\0", "bad_length"),
        ("Content-Length: 3\u{c}", "bad_length"),
        ("Content-Length: 3\r", "bad_length"),
        ("Transfer-Encoding: \u{b}chunked", "transfer_coding"),
        ("Transfer-Encoding: chunked\0", "transfer_coding"),
    ] {
        let request = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nabc");
        assert_eq!(
            run(&[(Client, request.as_bytes())]),
            [format!("Client None {reason}")],
            "{fields:?}"
        );
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nabc");
        assert_eq!(
            run(&[(Server, response.as_bytes())]),
            [format!("Server None {reason}")],
            "{fields:?}"
        );
    }
}

#[test]
fn odd_responses_are_read() {
    for line in [
        "HTTP/1.1 200",
        "HTTP/1.1 200 \u{e9}\u{1}",
        "HTTP/1.2  200 OK",
        "\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r\nno colon\r\nX : a\r\n b\r\n: c",
    ] {
        let response = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        for size in [1, 5, 500] {
            let pieces = response
                .as_bytes()
                .chunks(size)
                .map(|piece| (Server, piece));
            let told = run(&pieces.collect::<Vec<_>>());
            assert_eq!(
                told,
                ["0 < 200", "0 < 'ok", "0 < end"],
                "{line:?} by {size}"
            );
        }
    }
}

#[test]
fn a_request_after_the_rest_of_another_is_found() {
    for rest in ["tail", "PO", "x /y"] {
        let told = run(&[(Client, rest.as_bytes()), (Client, GET)]);
        assert_eq!(told, ["Client None not_http", "0 > GET /", "0 > end"]);
    }
}

/// A strict reader agrees on every head that it takes.
fn field() -> impl Strategy<Value = String> {
    (
        "[A-Za-z][A-Za-z0-9-]{0,9}",
        "[ \t]{0,2}",
        "[!-~]{0,9}( [!-~]{1,9})?",
        "[ \t]{0,2}",
    )
        .prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"))
}

proptest! {
    #[test]
    fn any_cut_of_an_odd_head_gives_the_same(
        lines in proptest::collection::vec(prop_oneof![
            field(),
            Just("no colon\r\n".to_owned()),
            Just(" folded\r\n".to_owned()),
            Just("X-A : b\n".to_owned()),
            Just(": \0\r\n".to_owned()),
        ], 0..12),
        start in "(\r\n|\n){0,2}",
        size in 1_usize..40,
    ) {
        let text = format!("{start}FETCH /mcp HTTP/1.1\r\n{}\r\n", lines.concat());
        let (mut connection, mut cut, mut whole) = (Connection::new(), Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            connection.push(Client, piece, &mut cut);
        }
        Connection::new().push(Client, text.as_bytes(), &mut whole);
        prop_assert_eq!(whole.len(), 2);
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn a_strict_reader_reads_the_same(lines in proptest::collection::vec(field(), 0..12)) {
        let text = format!("FETCH /mcp?a HTTP/1.1\r\n{}\r\n", lines.concat());
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut strict = httparse::Request::new(&mut fields);
        prop_assert!(strict.parse(text.as_bytes()).is_ok_and(|status| status.is_complete()));
        let expected: Headers = strict.headers.iter().map(|field| (field.name, field.value)).collect();
        let read = super::super::head::request(text.as_bytes()).map(|head| head.headers);
        prop_assert_eq!(read, Ok(expected));
    }
}
