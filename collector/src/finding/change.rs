//! What becomes of one finding: what its rule found, held against what is known of it.

use clickhouse::Row;
use gnomon_policy::finding::{Kind, id};
use serde::Deserialize;

use crate::store::row::{FindingRow, Micros};

/// What a rule found of a subject, beside what is known of its finding (`known_number` 0: nothing).
#[derive(Clone, Debug, Row, Deserialize)]
pub(super) struct Found {
    pub(super) subject: String,
    pub(super) holds: u8,
    pub(super) why: String,
    pub(super) hosts: Vec<String>,
    pub(super) users: Vec<String>,
    pub(super) sessions: u64,
    pub(super) first_seen: Micros,
    pub(super) last_seen: Micros,
    pub(super) marks: Vec<String>,
    pub(super) digest: u64,
    pub(super) known_number: u32,
    pub(super) known_event: String,
    pub(super) known_time: Micros,
    pub(super) known_refreshed: Micros,
    pub(super) known_severity: String,
    pub(super) known_text: String,
    pub(super) known_tags: Vec<String>,
    pub(super) known_hosts: Vec<String>,
    pub(super) known_users: Vec<String>,
    pub(super) known_sessions: u64,
    pub(super) known_first_seen: Micros,
    pub(super) known_last_seen: Micros,
    pub(super) known_opened: Micros,
    pub(super) known_digest: u64,
}

/// The row to write, at `now` by the collector's clock. Pure: collectors that find the same make the same
/// row but for its time.
pub(super) fn row(kind: &Kind, found: Found, now: Micros) -> FindingRow {
    // Never before what it replaces, or the row would not count.
    let now = now.max(found.known_refreshed + 1);
    if found.holds == 0 {
        return closed(kind, found, now);
    }
    let opinion = kind.opinion(&found.subject, found.marks.iter().map(String::as_str));
    let severity = opinion.severity.as_str();
    let known = found.known_number > 0;
    let was_open = known && found.known_event != "closed";
    let differs = found.known_severity != severity || found.known_tags != opinion.tags;
    let event = match (known, was_open) {
        (false, _) => Some("opened"),
        (true, false) => Some("reopened"),
        (true, true) => differs.then_some("changed"),
    };
    FindingRow {
        id: id(kind.class, &found.subject),
        number: found.known_number + u32::from(event.is_some()),
        time: if event.is_some() {
            now
        } else {
            found.known_time
        },
        event: event.map_or(found.known_event, str::to_owned),
        refreshed: now,
        class: kind.class.to_owned(),
        severity: severity.to_owned(),
        subject_kind: kind.subject_kind.to_owned(),
        subject: found.subject,
        text: opinion.text,
        tags: opinion.tags,
        hosts: found.hosts,
        users: found.users,
        sessions: found.sessions,
        // Older facts may have expired since.
        first_seen: if known {
            found.first_seen.min(found.known_first_seen)
        } else {
            found.first_seen
        },
        last_seen: found.last_seen,
        opened: if was_open { found.known_opened } else { now },
        closed: None,
        reason: None,
        digest: found.digest,
    }
}

/// As it was last known, but closed.
fn closed(kind: &Kind, found: Found, now: Micros) -> FindingRow {
    FindingRow {
        id: id(kind.class, &found.subject),
        number: found.known_number + 1,
        event: "closed".to_owned(),
        time: now,
        refreshed: now,
        class: kind.class.to_owned(),
        severity: found.known_severity,
        subject_kind: kind.subject_kind.to_owned(),
        subject: found.subject,
        text: found.known_text,
        tags: found.known_tags,
        hosts: found.known_hosts,
        users: found.known_users,
        sessions: found.known_sessions,
        first_seen: found.known_first_seen,
        last_seen: found.known_last_seen,
        opened: found.known_opened,
        closed: Some(now),
        reason: Some(found.why),
        digest: found.known_digest,
    }
}

