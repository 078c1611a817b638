//! What of a captured connection is worth passing on.
//!
//! HTTP is: a side begins with a request line or a status line. Anything else is let go after a look, and then costs one
//! glance at each segment: does it begin like a head of HTTP? So a connection that we met in the middle of a body, or that
//! begins to speak HTTP later, is read from its next head on. What the pass says of a connection ([`FlowVerdict`]) has the
//! meaning that it has in the kernel.

use super::stream::Piece;
use crate::event::FlowVerdict;
use crate::flow::Side;
use crate::flow::decoder::{PROXY_BINARY, PROXY_TEXT, UNDECIDED_BYTES_MAX};
use crate::protocol::http1::{Connection, Guess};

/// What is passed on of a head where a connection is judged request by request, and of the bodies around a `POST`: as in
/// the kernel, see [`FlowVerdict::Heads`].
const HEAD_BYTES_MAX: u64 = 4096;
const SHARE_BYTES: u64 = 64 * 1024;
/// What keeping a piece costs beside its bytes, which are kept twice.
const PIECE_BYTES: usize = 64;

/// How a connection is read.
#[derive(Debug)]
pub(super) enum Reading {
    /// Too little was seen to say.
    Looking(Beginning),
    /// HTTP: everything is passed on.
    Whole,
    /// HTTP without MCP so far: heads, and what surrounds a `POST`.
    Heads(Heads),
    /// Not HTTP, for now.
    LetGo,
}

/// How a connection begins.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// What came, in order.
    pieces: Vec<(Side, Piece)>,
    /// The same by side, as far back as nothing is missing.
    heads: [Vec<u8>; 2],
    /// What all of it costs.
    bytes: usize,
}

/// What was left out, and what may still be passed on of bodies, by side.
#[derive(Debug, Default)]
pub(super) struct Heads {
    skipped: [u64; 2],
    share: [u64; 2],
}

/// Bytes that are passed on: `piece` stands for `length` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Sent by which side.
    pub(super) from: Side,
    /// The bytes, and what is missing before them.
    pub(super) piece: Piece,
    /// Bytes on the wire; more than there are in the piece where the rest was left out.
    pub(super) length: u64,
}

impl Default for Reading {
    fn default() -> Self {
        Self::Looking(Beginning::default())
    }
}

impl Reading {
    /// Whether segments need to be put in order at all.
    #[must_use]
    pub(super) const fn is_let_go(&self) -> bool {
        matches!(self, Self::LetGo)
    }

    /// Whether it is HTTP.
    #[must_use]
    pub(super) const fn is_http(&self) -> bool {
        matches!(self, Self::Whole | Self::Heads(_))
    }

    /// Takes the next bytes of a side. The pass has been told nothing of a connection before the first ones that this gives.
    pub(super) fn push(&mut self, from: Side, piece: Piece, out: &mut Vec<Passed>) {
        match self {
            Self::LetGo => {}
            Self::Whole => out.push(whole(from, piece)),
            Self::Heads(heads) => out.extend(heads.pass(from, piece)),
            Self::Looking(beginning) => match beginning.push(from, piece) {
                Guess::More => {}
                Guess::No => *self = Self::LetGo,
                Guess::Yes => {
                    let pieces = std::mem::take(&mut beginning.pieces).into_iter();
                    *self = Self::Whole;
                    out.extend(pieces.map(|(from, piece)| whole(from, piece)));
                }
            },
        }
    }

    /// What the pass decided.
    pub(super) fn judge(&mut self, verdict: FlowVerdict) {
        *self = match (verdict, std::mem::take(self)) {
            (FlowVerdict::Mcp | FlowVerdict::Inspect, _) => Self::Whole,
            (FlowVerdict::Heads, Self::Heads(heads)) => Self::Heads(heads),
            (FlowVerdict::Heads, _) => Self::Heads(Heads::default()),
            (FlowVerdict::NotMcp, _) => Self::LetGo,
        };
    }

    /// What is kept until it is clear what it is, in bytes.
    #[must_use]
    pub(super) const fn pending_bytes(&self) -> usize {
        match self {
            Self::Looking(beginning) => beginning.bytes,
            _ => 0,
        }
    }
}

/// Whether bytes begin like a head of HTTP for certain.
#[must_use]
pub(super) fn is_head(bytes: &[u8]) -> bool {
    Connection::looks_like_known_request(bytes) == Guess::Yes
        || Connection::looks_like_response(bytes) == Guess::Yes
}

impl Beginning {
    fn push(&mut self, from: Side, mut piece: Piece) -> Guess {
        if piece.lost > 0 {
            piece.lost += self.forget(from);
        }
        let head = &mut self.heads[from.index()];
        head.extend_from_slice(&piece.bytes);
        self.bytes += cost(&piece);
        self.pieces.push((from, piece));
        guess(head)
    }

    /// What lies behind a gap is not how it begins: what a side said before one is as good as lost. Gives how much that is.
    fn forget(&mut self, side: Side) -> u64 {
        self.heads[side.index()].clear();
        let (gone, kept) = std::mem::take(&mut self.pieces)
            .into_iter()
            .partition(|(from, _)| *from == side);
        self.pieces = kept;
        self.bytes = self.pieces.iter().map(|(_, piece)| cost(piece)).sum();
        let gone: Vec<(Side, Piece)> = gone;
        let lost = gone
            .iter()
            .map(|(_, piece)| piece.lost + piece.bytes.len() as u64);
        lost.sum()
    }
}

fn cost(piece: &Piece) -> usize {
    PIECE_BYTES + 2 * piece.bytes.len()
}

fn guess(head: &[u8]) -> Guess {
    let marks = [PROXY_TEXT, PROXY_BINARY];
    let proxied = |mark: &&[u8]| head.starts_with(mark) || mark.starts_with(head);
    if marks.iter().any(proxied) {
        return if head.len() >= PROXY_BINARY.len() {
            Guess::Yes
        } else {
            Guess::More
        };
    }
    let guesses = [
        Connection::looks_like_request(head),
        Connection::looks_like_response(head),
    ];
    if guesses.contains(&Guess::Yes) {
        Guess::Yes
    } else if guesses.contains(&Guess::More) && head.len() < UNDECIDED_BYTES_MAX {
        Guess::More
    } else {
        Guess::No
    }
}

const fn whole(from: Side, piece: Piece) -> Passed {
    let length = piece.bytes.len() as u64;
    Passed {
        from,
        piece,
        length,
    }
}

impl Heads {
    fn pass(&mut self, from: Side, mut piece: Piece) -> Option<Passed> {
        let length = piece.bytes.len() as u64;
        if Connection::looks_like_known_request(&piece.bytes) != Guess::No
            && piece.bytes.starts_with(b"POST ")
        {
            self.share = [SHARE_BYTES; 2];
        }
        let share = &mut self.share[from.index()];
        let of_head = if is_head(&piece.bytes) {
            HEAD_BYTES_MAX
        } else {
            0
        };
        let passed = (*share).max(of_head).min(length);
        *share = share.saturating_sub(passed);
        let skipped = &mut self.skipped[from.index()];
        if passed == 0 {
            *skipped += piece.lost + length;
            return None;
        }
        piece.lost += std::mem::take(skipped);
        piece
            .bytes
            .truncate(usize::try_from(passed).unwrap_or(usize::MAX));
        Some(Passed {
            from,
            piece,
            length,
        })
    }
}

#[cfg(test)]
mod tests;
