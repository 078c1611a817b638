//! Lines of a byte stream: the framing of MCP over stdio.

use memchr::memchr;

/// Longest line that is kept whole, in bytes: the largest message seen in the wild is 320 KB.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much of an over-long line is kept, in bytes: enough to say what it was.
pub const HEAD_BYTES_KEPT: usize = 4096;

/// One finished line.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// The bytes without the line end (`\n` or `\r\n`); only the head of them when `too_long`.
    pub text: Vec<u8>,
    /// The line had more bytes than the decoder keeps.
    pub too_long: bool,
    /// Bytes were lost before this text: it may be the tail of a line. A tail of a JSON object is
    /// never a JSON object itself, so trying it is safe and saves the line when the loss was of whole lines.
    pub after_gap: bool,
    /// Bytes of the line as it was on the wire, without the `\n`.
    pub length: u64,
}

/// Cuts a stream into lines. Blank lines are left out.
pub struct LineDecoder {
    limit_bytes: usize,
    buffer: Vec<u8>,
    /// Bytes of the unfinished line that were not kept.
    skipped_bytes: u64,
    after_gap: bool,
}

impl LineDecoder {
    /// A decoder that keeps lines of at most `limit_bytes` whole.
    #[must_use]
    pub const fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            buffer: Vec::new(),
            skipped_bytes: 0,
            after_gap: false,
        }
    }

    /// Takes the next bytes of the stream and appends the lines they finish to `out`.
    /// Linear in `bytes`: what is already buffered is not looked at again.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Line>) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (part, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if let Some(line) = self.finish(part) {
                out.push(line);
            }
        }
        self.keep(bytes);
    }

    /// Bytes were lost here: the unfinished line is dropped, and what comes before the next line
    /// end is marked.
    pub fn gap(&mut self) {
        self.buffer = Vec::new();
        self.skipped_bytes = 0;
        self.after_gap = true;
    }

    /// Bytes of the unfinished line so far.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The unfinished line so far; its head only when it is over the limit.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    fn keep(&mut self, part: &[u8]) {
        if self.skipped_bytes == 0 && self.buffer.len() + part.len() <= self.limit_bytes {
            self.buffer.extend_from_slice(part);
            return;
        }
        let whole = self.buffer.len() + part.len();
        let head = HEAD_BYTES_KEPT.min(self.limit_bytes);
        let room = head.saturating_sub(self.buffer.len());
        self.buffer
            .extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        self.buffer.truncate(head);
        self.buffer.shrink_to_fit();
        self.skipped_bytes += (whole - self.buffer.len()) as u64;
    }

    fn finish(&mut self, part: &[u8]) -> Option<Line> {
        self.keep(part);
        // A line arrives whole far more often than not: hand the buffer over, start a new one.
        let mut text = std::mem::take(&mut self.buffer);
        let length = text.len() as u64 + std::mem::take(&mut self.skipped_bytes);
        let too_long = length > text.len() as u64;
        let after_gap = std::mem::take(&mut self.after_gap);
        if !too_long && text.last() == Some(&b'\r') {
            text.pop();
        }
        (!text.iter().all(u8::is_ascii_whitespace)).then_some(Line {
            text,
            too_long,
            after_gap,
            length,
        })
    }
}

impl Default for LineDecoder {
    fn default() -> Self {
        Self::new(LINE_BYTES_MAX)
    }
}

impl std::fmt::Debug for Line {
    /// Sizes only: the text is somebody's payload.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("length", &self.length)
            .field("too_long", &self.too_long)
            .field("after_gap", &self.after_gap)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(limit_bytes: usize, pieces: &[&[u8]]) -> Vec<Line> {
        let (mut decoder, mut out) = (LineDecoder::new(limit_bytes), Vec::new());
        pieces
            .iter()
            .for_each(|piece| decoder.push(piece, &mut out));
        out
    }

    fn texts(limit_bytes: usize, pieces: &[&[u8]]) -> Vec<String> {
        let lines = decode(limit_bytes, pieces);
        lines
            .iter()
            .map(|line| String::from_utf8_lossy(&line.text).into_owned())
            .collect()
    }

    #[test]
    fn lines_end_at_line_feeds_and_lose_carriage_returns() {
        assert_eq!(
            texts(99, &[b"a\nb\r\n", b"c", b"\r", b"\nd"]),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn blank_lines_are_left_out() {
        assert_eq!(texts(99, &[b"\n\r\n  \na\n\n"]), ["a"]);
    }

    #[test]
    fn an_over_long_line_keeps_its_head_and_its_length() {
        let lines = decode(4, &[b"abc", b"defg\nxy\n"]);
        assert_eq!(
            (lines[0].text.as_slice(), lines[0].too_long, lines[0].length),
            (&b"abcd"[..], true, 7)
        );
        assert_eq!(
            (lines[1].text.as_slice(), lines[1].too_long),
            (&b"xy"[..], false)
        );
    }

    #[test]
    fn an_endless_line_takes_no_more_than_the_limit() {
        let (mut decoder, mut out) = (LineDecoder::new(1 << 20), Vec::new());
        for _ in 0..64 {
            decoder.push(&[b'x'; 1 << 16], &mut out);
            assert!(decoder.pending_bytes() <= 1 << 20);
        }
        decoder.push(b"\n", &mut out);
        assert_eq!(
            (out[0].length, out[0].text.len()),
            (1 << 22, HEAD_BYTES_KEPT)
        );
    }

    #[test]
    fn a_gap_drops_the_unfinished_line_and_marks_the_next() {
        let (mut decoder, mut out) = (LineDecoder::new(99), Vec::new());
        decoder.push(b"a\nhalf", &mut out);
        decoder.gap();
        decoder.push(b" tail\nb\n", &mut out);
        let seen: Vec<_> = out
            .iter()
            .map(|line| (line.text.as_slice(), line.after_gap))
            .collect();
        assert_eq!(
            seen,
            [
                (&b"a"[..], false),
                (&b" tail"[..], true),
                (&b"b"[..], false)
            ]
        );
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x')], 0..200),
            limit_bytes in 1_usize..20,
            size in 1_usize..20,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(decode(limit_bytes, &pieces), decode(limit_bytes, &[&bytes]));
        }
    }
}
