//! What a system call moves, as its registers say.

use crate::{
    copy::{Source, form},
    probe::message,
};

/// What a call moves. All of it is set in all cases, see [`Source`].
pub struct Moved {
    /// One of [`what`].
    pub what: u32,
    /// One of [`way`].
    pub way: u32,
    /// Which descriptor; of two, the one that is read.
    pub fd: u32,
    /// Of two descriptors, the one that is written.
    pub to: u32,
    /// Where they are.
    pub source: Source,
    /// Nonzero if any bytes were asked for.
    pub wanted: u64,
    /// Flags of a call that sends one message, else 0.
    pub flags: u32,
}

/// Kinds of [`Moved`]. Numbers, as in [`form`].
pub mod what {
    /// No bytes of a stream.
    pub const NOTHING: u32 = 0;
    /// Bytes between the caller's memory and a descriptor.
    pub const MEMORY: u32 = 1;
    /// Bytes from one descriptor into another.
    pub const BETWEEN: u32 = 2;
    /// The same, where they are not taken out of a stream.
    pub const INTO: u32 = 3;
    /// Bytes taken out of the descriptor's stream, and put nowhere.
    pub const DISCARDED: u32 = 4;
}

/// Which way a call moves bytes.
pub mod way {
    /// Out of the descriptor.
    pub const OUT: u32 = 0;
    /// Into it.
    pub const IN: u32 = 1;
    /// Into what is open for writing, else out of it (vmsplice).
    pub const OF_FILE: u32 = 2;
}

impl Moved {
    /// No bytes.
    #[inline(always)]
    pub const fn nothing() -> Self {
        Self::memory(0, way::OUT, form::BUFFER, 0, 0).but(what::NOTHING, 0)
    }

    /// Bytes between memory and a descriptor.
    #[inline(always)]
    pub const fn memory(fd: u32, way: u32, form: u64, address: u64, count: u64) -> Self {
        Self {
            what: what::MEMORY,
            fd,
            to: 0,
            way,
            source: Source::user(form, address, count),
            wanted: count,
            flags: 0,
        }
    }

    /// The same, sent with these flags.
    #[inline(always)]
    pub const fn sent(mut self, flags: u64) -> Self {
        self.flags = flags as u32;
        self
    }

    /// Bytes out of one descriptor into another.
    #[inline(always)]
    pub const fn between(fd: u32, to: u32, wanted: u64) -> Self {
        Self::memory(fd, way::OUT, form::BUFFER, 0, wanted).but(what::BETWEEN, to)
    }

    /// Bytes of a file, or a copy of those of a stream, into a descriptor.
    #[inline(always)]
    pub const fn into(to: u32, wanted: u64) -> Self {
        Self::memory(0, way::IN, form::BUFFER, 0, wanted).but(what::INTO, to)
    }

    /// What a call receives with flags of [`message::NOT_RECEIVED`].
    #[inline(always)]
    pub const fn not_received(fd: u32, flags: u64) -> Self {
        let moved = Self::memory(fd, way::OUT, form::BUFFER, 0, 0);
        if message::is_discarded(flags as u32) {
            moved.but(what::DISCARDED, 0)
        } else {
            moved.but(what::NOTHING, 0)
        }
    }

    #[inline(always)]
    const fn but(mut self, what: u32, to: u32) -> Self {
        self.what = what;
        self.to = to;
        self
    }
}
