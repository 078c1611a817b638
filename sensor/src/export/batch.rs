//! A batch being filled. Observations are encoded once, on their way in.

use gnomon_proto::v1;
use prost::Message;

use super::wire;
use crate::observation::Observation;
use crate::spool::SpoolId;

/// A batch is sealed at this many observations …
pub(super) const OBSERVATIONS_MAX: u32 = 500;
/// … or bytes. A single observation may not have more; one may be added below it, so that no batch
/// has more than twice as many: the collector takes messages of 8 MiB.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// Field 3 of `Batch`, length-delimited.
const OBSERVATIONS_FIELD: u32 = 3;

/// One run of the sensor, from its start to its end: 16 random bytes. Ids of sessions hold within a run;
/// the collector takes those of earlier runs for ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunId(pub(super) [u8; 16]);

impl RunId {
    pub(super) fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the kernel has random bytes once it has booted");
        Self(bytes)
    }
}

/// Observations that wait for their batch to be sealed.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// The batch's `observations` field, as it goes over the wire.
    encoded: Vec<u8>,
    count: u32,
}

impl Filling {
    /// Adds one; false where it is too large to be sent at all.
    pub(super) fn push(&mut self, observation: &Observation) -> bool {
        let message = wire::observation(observation);
        if message.encoded_len() > BYTES_MAX {
            return false;
        }
        prost::encoding::message::encode(OBSERVATIONS_FIELD, &message, &mut self.encoded);
        self.count += 1;
        true
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) const fn is_full(&self) -> bool {
        self.count >= OBSERVATIONS_MAX || self.encoded.len() >= BYTES_MAX
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// The batch under its name. The filling stays, for another name if this one could not be written.
    pub(super) fn seal(&self, run: RunId, spool: SpoolId, sequence: u64) -> Vec<u8> {
        let head = v1::Batch {
            spool_id: spool.0.to_vec(),
            sequence,
            observations: Vec::new(),
            run: run.0.to_vec(),
        };
        let mut bytes = head.encode_to_vec();
        bytes.extend_from_slice(&self.encoded);
        bytes
    }
}
