//! From what a request shows to its session.

use std::collections::HashMap;

use super::place::{From, Place, SessionIdDigest, To};
use crate::mcp::message::{Era, Id, Kind, Message};
use crate::mcp::session::{Session, SessionNumber};

/// Keys of one session: its id, its endpoint, and its client's path or two.
const OWN_KEYS_MAX: usize = 16;
/// Keys that lead to sessions; more begin anew.
const KEYS_MAX: usize = 65_536;
/// Sessions under one key; the oldest is found by its other keys only.
const SHARED_MAX: usize = 32;

/// What a request's messages tell of the session it belongs to.
#[derive(Default)]
pub(super) struct Asks {
    modern: bool,
    initializes: bool,
    /// Says that its client has shaken hands.
    confirms: bool,
    /// The first number that is the id of a request.
    id: Option<i64>,
    /// What is taken back, or answered.
    about: Option<Id>,
}

impl Asks {
    pub(super) fn of(messages: &[Message], modern: bool) -> Self {
        let mut asks = Self {
            modern,
            ..Self::default()
        };
        for message in messages {
            match &message.kind {
                Kind::Request(request) => {
                    asks.initializes |= request.method == "initialize";
                    if let (None, Id::Number(id)) = (asks.id, &request.id) {
                        asks.id = Some(*id);
                    }
                }
                Kind::Notification(notification) => {
                    asks.confirms |= notification.method == "notifications/initialized";
                    asks.about = asks.about.take().or_else(|| notification.cancels.clone());
                }
                Kind::Response(_) => {}
            }
        }
        asks
    }

    /// How well a request goes on with a session, where nothing but its client and its server tells. A client
    /// counts its ids up by one.
    fn fits(&self, session: &Session, place: &Place) -> impl Ord + use<> {
        let by_id = match (self.id, session.latest_id) {
            (Some(id), Some(latest)) if id == latest.saturating_add(1) => 3,
            (Some(id), Some(latest)) if id > latest => 2,
            (Some(_), Some(_)) => 0,
            (None, _) if self.about.as_ref().is_some_and(|id| session.awaits(id)) => 3,
            (None, _) if self.confirms && !session.confirmed => 2,
            _ => 1,
        };
        let by_flow = session.http.flow == Some(place.flow);
        // Of two that fit alike, the one that waited longer.
        (by_id, by_flow, std::cmp::Reverse(session.last_seen))
    }
}

/// From what a request shows to its session.
#[derive(Default)]
pub(super) struct Index {
    keys: HashMap<Key, Vec<SessionNumber>>,
    /// The other way round, so that a session is forgotten without a search.
    sessions: HashMap<SessionNumber, Vec<Key>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// `Mcp-Session-Id`.
    Id(To, SessionIdDigest),
    /// The id in an endpoint's query, wherever that is: proxies put paths before it, and it may be a whole URL.
    Stream(SessionIdDigest),
    /// An endpoint without one.
    Endpoint(To, String),
    /// The id in the query of a request that nobody gave out while we looked.
    Query(From, To, SessionIdDigest),
    Client(From, To, String, bool),
}

