//! Marks of JSON-RPC messages, and of JSON that is none.

use super::{Mark, Marks, Protocol, Sign};
use crate::mcp::envelope::Envelope;
use crate::mcp::fields::{Answer, Params};
use crate::mcp::value::{Revision, is_date};

/// `UnsupportedProtocolVersion` of 2026-07-28.
const UNSUPPORTED_REVISION: i64 = -32022;

/// Notifications that no other protocol has.
const NOTIFICATIONS: [&str; 8] = [
    "notifications/initialized",
    "notifications/tools/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/prompts/list_changed",
    "notifications/roots/list_changed",
    "notifications/elicitation/complete",
    "notifications/subscriptions/acknowledged",
];

/// Methods of MCP that others have, or could have, too.
const METHODS: [&str; 24] = [
    "tools/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/cancel",
    "tasks/update",
    "notifications/progress",
    "notifications/message",
    "notifications/cancelled",
    "notifications/tasks/status",
    "server/discover",
    "subscriptions/listen",
];

/// Methods by which other protocols give themselves away: whole, or up to a `/` or `_` at the end.
const FOREIGN: [(&str, Protocol); 41] = [
    ("textDocument/", Protocol::Lsp),
    ("workspace/", Protocol::Lsp),
    ("window/", Protocol::Lsp),
    ("client/", Protocol::Lsp),
    ("notebookDocument/", Protocol::Lsp),
    ("$/", Protocol::Lsp),
    ("initialized", Protocol::Lsp),
    ("session/new", Protocol::Acp),
    ("session/load", Protocol::Acp),
    ("session/list", Protocol::Acp),
    ("session/resume", Protocol::Acp),
    ("session/close", Protocol::Acp),
    ("session/prompt", Protocol::Acp),
    ("session/update", Protocol::Acp),
    ("session/cancel", Protocol::Acp),
    ("session/set_mode", Protocol::Acp),
    ("session/set_model", Protocol::Acp),
    ("session/request_permission", Protocol::Acp),
    ("fs/", Protocol::Acp),
    ("terminal/", Protocol::Acp),
    ("eth_", Protocol::Ethereum),
    ("net_", Protocol::Ethereum),
    ("web3_", Protocol::Ethereum),
    ("engine_", Protocol::Ethereum),
    ("txpool_", Protocol::Ethereum),
    ("message/", Protocol::A2a),
    ("agent/", Protocol::A2a),
    ("tasks/resubscribe", Protocol::A2a),
    ("tasks/pushNotificationConfig/", Protocol::A2a),
    ("SendMessage", Protocol::A2a),
    ("SendStreamingMessage", Protocol::A2a),
    ("GetTask", Protocol::A2a),
    ("ListTasks", Protocol::A2a),
    ("CancelTask", Protocol::A2a),
    ("SubscribeToTask", Protocol::A2a),
    ("build/", Protocol::Bsp),
    ("buildTarget/", Protocol::Bsp),
    ("thread/", Protocol::CodexAppServer),
    ("turn/", Protocol::CodexAppServer),
    ("item/", Protocol::CodexAppServer),
    ("account/", Protocol::CodexAppServer),
];

/// Of a request or a notification.
pub(in crate::mcp) fn call_marks(method: &str, params: &Params) -> Marks {
    let mut marks = Marks::default();
    if let Some(protocol) = foreign(method) {
        marks.add(Mark::Against(protocol));
    }
    if params.meta.revision.is_some() {
        marks.add(Mark::Decisive(Sign::Meta));
    }
    if NOTIFICATIONS.contains(&method) {
        marks.add(Mark::Decisive(Sign::Notification));
    }
    if METHODS.contains(&method) {
        marks.add(Mark::Strong(Sign::Method));
    }
    match method {
        "initialize" => marks.merge(initialize(params)),
        "server/discover" | "subscriptions/listen" if params.meta.is_mcp => {
            marks.add(Mark::Decisive(Sign::Discover));
        }
        "tools/call" if params.name.is_some() && !params.has_odd_arguments => {
            marks.add(Mark::Decisive(Sign::ToolCall));
        }
        "tools/call" => marks.add(Mark::Strong(Sign::Method)),
        "ping" => marks.add(Mark::Weak),
        _ => {}
    }
    marks
}

