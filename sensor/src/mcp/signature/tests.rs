use super::Mark::{Against, Decisive, Strong, Weak};
use super::*;
use crate::mcp::message::{Parsed, parse};
use crate::protocol::http1::{Connection, HttpEvent, RequestHead, ResponseHead, Side};
use crate::protocol::sse::SseEvent;

/// The marks of a message, or of JSON that is none.
fn marks(text: &str) -> Vec<Mark> {
    let marks = match parse(text.as_bytes()) {
        Parsed::Rpc { messages, .. } => messages[0].marks,
        Parsed::NotRpc(marks) => marks,
        Parsed::NotJson => panic!("{text}"),
    };
    marks.iter().collect()
}

fn rpc(body: &str) -> Vec<Mark> {
    marks(&format!(r#"{{"jsonrpc":"2.0",{body}}}"#))
}

#[test]
fn what_is_enough_alone() {
    for (body, sign) in [
        (
            r#""id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"c"}}"#,
            Sign::Initialize,
        ),
        (
            r#""id":1,"result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"s"}}"#,
            Sign::Initialized,
        ),
        (
            r#""method":"notifications/initialized""#,
            Sign::Notification,
        ),
        (
            r#""method":"notifications/tools/list_changed""#,
            Sign::Notification,
        ),
        (
            r#""method":"notifications/subscriptions/acknowledged""#,
            Sign::Notification,
        ),
        (
            r#""id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}"#,
            Sign::Discover,
        ),
        (
            r#""id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}"#,
            Sign::Meta,
        ),
        (
            r#""id":1,"result":{"capabilities":{},"supportedVersions":["2026-07-28"]}"#,
            Sign::Supported,
        ),
        (
            r#""id":1,"error":{"code":-32022,"message":"","data":{"supported":["2025-11-25"]}}"#,
            Sign::Supported,
        ),
        (
            r#""id":1,"result":{"tools":[{"name":"t","inputSchema":{}}]}"#,
            Sign::ToolList,
        ),
        (
            r#""id":1,"method":"tools/call","params":{"name":"t"}"#,
            Sign::ToolCall,
        ),
        (
            r#""id":1,"result":{"isError":false,"content":[{"type":"text","text":""},{"type":"image"}]}"#,
            Sign::Content,
        ),
    ] {
        assert!(
            rpc(body).contains(&Decisive(sign)),
            "{body}: {:?}",
            rpc(body)
        );
    }
}

#[test]
fn what_needs_a_second_sign() {
    for (body, sign) in [
        (r#""id":1,"method":"tools/list""#, Sign::Method),
        (
            r#""id":1,"method":"sampling/createMessage","params":{}"#,
            Sign::Method,
        ),
        (r#""id":1,"method":"tasks/get","params":{}"#, Sign::Method),
        (r#""method":"notifications/progress""#, Sign::Method),
        (r#""id":1,"method":"server/discover""#, Sign::Method),
        (
            r#""id":1,"method":"tools/call","params":{"name":"t","arguments":[]}"#,
            Sign::Method,
        ),
        (
            r#""id":1,"method":"tools/call","params":["t"]"#,
            Sign::Method,
        ),
        (
            r#""id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05"}"#,
            Sign::Initialize,
        ),
        (r#""id":1,"result":{"tools":[]}"#, Sign::ToolList),
        (
            r#""id":1,"result":{"tools":[{"name":"t","inputSchema":{}},{"name":"u"}]}"#,
            Sign::ToolList,
        ),
        (
            r#""id":1,"result":{"content":[{"type":"text"}]}"#,
            Sign::Content,
        ),
    ] {
        assert_eq!(rpc(body), [Strong(sign)], "{body}");
    }
    assert_eq!(rpc(r#""id":1,"method":"ping""#), [Weak]);
    assert_eq!(rpc(r#""id":1,"result":{}"#), [Weak]);
    assert_eq!(
        rpc(r#""id":1,"result":{"content":[{"type":"tool_use"}]}"#),
        []
    );
    assert_eq!(rpc(r#""id":1,"result":{"content":[]}"#), []);
    assert_eq!(rpc(r#""id":1,"error":{"code":-32601,"message":""}"#), []);
}

#[test]
fn what_is_something_else() {
    for (text, protocol) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":1,"clientInfo":{"name":"vim"},"rootUri":null,"capabilities":{}}}"#,
            Protocol::Lsp,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"hoverProvider":true},"serverInfo":{"name":"s"}}}"#,
            Protocol::Lsp,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#,
            Protocol::Lsp,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"textDocument/didOpen"}"#,
            Protocol::Lsp,
        ),
        (r#"{"jsonrpc":"2.0","method":"$/progress"}"#, Protocol::Lsp),
        (
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":1,"clientCapabilities":{},"clientInfo":{"name":"zed"}}}"#,
            Protocol::Acp,
        ),
        (
            r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1,"agentCapabilities":{}}}"#,
            Protocol::Acp,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"session/update"}"#,
            Protocol::Acp,
        ),
        (
            r#"{"seq":1,"type":"request","command":"initialize"}"#,
            Protocol::Dap,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#,
            Protocol::Ethereum,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"message/send"}"#,
            Protocol::A2a,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage"}"#,
            Protocol::A2a,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"task","status":{"state":"working"}}}"#,
            Protocol::A2a,
        ),
        (
            r#"{"id":1,"method":"Page.navigate","params":{}}"#,
            Protocol::Cdp,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"build/initialize"}"#,
            Protocol::Bsp,
        ),
        (
            r#"{"id":1,"method":"thread/start","params":{}}"#,
            Protocol::CodexAppServer,
        ),
    ] {
        assert!(
            marks(text).contains(&Against(protocol)),
            "{text}: {:?}",
            marks(text)
        );
        assert!(
            !marks(text).iter().any(|mark| matches!(mark, Decisive(_))),
            "{text}"
        );
    }
    // MCP tasks have a status, too, but as text.
    assert_eq!(
        rpc(r#""id":1,"result":{"taskId":"1","status":"working"}"#),
        []
    );
}

fn heads(request: &str, response: Option<&str>) -> (RequestHead, Option<ResponseHead>) {
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    connection.push(
        Side::Client,
        format!("{request}\r\n\r\n").as_bytes(),
        &mut out,
    );
    let response = response.map(|response| format!("{response}\r\n\r\n"));
    connection.push(
        Side::Server,
        response.unwrap_or_default().as_bytes(),
        &mut out,
    );
    let (mut first, mut second) = (None, None);
    for event in out {
        match event {
            HttpEvent::Request { head, .. } => first = Some(head),
            HttpEvent::Response { head, .. } => second = Some(head),
            _ => {}
        }
    }
    (first.expect("a request"), second)
}

#[test]
fn what_heads_say() {
    let session = "HTTP/1.1 200 OK\r\nMCP-SESSION-ID: x";
    let challenge =
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer resource_metadata=\"https://a/.well-known/x\"";
    let expose = "HTTP/1.1 200 OK\r\nAccess-Control-Expose-Headers: mcp-session-id";
    for (request, response, expected) in [
        (
            "GET / HTTP/1.1\r\nMcp-Session-Id: a",
            None,
            vec![Decisive(Sign::Header)],
        ),
        (
            "GET / HTTP/1.1\r\nmcp-method: tools/call",
            None,
            vec![Decisive(Sign::Header)],
        ),
        (
            "POST / HTTP/1.1\r\nMcp-Param-City: x",
            None,
            vec![Decisive(Sign::Header)],
        ),
        (
            "GET / HTTP/1.1\r\nMCP-Protocol-Version: 2025-06-18",
            None,
            vec![Decisive(Sign::Header)],
        ),
        (
            "GET / HTTP/1.1\r\nMCP-Protocol-Version: x",
            None,
            vec![Strong(Sign::Header)],
        ),
        (
            "GET / HTTP/1.1",
            Some(session),
            vec![Decisive(Sign::Header)],
        ),
        ("GET / HTTP/1.1", Some(expose), vec![]),
        (
            "GET / HTTP/1.1",
            Some(challenge),
            vec![Strong(Sign::Authorization)],
        ),
        (
            "POST /mcp HTTP/1.1\r\nAccept: text/event-stream, application/json\r\nContent-Type: application/json",
            None,
            vec![Strong(Sign::Accept), Strong(Sign::Path)],
        ),
        (
            "POST /v1/chat HTTP/1.1\r\nAccept: text/event-stream\r\nContent-Type: application/json",
            None,
            vec![],
        ),
        ("GET /sse HTTP/1.1", None, vec![Strong(Sign::Path)]),
        (
            "GET http://a.example/x/mcp/?y=1 HTTP/1.1",
            None,
            vec![Strong(Sign::Path)],
        ),
        (
            "POST /message?sessionId=1 HTTP/1.1",
            None,
            vec![Strong(Sign::Path)],
        ),
        ("GET /mcp/docs HTTP/1.1", None, vec![Weak]),
        (
            "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1",
            None,
            vec![Strong(Sign::Authorization)],
        ),
        (
            "GET /authorize?resource=https%3A%2F%2Fa.example%2Fmcp&x=1 HTTP/1.1",
            None,
            vec![Strong(Sign::Authorization)],
        ),
        (
            "GET /.well-known/agent-card.json HTTP/1.1",
            None,
            vec![Against(Protocol::A2a)],
        ),
    ] {
        let (head, answer) = heads(request, response);
        assert_eq!(
            http_marks(&head, answer.as_ref())
                .iter()
                .collect::<Vec<_>>(),
            expected,
            "{request}"
        );
    }
}

#[test]
fn what_events_and_lines_say() {
    let event = |data: &str| SseEvent {
        event: Some("endpoint".into()),
        data: data.into(),
        ..SseEvent::default()
    };
    assert!(event_marks(&event("/messages/?session_id=1")).contains(Decisive(Sign::Endpoint)));
    assert!(event_marks(&event("/messages/")).contains(Strong(Sign::Endpoint)));
    assert!(event_marks(&event("hello")).is_empty());
    assert!(event_marks(&SseEvent::default()).is_empty());
    assert!(line_marks(b"Content-length: 12").is_against());
    assert!(line_marks(b"Content").is_empty());
}

#[test]
fn a_set_of_marks() {
    let mut set = Marks::from_iter([
        Decisive(Sign::Header),
        Strong(Sign::Path),
        Strong(Sign::Accept),
    ]);
    assert!(set.is_decisive());
    assert_eq!(set.strong_count(), 2);
    set.merge(Marks::from_iter([Against(Protocol::Lsp), Weak]));
    assert!(!set.is_decisive() && set.is_against());
    assert_eq!(set.iter().count(), 5);
}
