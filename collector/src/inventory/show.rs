//! All that is known of one server or one finding: questions to the documented views, a section each.

use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::{
    prefix::{self, Meaning},
    query::Answer,
    question::Question,
};
use crate::store::{Store, StoreError};

/// Longest key or start of one, bytes.
const KEY_BYTES_MAX: usize = 1024;

/// What can be shown.
#[derive(Debug)]
pub struct Showable {
    /// Its word in the API and in `gnomon show`.
    pub name: &'static str,
    /// See [`prefix::meaning`].
    keys: &'static str,
    sections: &'static [Section],
}

/// A question about it, on `{key:String}`.
#[derive(Debug)]
struct Section {
    name: &'static str,
    title: &'static str,
    sql: &'static str,
}

/// Everything there is to show.
pub const SHOWABLE: [Showable; 2] = [
    Showable {
        name: "server",
        keys: "SELECT DISTINCT server AS key, toUInt8(server = {key:String}) AS exact FROM session_fact \
               WHERE startsWith(lower(server), lower({key:String})) OR server_name = {key:String} \
               ORDER BY exact DESC, key",
        sections: &SERVER,
    },
    Showable {
        name: "finding",
        keys: "SELECT DISTINCT id AS key, toUInt8(id = {key:String}) AS exact FROM finding_fact \
               WHERE startsWith(id, lower({key:String})) ORDER BY exact DESC, key",
        sections: &FINDING,
    },
];

const SERVER: [Section; 11] = [
    Section {
        name: "server",
        title: "server",
        sql: "SELECT * FROM servers WHERE server = {key:String}",
    },
    Section {
        name: "findings",
        title: "findings",
        sql: "SELECT * FROM findings WHERE subject_kind = 'server' AND subject = {key:String} \
              ORDER BY state = 'closed', last_seen DESC LIMIT 100",
    },
    Section {
        name: "verdicts",
        title: "verdicts in force, with reasons",
        sql: "SELECT verdict, route, gateway, reasons, count() AS sessions, min(started) AS first_seen, \
                  max(s.last_seen) AS last_seen \
              FROM sessions AS s WHERE server = {key:String} GROUP BY verdict, route, gateway, reasons \
              ORDER BY sessions DESC LIMIT 100",
    },
    Section {
        name: "verdict_history",
        title: "history of verdicts",
        sql: "SELECT decided, host, session, verdict, route, policy_version, reasons FROM verdicts \
              WHERE (host, session) IN (SELECT host, id FROM sessions WHERE server = {key:String}) \
              ORDER BY decided DESC, host, session LIMIT 100",
    },
    Section {
        name: "instances",
        title: "instances",
        sql: "SELECT host, server_pid AS pid, server_user AS user, server_exe AS exe, server_argv AS argv, \
                  server_container AS container, server_started AS started, server_version AS version, \
                  count() AS sessions, countIf(state = 'open') AS open, max(s.last_seen) AS last_seen \
              FROM sessions AS s WHERE server = {key:String} \
              GROUP BY host, pid, user, exe, argv, container, started, version ORDER BY last_seen DESC LIMIT 100",
    },
    Section {
        name: "clients",
        title: "clients",
        sql: "SELECT host, client_application AS application, client_name AS name, client_version AS version, \
                  client_user AS user, client_exe AS exe, count() AS sessions, sum(s.calls) AS calls, \
                  max(s.last_seen) AS last_seen \
              FROM sessions AS s WHERE server = {key:String} \
              GROUP BY host, application, name, version, user, exe ORDER BY last_seen DESC LIMIT 100",
    },
    Section {
        name: "calls",
        title: "calls, by method and tool",
        sql: "SELECT method, name, count() AS calls, countIf(status IN ('error', 'tool_error')) AS errors, \
                  round(errors / calls, 4) AS error_rate, countIf(status IN ('cancelled', 'unanswered')) AS unanswered, \
                  toUInt64(quantile(0.5)(duration_us)) AS median_us, toUInt64(quantile(0.95)(duration_us)) AS p95_us, \
                  max(time) AS last_call \
              FROM calls WHERE (host, session) IN (SELECT host, id FROM sessions WHERE server = {key:String}) \
              GROUP BY method, name ORDER BY calls DESC, method, name LIMIT 200",
    },
    Section {
        name: "tools",
        title: "tool definitions",
        sql: "SELECT tool, digest, first, previous, hosts, last_seen FROM tools \
              WHERE server IN (SELECT server_key FROM sessions WHERE server = {key:String} AND server_key IS NOT NULL) \
                  AND hasAny(hosts, (SELECT groupUniqArray(host) FROM sessions WHERE server = {key:String})) \
              ORDER BY tool, first DESC LIMIT 500",
    },
    Section {
        name: "listeners",
        title: "listeners of its processes",
        sql: "SELECT * FROM listeners WHERE (host, pid) IN \
                  (SELECT host, server_pid FROM sessions WHERE server = {key:String} AND server_pid IS NOT NULL) \
              ORDER BY last_seen DESC LIMIT 100",
    },
    Section {
        name: "evidence",
        title: "evidence",
        sql: "SELECT e.source AS source, e.fact AS fact, e.quality AS quality, count() AS sessions \
              FROM (SELECT arrayJoin(evidence) AS e FROM sessions WHERE server = {key:String}) \
              GROUP BY source, fact, quality ORDER BY sessions DESC, source, fact LIMIT 100",
    },
    Section {
        name: "sessions",
        title: "last sessions",
        sql: "SELECT id, host, state, started, last_seen, client_application, client_name, client_user, transport, revision, \
                  route, verdict, calls, reasons \
              FROM sessions WHERE server = {key:String} ORDER BY last_seen DESC, host, id LIMIT 20",
    },
];

