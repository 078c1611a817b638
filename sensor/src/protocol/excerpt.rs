//! What is kept of a text that is too long, or that lost bytes: how it begins and how it ends. Peers write what a
//! message is, and which one, at either end of it.

/// How much of the beginning is kept, in bytes.
pub(super) const HEAD_BYTES_KEPT: usize = 4096;
/// How much of the end, in bytes.
pub(super) const TAIL_BYTES_KEPT: usize = 1024;

/// Beginning and end of a text.
pub(super) struct Excerpt {
    head: Vec<u8>,
    head_bytes_max: usize,
    tail: Vec<u8>,
    /// Bytes were lost: the beginning takes no more.
    cut: bool,
}

impl Excerpt {
    /// Of a text of which this came so far, and that would be kept whole up to `limit_bytes`.
    pub(super) fn of(mut text: Vec<u8>, limit_bytes: usize) -> Self {
        let head_bytes_max = HEAD_BYTES_KEPT.min(limit_bytes);
        let rest = text.split_off(head_bytes_max.min(text.len()));
        text.shrink_to_fit();
        let mut excerpt = Self {
            head: text,
            head_bytes_max,
            tail: Vec::new(),
            cut: false,
        };
        excerpt.keep(&rest);
        excerpt
    }

    /// Goes on.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = if self.cut {
            0
        } else {
            self.head_bytes_max.saturating_sub(self.head.len())
        };
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.keep(rest);
    }

    /// Bytes were lost here: the end begins anew.
    pub(super) fn cut(&mut self) {
        self.cut = true;
        self.tail.clear();
    }

    pub(super) const fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Beginning and end.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (self.head, self.tail)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(TAIL_BYTES_KEPT);
        self.tail
            .extend_from_slice(bytes.get(from..).unwrap_or_default());
        let over = self.tail.len().saturating_sub(TAIL_BYTES_KEPT);
        self.tail.drain(..over);
    }
}
