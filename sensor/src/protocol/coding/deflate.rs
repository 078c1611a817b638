//! gzip, zlib, and deflate without either.

use std::io::Write;
use std::ops::ControlFlow;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::{Go, Refusal, Stop};

/// Input that is unpacked at once, in bytes: deflate makes at most 1,032 of one. Little at first, so that a look at
/// how a body begins costs no more than that.
const SLICE_BYTES_FIRST: usize = 64;
const SLICE_BYTES_MAX: usize = 2 * 1024;
/// A window, tables, and the buffer that is written through.
const STATE_BYTES: usize = 80 * 1024;

/// A stream on its way.
pub(super) struct Deflate {
    state: State,
    slice_bytes: usize,
}

enum State {
    /// Its first byte, if it has come: two tell whether there is a zlib header.
    Undecided(Option<u8>),
    Running(Box<dyn Inflate + Send>),
    /// What comes behind the end is nobody's.
    Ended,
}

/// What the three decoders have in common.
trait Inflate: Write {
    fn made(&mut self) -> &mut Vec<u8>;
}

impl Inflate for MultiGzDecoder<Vec<u8>> {
    fn made(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }
}

impl Inflate for ZlibDecoder<Vec<u8>> {
    fn made(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }
}

impl Inflate for DeflateDecoder<Vec<u8>> {
    fn made(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }
}

impl Default for Deflate {
    /// With or without the zlib header that RFC 9110 wants.
    fn default() -> Self {
        Self {
            state: State::Undecided(None),
            slice_bytes: SLICE_BYTES_FIRST,
        }
    }
}

impl Deflate {
    pub(super) fn gzip() -> Self {
        Self {
            state: State::Running(Box::new(MultiGzDecoder::new(Vec::new()))),
            slice_bytes: SLICE_BYTES_FIRST,
        }
    }

    pub(super) const fn pending_bytes(&self) -> usize {
        match self.state {
            State::Running(_) => STATE_BYTES,
            State::Undecided(_) | State::Ended => 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], give: &mut dyn FnMut(&[u8]) -> Go) -> Go {
        let State::Undecided(first) = self.state else {
            return self.inflate(bytes, give);
        };
        let (first, rest) = match (first, bytes) {
            (_, []) => return Go::Continue(()),
            (None, [only]) => {
                self.state = State::Undecided(Some(*only));
                return Go::Continue(());
            }
            (None, [first, rest @ ..]) => (*first, rest),
            (Some(first), rest) => (first, rest),
        };
        let second = rest.first().copied().unwrap_or_default();
        self.state = State::Running(if is_zlib(first, second) {
            Box::new(ZlibDecoder::new(Vec::new()))
        } else {
            Box::new(DeflateDecoder::new(Vec::new()))
        });
        self.inflate(&[first], give)?;
        self.inflate(rest, give)
    }

    fn inflate(&mut self, bytes: &[u8], give: &mut dyn FnMut(&[u8]) -> Go) -> Go {
        let mut left = bytes;
        while !left.is_empty() {
            let State::Running(inner) = &mut self.state else {
                break;
            };
            let slice;
            (slice, left) = left.split_at(self.slice_bytes.min(left.len()));
            self.slice_bytes = (2 * self.slice_bytes).min(SLICE_BYTES_MAX);
            let (mut rest, mut ended, mut broken) = (slice, false, false);
            while !rest.is_empty() && !ended && !broken {
                match inner.write(rest) {
                    Ok(0) => ended = true,
                    Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                    Err(_) => broken = true,
                }
            }
            broken |= inner.flush().is_err();
            let made = std::mem::take(inner.made());
            if ended {
                self.state = State::Ended;
            }
            give(&made)?;
            if broken {
                return ControlFlow::Break(Stop::Refused(Refusal::Broken));
            }
        }
        Go::Continue(())
    }
}

/// Method 8, a window of at most 32 KiB, and a check sum over the two bytes (RFC 1950, section 2.2).
const fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && (first as u16 * 256 + second as u16).is_multiple_of(31)
}
