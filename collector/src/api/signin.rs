//! Sign-in to the page: a link that works once becomes a cookie with a bounded life.
//!
//! Links are made with the API's token (`gnomon page`), hold 256 random bits, live for minutes and work once.
//! Only SHA-256 digests are kept, in memory: a restart of the collector ends all links and sign-ins.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{state::random_hex, store::row::Micros};

const SECOND: Micros = 1_000_000;
/// Life of a link that is not used.
pub(super) const LINK_LIFE_S: Micros = 10 * 60;
/// Life of a sign-in, whether it is used or not.
pub(super) const SESSION_LIFE_S: Micros = 8 * 3600;
/// So far a clock may be set back without ending a sign-in.
const CLOCK_SLACK_S: Micros = 60;
/// Links that wait to be used, at most: a further one ends the oldest.
const LINKS_MAX: usize = 8;
/// Browsers signed in, at most: a further one ends the oldest.
const SESSIONS_MAX: usize = 32;
/// Cookies of one request that are looked at. Other programs on the same address set theirs too.
const COOKIES_MAX: usize = 64;

/// Links and sign-ins of this collector.
#[derive(Debug)]
pub(super) struct SignIn {
    cookie: String,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    links: VecDeque<Secret>,
    sessions: VecDeque<Secret>,
}

#[derive(Debug)]
struct Secret {
    digest: [u8; 32],
    until: Micros,
}

impl SignIn {
    /// For a collector on this port. Cookies do not tell ports apart, so the cookie's name does.
    pub(super) fn new(port: u16) -> Self {
        Self {
            cookie: format!("gnomon-{port}"),
            held: Mutex::default(),
        }
    }

    /// A fresh link's secret.
    pub(super) fn link(&self, now: Micros) -> Result<String> {
        let secret = random_hex()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut held.links, LINKS_MAX, &secret, now, LINK_LIFE_S);
        Ok(secret)
    }

    /// Uses up a link; gives the cookie for the browser that brought it.
    pub(super) fn redeem(&self, secret: &str, now: Micros) -> Result<Option<HeaderValue>> {
        let session = random_hex()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = position(&held.links, secret, now) else {
            return Ok(None);
        };
        held.links.remove(at);
        keep(
            &mut held.sessions,
            SESSIONS_MAX,
            &session,
            now,
            SESSION_LIFE_S,
        );
        let name = &self.cookie;
        let cookie = format!(
            "{name}={session}; Path=/; Max-Age={SESSION_LIFE_S}; HttpOnly; SameSite=Strict"
        );
        Ok(Some(HeaderValue::try_from(cookie)?))
    }

    /// Whether the request bears the cookie of a sign-in that holds.
    pub(super) fn knows(&self, headers: &HeaderMap, now: Micros) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .take(COOKIES_MAX)
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie)
            .any(|(_, secret)| position(&held.sessions, secret, now).is_some())
    }
}

fn keep(secrets: &mut VecDeque<Secret>, most: usize, secret: &str, now: Micros, life_s: Micros) {
    secrets.retain(|secret| holds(secret, now));
    while secrets.len() >= most {
        secrets.pop_front();
    }
    secrets.push_back(Secret {
        digest: Sha256::digest(secret).into(),
        until: now.saturating_add(life_s * SECOND),
    });
}

/// The clock may be set back: what would then live minutes longer than its life is over too.
fn holds(secret: &Secret, now: Micros) -> bool {
    secret.until > now && secret.until - now <= (SESSION_LIFE_S + CLOCK_SLACK_S) * SECOND
}

/// Looks at all of them in the same time, whichever it is.
fn position(secrets: &VecDeque<Secret>, secret: &str, now: Micros) -> Option<usize> {
    let digest: [u8; 32] = Sha256::digest(secret).into();
    let mut found = None;
    for (at, held) in secrets.iter().enumerate() {
        let fits = held.digest.ct_eq(&digest) & Choice::from(u8::from(holds(held, now)));
        if bool::from(fits) {
            found = Some(at);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_000_000 * SECOND;

    fn cookie(sign_in: &SignIn, secret: &str, now: Micros) -> Option<HeaderMap> {
        let set = sign_in.redeem(secret, now).expect("random")?;
        let set = set.to_str().expect("ascii").to_owned();
        let pair = set.split(';').next().expect("a pair");
        let all = format!("other=1; {pair}; gnomon=2");
        Some(HeaderMap::from_iter([(
            header::COOKIE,
            all.parse().expect("value"),
        )]))
    }

    #[test]
    fn a_link_works_once_and_for_minutes() {
        let sign_in = SignIn::new(80);
        let link = sign_in.link(NOW).expect("random");
        assert!(link.len() >= 32);
        assert!(cookie(&sign_in, &link[1..], NOW).is_none());
        assert!(cookie(&sign_in, "", NOW).is_none());
        let headers = cookie(&sign_in, &link, NOW).expect("signed in");
        assert!(cookie(&sign_in, &link, NOW).is_none(), "twice");
        assert!(sign_in.knows(&headers, NOW));
        let old = sign_in.link(NOW).expect("random");
        assert!(cookie(&sign_in, &old, NOW + LINK_LIFE_S * SECOND).is_none());
    }

    #[test]
    fn a_sign_in_ends() {
        let sign_in = SignIn::new(80);
        let link = sign_in.link(NOW).expect("random");
        let headers = cookie(&sign_in, &link, NOW).expect("signed in");
        let end = NOW + SESSION_LIFE_S * SECOND;
        assert!(sign_in.knows(&headers, end - 1));
        assert!(!sign_in.knows(&headers, end));
        assert!(
            !sign_in.knows(&headers, NOW - 61 * SECOND),
            "the clock was set back"
        );
        assert!(!sign_in.knows(&HeaderMap::new(), NOW));
        assert!(!SignIn::new(80).knows(&headers, NOW), "another collector");
        // A link is no cookie and a cookie no link.
        let link = sign_in.link(NOW).expect("random");
        let forged = HeaderMap::from_iter([(
            header::COOKIE,
            format!("gnomon-80={link}").parse().expect("value"),
        )]);
        assert!(!sign_in.knows(&forged, NOW));
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let sign_in = SignIn::new(80);
        let first = sign_in.link(NOW).expect("random");
        let rest: Vec<String> = (0..LINKS_MAX)
            .map(|_| sign_in.link(NOW).expect("random"))
            .collect();
        assert!(cookie(&sign_in, &first, NOW).is_none());
        assert!(
            rest.iter()
                .all(|link| cookie(&sign_in, link, NOW).is_some())
        );
        let held = sign_in.held.lock().expect("not poisoned");
        assert!(held.links.is_empty() && held.sessions.len() == LINKS_MAX);
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let sign_in = SignIn::new(4401);
        let link = sign_in.link(NOW).expect("random");
        let set = sign_in.redeem(&link, NOW).expect("random").expect("fits");
        let set = set.to_str().expect("ascii");
        assert!(set.starts_with("gnomon-4401="));
        for word in ["HttpOnly", "SameSite=Strict", "Max-Age=", "Path=/"] {
            assert!(set.contains(word), "{set}");
        }
        assert!(!set.contains(&link));
    }
}
