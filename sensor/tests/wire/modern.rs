//! 2026-07-28: no handshake, no session id.

use serde_json::{Value, json};

use crate::recording::{
    CLIENT, Recording, SERVER, call, initialize, initialized, ok, post, result, status,
};

fn meta(client: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"},
    })
}

fn discover(id: Value, client: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "server/discover", "params": {"_meta": meta(client)}})
        .to_string()
}

fn discovered(id: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "supportedVersions": ["2026-07-28"],
        "capabilities": {}, "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "3"}}}})
    .to_string()
}

fn refused(id: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}})
        .to_string()
}

pub(crate) fn modern_call(id: u32, client: &str, tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": {}, "_meta": meta(client)}})
    .to_string()
}

pub(crate) fn headers(method: &str, name: &str) -> String {
    let name = if name.is_empty() {
        String::new()
    } else {
        format!("Mcp-Name: {name}\r\n")
    };
    format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}")
}

/// One call over HTTP, on a connection of its own.
fn http_call(recording: &mut Recording, client: u32, id: u32, tool: &str) {
    let to = recording.connect(client, SERVER, 9000);
    recording.send(
        to,
        post(
            "/mcp",
            &headers("tools/call", tool),
            modern_call(id, "c", tool),
        ),
    );
    recording.reply(to, ok("", result(id)));
}

#[test]
fn a_probe_and_its_fallback_on_one_flow_are_one_session() {
    let mut recording = Recording::default();
    let pipes = recording.pipes(CLIENT, SERVER);
    recording.ask(
        pipes,
        discover(json!("server-discover-probe-1"), "auto") + "\n",
    );
    recording.tell(pipes, refused(json!("server-discover-probe-1")) + "\n");
    recording.ask(pipes, initialize(0, "auto") + "\n");
    recording.tell(pipes, initialized(0) + "\n");
    recording.ask(pipes, call(1, "add") + "\n");
    recording.tell(pipes, result(1) + "\n");
    let told = recording.told();
    assert_eq!(told.session().revision.as_deref(), Some("2025-06-18"));
    assert_eq!(told.calls(), ["tools/call add ok"]);
}

/// A client that gave up on its probe shakes hands behind it; the server, only slow, refuses that.
#[test]
fn a_handshake_that_is_refused_changes_nothing() {
    let mut recording = Recording::default();
    let pipes = recording.pipes(CLIENT, SERVER);
    recording.ask(pipes, discover(json!(0), "auto") + "\n");
    recording.ask(pipes, initialize(1, "auto") + "\n");
    recording.tell(pipes, discovered(json!(0)) + "\n");
    let unsupported = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32022,
        "message": "Unsupported protocol version", "data": {"supported": ["2026-07-28"]}}});
    recording.tell(pipes, unsupported.to_string() + "\n");
    recording.ask(pipes, discover(json!(2), "auto") + "\n");
    recording.tell(pipes, discovered(json!(2)) + "\n");
    recording.ask(pipes, modern_call(3, "auto", "add") + "\n");
    recording.tell(pipes, result(3) + "\n");
    let told = recording.told();
    assert_eq!(told.session().revision.as_deref(), Some("2026-07-28"));
    assert_eq!(told.calls(), ["tools/call add ok"]);
}

#[test]
fn a_throw_away_child_has_a_session_of_its_own() {
    let mut recording = Recording::default();
    let probe = recording.pipes(CLIENT, 8);
    recording.ask(probe, discover(json!(0), "auto") + "\n");
    recording.tell(probe, discovered(json!(0)) + "\n");
    let real = recording.pipes(CLIENT, 9);
    recording.ask(real, modern_call(1, "auto", "add") + "\n");
    recording.tell(real, result(1) + "\n");
    let told = recording.told();
    assert_eq!(told.sessions.len(), 2);
    assert_eq!(told.calls_of(&told.sessions[0]), Vec::<String>::new());
    assert_eq!(told.calls_of(&told.sessions[1]), ["tools/call add ok"]);
}

#[test]
fn over_http_a_probe_that_is_refused_in_any_way_is_no_second_session() {
    let in_json = ok("", refused(json!(0)));
    let bad_request = [
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: "
            .as_slice(),
        refused(json!(0)).len().to_string().as_bytes(),
        b"\r\n\r\n",
        refused(json!(0)).as_bytes(),
    ]
    .concat();
    for refusal in [
        in_json,
        bad_request,
        status("404 Not Found"),
        status("405 Method Not Allowed"),
    ] {
        let mut recording = Recording::default();
        let to = recording.connect(CLIENT, SERVER, 9000);
        recording.send(
            to,
            post(
                "/mcp",
                &headers("server/discover", ""),
                discover(json!(0), "auto"),
            ),
        );
        recording.reply(to, &refusal);
        let to = recording.connect(CLIENT, SERVER, 9000);
        recording.send(to, post("/mcp", "", initialize(1, "auto")));
        recording.reply(to, ok("", initialized(1)));
        let told = recording.told();
        let refusal = String::from_utf8_lossy(&refusal).into_owned();
        assert_eq!(
            told.session().revision.as_deref(),
            Some("2025-06-18"),
            "{refusal}"
        );
    }
}

#[test]
fn five_idle_minutes_end_a_session() {
    for (wait_s, sessions) in [(290, 1), (310, 2)] {
        let mut recording = Recording::default();
        http_call(&mut recording, CLIENT, 1, "a");
        recording.wait_ms(wait_s * 1000);
        http_call(&mut recording, CLIENT, 2, "b");
        let told = recording.told();
        assert_eq!(told.sessions.len(), sessions, "{wait_s} s");
        assert_eq!(told.calls().len(), 2);
    }
}

#[test]
fn an_open_stream_is_no_idleness() {
    let mut recording = Recording::default();
    let to = recording.connect(CLIENT, SERVER, 9000);
    let listen = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {"_meta": meta("c")}});
    recording.send(
        to,
        post(
            "/mcp",
            &headers("subscriptions/listen", ""),
            listen.to_string(),
        ),
    );
    recording.reply(to, crate::recording::stream(""));
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}"#;
    recording.reply(
        to,
        crate::recording::chunk(crate::recording::event(changed)),
    );
    recording.wait_ms(600_000);
    http_call(&mut recording, CLIENT, 2, "b");
    let told = recording.told();
    assert_eq!(told.session().calls, 2);
}

#[test]
fn one_server_and_clients_of_several_revisions() {
    let mut recording = Recording::default();
    let old = recording.connect(3, SERVER, 9000);
    recording.send(old, post("/mcp", "", initialize(0, "old")));
    recording.reply(old, ok("Mcp-Session-Id: one\r\n", initialized(0)));
    http_call(&mut recording, 4, 1, "new");
    recording.send(old, post("/mcp", "Mcp-Session-Id: one\r\n", call(1, "old")));
    recording.reply(old, ok("", result(1)));
    http_call(&mut recording, 4, 2, "new");
    let told = recording.told();
    let revisions: Vec<_> = told
        .sessions
        .iter()
        .map(|session| session.revision.as_deref())
        .collect();
    assert_eq!(revisions, [Some("2025-06-18"), Some("2026-07-28")]);
    assert_eq!(told.calls_of(&told.sessions[0]), ["tools/call old ok"]);
    assert_eq!(
        told.calls_of(&told.sessions[1]),
        vec!["tools/call new ok"; 2]
    );
}
