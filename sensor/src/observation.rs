//! What a sensor states: one fact each, as `watch` and `replay` print it and `run` sends it.
//!
//! The types hold the contract of the commands. Printed, an observation is one JSON object that starts
//! with `schema`, `kind`, `time` and `host`, keeps the contract's order of fields, and may add fields
//! after them. Unknown is `null`, never left out. Everything textual in here has passed the redactor
//! already; control characters of hostile names are still in it and are the printer's to escape.

mod fact;
mod finding;
mod process;
mod session;
mod time;

pub use fact::{
    Call, CallStatus, Coverage, CoverageState, Exposure, Listener, ListenerMcp, ListenerState,
    Stats, Tools,
};
pub use finding::{Finding, FindingState};
pub use process::Process;
pub use session::{
    Channel, Client, Evidence, Facts, Quality, Server, Session, SessionState, Source, Strength,
    Transport,
};
pub use time::Rfc3339;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::event::UnixNs;

/// Version of the printed shape. Fields are only ever added, so it stays 1 until one has to change.
pub const SCHEMA: u32 = 1;

/// A session's name, unique over all hosts and times. Cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Takes the text as it is; whoever makes the session makes it unique.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The host's own name for itself (`uname -n`): shown to people, no identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A logical server's key in the inventory, such as `npm:@scope/name` or a canonical URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(Arc<str>);

impl ServerKey {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_id {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}
text_id!(SessionId, HostName, ServerKey);

/// One fact and when it was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the sensor learned it.
    pub time: UnixNs,
    /// What.
    pub body: Body,
}

/// What was observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A session as it is known now; the same id with a higher `rev` replaces it.
    Session(Box<Session>),
    /// One request of a client, with its answer.
    Call(Call),
    /// A listening socket.
    Listener(Listener),
    /// A tool definition, by digest.
    Tools(Tools),
    /// What could not be read, or how it was.
    Coverage(Coverage),
    /// What is worth a decision. Stand-alone only: the pipeline states none.
    Finding(Finding),
    /// The sensor's own work and losses.
    Stats(Stats),
}

impl Body {
    /// The word under `kind`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Call(_) => "call",
            Self::Listener(_) => "listener",
            Self::Tools(_) => "tools",
            Self::Coverage(_) => "coverage",
            Self::Finding(_) => "finding",
            Self::Stats(_) => "stats",
        }
    }
}

impl Observation {
    /// The observation as `host` prints it: serialises to the contract's object.
    #[must_use]
    pub const fn printed<'a>(&'a self, host: &'a HostName) -> Printed<'a> {
        Printed {
            observation: self,
            host,
        }
    }
}

/// An observation together with the host that states it.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    observation: &'a Observation,
    host: &'a HostName,
}

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Head<'a, T> {
            schema: u32,
            kind: &'static str,
            time: Rfc3339,
            host: &'a HostName,
            #[serde(flatten)]
            body: T,
        }
        let Observation { time, body } = self.observation;
        let (kind, host, time) = (body.kind(), self.host, Rfc3339(*time));
        match body {
            Body::Session(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
            Body::Call(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
            Body::Listener(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
            Body::Tools(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
            Body::Coverage(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
            Body::Finding(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
            Body::Stats(body) => Head {
                schema: SCHEMA,
                kind,
                time,
                host,
                body,
            }
            .serialize(serializer),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
