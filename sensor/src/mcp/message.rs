//! One JSON text → the JSON-RPC messages in it, with what MCP needs to know of each.

mod excerpt;

use std::fmt;

pub use excerpt::excerpt;

pub use super::fields::{ERROR_BYTES_MAX, URI_BYTES_MAX};
pub use super::value::{Id, NAME_BYTES_MAX, Peer};

use super::envelope::Envelope;
use super::fields::{Answer, Failure, Params};
use super::json::{NotJson, Reader, Shape};
use super::signature::{self, Mark, Marks, Sign};
use super::tools::Tool;
use super::value::Revision;

/// Most messages of one batch; more are counted and left out.
pub const BATCH_MAX: usize = 1024;

/// What a text is.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// Not one whole JSON object or array.
    NotJson,
    /// JSON, but no JSON-RPC 2.0; still it may tell what else it is.
    NotRpc(Marks),
    /// JSON-RPC 2.0.
    Rpc {
        /// The messages: one, or those of a batch that are JSON-RPC.
        messages: Vec<Message>,
        /// Elements of a batch that are none, or that were too many.
        dropped: u64,
    },
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Bytes of its own JSON text; of a batch, of the element alone.
    pub bytes: usize,
    /// What it is.
    pub kind: Kind,
    /// What it says of the protocol it belongs to.
    pub marks: Marks,
    /// An object in it has the same key twice where that matters: peers may read it differently. The
    /// last one counts here.
    pub duplicate_key: bool,
}

impl Message {
    /// No client ever says it: an answer to a handshake, or a list of tools.
    #[must_use]
    pub fn is_of_server(&self) -> bool {
        matches!(&self.kind, Kind::Response(response)
            if response.tools.is_some() || self.marks.contains(Mark::Decisive(Sign::Initialized)))
    }
}

/// The three kinds of JSON-RPC messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Has a method and an id.
    Request(Request),
    /// Has a method and no id.
    Notification(Notification),
    /// Has a result or an error.
    Response(Response),
}

/// Which of the two ways of speaking MCP a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Era {
    /// Says nothing about it.
    #[default]
    Unknown,
    /// Revisions up to 2025-11-25: `initialize` and sessions.
    Legacy,
    /// Revisions from 2026-07-28 on: every request carries its revision.
    Modern,
}

/// A request.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: Id,
    /// Its method.
    pub method: String,
    /// `params.name` of `tools/call` and `prompts/get`.
    pub name: Option<String>,
    /// `params.uri` of `resources/read`, `resources/subscribe` and `resources/unsubscribe`. NOT redacted.
    pub uri: Option<String>,
    /// The revision asked for: `params.protocolVersion`, or that of `_meta`.
    pub revision: Option<String>,
    /// Who asks: `params.clientInfo`, or that of `_meta`.
    pub client: Option<Peer>,
    /// Which era.
    pub era: Era,
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Its method.
    pub method: String,
    /// `params.requestId` of `notifications/cancelled`.
    pub cancels: Option<Id>,
    /// Which era.
    pub era: Era,
}

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The id of the request; none when `null` (the peer could not read the request).
    pub id: Option<Id>,
    /// How it went.
    pub outcome: Outcome,
    /// What the result says of the server: of `initialize` or `server/discover`, or what a modern result
    /// carries in `_meta`.
    pub handshake: Option<Handshake>,
    /// The tools of a `tools/list` result.
    pub tools: Option<Vec<Tool>>,
    /// Tools of the list that have no name, or that were too many.
    pub tools_dropped: u64,
    /// Which era.
    pub era: Era,
}

/// How a request went.
#[derive(Clone, PartialEq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// The call was made and the tool says that it failed (`result.isError`).
    ToolError,
    /// The request was refused.
    Error {
        /// `error.code`; 0 when it is no whole number.
        code: i64,
        /// `error.message`, cut off at [`ERROR_BYTES_MAX`]. NOT redacted.
        message: String,
        /// `error.data.supported`: the revisions that the server would take (-32022).
        supported: Vec<String>,
    },
}

impl fmt::Debug for Request {
    /// The URI may hold a secret: its size only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("name", &self.name)
            .field("uri_bytes", &self.uri.as_ref().map(String::len))
            .field("revision", &self.revision)
            .field("client", &self.client)
            .field("era", &self.era)
            .finish()
    }
}

impl fmt::Debug for Outcome {
    /// The error's text may hold a secret: its size only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("Ok"),
            Self::ToolError => f.write_str("ToolError"),
            Self::Error { code, message, .. } => {
                write!(f, "Error({code}, {} bytes)", message.len())
            }
        }
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Handshake {
    /// `result.protocolVersion`.
    pub revision: Option<String>,
    /// `result.supportedVersions`.
    pub supported: Vec<String>,
    /// `result.serverInfo`, or that of `_meta`.
    pub server: Option<Peer>,
}

/// Reads one JSON text: an object, or an array of them (a batch).
#[must_use]
pub fn parse(text: &[u8]) -> Parsed {
    let mut reader = Reader::new(without_mark(text));
    let parsed = match reader.shape() {
        Ok(Shape::Object) => single(&mut reader),
        Ok(Shape::Array) => batch(&mut reader),
        _ => return Parsed::NotJson,
    };
    match parsed {
        Ok(parsed) if reader.is_at_end() => parsed,
        _ => Parsed::NotJson,
    }
}

