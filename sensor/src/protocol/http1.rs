//! One HTTP/1.0 or 1.1 connection, both directions: exchanges of a request and its response.
//!
//! Bodies are passed on as they come, never collected. A connection that is seen from its middle, or
//! that lost bytes, finds its feet again at the next segment that starts with a head.

mod chunked;
mod collect;
mod connection;
mod exchanges;
mod framing;
mod head;

pub use connection::Connection;
pub use head::{Guess, HEAD_BYTES_MAX, Headers, RequestHead, ResponseHead, Version};

/// Which end of the connection wrote the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that sends requests.
    Client,
    /// The one that sends responses.
    Server,
}

/// What happened on a connection. `exchange` counts up from 0 on each connection.
#[derive(Clone, PartialEq, Eq)]
pub enum HttpEvent {
    /// A request's head is complete.
    Request {
        /// Which exchange.
        exchange: u64,
        /// The head.
        head: RequestHead,
    },
    /// Some of a request's body, framing taken off.
    RequestBody {
        /// Which exchange.
        exchange: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Some of a request's body was lost; what follows is the rest of it.
    RequestGap {
        /// Which exchange.
        exchange: u64,
        /// How many bytes.
        lost: u64,
    },
    /// A request is complete.
    RequestEnd {
        /// Which exchange.
        exchange: u64,
    },
    /// A final response's head is complete (interim ones are left out). An exchange whose request was
    /// not seen starts here.
    Response {
        /// Which exchange.
        exchange: u64,
        /// The head.
        head: ResponseHead,
    },
    /// Some of a response's body, framing taken off.
    ResponseBody {
        /// Which exchange.
        exchange: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Some of a response's body was lost; what follows is the rest of it.
    ResponseGap {
        /// Which exchange.
        exchange: u64,
        /// How many bytes.
        lost: u64,
    },
    /// A response is complete.
    ResponseEnd {
        /// Which exchange.
        exchange: u64,
    },
    /// One side can no longer be followed; a message of that side that was open ends here without an
    /// end of its own. The side is read again from the next segment that starts with a head.
    Broken {
        /// Which side.
        side: Side,
        /// The exchange whose message was open.
        exchange: Option<u64>,
        /// Why, as a stable name.
        reason: &'static str,
    },
}

impl std::fmt::Debug for HttpEvent {
    /// Kinds and sizes: bodies are somebody's payload.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Request { exchange, head } => write!(f, "Request({exchange}, {head:?})"),
            Self::RequestBody { exchange, bytes } => {
                write!(f, "RequestBody({exchange}, {} bytes)", bytes.len())
            }
            Self::RequestGap { exchange, lost } => {
                write!(f, "RequestGap({exchange}, {lost} bytes)")
            }
            Self::RequestEnd { exchange } => write!(f, "RequestEnd({exchange})"),
            Self::Response { exchange, head } => write!(f, "Response({exchange}, {head:?})"),
            Self::ResponseBody { exchange, bytes } => {
                write!(f, "ResponseBody({exchange}, {} bytes)", bytes.len())
            }
            Self::ResponseGap { exchange, lost } => {
                write!(f, "ResponseGap({exchange}, {lost} bytes)")
            }
            Self::ResponseEnd { exchange } => write!(f, "ResponseEnd({exchange})"),
            Self::Broken {
                side,
                exchange,
                reason,
            } => write!(f, "Broken({side:?}, {exchange:?}, {reason})"),
        }
    }
}

#[cfg(test)]
mod tests;
