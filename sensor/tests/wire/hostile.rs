//! Odd and hostile messages that peers take all the same, and those that nobody takes.

use serde_json::json;

use crate::recording::{
    CLIENT, CONFIRMED, Pipes, Recording, SERVER, call, initialize, initialized, result,
};

const MIB: usize = 1024 * 1024;

fn begun() -> (Recording, Pipes) {
    let mut recording = Recording::default();
    let pipes = recording.pipes(CLIENT, SERVER);
    recording.ask(pipes, initialize(0, "c") + "\n");
    recording.tell(pipes, initialized(0) + "\n");
    recording.ask(pipes, format!("{CONFIRMED}\n"));
    (recording, pipes)
}

#[test]
fn forms_of_the_same_call() {
    let escaped =
        r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"tools\/c\u0061ll","params":{"name":"\u0061dd"}}"#;
    let twice = r#"{"jsonrpc":"2.0","method":"ping","id":9,"method":"tools/call","id":1,"params":{"name":"x"},"params":{"name":"add"}}"#;
    let blanks = "  \t{ \"id\" : 1 ,\r \"jsonrpc\" : \"2.0\" , \"method\" : \"tools/call\" , \"params\" : { \"name\" : \"add\" } }  ";
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":{{"a":{}{}}}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let batch = format!("[{},{}]", CONFIRMED, call(1, "add"));
    let marked = format!("\u{feff}{}", call(1, "add"));
    for (form, end) in [
        (call(1, "add"), "\r\n"),
        (escaped.to_owned(), "\n"),
        (twice.to_owned(), "\n"),
        (blanks.to_owned(), "\n"),
        (deep, "\n"),
        (batch, "\n"),
        (marked, "\n"),
        (call(1, "add"), "\n\n \n"),
    ] {
        let (mut recording, pipes) = begun();
        recording.ask(pipes, form.clone() + end);
        recording.tell(pipes, result(1) + "\n");
        assert_eq!(
            recording.told().calls(),
            ["tools/call add ok"],
            "{:.200}",
            form
        );
    }
}

#[test]
fn ids_of_every_kind() {
    let long = "x".repeat(100_000);
    for (asked, answered) in [
        (json!("a"), json!("a")),
        (json!(-5), json!(-5)),
        (json!(1.0), json!(1)),
        (json!(1.5), json!(1.5)),
        (json!(""), json!("")),
        (json!(long), json!(long)),
        (json!("\u{1f600}\n"), json!("\u{1f600}\n")),
        // As JavaScript gives it back.
        (
            json!(12_345_678_901_234_567_890_u64),
            json!(12_345_678_901_234_567_000_u64),
        ),
        (
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
        ),
    ] {
        let (mut recording, pipes) = begun();
        let ask = json!({"jsonrpc": "2.0", "id": asked, "method": "tools/call", "params": {"name": "add"}});
        let tell = json!({"jsonrpc": "2.0", "id": answered, "result": {"content": []}});
        recording.ask(pipes, format!("{ask}\n"));
        recording.tell(pipes, format!("{tell}\n"));
        assert_eq!(
            recording.told().calls(),
            ["tools/call add ok"],
            "{:.100}",
            asked.to_string()
        );
    }
    // A number is no text, and null is nobody's.
    for (asked, answered) in [(json!(1), json!("1")), (json!(1), json!(null))] {
        let (mut recording, pipes) = begun();
        let ask = json!({"jsonrpc": "2.0", "id": asked, "method": "tools/call", "params": {"name": "add"}});
        let tell = json!({"jsonrpc": "2.0", "id": answered, "result": {"content": []}});
        recording.ask(pipes, format!("{ask}\n"));
        recording.tell(pipes, format!("{tell}\n"));
        let told = recording.told();
        assert!(
            !told.calls().contains(&"tools/call add ok".to_owned()),
            "{:?}",
            told.calls()
        );
    }
}

#[test]
fn a_batch_of_a_thousand_and_answers_in_another_order() {
    let (mut recording, pipes) = begun();
    let batch: Vec<String> = (1..=1000).map(|id| call(id, "add")).collect();
    recording.ask(pipes, format!("[{}]\n", batch.join(",")));
    for id in (1..=1000).rev() {
        recording.tell(pipes, result(id) + "\n");
    }
    let told = recording.told();
    assert_eq!(told.session().calls, 1000);
    assert!(told.calls().iter().all(|call| call == "tools/call add ok"));
}

