use gnomon_policy::{BaseRoute, Judgement, Reason, Route, Status, Verdict, code};

use super::*;
use crate::observation::{
    Body, Call, CallStatus, Channel, Client, Coverage, CoverageState, Facts, Process, Server,
    ServerKey, Session, SessionId, SessionState, Stats, Tools, Transport,
};

fn session(name: &str) -> Body {
    let reasons = vec![Reason {
        code: code::NO_GATEWAY,
        text: "none on the way".into(),
    }];
    Body::Session(Box::new(Session {
        id: SessionId::new("5f1c"),
        rev: 1,
        state: SessionState::Open,
        transport: Transport::Stdio,
        channel: Channel::Pipe,
        tls: None,
        revision: Some("2025-06-18".into()),
        base_route: BaseRoute::Local,
        via: None,
        judgement: Judgement {
            route: Route::Local,
            leg: None,
            gateway: None,
            verdict: Verdict {
                status: Status::Shadow,
                reasons,
            },
        },
        client: Client {
            name: Some(name.into()),
            process: Some(Process {
                pid: 4711,
                ..Process::default()
            }),
            ..Client::default()
        },
        server: Server {
            key: Some(ServerKey::new("pypi:mcp-server-time")),
            ..Server::default()
        },
        facts: Facts::default(),
        evidence: Vec::new(),
        started: 0,
        last_seen: 0,
        calls: 2,
    }))
}

fn call() -> Body {
    Body::Call(Call {
        session: SessionId::new("5f1c"),
        method: "tools/call".into(),
        name: Some("get_time".into()),
        status: CallStatus::Error,
        duration_us: Some(12_345),
        request_bytes: 99,
        response_bytes: None,
        number: 1,
        error_text: Some("no such zone".into()),
    })
}

fn print(format: Format, bodies: Vec<Body>) -> String {
    let mut printer = Printer::new(Vec::new(), format, HostName::new("laptop"));
    for body in bodies {
        printer
            .print(&Observation {
                time: 3_723_000_000_000,
                body,
            })
            .unwrap();
    }
    String::from_utf8(printer.into_inner()).unwrap()
}

#[test]
fn text_is_one_readable_line_each() {
    let coverage = Coverage {
        process: Some(Process {
            pid: 9,
            exe: Some("/opt/x/editor".into()),
            ..Process::default()
        }),
        what: "tls".into(),
        state: CoverageState::Opaque,
        reason: Some("rustls".into()),
    };
    let tools = Tools {
        server: ServerKey::new("npm:x"),
        tool: "add".into(),
        digest: "0123456789abcdef".into(),
        first: 0,
        previous: Some("00".into()),
    };
    let stats = Stats {
        messages: 5,
        lost: [("ring_full".into(), 3)].into(),
        ..Stats::default()
    };
    insta::assert_snapshot!(print(
        Format::Text,
        vec![
            session("claude-code"),
            call(),
            Body::Coverage(coverage),
            Body::Tools(tools),
            Body::Stats(stats)
        ],
    ));
}

#[test]
fn hostile_names_are_harmless_in_both_formats() {
    let name = "\x1b[2J\u{202e}evil\u{9b}31m\u{e0041}\r\n";
    let text = print(Format::Text, vec![session(name)]);
    assert_eq!(text.lines().count(), 1, "{text}");
    let json = print(Format::Json, vec![session(name)]);
    for output in [&text, &json] {
        let hostile = ['\x1b', '\u{202e}', '\u{9b}', '\u{e0041}', '\r'];
        assert!(!output.contains(hostile), "{output}");
    }
    let back: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(back["client"]["name"], name);
}

#[test]
fn a_line_is_cut_at_the_edge() {
    let observation = Observation {
        time: 0,
        body: session("日本語のとても長い名前のクライアントです、本当に長いですよ"),
    };
    let line = text::line(&observation);
    for width in [0, 1, 20, 45, 46, 80] {
        let text = line.render(Some(width), false);
        assert!(
            unicode_width::UnicodeWidthStr::width(text.as_str()) <= width,
            "{width}: {text}"
        );
    }
    assert!(
        line.render(Some(80), true)
            .contains("\x1b[31mshadow\x1b[0m")
    );
}
