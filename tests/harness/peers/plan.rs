//! What a driver is asked to do, and what it says it did.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a driver is asked to do; the shape is documented in tests/peers/python/plan.py.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// Sessions, one after the other.
    pub sessions: u32,
    /// A stdio server's program and arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Added to that server's environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// An HTTP server's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `sse` for HTTP+SSE; else Streamable HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// The npm package whose SDK the node driver loads, where it is not the newest 1.x.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<&'static str>,
    /// How SDKs that know both eras agree on a revision: `legacy`, `auto`, or a revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// What the client calls itself, where a driver lets it be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// HTTP headers sent along.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What to do in each session.
    pub steps: Vec<Value>,
    /// The last session stays open until this file exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<PathBuf>,
}

impl Plan {
    /// Sessions with a stdio server.
    #[must_use]
    pub fn stdio(sessions: u32, command: Vec<String>) -> Self {
        Self {
            sessions,
            command: Some(command),
            ..Self::default()
        }
    }

    /// Sessions with an HTTP server.
    #[must_use]
    pub fn http(sessions: u32, url: String) -> Self {
        Self {
            sessions,
            url: Some(url),
            ..Self::default()
        }
    }

    /// Adds a `tools/list` and then `times` calls of a tool.
    #[must_use]
    pub fn calling(mut self, tool: &str, arguments: Value, times: u32) -> Self {
        self.steps.push(json!({"do": "list_tools"}));
        self.steps
            .push(json!({"do": "call_tool", "name": tool, "arguments": arguments, "times": times}));
        self
    }

    /// Adds any step.
    #[must_use]
    pub fn step(mut self, step: Value) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds an HTTP header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// What a driver did, as it says itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Tally {
    /// Sessions opened.
    pub sessions: u64,
    /// Requests by "method" or "method name"; `ping` is in here, the inventory leaves it out.
    pub calls: BTreeMap<String, u64>,
    /// Answers that were errors.
    #[serde(default)]
    pub errors: u64,
    /// Revision of the last session.
    pub revision: Option<String>,
    /// What the server of the last session calls itself, where it says so.
    #[serde(default)]
    pub server: Option<String>,
    /// The driver's process id.
    #[serde(default)]
    pub pid: u32,
    /// Just before each session's first byte, Unix nanoseconds; the node driver alone says so.
    #[serde(default)]
    pub begun_ns: Vec<u64>,
    /// The same, once the server has answered the handshake.
    #[serde(default)]
    pub answered_ns: Vec<u64>,
}
