use proptest::prelude::*;

use super::super::signature::{Mark, Sign};
use super::super::tools::Digest;
use super::*;

fn one(text: &str) -> Message {
    match parse(text.as_bytes()) {
        Parsed::Rpc {
            mut messages,
            dropped: 0,
        } if messages.len() == 1 => messages.remove(0),
        other => panic!("{text}: {other:?}"),
    }
}

fn request(text: &str) -> Request {
    match one(text).kind {
        Kind::Request(request) => request,
        other => panic!("{text}: {other:?}"),
    }
}

fn response(text: &str) -> Response {
    match one(text).kind {
        Kind::Response(response) => response,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn an_initialize_in_any_order_of_keys() {
    for text in [
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
        r#"  {"params":{"clientInfo":{"version":"1","title":"T","name":"c"},"capabilities":{"roots":{}},"protocolVersion":"2025-11-25"},"method":"initialize","id":0,"jsonrpc":"2.0"} "#,
        r#"{"method":"init\u0069alize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}},"\u006asonrpc":"2.0","id":0.0}"#,
    ] {
        let request = request(text);
        assert_eq!(request.id, Id::Number(0));
        assert_eq!(request.revision.as_deref(), Some("2025-11-25"));
        let client = Peer {
            name: Some("c".to_owned()),
            version: Some("1".to_owned()),
        };
        assert_eq!((request.client, request.era), (Some(client), Era::Legacy));
        assert_eq!(one(text).bytes, text.trim().len());
    }
}

#[test]
fn a_name_is_the_one_of_the_call_and_not_of_its_arguments() {
    let text = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"arguments":{"name":"no","uri":"no"},"name":"yes"}}"#;
    let request = request(text);
    assert_eq!((request.name.as_deref(), request.uri), (Some("yes"), None));
    assert_eq!(request.id, Id::Text("a".to_owned()));
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"name":"no"}}"#;
    assert_eq!(super::tests::request(text).name, None);
}

#[test]
fn a_resource_is_named_by_its_uri() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/hosts"}}"#;
    assert_eq!(request(text).uri.as_deref(), Some("file:///etc/hosts"));
}

#[test]
fn a_modern_request_carries_who_and_what_in_meta() {
    let text = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"}}}}"#;
    let request = request(text);
    assert_eq!(
        (request.era, request.revision.as_deref()),
        (Era::Modern, Some("2026-07-28"))
    );
    assert_eq!(
        request.client.and_then(|client| client.name).as_deref(),
        Some("c")
    );
}

#[test]
fn ids_of_every_kind() {
    let long = "x".repeat(1 << 20);
    for (text, id) in [
        ("7".to_owned(), Some(Id::Number(7))),
        ("-7.0".to_owned(), Some(Id::Number(-7))),
        ("1.5".to_owned(), Some(Id::Decimal("1.5e0".to_owned()))),
        ("1e300".to_owned(), Some(Id::Decimal("1e300".to_owned()))),
        ("\"7\"".to_owned(), Some(Id::Text("7".to_owned()))),
        (
            format!("\"{long}\""),
            Some(Id::Long(Digest::of(long.as_bytes()))),
        ),
        ("null".to_owned(), None),
        ("true".to_owned(), None),
        ("{}".to_owned(), None),
    ] {
        assert_eq!(
            response(&format!(r#"{{"jsonrpc":"2.0","id":{text},"result":{{}}}}"#)).id,
            id
        );
    }
}

#[test]
fn a_method_without_an_id_is_a_notification() {
    let message = one(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"reason":"r"}}"#,
    );
    let cancels = Some(Id::Number(3));
    let method = "notifications/cancelled".to_owned();
    assert_eq!(
        message.kind,
        Kind::Notification(Notification {
            method,
            cancels,
            era: Era::Unknown
        })
    );
}

