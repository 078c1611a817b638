//! Which response answers which request.

use std::collections::VecDeque;

/// Most requests that wait for their response; the oldest makes way. Clients hardly ever send a second
/// before the first is answered, and servers stop reading after a few.
const WAITING_MAX: usize = 64;

/// A request that was seen and not answered.
pub(super) struct Waiting {
    pub(super) exchange: u64,
    pub(super) method: Method,
}

/// What of the method decides whether the response has a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Connect,
    Other,
}

impl Method {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// Numbers the exchanges of one connection.
#[derive(Default)]
pub(super) struct Exchanges {
    next: u64,
    waiting: VecDeque<Waiting>,
    newest_first: bool,
}

impl Exchanges {
    /// A request came.
    pub(super) fn ask(&mut self, method: Method) -> u64 {
        let exchange = self.number();
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting { exchange, method });
        exchange
    }

    /// A response came: the request that it answers.
    pub(super) fn answer(&mut self) -> Waiting {
        let waiting = if std::mem::take(&mut self.newest_first) {
            let newest = self.waiting.pop_back();
            self.waiting.clear();
            newest
        } else {
            self.waiting.pop_front()
        };
        waiting.unwrap_or_else(|| {
            // Its request was lost, or comes late: then it must not be taken for the next one.
            self.newest_first = true;
            Waiting {
                exchange: self.number(),
                method: Method::Other,
            }
        })
    }

    /// Responses may have been lost: the next one answers the newest request.
    pub(super) const fn doubt(&mut self) {
        self.newest_first = true;
    }

    const fn number(&mut self) -> u64 {
        let exchange = self.next;
        self.next += 1;
        exchange
    }
}
