//! Brotli.

use std::ops::ControlFlow;

use brotli_decompressor::{
    BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper, StandardAlloc,
};

use super::{Go, Refusal, Stop};

/// Output that is handed on at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// The state and the tables of a metablock; hostile ones have 2 MiB of tables.
const STATE_BYTES: usize = 64 * 1024;

/// A stream on its way.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    piece: Box<[u8]>,
    written: usize,
    ended: bool,
}

impl Default for Brotli {
    /// Windows of at most 16 MiB: the larger ones of an extension are not HTTP's.
    fn default() -> Self {
        Self {
            state: BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ),
            piece: vec![0; PIECE_BYTES].into_boxed_slice(),
            written: 0,
            ended: false,
        }
    }
}

impl Brotli {
    pub(super) fn pending_bytes(&self, made: u64) -> usize {
        let written = usize::try_from(made).unwrap_or(usize::MAX);
        let tables = [
            &self.state.literal_hgroup.codes,
            &self.state.insert_copy_hgroup.codes,
            &self.state.distance_hgroup.codes,
        ];
        let tables: usize = tables.iter().map(|codes| codes.slice().len() * 4).sum();
        STATE_BYTES + PIECE_BYTES + tables + self.state.ringbuffer.slice().len().min(written)
    }

    pub(super) fn push(&mut self, bytes: &[u8], give: &mut dyn FnMut(&[u8]) -> Go) -> Go {
        let (mut left, mut at) = (bytes.len(), 0);
        while !self.ended {
            let (mut room, mut made) = (self.piece.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                bytes,
                &mut room,
                &mut made,
                &mut self.piece,
                &mut self.written,
                &mut self.state,
            );
            give(self.piece.get(..made).unwrap_or_default())?;
            match result {
                BrotliResult::NeedsMoreInput => break,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::ResultFailure => {
                    return ControlFlow::Break(Stop::Refused(Refusal::Broken));
                }
            }
        }
        Go::Continue(())
    }
}
