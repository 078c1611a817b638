//! Content codings (RFC 9110, section 8.4.1): undone as the bytes come.
//!
//! Servers flush a coded event stream event by event, so everything that the bytes so far can tell comes out at
//! once. Output is handed on in pieces, never kept; a stream that unpacks to far more than its size is given up;
//! windows are bounded by what HTTP allows, and what they take is told for the memory budget.

mod brotli;
mod deflate;
mod zstd;

use std::ops::ControlFlow;

use brotli::Brotli;
use deflate::Deflate;
use zstd::Zstd;

use super::http1::Headers;
use crate::event::LossReason;

/// Codings in a row; more are nobody's way of working.
const CODINGS_MAX: usize = 4;
/// What any body may unpack to, in bytes: two of the longest messages.
const FREE_BYTES: u64 = 32 * 1024 * 1024;
/// Past that, how many times its size on the wire. Text of one letter repeated reaches 1,000 with gzip, but not
/// for long.
const RATIO_MAX: u64 = 256;

/// One coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 alone, as some servers have it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, with the window of RFC 9659.
    Zstd,
}

/// Why a body is not read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A coding that is not known, or too many.
    Unknown,
    /// The bytes are not what the coding says.
    Broken,
    /// They unpack to too much.
    Bomb,
}

impl Refusal {
    /// How it is counted.
    #[must_use]
    pub const fn reason(self) -> LossReason {
        match self {
            Self::Unknown => LossReason::CodingUnknown,
            Self::Broken => LossReason::CodingBroken,
            Self::Bomb => LossReason::CodingBomb,
        }
    }
}

/// The codings of a message with these headers, the outermost first.
///
/// # Errors
/// When one is not known, or when they are too many.
pub fn codings(headers: &Headers) -> Result<Vec<Coding>, Refusal> {
    let mut codings = Vec::new();
    // Those of the transfer are put on last; `chunked` is the connection's business.
    for name in ["content-encoding", "transfer-encoding"] {
        for word in headers
            .all(name)
            .flat_map(|value| value.split(|&b| b == b','))
        {
            let word = word.trim_ascii().to_ascii_lowercase();
            codings.push(match word.as_slice() {
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"br" => Coding::Brotli,
                b"zstd" => Coding::Zstd,
                b"" | b"identity" | b"chunked" => continue,
                _ => return Err(Refusal::Unknown),
            });
            if codings.len() > CODINGS_MAX {
                return Err(Refusal::Unknown);
            }
        }
    }
    codings.reverse();
    Ok(codings)
}

/// Undoes the codings of one body.
#[derive(Default)]
pub struct ContentDecoder {
    /// The outermost first; none when nothing is coded.
    stages: Vec<Stage>,
    /// Bytes of the wire.
    taken: u64,
    /// Bytes handed on.
    made: u64,
    over: bool,
}

/// One coding on its way.
struct Stage {
    form: Form,
    made: u64,
}

enum Form {
    Deflate(Box<Deflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

/// Why a stage goes no further.
enum Stop {
    Refused(Refusal),
    /// Whoever takes the bytes has enough.
    Enough,
}

type Go = ControlFlow<Stop>;

impl ContentDecoder {
    /// A decoder for a message with these headers.
    ///
    /// # Errors
    /// When a coding is not known, or when they are too many.
    pub fn of(headers: &Headers) -> Result<Self, Refusal> {
        Ok(Self::new(&codings(headers)?))
    }

    /// A decoder for these codings, the outermost first.
    #[must_use]
    pub fn new(codings: &[Coding]) -> Self {
        let stage = |coding: &Coding| Stage {
            form: match coding {
                Coding::Gzip => Form::Deflate(Box::new(Deflate::gzip())),
                Coding::Deflate => Form::Deflate(Box::default()),
                Coding::Brotli => Form::Brotli(Box::default()),
                Coding::Zstd => Form::Zstd(Box::default()),
            },
            made: 0,
        };
        Self {
            stages: codings.iter().map(stage).collect(),
            taken: 0,
            made: 0,
            over: false,
        }
    }

    /// Bytes that were handed on so far.
    #[must_use]
    pub const fn made_bytes(&self) -> u64 {
        self.made
    }

    /// The body is as it is on the wire.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.stages.is_empty() && !self.over
    }

    /// Takes the next bytes of the body and hands on what they unpack to, in pieces of at most 2 MiB. `take` gives
    /// false when it has enough; then, and after a refusal, the rest of the body is passed over.
    pub fn push(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Refusal> {
        if self.over || bytes.is_empty() {
            return Ok(());
        }
        self.taken += bytes.len() as u64;
        let made = &mut self.made;
        let mut count = |piece: &[u8]| {
            *made += piece.len() as u64;
            take(piece)
        };
        let stop = match run(&mut self.stages, self.taken, bytes, &mut count) {
            Go::Continue(()) => return Ok(()),
            Go::Break(stop) => stop,
        };
        self.give_up();
        match stop {
            Stop::Enough => Ok(()),
            Stop::Refused(refusal) => Err(refusal),
        }
    }

    /// Bytes were lost: nothing behind them can be read, unless the body is not coded at all.
    ///
    /// # Errors
    /// When the rest of the body is given up for it.
    pub fn gap(&mut self) -> Result<(), Refusal> {
        if self.stages.is_empty() {
            return Ok(());
        }
        self.give_up();
        Err(Refusal::Broken)
    }

    /// Memory taken by windows and tables, in bytes: what of them was written so far.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        let stage = |stage: &Stage| match &stage.form {
            Form::Deflate(deflate) => deflate.pending_bytes(),
            Form::Brotli(brotli) => brotli.pending_bytes(stage.made),
            Form::Zstd(zstd) => zstd.pending_bytes(stage.made),
        };
        self.stages.iter().map(stage).sum()
    }

    fn give_up(&mut self) {
        self.over = true;
        self.stages = Vec::new();
    }
}

/// Runs bytes through all stages.
fn run(stages: &mut [Stage], taken: u64, bytes: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) -> Go {
    let Some((first, rest)) = stages.split_first_mut() else {
        return if take(bytes) {
            Go::Continue(())
        } else {
            Go::Break(Stop::Enough)
        };
    };
    let made = &mut first.made;
    let mut give = |piece: &[u8]| {
        if piece.is_empty() {
            return Go::Continue(());
        }
        *made += piece.len() as u64;
        // Held against the wire, so that codings in a row cannot multiply.
        if *made > FREE_BYTES && *made > taken.saturating_mul(RATIO_MAX) {
            return Go::Break(Stop::Refused(Refusal::Bomb));
        }
        run(rest, taken, piece, take)
    };
    match &mut first.form {
        Form::Deflate(deflate) => deflate.push(bytes, &mut give),
        Form::Brotli(brotli) => brotli.push(bytes, &mut give),
        Form::Zstd(zstd) => zstd.push(bytes, &mut give),
    }
}

#[cfg(test)]
mod tests;
