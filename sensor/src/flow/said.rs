//! What the two ends of one connection say alike: its bytes, as digests.
//!
//! In a network namespace of his own anybody gives himself any address, so that a connection there is called what another
//! one is called elsewhere. What he cannot have is its bytes. Both ends of a connection between namespaces are copied, each
//! in both directions: the same bytes are of the same connection.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use super::Side;

/// Bytes of a lane that prove something when they are the same.
const PROOF_BYTES: u64 = 64;
/// Bytes of one lane that prove enough alone: a long request is sent before it is answered.
const ONE_LANE_BYTES: u64 = 4096;
/// Digests of a lane: of its first 64 bytes, 128, 256, up to 64 KiB. Further bytes are not compared.
const MARKS: usize = 11;
const BYTES_MAX: u64 = PROOF_BYTES << (MARKS - 1);

/// What one end said and heard from its beginning.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// By sending side.
    lanes: [Stream; 2],
}

/// Bytes that one end has of one lane.
#[derive(Clone, Debug)]
struct Stream {
    hasher: DefaultHasher,
    /// Bytes in the digests.
    count: u64,
    marks: Vec<u64>,
    /// Nothing was lost of it so far.
    whole: bool,
    /// Bytes came that are in no digest.
    more: bool,
}

/// What two ends that may be of one connection have shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Different bytes: two connections.
    Differs,
    /// Nothing that differs, and not enough to tell. By sending side: all that the second one has is the first one's, too.
    Open([bool; 2]),
    /// One connection.
    Same,
}

impl Said {
    /// Nothing yet. `key`: the same for all that are compared; who does not know it makes no two streams look the same.
    pub(super) fn new(key: &RandomState) -> Self {
        let stream = || Stream {
            hasher: key.build_hasher(),
            count: 0,
            marks: Vec::new(),
            whole: true,
            more: false,
        };
        Self {
            lanes: [stream(), stream()],
        }
    }

    /// Takes bytes that `from` sent; `lost` were missing before them, `missing` are after them.
    pub(super) fn push(&mut self, from: Side, lost: u64, bytes: &[u8], missing: u64) {
        self.lanes[from.index()].push(lost, bytes, missing);
    }

    /// No byte of it was seen.
    pub(super) fn is_silent(&self) -> bool {
        self.lanes.iter().all(|lane| lane.count == 0 && !lane.more)
    }

    /// Holds what another end has against this one's.
    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        let mut agreed = [0; 2];
        for ((own, other), agreed) in self.lanes.iter().zip(&other.lanes).zip(&mut agreed) {
            match own.agreed(other) {
                Some(bytes) => *agreed = bytes,
                None => return Likeness::Differs,
            }
        }
        let both = agreed.iter().all(|bytes| *bytes >= PROOF_BYTES);
        if both || agreed.iter().any(|bytes| *bytes >= ONE_LANE_BYTES) {
            return Likeness::Same;
        }
        let [first, second] = &other.lanes;
        Likeness::Open([first.is_within(agreed[0]), second.is_within(agreed[1])])
    }
}

impl Stream {
    fn push(&mut self, lost: u64, bytes: &[u8], missing: u64) {
        self.whole &= lost == 0;
        self.more |= !self.whole && !bytes.is_empty();
        let mut rest = if self.whole { bytes } else { &[] };
        while !rest.is_empty() {
            if self.count == BYTES_MAX {
                self.more = true;
                break;
            }
            let mark = PROOF_BYTES << self.marks.len();
            let room = usize::try_from(mark - self.count).unwrap_or(usize::MAX);
            let (piece, after) = rest.split_at(room.min(rest.len()));
            self.hasher.write(piece);
            self.count += piece.len() as u64;
            if self.count == mark {
                self.marks.push(self.hasher.finish());
            }
            rest = after;
        }
        self.whole &= missing == 0;
    }

    /// Up to where both are known to be the same; none where they differ.
    fn agreed(&self, other: &Self) -> Option<u64> {
        if self.count == other.count {
            return (self.hasher.finish() == other.hasher.finish()).then_some(self.count);
        }
        let common = self.marks.len().min(other.marks.len());
        if self.marks[..common] != other.marks[..common] {
            return None;
        }
        Some(common.checked_sub(1).map_or(0, |last| PROOF_BYTES << last))
    }

    fn is_within(&self, agreed: u64) -> bool {
        self.count <= agreed && !self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(key: &RandomState, pieces: &[(Side, &[u8])]) -> Said {
        let mut said = Said::new(key);
        for (from, bytes) in pieces {
            said.push(*from, 0, bytes, 0);
        }
        said
    }

    #[test]
    fn both_directions_prove_it_or_a_long_one() {
        let key = RandomState::new();
        let (asks, answers) = ([1; 100], [2; 100]);
        let whole = said(&key, &[(Side::A, &asks), (Side::B, &answers)]);
        let half = said(&key, &[(Side::A, &asks)]);
        assert_eq!(whole.likeness(&half), Likeness::Open([true, true]));
        assert_eq!(half.likeness(&whole), Likeness::Open([true, false]));
        assert_eq!(whole.likeness(&whole.clone()), Likeness::Same);
        let long = said(&key, &[(Side::A, &[3; 5000])]);
        assert_eq!(long.likeness(&long.clone()), Likeness::Same);
        let other = said(&key, &[(Side::A, &asks), (Side::B, &[9; 100])]);
        assert_eq!(whole.likeness(&other), Likeness::Differs);
        assert_eq!(long.likeness(&half), Likeness::Differs);
    }

    #[test]
    fn nothing_is_compared_behind_a_loss() {
        let key = RandomState::new();
        let mut lossy = said(&key, &[(Side::A, &[1; 100])]);
        lossy.push(Side::A, 1, &[7; 100], 0);
        let whole = said(&key, &[(Side::A, &[1; 300])]);
        assert_eq!(whole.likeness(&lossy), Likeness::Open([false, true]));
    }

    proptest! {
        #[test]
        fn how_it_is_cut_does_not_matter(
            bytes in proptest::collection::vec(any::<u8>(), 0..200_000),
            cuts in proptest::collection::vec(1_usize..9000, 1..20),
        ) {
            let key = RandomState::new();
            let whole = said(&key, &[(Side::A, &bytes)]);
            let mut cut = Said::new(&key);
            let mut rest = bytes.as_slice();
            for length in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*length).min(rest.len()));
                cut.push(Side::A, 0, piece, 0);
                rest = after;
                prop_assert_ne!(whole.likeness(&cut), Likeness::Differs);
            }
            prop_assert_eq!(&whole.lanes[0].marks, &cut.lanes[0].marks);
            prop_assert_eq!(whole.lanes[0].count, cut.lanes[0].count);
        }
    }
}