/// The one method that MCP shares with LSP, ACP and DAP.
fn initialize(params: &Params) -> Marks {
    let mut marks = Marks::default();
    let has_name = params
        .client
        .as_ref()
        .is_some_and(|client| client.name.is_some());
    match &params.revision {
        Revision::Number => marks.add(Mark::Against(Protocol::Acp)),
        Revision::Missing if params.is_lsp => marks.add(Mark::Against(Protocol::Lsp)),
        Revision::Missing => marks.add(Mark::Weak),
        revision if revision.is_date() && params.has_capabilities && has_name => {
            marks.add(Mark::Decisive(Sign::Initialize));
        }
        Revision::Text(_) if params.has_client_capabilities => {
            marks.add(Mark::Against(Protocol::Acp))
        }
        Revision::Text(_) => marks.add(Mark::Strong(Sign::Initialize)),
    }
    marks
}

/// Of a result.
pub(in crate::mcp) fn answer_marks(answer: &Answer) -> Marks {
    let mut marks = Marks::default();
    if answer.revision.is_date() && answer.server.is_some() && answer.has_capabilities {
        marks.add(Mark::Decisive(Sign::Initialized));
    }
    if answer.has_capabilities && answer.supported.iter().any(|revision| is_date(revision)) {
        marks.add(Mark::Decisive(Sign::Supported));
    }
    if answer.meta.revision.is_some() {
        marks.add(Mark::Decisive(Sign::Meta));
    } else if answer.meta.is_mcp {
        marks.add(Mark::Strong(Sign::Meta));
    }
    if let Some(list) = &answer.tools {
        marks.add(if list.is_mcp {
            Mark::Decisive(Sign::ToolList)
        } else {
            Mark::Strong(Sign::ToolList)
        });
    }
    if answer.has_content {
        // Content blocks alone are what model APIs answer, too; `isError` beside them is MCP's own.
        let is_call = answer.is_error.is_some();
        marks.add(if is_call {
            Mark::Decisive(Sign::Content)
        } else {
            Mark::Strong(Sign::Content)
        });
    }
    if answer.is_empty {
        marks.add(Mark::Weak);
    }
    if answer.is_lsp {
        marks.add(Mark::Against(Protocol::Lsp));
    }
    if answer.is_acp || answer.revision == Revision::Number {
        marks.add(Mark::Against(Protocol::Acp));
    }
    if answer.is_a2a {
        marks.add(Mark::Against(Protocol::A2a));
    }
    marks
}

/// Of an error.
pub(in crate::mcp) fn failure_marks(code: i64, supported: &[String]) -> Marks {
    let mut marks = Marks::default();
    if code == UNSUPPORTED_REVISION && supported.iter().any(|revision| is_date(revision)) {
        marks.add(Mark::Decisive(Sign::Supported));
    }
    marks
}

/// Of an object that is no JSON-RPC 2.0.
pub(in crate::mcp) fn bare_marks(envelope: &Envelope) -> Marks {
    let mut marks = Marks::default();
    if envelope.has_seq && envelope.has_type {
        marks.add(Mark::Against(Protocol::Dap));
    }
    let Some(method) = envelope.method.as_deref() else {
        return marks;
    };
    match foreign(method) {
        Some(protocol) => marks.add(Mark::Against(protocol)),
        None if is_domain_method(method) => marks.add(Mark::Against(Protocol::Cdp)),
        None => {}
    }
    marks
}

fn foreign(method: &str) -> Option<Protocol> {
    let fits = |name: &str| {
        if name.ends_with(['/', '_']) {
            method.starts_with(name)
        } else {
            method == name
        }
    };
    FOREIGN
        .iter()
        .find(|(name, _)| fits(name))
        .map(|&(_, protocol)| protocol)
}

/// `Page.navigate`: a word with a capital, a dot, a word without.
fn is_domain_method(method: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    method.split_once('.').is_some_and(|(domain, name)| {
        is_word(domain)
            && is_word(name)
            && domain.starts_with(|char: char| char.is_ascii_uppercase())
            && name.starts_with(|char: char| char.is_ascii_lowercase())
    })
}