#[test]
fn what_a_server_asks_is_no_call_and_what_is_taken_back_is_told_so() {
    let (mut recording, pipes) = begun();
    recording.ask(pipes, call(1, "slow") + "\n");
    for (id, method) in [
        (1, "sampling/createMessage"),
        (2, "elicitation/create"),
        (3, "roots/list"),
        (4, "ping"),
    ] {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}});
        recording.tell(pipes, format!("{request}\n"));
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": ""}]}});
        recording.ask(pipes, format!("{answer}\n"));
    }
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}});
    recording.tell(pipes, format!("{progress}\n"));
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    recording.ask(pipes, format!("{cancel}\n"));
    recording.ask(pipes, call(2, "quick") + "\n");
    recording.tell(pipes, result(2) + "\n");
    let told = recording.told();
    assert_eq!(
        told.calls(),
        ["tools/call slow cancelled", "tools/call quick ok"]
    );
}

#[test]
fn noise_of_every_kind_hides_nothing() {
    for noise in [
        b"\0\0\0\0\n".to_vec(),
        b"\xff\xfe\n".to_vec(),
        b"{\"jsonrpc\":\"2.0\"\n".to_vec(),
        b"[[[[\n".to_vec(),
        b"{\"a\":\"\\u12\"}\n".to_vec(),
        b"Content-Length: 5\r\n\r\n".to_vec(),
        b"null\n1\n\"x\"\n[]\n{}\n".to_vec(),
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
    ] {
        let (mut recording, pipes) = begun();
        recording.tell(pipes, &noise);
        recording.ask(pipes, &noise);
        recording.ask(pipes, call(1, "add") + "\n");
        recording.tell(pipes, result(1) + "\n");
        let calls = recording.told().calls();
        assert_eq!(
            calls,
            ["tools/call add ok"],
            "{}",
            String::from_utf8_lossy(&noise)
        );
    }
}

#[test]
fn messages_up_to_the_limit_and_past_it() {
    for (bytes, whole) in [
        (5 * MIB, true),
        (16 * MIB, true),
        (16 * MIB + 1, false),
        (20 * MIB, false),
    ] {
        let (mut recording, pipes) = begun();
        let frame = r#"{"method":"tools/call","params":{"name":"big","arguments":{"a":""}},"jsonrpc":"2.0","id":1}"#;
        let ask = frame.replace(
            r#""a":"""#,
            &format!(r#""a":"{}""#, "x".repeat(bytes - frame.len())),
        );
        assert_eq!(ask.len(), bytes);
        for piece in ask.as_bytes().chunks(MIB) {
            recording.ask(pipes, piece);
        }
        recording.ask(pipes, "\n");
        recording.tell(pipes, result(1) + "\n");
        recording.ask(pipes, call(2, "after") + "\n");
        let frame = r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":""}]}}"#;
        let tell = frame.replace(
            r#""text":"""#,
            &format!(r#""text":"{}""#, "x".repeat(bytes - frame.len())),
        );
        for piece in tell.as_bytes().chunks(MIB) {
            recording.tell(pipes, piece);
        }
        recording.tell(pipes, "\n");
        let told = recording.told();
        assert_eq!(
            told.calls(),
            ["tools/call big ok", "tools/call after ok"],
            "{bytes} whole {whole}"
        );
        assert_eq!(told.calls[0].request_bytes, bytes as u64);
        assert_eq!(told.calls[1].response_bytes, Some(bytes as u64));
    }
}

#[test]
fn output_that_looks_like_http_hides_nothing() {
    let (request, response) = (
        b"POST /x HTTP/1.1\r\n\r\n".as_slice(),
        b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n".as_slice(),
    );
    for noise in [request, response, b"GET /x HTTP/1.1\n"] {
        for first in [true, false] {
            let mut recording = Recording::default();
            let sockets = recording.sockets(CLIENT, SERVER);
            if !first {
                recording.tell(sockets, "starting ...\n");
            }
            recording.tell(sockets, noise);
            recording.ask(sockets, initialize(0, "c") + "\n");
            recording.tell(sockets, initialized(0) + "\n");
            recording.tell(sockets, noise);
            recording.ask(sockets, call(1, "add") + "\n");
            recording.tell(sockets, result(1) + "\n");
            let calls = recording.told().calls();
            let noise = String::from_utf8_lossy(noise);
            assert_eq!(calls, ["tools/call add ok"], "{noise} first: {first}");
        }
    }
}