/// Without the byte-order mark that some write before their first message, and their peers pass over.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

fn single(reader: &mut Reader<'_>) -> Result<Parsed, NotJson> {
    Ok(match element(reader)? {
        Ok(message) => Parsed::Rpc {
            messages: vec![message],
            dropped: 0,
        },
        Err(marks) => Parsed::NotRpc(marks),
    })
}

fn batch(reader: &mut Reader<'_>) -> Result<Parsed, NotJson> {
    let (mut messages, mut dropped, mut other) = (Vec::new(), 0, Marks::default());
    reader.array(|reader| {
        if messages.len() >= BATCH_MAX {
            dropped += 1;
            return reader.skip();
        }
        match element(reader)? {
            Ok(message) => messages.push(message),
            Err(marks) => {
                dropped += 1;
                other.merge(marks);
            }
        }
        Ok(())
    })?;
    Ok(if messages.is_empty() {
        Parsed::NotRpc(other)
    } else {
        Parsed::Rpc { messages, dropped }
    })
}

/// One object: a message, or what else it shows itself to be.
fn element(reader: &mut Reader<'_>) -> Result<Result<Message, Marks>, NotJson> {
    reader.shape()?;
    let start = reader.offset();
    let envelope = Envelope::read(reader)?;
    if !envelope.is_rpc {
        return Ok(Err(signature::bare_marks(&envelope)));
    }
    let duplicate_key = envelope.has_duplicate_key();
    let bytes = reader.since(start).len();
    Ok(match kind(envelope) {
        Some((kind, marks)) => Ok(Message {
            bytes,
            kind,
            marks,
            duplicate_key,
        }),
        None => Err(Marks::default()),
    })
}

fn kind(envelope: Envelope) -> Option<(Kind, Marks)> {
    let Envelope {
        id,
        method,
        params,
        answer,
        failure,
        ..
    } = envelope;
    if let Some(method) = method {
        let marks = signature::call_marks(&method, &params);
        let era = call_era(&method, &params);
        return Some(match id {
            Some(id) => (Kind::Request(request(id, method, params, era)), marks),
            None => {
                let cancels = params
                    .cancels
                    .filter(|_| method == "notifications/cancelled");
                (
                    Kind::Notification(Notification {
                        method,
                        cancels,
                        era,
                    }),
                    marks,
                )
            }
        });
    }
    if let Some(Failure {
        code,
        message,
        supported,
    }) = failure
    {
        let marks = signature::failure_marks(code, &supported);
        let outcome = Outcome::Error {
            code,
            message,
            supported,
        };
        let response = Response {
            id,
            outcome,
            handshake: None,
            tools: None,
            tools_dropped: 0,
            era: Era::Unknown,
        };
        return Some((Kind::Response(response), marks));
    }
    let answer = answer?;
    let marks = signature::answer_marks(&answer);
    Some((Kind::Response(response(id, answer)), marks))
}

fn request(id: Id, method: String, params: Params, era: Era) -> Request {
    let is_initialize = method == "initialize";
    let has_name = matches!(method.as_str(), "tools/call" | "prompts/get");
    let has_uri = matches!(
        method.as_str(),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe"
    );
    let asked = params.revision.into_text().filter(|_| is_initialize);
    Request {
        id,
        name: params.name.filter(|_| has_name),
        uri: params.uri.filter(|_| has_uri),
        revision: asked.or(params.meta.revision),
        client: params
            .client
            .filter(|_| is_initialize)
            .or(params.meta.client),
        era,
        method,
    }
}

fn response(id: Option<Id>, answer: Answer) -> Response {
    let era = answer_era(&answer);
    let outcome = if answer.is_error == Some(true) {
        Outcome::ToolError
    } else {
        Outcome::Ok
    };
    let handshake = Handshake {
        revision: answer.revision.into_text(),
        supported: answer.supported,
        server: answer.server.or(answer.meta.server),
    };
    let (tools, tools_dropped) = answer
        .tools
        .map_or((None, 0), |list| (Some(list.tools), list.dropped));
    let handshake = (handshake != Handshake::default()).then_some(handshake);
    Response {
        id,
        outcome,
        handshake,
        tools,
        tools_dropped,
        era,
    }
}

fn call_era(method: &str, params: &Params) -> Era {
    match method {
        "initialize" | "notifications/initialized" => Era::Legacy,
        "server/discover" | "subscriptions/listen" | "notifications/subscriptions/acknowledged" => {
            Era::Modern
        }
        _ if params.meta.revision.is_some() => Era::Modern,
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            Era::Legacy
        }
        _ => Era::Unknown,
    }
}

const fn answer_era(answer: &Answer) -> Era {
    if answer.is_modern || !answer.supported.is_empty() {
        Era::Modern
    } else if matches!(answer.revision, Revision::Text(_)) {
        Era::Legacy
    } else {
        Era::Unknown
    }
}

#[cfg(test)]
mod tests;
