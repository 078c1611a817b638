//! A batch from the wire becomes rows, or is refused with a reason. Pure.
//!
//! The sender may be hostile: ids, texts and lists are bounded, times that cannot be are replaced by
//! the collector's own, and what a newer sensor says that this collector does not know is counted and
//! left out.

mod bounds;
mod rows;
mod words;

use gnomon_proto::v1;
use thiserror::Error;

use self::{bounds::ID_BYTES_MAX, rows::Maker};
use super::{OBSERVATIONS_MAX, host::HostId};
use crate::state::hex;
use crate::store::row::{CallRow, CoverageRow, ListenerRow, Micros, SessionRow, StatsRow, ToolRow};

/// What makes a batch the same when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey {
    /// Whose.
    pub host: HostId,
    /// Spool id, 32 hex digits.
    pub spool: String,
    /// Number within the spool, from 1.
    pub sequence: u64,
}

/// The rows of one batch, by table.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Rows {
    pub sessions: Vec<SessionRow>,
    pub calls: Vec<CallRow>,
    pub stats: Vec<StatsRow>,
    pub coverage: Vec<CoverageRow>,
    pub listeners: Vec<ListenerRow>,
    pub tools: Vec<ToolRow>,
    /// Observations of a kind that this collector does not know.
    pub unknown: usize,
    /// Times replaced by the collector's clock.
    pub wrong_times: usize,
}

/// A batch that is fit to be stored.
#[derive(Debug)]
pub struct Checked {
    /// Its key.
    pub key: BatchKey,
    /// How many observations it came with.
    pub observations: u32,
    /// What goes into the tables.
    pub rows: Rows,
}

/// Why a batch can never be stored.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Refused {
    #[error("spool_id has {0} bytes, not 16")]
    SpoolId(usize),
    #[error("sequence 0: batches are numbered from 1")]
    Sequence,
    #[error("{0} observations, at most {OBSERVATIONS_MAX} are taken")]
    TooMany(usize),
    #[error("observation {position}: {field} is empty or longer than {ID_BYTES_MAX} bytes")]
    Id {
        position: usize,
        field: &'static str,
    },
}

/// Checks a batch and makes its rows. `received` is the collector's clock.
///
/// # Errors
/// The batch is malformed or over a bound, and always will be.
pub fn check(host: &HostId, batch: v1::Batch, received: Micros) -> Result<Checked, Refused> {
    if batch.spool_id.len() != 16 {
        return Err(Refused::SpoolId(batch.spool_id.len()));
    }
    if batch.sequence == 0 {
        return Err(Refused::Sequence);
    }
    let count = batch.observations.len();
    if count > OBSERVATIONS_MAX {
        return Err(Refused::TooMany(count));
    }
    let key = BatchKey {
        host: host.clone(),
        spool: hex(&batch.spool_id),
        sequence: batch.sequence,
    };
    let mut maker = Maker::new(&key, run(&batch.run), received);
    for (position, observation) in batch.observations.into_iter().enumerate() {
        maker.take(position, observation)?;
    }
    let rows = maker.finish();
    Ok(Checked {
        key,
        observations: u32::try_from(count).unwrap_or(u32::MAX),
        rows,
    })
}

/// A run of the sensor as it is stored: hex; empty where the sensor tells none, or nonsense.
pub(super) fn run(bytes: &[u8]) -> String {
    if bytes.len() == 16 {
        hex(bytes)
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use gnomon_proto::v1::observation::Body;

    use super::{bounds::TEXT_BYTES_MAX, *};

    const NOW: Micros = 1_800_000_000_000_000;

    fn batch(bodies: Vec<Body>) -> v1::Batch {
        let observations = bodies
            .into_iter()
            .map(|body| v1::Observation {
                time_unix_ns: 1_799_999_999_000_000_000,
                body: Some(body),
            })
            .collect();
        v1::Batch {
            spool_id: vec![0xab; 16],
            sequence: 7,
            observations,
            run: vec![0xcd; 16],
        }
    }

    fn checked(batch: v1::Batch) -> Result<Checked, Refused> {
        check(&HostId::new("h1").expect("name"), batch, NOW)
    }

    #[test]
    fn malformed_batches_are_refused_with_a_reason() {
        let mut bad = batch(vec![]);
        bad.spool_id.pop();
        assert_eq!(checked(bad).expect_err("refused"), Refused::SpoolId(15));
        let mut bad = batch(vec![]);
        bad.sequence = 0;
        assert_eq!(checked(bad).expect_err("refused"), Refused::Sequence);
        let many = vec![
            Body::Call(v1::Call {
                session: "s".to_owned(),
                ..Default::default()
            });
            OBSERVATIONS_MAX + 1
        ];
        assert_eq!(
            checked(batch(many)).expect_err("refused"),
            Refused::TooMany(OBSERVATIONS_MAX + 1)
        );
        let nameless = batch(vec![Body::Session(v1::Session::default())]);
        assert_eq!(
            checked(nameless).expect_err("refused"),
            Refused::Id {
                position: 0,
                field: "session.id"
            }
        );
    }

    #[test]
    fn what_cannot_be_is_replaced_and_counted() {
        let mut odd = batch(vec![Body::Call(v1::Call {
            session: "s".to_owned(),
            status: 99,
            ..Default::default()
        })]);
        odd.observations[0].time_unix_ns = u64::MAX;
        odd.observations.push(v1::Observation::default());
        let rows = checked(odd).expect("taken").rows;
        assert_eq!(
            (rows.calls[0].time, rows.wrong_times, rows.unknown),
            (NOW, 2, 1)
        );
        assert_eq!(rows.calls[0].status, "unanswered");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let session = v1::Session {
            id: "s".to_owned(),
            client: Some(v1::Client {
                name: Some("ä".repeat(TEXT_BYTES_MAX)),
                version: Some(String::new()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let rows = checked(batch(vec![Body::Session(session)]))
            .expect("taken")
            .rows;
        assert_eq!(
            rows.sessions[0].client_name.as_ref().map(String::len),
            Some(TEXT_BYTES_MAX)
        );
        assert_eq!(rows.sessions[0].client_version, None);
    }
}