/// The listeners `l` that a finding is about: its subject is made of them (finding/exposed_listener.sql).
macro_rules! of_listener {
    () => {
        "concat(l.host, ' ', if(position(l.address, ':') > 0, concat('[', l.address, ']'), l.address), \
             ifNull(concat(':', toString(l.port)), '')) IN \
             (SELECT subject FROM findings WHERE id = {key:String} AND subject_kind = 'listener')"
    };
}

const FINDING: [Section; 5] = [
    Section {
        name: "finding",
        title: "finding",
        sql: "SELECT * FROM findings WHERE id = {key:String}",
    },
    Section {
        name: "history",
        title: "history",
        sql: "SELECT * FROM finding_history WHERE id = {key:String} ORDER BY number DESC LIMIT 200",
    },
    Section {
        name: "listeners",
        title: "its listener, and who serves there",
        sql: concat!(
            "SELECT * FROM listeners AS l WHERE ",
            of_listener!(),
            " ORDER BY state DESC, last_seen DESC LIMIT 20"
        ),
    },
    Section {
        name: "sessions",
        title: "last sessions (of a server: shadow ones)",
        sql: concat!(
            "SELECT id, host, state, started, last_seen, client_application, client_name, client_user, client_address, \
                 server, server_name, transport, revision, route, verdict, reasons, calls \
             FROM sessions WHERE (verdict = 'shadow' AND server IN (SELECT subject FROM findings \
                 WHERE id = {key:String} AND subject_kind = 'server')) \
                 OR (host, server_pid, extract(ifNull(server_address, ''), ':([0-9]+)$')) IN \
                     (SELECT host, pid, ifNull(toString(port), '') FROM listeners AS l WHERE pid IS NOT NULL AND ",
            of_listener!(),
            ") ORDER BY last_seen DESC, host, id LIMIT 20"
        ),
    },
    Section {
        name: "sensors",
        title: "sensor of its host",
        sql: "SELECT host, host_name, sensor_version, first_seen, last_seen, lost, tier FROM sensors \
              WHERE host IN (SELECT subject FROM findings WHERE id = {key:String} AND subject_kind = 'host')",
    },
];

/// All that is known of one thing.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// `server` or `finding`.
    pub kind: &'static str,
    /// Which one.
    pub key: String,
    /// A section for each question, in the order to be read.
    pub sections: Vec<Told>,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Its word in JSON.
    pub name: &'static str,
    /// Its word for people.
    pub title: &'static str,
    /// As in [`Answer`].
    pub columns: Box<RawValue>,
    /// As in [`Answer`].
    pub rows: Box<RawValue>,
    /// As in [`Answer`].
    pub truncated: bool,
}

/// Why nothing can be shown.
#[derive(Debug, Error)]
pub enum ShowError {
    /// The key is empty or too long.
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes")]
    Key,
    /// There is nothing of that name.
    #[error("there is no {kind} that is called {key:?} or starts so")]
    Unknown {
        /// What was asked for.
        kind: &'static str,
        /// By which key.
        key: String,
    },
    /// There are several.
    #[error("{key:?} fits several: {}", .several.join(", "))]
    Ambiguous {
        /// By which key.
        key: String,
        /// Some of them.
        several: Vec<String>,
    },
    /// ClickHouse is away or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Showable {
    /// What is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SHOWABLE.iter().find(|showable| showable.name == name)
    }

    /// Shows the one of this key, or the only one whose key starts so.
    ///
    /// # Errors
    /// There is none, or more than one; ClickHouse is away.
    pub async fn show(&self, store: &Store, key: &str) -> Result<Shown, ShowError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(ShowError::Key);
        }
        let key = self.key(store, key).await?;
        let mut sections = Vec::with_capacity(self.sections.len());
        for Section { name, title, sql } in self.sections {
            let Answer {
                columns,
                rows,
                truncated,
                ..
            } = Question::new(*sql).with("key", &key).ask(store).await?;
            sections.push(Told {
                name,
                title,
                columns,
                rows,
                truncated,
            });
        }
        Ok(Shown {
            kind: self.name,
            key,
            sections,
        })
    }

    /// The question of one section, about the one of exactly this key.
    #[must_use]
    pub fn question(&self, section: &str, key: &str) -> Option<Question> {
        let section = self.sections.iter().find(|known| known.name == section)?;
        Some(Question::new(section.sql).with("key", key))
    }

    async fn key(&self, store: &Store, key: &str) -> Result<String, ShowError> {
        match prefix::meaning(store, self.keys, key).await? {
            Meaning::One(key) => Ok(key),
            Meaning::Nothing => Err(ShowError::Unknown {
                kind: self.name,
                key: key.to_owned(),
            }),
            Meaning::Several(several) => Err(ShowError::Ambiguous {
                key: key.to_owned(),
                several,
            }),
        }
    }
}