#[cfg(test)]
mod tests {
    use gnomon_policy::finding::SHADOW_SERVER;

    use super::*;

    fn found(marks: &[&str], holds: u8, known: Option<&FindingRow>) -> Found {
        Found {
            subject: "npm:a".to_owned(),
            holds,
            why: "sanctioned".to_owned(),
            hosts: vec!["h1".to_owned()],
            users: Vec::new(),
            sessions: 3,
            first_seen: 50,
            last_seen: 90,
            marks: marks.iter().map(|mark| (*mark).to_owned()).collect(),
            digest: 7,
            known_number: known.map_or(0, |row| row.number),
            known_event: known.map_or(String::new(), |row| row.event.clone()),
            known_time: known.map_or(0, |row| row.time),
            known_refreshed: known.map_or(0, |row| row.refreshed),
            known_severity: known.map_or(String::new(), |row| row.severity.clone()),
            known_text: known.map_or(String::new(), |row| row.text.clone()),
            known_tags: known.map_or(Vec::new(), |row| row.tags.clone()),
            known_hosts: known.map_or(Vec::new(), |row| row.hosts.clone()),
            known_users: known.map_or(Vec::new(), |row| row.users.clone()),
            known_sessions: known.map_or(0, |row| row.sessions),
            known_first_seen: known.map_or(0, |row| row.first_seen),
            known_last_seen: known.map_or(0, |row| row.last_seen),
            known_opened: known.map_or(0, |row| row.opened),
            known_digest: known.map_or(0, |row| row.digest),
        }
    }

    fn next(marks: &[&str], holds: u8, known: Option<&FindingRow>, now: Micros) -> FindingRow {
        row(&SHADOW_SERVER, found(marks, holds, known), now)
    }

    #[test]
    fn a_life() {
        let opened = next(&[], 1, None, 100);
        assert_eq!((opened.number, opened.event.as_str()), (1, "opened"));
        assert_eq!((opened.opened, opened.severity.as_str()), (100, "medium"));
        // Nothing but figures: no new row of history.
        let refreshed = next(&[], 1, Some(&opened), 110);
        assert_eq!((refreshed.number, refreshed.time), (1, 100));
        assert_eq!(refreshed.refreshed, 110);
        let changed = next(&["bypass"], 1, Some(&refreshed), 120);
        assert_eq!((changed.number, changed.event.as_str()), (2, "changed"));
        assert_eq!((changed.opened, changed.severity.as_str()), (100, "high"));
        let closed = next(&[], 0, Some(&changed), 130);
        assert_eq!((closed.number, closed.event.as_str()), (3, "closed"));
        assert_eq!(
            (closed.closed, closed.reason.as_deref()),
            (Some(130), Some("sanctioned"))
        );
        assert_eq!((closed.severity.as_str(), closed.sessions), ("high", 3));
        let again = next(&[], 1, Some(&closed), 140);
        assert_eq!((again.number, again.event.as_str()), (4, "reopened"));
        assert_eq!(
            (again.opened, again.closed, again.reason.as_deref()),
            (140, None, None)
        );
        assert_eq!(again.id, opened.id);
    }

    #[test]
    fn two_that_find_the_same_make_the_same_row() {
        let opened = next(&[], 1, None, 100);
        let (mut one, two) = (
            next(&["remote"], 1, Some(&opened), 200),
            next(&["remote"], 1, Some(&opened), 203),
        );
        (one.time, one.refreshed) = (two.time, two.refreshed);
        assert_eq!(one, two);
    }

    #[test]
    fn a_clock_behind_does_not_lose_a_row() {
        let opened = next(&[], 1, None, 1000);
        let refreshed = next(&[], 1, Some(&opened), 900);
        assert!(refreshed.refreshed > opened.refreshed);
        let mut expired = found(&[], 1, Some(&opened));
        expired.first_seen = 80;
        assert_eq!(row(&SHADOW_SERVER, expired, 1100).first_seen, 50);
    }
}