#[test]
fn how_requests_go() {
    assert_eq!(
        response(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).outcome,
        Outcome::Ok
    );
    assert_eq!(
        response(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":false}}"#).outcome,
        Outcome::Ok
    );
    let failed = response(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#);
    assert_eq!(failed.outcome, Outcome::ToolError);
    let refused = response(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no","data":{"supported":["2025-11-25"],"requested":"x"}}}"#,
    );
    let supported = vec!["2025-11-25".to_owned()];
    assert_eq!(
        refused.outcome,
        Outcome::Error {
            code: -32022,
            message: "no".to_owned(),
            supported
        }
    );
    assert_eq!(
        response(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#).outcome,
        Outcome::Ok
    );
}

#[test]
fn what_a_server_says_of_itself() {
    let legacy = response(
        r#"{"result":{"serverInfo":{"name":"s\u0000\n","version":""},"capabilities":{},"protocolVersion":"2025-06-18"},"jsonrpc":"2.0","id":1}"#,
    );
    let server = Peer {
        name: Some("s".to_owned()),
        version: None,
    };
    let revision = Some("2025-06-18".to_owned());
    assert_eq!(
        legacy.handshake,
        Some(Handshake {
            revision,
            supported: vec![],
            server: Some(server)
        })
    );
    assert_eq!(
        response(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#).handshake,
        None
    );
}

#[test]
fn tools_have_one_digest_however_they_are_written() {
    let list = |tools: &str| {
        let answer = response(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}"#
        ));
        (answer.tools.expect("a list"), answer.tools_dropped)
    };
    let (one, _) = list(r#"{"name":"t","description":"d","inputSchema":{"type":"object"}}"#);
    let (two, _) =
        list(r#"{ "inputSchema" : {"type":"object"} , "description":"\u0064", "name":"t" }"#);
    let (other, _) = list(r#"{"name":"t","description":"e","inputSchema":{"type":"object"}}"#);
    assert_eq!(one, two);
    assert_ne!(one, other);
    assert_eq!(list(r#"{"description":"nameless"},{"name":"t"},7"#).1, 2);
    assert_eq!(one[0].digest.to_string().len(), 64);
}

#[test]
fn a_batch_is_its_messages() {
    let first = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let second = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let Parsed::Rpc { messages, dropped } =
        parse(format!("[ {first} ,{second}, 7, {{}}]").as_bytes())
    else {
        panic!("a batch");
    };
    assert_eq!(dropped, 2);
    assert_eq!(
        messages
            .iter()
            .map(|message| message.bytes)
            .collect::<Vec<_>>(),
        [first.len(), second.len()]
    );
}

#[test]
fn a_giant_batch_is_bounded() {
    let text = format!(
        "[{}{{}}]",
        r#"{"jsonrpc":"2.0","method":"a"},"#.repeat(BATCH_MAX + 10)
    );
    let Parsed::Rpc { messages, dropped } = parse(text.as_bytes()) else {
        panic!("a batch")
    };
    assert_eq!((messages.len(), dropped), (BATCH_MAX, 11));
}

#[test]
fn what_is_no_message() {
    for text in [
        "",
        "{",
        "null",
        "7",
        "\"jsonrpc\"",
        "{}x",
        "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}}",
        "GET / HTTP/1.1",
    ] {
        assert_eq!(parse(text.as_bytes()), Parsed::NotJson, "{text}");
    }
    for text in [
        "{}",
        "[]",
        "[1]",
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"1.0","method":"ping","id":1}"#,
        r#"{"jsonrpc":2.0,"method":"ping","id":1}"#,
        r#"{"method":"ping","id":1}"#,
        r#"{"jsonrpc":"2.0","method":7,"id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":null}"#,
        r#"{"text":"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}"}"#,
        r#"{"data":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}}"#,
    ] {
        assert_eq!(
            parse(text.as_bytes()),
            Parsed::NotRpc(Marks::default()),
            "{text}"
        );
    }
}

#[test]
fn the_last_of_two_equal_keys_counts_and_is_told() {
    let message =
        one(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#);
    assert!(message.duplicate_key);
    let Kind::Request(request) = message.kind else {
        panic!("a request")
    };
    assert_eq!(request.name.as_deref(), Some("b"));
    assert!(one(r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#).duplicate_key);
    let twice = one(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"x":1}}"#,
    );
    let Kind::Request(request) = twice.kind else {
        panic!("a request")
    };
    assert_eq!(request.name, None);
}

#[test]
fn hostile_texts() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{{"a":{deep}}},"name":"t"}}}}"#
    );
    assert_eq!(request(&text).name.as_deref(), Some("t"));
    assert_eq!(parse(deep.as_bytes()), Parsed::NotRpc(Marks::default()));
    assert_eq!(parse(&vec![b'['; 1 << 20]), Parsed::NotJson);
    assert_eq!(parse(&vec![0; 1 << 20]), Parsed::NotJson);
    let odd = [
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"a":NaN,"b":""#
            .as_slice(),
        b"\xff\xfe",
        br#"","c":"\ud800"},"name":"t\ud800"}}"#,
    ]
    .concat();
    let Parsed::Rpc { messages, .. } = parse(&odd) else {
        panic!("a message")
    };
    assert!(messages[0].marks.contains(Mark::Decisive(Sign::ToolCall)));
}

#[test]
fn what_is_kept_is_bounded() {
    let long = "\u{e9}".repeat(1 << 16);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{long}","params":{{"name":"{long}","clientInfo":{{"name":"{long}"}}}}}}"#
    );
    assert!(request(&text).method.len() <= NAME_BYTES_MAX);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":1,"message":"{long}"}}}}"#);
    let Outcome::Error { message, .. } = response(&text).outcome else {
        panic!("an error")
    };
    assert_eq!(message.len(), ERROR_BYTES_MAX);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let is_rpc = matches!(parse(&bytes), Parsed::Rpc { .. });
        prop_assert!(!is_rpc);
    }

    #[test]
    fn no_cut_or_change_of_a_message_does_harm(at in 0_usize..400, byte in any::<u8>(), is_cut in any::<bool>()) {
        let mut text = br#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"s"},
            "capabilities":{},"tools":[{"name":"\u0041","inputSchema":{"a":[1.5e3,-0]}}],"content":[{"type":"text"}],
            "_meta":{"io.modelcontextprotocol/protocolVersion":"x"}},"error":{"code":1,"message":"m"}}"#.to_vec();
        let at = at % text.len();
        if is_cut { text.truncate(at) } else { text[at] = byte }
        let _any = parse(&text);
    }
}
