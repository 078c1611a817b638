//! Zstandard.

use std::ops::ControlFlow;

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::{Go, Refusal, Stop};

/// Output that is handed on at once, in bytes: the largest block.
const PIECE_BYTES: usize = 128 * 1024;
/// Largest window of HTTP, 8 MiB (RFC 9659, section 3), as a power of two.
const WINDOW_LOG_MAX: u32 = 23;
/// Tables and the buffer of one block.
const STATE_BYTES: usize = 256 * 1024;

/// A stream on its way.
pub(super) struct Zstd {
    /// None when the library could not make one.
    context: Option<DCtx<'static>>,
    piece: Box<[u8]>,
}

impl Default for Zstd {
    fn default() -> Self {
        let bounded = |mut context: DCtx<'static>| {
            let bound = DParameter::WindowLogMax(WINDOW_LOG_MAX);
            context.set_parameter(bound).is_ok().then_some(context)
        };
        Self {
            context: DCtx::try_create().and_then(bounded),
            piece: vec![0; PIECE_BYTES].into_boxed_slice(),
        }
    }
}

impl Zstd {
    pub(super) fn pending_bytes(&self, made: u64) -> usize {
        let written = usize::try_from(made).unwrap_or(usize::MAX);
        let size = self.context.as_ref().map_or(0, DCtx::sizeof);
        PIECE_BYTES + size.min(STATE_BYTES.saturating_add(written))
    }

    pub(super) fn push(&mut self, bytes: &[u8], give: &mut dyn FnMut(&[u8]) -> Go) -> Go {
        let Some(context) = &mut self.context else {
            return ControlFlow::Break(Stop::Refused(Refusal::Broken));
        };
        let mut input = InBuffer::around(bytes);
        loop {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            let result = context.decompress_stream(&mut output, &mut input);
            let made = output.pos();
            give(self.piece.get(..made).unwrap_or_default())?;
            if result.is_err() {
                return ControlFlow::Break(Stop::Refused(Refusal::Broken));
            }
            // A full piece may not be all there is.
            if made < PIECE_BYTES && input.pos >= bytes.len() {
                return Go::Continue(());
            }
        }
    }
}
