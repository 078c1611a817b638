//! One line for people.

use gnomon_policy::Status;
use gnomon_policy::finding::Severity;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::escape::escaped;
use crate::observation::{
    Body, Call, CallStatus, Client, Coverage, Finding, FindingState, Listener, ListenerState,
    Observation, Process, Rfc3339, Server, Session, SessionState, Stats, Tools,
};

/// A line in pieces, each with its colour.
pub(super) struct Line(Vec<(String, Option<Colour>)>);

/// ANSI foreground colours.
#[derive(Clone, Copy)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

impl Line {
    fn add(mut self, text: &str) -> Self {
        self.0.push((escaped(text).into_owned(), None));
        self
    }

    fn coloured(mut self, text: &str, colour: Option<Colour>) -> Self {
        self.0.push((escaped(text).into_owned(), colour));
        self
    }

    /// The line, at most `width` columns of it.
    pub(super) fn render(&self, width: Option<usize>, colour: bool) -> String {
        let mut left = width.unwrap_or(usize::MAX);
        let mut line = String::new();
        for (text, piece_colour) in &self.0 {
            let (text, cut) = cut(text, left);
            match piece_colour.filter(|_| colour) {
                Some(code) => line.push_str(&format!("\x1b[{}m{text}\x1b[0m", code as u8)),
                None => line.push_str(&text),
            }
            left = left.saturating_sub(text.width());
            if cut {
                break;
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// The first `width` columns of `text`, with an ellipsis where something is left out.
fn cut(text: &str, width: usize) -> (String, bool) {
    if text.width() <= width {
        return (text.to_owned(), false);
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    (kept, true)
}

/// The line of one observation.
pub(super) fn line(observation: &Observation) -> Line {
    let time = Rfc3339(observation.time).to_string();
    let line = Line(Vec::new()).add(&time[11..19]).add(" ");
    match &observation.body {
        Body::Session(body) => session(line, body),
        Body::Call(body) => call(line, body),
        Body::Listener(body) => listener(line, body),
        Body::Tools(body) => tools(line, body),
        Body::Coverage(body) => coverage(line, body),
        Body::Finding(body) => finding(line, body),
        Body::Stats(body) => stats(line, body),
    }
}

fn session(line: Line, session: &Session) -> Line {
    let verdict = &session.judgement.verdict;
    let colour = match verdict.status {
        Status::Approved => Colour::Green,
        Status::Sanctioned => Colour::Cyan,
        Status::Shadow => Colour::Red,
        Status::Unknown => Colour::Yellow,
    };
    let word = match session.state {
        SessionState::Open if session.rev <= 1 => "session",
        SessionState::Open => "update",
        SessionState::Ended => "ended",
    };
    let why = verdict.reasons.first().map_or("", |reason| reason.code);
    let revision = session.revision.as_deref().unwrap_or("revision unknown");
    line.add(&format!("{word:<8} "))
        .coloured(verdict.status.as_str(), Some(colour))
        .add(&format!(" {} ", session.judgement.route.as_str()))
        .add(&format!(
            "{} -> {} ",
            client(&session.client),
            server(&session.server)
        ))
        .add(&format!(
            "({why}) {} {revision}",
            session.transport.as_str()
        ))
        .add(&format!(" {} calls, session {}", session.calls, session.id))
}

fn client(client: &Client) -> String {
    let name = client.application.as_deref().or(client.name.as_deref());
    named(name, client.process.as_ref())
}

fn server(server: &Server) -> String {
    let key = server.key.as_ref().map(|key| key.as_str());
    let name = key
        .or(server.endpoint.as_deref())
        .or(server.name.as_deref());
    named(name, server.process.as_ref())
}

fn named(name: Option<&str>, process: Option<&Process>) -> String {
    let exe = process
        .and_then(|process| process.exe.as_deref())
        .and_then(|exe| exe.rsplit('/').next());
    let name = name.or(exe).unwrap_or("?");
    match process {
        Some(process) => format!("{name}[{}]", process.pid),
        None => name.to_owned(),
    }
}

fn call(line: Line, call: &Call) -> Line {
    let colour = match call.status {
        CallStatus::Ok => None,
        CallStatus::Error | CallStatus::ToolError => Some(Colour::Red),
        CallStatus::Cancelled | CallStatus::Unanswered => Some(Colour::Yellow),
    };
    let took = call
        .duration_us
        .map_or_else(|| "?".to_owned(), milliseconds);
    let answer = call
        .response_bytes
        .map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
    let error = call
        .error_text
        .as_deref()
        .map(|text| format!(" \"{text}\""))
        .unwrap_or_default();
    line.add("call     ")
        .coloured(call.status.as_str(), colour)
        .add(&format!(
            " {} {}",
            call.method,
            call.name.as_deref().unwrap_or("")
        ))
        .add(&format!(
            " {took} {}>{answer} B session {}",
            call.request_bytes, call.session
        ))
        .add(&error)
}

fn milliseconds(duration_us: u64) -> String {
    format!("{}.{} ms", duration_us / 1000, duration_us % 1000 / 100)
}

fn listener(line: Line, listener: &Listener) -> Line {
    let port = listener
        .port
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let address = match &listener.port {
        Some(_) if listener.address.contains(':') => format!("[{}]", listener.address),
        _ => listener.address.clone(),
    };
    let reach = match listener.exposure {
        Some(exposure) if exposure.is_beyond_host() => {
            format!(" reachable from other hosts ({})", exposure.as_str())
        }
        Some(exposure) => format!(" reach {}", exposure.as_str()),
        None => String::new(),
    };
    let closed = match listener.state {
        ListenerState::Open => "",
        ListenerState::Closed => "closed ",
    };
    line.add(&format!(
        "listener {address}{port}{} ",
        listener.path.as_deref().unwrap_or("")
    ))
    .add(&format!("{closed}mcp {} ", listener.mcp.as_str()))
    .add(&named(None, listener.process.as_ref()))
    .add(&reach)
}

fn tools(line: Line, tools: &Tools) -> Line {
    let change = if tools.previous.is_some() {
        "changed"
    } else {
        "new"
    };
    let digest = tools.digest.get(..12).unwrap_or(&tools.digest);
    line.add(&format!(
        "tool     {change} {} {} of {}",
        tools.tool, digest, tools.server
    ))
}

fn coverage(line: Line, coverage: &Coverage) -> Line {
    let who = coverage
        .process
        .as_ref()
        .map(|process| format!(" {}", named(None, Some(process))));
    line.add("coverage ")
        .coloured(coverage.state.as_str(), Some(Colour::Yellow))
        .add(&format!(" {}{}", coverage.what, who.unwrap_or_default()))
        .add(
            &coverage
                .reason
                .as_deref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default(),
        )
}

fn finding(line: Line, finding: &Finding) -> Line {
    let colour = match finding.severity {
        Severity::Low => None,
        Severity::Medium => Some(Colour::Yellow),
        Severity::High | Severity::Critical => Some(Colour::Red),
    };
    let word = match finding.state {
        FindingState::Open => "finding",
        FindingState::Closed => "no more",
    };
    line.add(&format!("{word:<8} "))
        .coloured(finding.severity.as_str(), colour)
        .add(&format!(" {} {}", finding.class, finding.subject))
        .add(&format!(" ({})", finding.tags.join(", ")))
}

fn stats(line: Line, stats: &Stats) -> Line {
    let lost: u64 = stats.lost.values().sum();
    let colour = (lost > 0).then_some(Colour::Red);
    let reasons: Vec<String> = (stats.lost.iter().filter(|(_, count)| **count > 0))
        .map(|(reason, count)| format!(" {reason} {count}"))
        .collect();
    line.add(&format!(
        "stats    {} messages, {} bytes, ",
        stats.messages, stats.bytes
    ))
    .coloured(&format!("{lost} lost"), colour)
    .add(&format!("{}, cpu {} ms", reasons.concat(), stats.cpu_ms))
    .add(&format!(", memory {} MiB", stats.rss_bytes >> 20))
}