impl Index {
    /// The session that goes on with this request, if there is one.
    pub(super) fn find<'a>(
        &self,
        place: &Place,
        asks: &Asks,
        get: impl Fn(SessionNumber) -> Option<&'a Session>,
    ) -> Option<SessionNumber> {
        let open = |key: Key| {
            let numbers = self.keys.get(&key).into_iter().flatten().rev();
            let sessions = numbers.filter_map(|number| get(*number));
            sessions.filter(|session| !session.ended)
        };
        let latest = |key: Key| open(key).next().map(|session| session.number);
        let near = |session: &&Session| is_near(session, place);
        if let Some(id) = place.stream_id
            && let Some(session) = open(Key::Stream(id)).find(near)
        {
            return Some(session.number);
        }
        if let Some(number) = latest(Key::Endpoint(place.to, place.target.clone())) {
            return Some(number);
        }
        if asks.initializes {
            // A probe of the modern era that was refused, and its fallback, are one session.
            return open(client_key(place, true))
                .find(|session| session.is_probe_only() && session.era == Era::Modern)
                .map(|session| session.number);
        }
        if let Some(id) = place.session_id {
            // A client can only have an id that nobody gave out yet when the report of the answer that
            // gave it is late.
            let late = || {
                open(client_key(place, false))
                    .find(|session| session.is_handshaking())
                    .map(|session| session.number)
            };
            return latest(Key::Id(place.to, id)).or_else(late);
        }
        if place.method != "POST" {
            return None;
        }
        if let Some(id) = place.stream_id
            && is_message_path(&place.path)
        {
            return latest(Key::Query(place.from, place.to, id));
        }
        let fitting = open(client_key(place, asks.modern));
        fitting
            .max_by_key(|session| (!session.http.has_id, asks.fits(session, place)))
            .map(|session| session.number)
    }

    /// A session began with this request.
    pub(super) fn learn(&mut self, place: &Place, number: SessionNumber, modern: bool) {
        self.put(client_key(place, modern), number);
        if let Some(id) = place.session_id {
            self.put(Key::Id(place.to, id), number);
        }
        if let Some(id) = place.stream_id {
            self.put(Key::Query(place.from, place.to, id), number);
        }
    }

    /// The server gave the session an id.
    pub(super) fn learn_id(&mut self, place: &Place, id: SessionIdDigest, number: SessionNumber) {
        self.put(Key::Id(place.to, id), number);
    }

    /// An event stream gave out an endpoint: a path, a part of one, or a whole URL.
    pub(super) fn learn_endpoint(&mut self, place: &Place, endpoint: &[u8], number: SessionNumber) {
        let endpoint = String::from_utf8_lossy(endpoint);
        let target = resolve(&place.path, endpoint.trim());
        if let Some(id) = SessionIdDigest::of_query(&target) {
            self.put(Key::Stream(id), number);
        }
        self.put(Key::Endpoint(place.to, target), number);
    }

    /// Forgets a session.
    pub(super) fn forget(&mut self, number: SessionNumber) {
        for key in self.sessions.remove(&number).unwrap_or_default() {
            if let Some(numbers) = self.keys.get_mut(&key) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.keys.remove(&key);
                }
            }
        }
    }

    fn put(&mut self, key: Key, number: SessionNumber) {
        let own = self.sessions.entry(number).or_default();
        if self.keys.len() >= KEYS_MAX || own.len() >= OWN_KEYS_MAX {
            return;
        }
        let numbers = self.keys.entry(key.clone()).or_default();
        if numbers.contains(&number) {
            return;
        }
        if numbers.len() >= SHARED_MAX {
            numbers.remove(0);
        }
        numbers.push(number);
        own.push(key);
    }
}

/// The session goes between the same client and server as the request, as far as is known: a whole URL may lead to
/// another address of it.
fn is_near(session: &Session, place: &Place) -> bool {
    let same_client = match (session.client, place.from) {
        (Some(client), From::Process(process)) => client == process,
        _ => true,
    };
    let same_server = match (session.http.server, place.to) {
        (Some(server), To::Address(address)) => server == address,
        _ => true,
    };
    same_server || (same_client && session.client.is_some())
}

/// Where the posts of HTTP+SSE go; an id in another address may be one of the user's.
fn is_message_path(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.ends_with("/message") || path.ends_with("/messages")
}

fn client_key(place: &Place, modern: bool) -> Key {
    Key::Client(place.from, place.to, place.path.clone(), modern)
}

/// Path and query of a reference, seen from the path of a stream (RFC 3986, section 5.2).
fn resolve(path: &str, reference: &str) -> String {
    let rooted = |rest: &str| match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    };
    if let Some((scheme, rest)) = reference.split_once("://")
        && !scheme.contains(['/', '?'])
    {
        return rooted(rest);
    }
    if let Some(rest) = reference.strip_prefix("//") {
        return rooted(rest);
    }
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    if reference.starts_with('?') {
        return format!("{path}{reference}");
    }
    let (reference, query) = match reference.find('?') {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').skip(1).collect();
    for part in reference.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_seen_from_their_stream() {
        for (path, endpoint, target) in [
            ("/sse", "/messages/?session_id=1", "/messages/?session_id=1"),
            ("/a/sse", "messages?sessionId=1", "/a/messages?sessionId=1"),
            ("/a/sse", "./m?s=1", "/a/m?s=1"),
            ("/a/b/sse", "../m?s=a/../b", "/a/m?s=a/../b"),
            ("/sse", "../../m", "/m"),
            ("/a/sse", "?session_id=1", "/a/sse?session_id=1"),
            ("/sse", "http://h:1/m?s=http://x/", "/m?s=http://x/"),
            ("/sse", "https://h", "/"),
            ("/sse", "http://h?s=1", "/?s=1"),
            ("/sse", "//h:1/m", "/m"),
            ("/sse", "m?u=http://x/y", "/m?u=http://x/y"),
        ] {
            assert_eq!(resolve(path, endpoint), target, "{path} {endpoint}");
        }
    }

    #[test]
    fn ids_in_queries_have_many_names() {
        let id = SessionIdDigest::of_query("/m?session_id=abc");
        assert!(id.is_some());
        for same in [
            "/x/y?a=b&sessionId=abc",
            "m?session-id=abc#f",
            "?SESSIONID=abc&x",
        ] {
            assert!(SessionIdDigest::of_query(same) == id, "{same}");
        }
        for none in [
            "/m",
            "/m?session_id=",
            "/m?mysession_id=abc",
            "/session_id=abc",
        ] {
            assert!(SessionIdDigest::of_query(none).is_none(), "{none}");
        }
    }
}
