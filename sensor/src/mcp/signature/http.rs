//! Marks of HTTP heads, of server-sent events, and of lines that are no JSON.

use super::{Mark, Marks, Protocol, Sign};
use crate::mcp::value::is_date;
use crate::protocol::http1::{Headers, RequestHead, ResponseHead};
use crate::protocol::sse::SseEvent;

/// What the heads of one HTTP exchange say.
#[must_use]
pub fn http_marks(request: &RequestHead, response: Option<&ResponseHead>) -> Marks {
    let mut marks = header_marks(&request.headers);
    marks.merge(path_marks(request.path(), &request.target));
    let accept = lower(&request.headers, "accept");
    let content = lower(&request.headers, "content-type");
    let takes_both = accept.contains("application/json") && accept.contains("text/event-stream");
    if request.method == "POST" && content.starts_with("application/json") && takes_both
        || accept.contains("application/mcp-server-card+json")
    {
        marks.add(Mark::Strong(Sign::Accept));
    }
    if let Some(response) = response {
        marks.merge(header_marks(&response.headers));
        let challenges = response.headers.all("www-authenticate");
        let names_resource = challenges
            .into_iter()
            .any(|value| String::from_utf8_lossy(value).contains("resource_metadata="));
        if response.status == 401 && names_resource {
            marks.add(Mark::Strong(Sign::Authorization));
        }
    }
    marks
}

/// What a server-sent event says, apart from the message in it.
#[must_use]
pub fn event_marks(event: &SseEvent) -> Marks {
    let mut marks = Marks::default();
    if event.event.as_deref() == Some("endpoint") {
        let place = String::from_utf8_lossy(&event.data);
        if has_session_query(&place) {
            marks.add(Mark::Decisive(Sign::Endpoint));
        } else if place.starts_with('/') || place.starts_with("http") {
            marks.add(Mark::Strong(Sign::Endpoint));
        }
    }
    marks
}

/// What the first line of a stream says when it is no JSON.
#[must_use]
pub fn line_marks(text: &[u8]) -> Marks {
    const FRAMING: &[u8] = b"content-length:";
    let is_framing = text
        .get(..FRAMING.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(FRAMING));
    if is_framing {
        Marks::from_iter([Mark::Against(Protocol::Lsp)])
    } else {
        Marks::default()
    }
}

fn header_marks(headers: &Headers) -> Marks {
    let mut marks = Marks::default();
    for (name, value) in headers.iter() {
        match name {
            "mcp-session-id" | "mcp-method" | "mcp-name" => marks.add(Mark::Decisive(Sign::Header)),
            "mcp-protocol-version" if std::str::from_utf8(value).is_ok_and(is_date) => {
                marks.add(Mark::Decisive(Sign::Header));
            }
            _ if name.starts_with("mcp-param-") => marks.add(Mark::Decisive(Sign::Header)),
            "mcp-protocol-version" => marks.add(Mark::Strong(Sign::Header)),
            "a2a-version" | "a2a-extensions" => marks.add(Mark::Against(Protocol::A2a)),
            _ => {}
        }
    }
    marks
}

fn path_marks(path: &str, target: &str) -> Marks {
    let mut marks = Marks::default();
    if names_mcp_resource(target) {
        marks.add(Mark::Strong(Sign::Authorization));
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    if let Some(at) = path.find("/.well-known/") {
        let name = path.get(at + "/.well-known/".len()..).unwrap_or_default();
        if name.starts_with("oauth-protected-resource")
            || name.starts_with("mcp/")
            || name == "mcp.json"
        {
            marks.add(Mark::Strong(Sign::Authorization));
        } else if name.starts_with("oauth-authorization-server")
            || name.starts_with("openid-configuration")
        {
            marks.add(Mark::Weak);
        } else if name == "agent-card.json" || name == "agent.json" {
            marks.add(Mark::Against(Protocol::A2a));
        }
        return marks;
    }
    let is_message = path.ends_with("/messages") || path.ends_with("/message");
    if path.ends_with("/mcp") || path.ends_with("/sse") || is_message && has_session_query(target) {
        marks.add(Mark::Strong(Sign::Path));
    } else if path.contains("/mcp") || is_message {
        marks.add(Mark::Weak);
    }
    marks
}

/// An OAuth request for a token that is good for an MCP server (RFC 8707).
fn names_mcp_resource(target: &str) -> bool {
    let query = target
        .split_once('?')
        .map(|(_, query)| query)
        .unwrap_or_default();
    query
        .split('&')
        .filter_map(|field| field.strip_prefix("resource="))
        .any(|value| {
            let value = value.to_ascii_lowercase();
            value.ends_with("/mcp") || value.ends_with("%2fmcp")
        })
}

fn has_session_query(target: &str) -> bool {
    target.contains("session_id=") || target.contains("sessionId=")
}

fn lower(headers: &Headers, name: &str) -> String {
    headers.text(name).unwrap_or_default().to_ascii_lowercase()
}
