//! Lines of a byte stream: the framing of MCP over stdio.

use memchr::memchr;

use super::excerpt::Excerpt;

/// Longest line that is kept whole, in bytes: the largest message seen in the wild is 320 KB.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One finished line.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// The bytes without the line end (`\n` or `\r\n`); only the first of them when `too_long` or `cut`.
    pub text: Vec<u8>,
    /// The last bytes, when `too_long`.
    pub tail: Vec<u8>,
    /// The line had more bytes than the decoder keeps.
    pub too_long: bool,
    /// Bytes were lost before the line's end came.
    pub cut: bool,
    /// Bytes were lost before this text: it may be the tail of a line. A tail of a JSON object is
    /// never a JSON object itself, so trying it is safe and saves the line when the loss was of whole lines.
    pub after_gap: bool,
    /// Bytes of the line as it was on the wire, without the `\n`; those that came, when `cut`.
    pub length: u64,
    /// The line before ends with this one's length: it is what a protocol of databases and message brokers carries, not
    /// what anybody says here (`$42`, `MSG subject 1 42`, `VALUE key 0 42`).
    pub announced: bool,
}

/// Longest line that announces the length of the next, in bytes.
const ANNOUNCEMENT_BYTES_MAX: usize = 1024;

/// Cuts a stream into lines. Blank lines are left out.
pub struct LineDecoder {
    limit_bytes: usize,
    buffer: Vec<u8>,
    /// What is kept of the unfinished line once it is over the limit; its bytes are no longer in `buffer`.
    excerpt: Option<Excerpt>,
    /// Bytes of the unfinished line.
    length: u64,
    after_gap: bool,
    /// The number that the line before ends with.
    announced: Option<u64>,
}

impl LineDecoder {
    /// A decoder that keeps lines of at most `limit_bytes` whole.
    #[must_use]
    pub const fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            buffer: Vec::new(),
            excerpt: None,
            length: 0,
            after_gap: false,
            announced: None,
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

    /// Bytes were lost here: the unfinished line is handed out as far as it came, and what comes before the next
    /// line end is marked.
    pub fn gap(&mut self, out: &mut Vec<Line>) {
        if let Some(line) = self.take() {
            out.push(Line {
                too_long: false,
                cut: true,
                tail: Vec::new(),
                ..line
            });
        }
        self.after_gap = true;
    }

    /// Lets go of the unfinished line.
    pub fn shed(&mut self) {
        self.take();
        self.after_gap = true;
    }

    /// Bytes held of the unfinished line.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending().len()
    }

    /// The unfinished line so far; its head only when it is over the limit.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.excerpt
            .as_ref()
            .map_or(&self.buffer, |excerpt| excerpt.head())
    }

    fn keep(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        if let Some(excerpt) = &mut self.excerpt {
            excerpt.push(part);
        } else if self.buffer.len() + part.len() <= self.limit_bytes {
            self.buffer.extend_from_slice(part);
        } else {
            let mut excerpt = Excerpt::of(std::mem::take(&mut self.buffer), self.limit_bytes);
            excerpt.push(part);
            self.excerpt = Some(excerpt);
        }
    }

    fn finish(&mut self, part: &[u8]) -> Option<Line> {
        self.keep(part);
        self.take()
    }

    /// The line as it is now; none when it is blank.
    fn take(&mut self) -> Option<Line> {
        // A line arrives whole far more often than not: hand the buffer over, start a new one.
        let whole = std::mem::take(&mut self.buffer);
        let excerpt = self.excerpt.take();
        let length = std::mem::take(&mut self.length);
        let after_gap = std::mem::take(&mut self.after_gap);
        let too_long = excerpt.is_some();
        let (mut text, tail) = excerpt.map_or((whole, Vec::new()), Excerpt::into_parts);
        if !too_long && text.last() == Some(&b'\r') {
            text.pop();
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        // With the line end that the text may have of its own.
        let is = text.len() as u64;
        let announced = self
            .announced
            .is_some_and(|length| (is..=is + 1).contains(&length));
        self.announced = last_number(&text);
        Some(Line {
            text,
            tail,
            too_long,
            cut: false,
            after_gap,
            length,
            announced,
        })
    }
}

/// The number that a short line ends with; none of JSON.
fn last_number(line: &[u8]) -> Option<u64> {
    if line.len() > ANNOUNCEMENT_BYTES_MAX || matches!(line.first(), Some(b'{' | b'[')) {
        return None;
    }
    let others = line.iter().rev().position(|byte| !byte.is_ascii_digit());
    let digits = line.get(others.map_or(0, |count| line.len() - count)..)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
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

    use super::super::excerpt::{HEAD_BYTES_KEPT, TAIL_BYTES_KEPT};
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
    fn a_line_whose_length_the_one_before_it_says_is_marked() {
        let announced = |text: &str| -> Vec<bool> {
            let lines = decode(99, &[text.as_bytes()]);
            lines.iter().map(|line| line.announced).collect()
        };
        assert_eq!(announced("*1\r\n$4\r\nabcd\r\n"), [false, false, true]);
        assert_eq!(announced("MSG a 1 5\nabcd\n\n+OK\n"), [false, true, false]);
        assert_eq!(announced("port 80\nabcd\n"), [false, false]);
        assert_eq!(announced("{\"a\":4}4\nabcd\n"), [false, false]);
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
            (out[0].length, out[0].text.len(), out[0].tail.len()),
            (1 << 22, HEAD_BYTES_KEPT, TAIL_BYTES_KEPT)
        );
    }

    #[test]
    fn a_gap_cuts_the_unfinished_line_and_marks_the_next() {
        let (mut decoder, mut out) = (LineDecoder::new(99), Vec::new());
        decoder.push(b"a\nhalf", &mut out);
        decoder.gap(&mut out);
        decoder.push(b" tail\nb\n", &mut out);
        let seen: Vec<_> = out
            .iter()
            .map(|line| (line.text.as_slice(), line.cut, line.after_gap))
            .collect();
        assert_eq!(
            seen,
            [
                (&b"a"[..], false, false),
                (&b"half"[..], true, false),
                (&b" tail"[..], false, true),
                (&b"b"[..], false, false)
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
