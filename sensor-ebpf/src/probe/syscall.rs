//! Tier 2: `tp_btf/sys_exit(struct pt_regs *regs, long ret)`.
//!
//! Exit alone suffices: the registers still hold the arguments, the return value says what really
//! moved, and the user pages are warm. What a peer does on receipt may be recorded first; user space
//! puts cause before effect.

mod compat;
mod native;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_abi::{
    flow::family,
    record::{
        direction::{READ, WRITE},
        file_mode,
    },
};

use crate::{
    copy::{self, Source, form},
    end,
    inode::{Kind, Object},
    inspect::{self, Call},
    maps::{self, SELF_TGID, is_covered},
    memory::{kernel, offset},
    probe::{
        listen, message,
        registers::{self, Registers},
    },
    scratch, splice, task,
};

const EIO: i64 = -5;
const EPIPE: i64 = -32;
const ECONNRESET: i64 = -104;
/// Flags with which a receiving call takes nothing of the stream.
const NOT_RECEIVED: u64 = message::NOT_RECEIVED as u64;

/// What a call moves. All of it is set in all cases, see [`Source`].
struct Moved {
    what: What,
    /// Which descriptor; of two, the one that is read.
    fd: u32,
    /// Of two descriptors, the one that is written.
    to: u32,
    way: Way,
    source: Source,
    /// Nonzero if any bytes were asked for.
    wanted: u64,
    /// Flags of a call that sends one message, else 0.
    flags: u32,
}

/// Kinds of [`Moved`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum What {
    /// No bytes of a stream.
    Nothing,
    /// Bytes between the caller's memory and a descriptor.
    Memory,
    /// Bytes from one descriptor into another.
    Between,
    /// The same, where they are not taken out of a stream.
    Into,
}

/// Which way a call moves bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Way {
    /// Out of the descriptor.
    Out,
    /// Into it.
    In,
    /// Into what is open for writing, else out of it (vmsplice).
    OfFile,
}

impl Moved {
    #[inline(always)]
    const fn nothing() -> Self {
        Self::memory(0, Way::Out, form::BUFFER, 0, 0).but(What::Nothing, 0)
    }

    /// Bytes between memory and a descriptor.
    #[inline(always)]
    const fn memory(fd: u32, way: Way, form: u64, address: u64, count: u64) -> Self {
        Self {
            what: What::Memory,
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
    const fn sent(mut self, flags: u64) -> Self {
        self.flags = flags as u32;
        self
    }

    /// Bytes out of one descriptor into another.
    #[inline(always)]
    const fn between(fd: u32, to: u32, wanted: u64) -> Self {
        Self::memory(fd, Way::Out, form::BUFFER, 0, wanted).but(What::Between, to)
    }

    /// Bytes of a file, or a copy of those of a stream, into a descriptor.
    #[inline(always)]
    const fn into(to: u32, wanted: u64) -> Self {
        Self::memory(0, Way::In, form::BUFFER, 0, wanted).but(What::Into, to)
    }

    #[inline(always)]
    const fn but(mut self, what: What, to: u32) -> Self {
        self.what = what;
        self.to = to;
        self
    }
}

#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let regs: u64 = ctx.arg(0);
    let returned: i64 = ctx.arg(1);
    // SAFETY: `regs` is the typed `struct pt_regs` of a system call that ends.
    unsafe { leave(regs, returned) };
    0
}

#[inline(always)]
unsafe fn leave(regs: u64, returned: i64) {
    if returned < 0 && returned != EPIPE && returned != ECONNRESET && returned != EIO {
        return;
    }
    let registers = Registers(regs);
    let number = registers.number();
    if returned == 0 && number == native::LISTEN && !is_covered(family::LISTEN) {
        return listen::tell(registers.argument(0) as u32);
    }
    let (native, compat) = (native::is_known(number), compat::is_known(number));
    if !native && !compat {
        return;
    }
    let narrow = registers::is_compat(task::current());
    let mut moved = Moved::nothing();
    if narrow && compat {
        decode_compat(regs, &mut moved);
    } else if !narrow && native {
        decode_native(regs, &mut moved);
    }
    match moved.what {
        What::Nothing => {}
        What::Memory => memory(&moved, narrow, returned),
        What::Between | What::Into => files(&moved, returned),
    }
}

// Functions of their own: what they need of the stack is given back before anything else is called.

#[inline(never)]
unsafe fn decode_native(regs: u64, moved: &mut Moved) {
    *moved = native::decode(&Registers(regs));
}

#[inline(never)]
unsafe fn decode_compat(regs: u64, moved: &mut Moved) {
    *moved = compat::decode(&Registers(regs));
}

/// A call between memory and a descriptor.
#[inline(never)]
unsafe fn memory(moved: &Moved, narrow: bool, returned: i64) {
    if task::current_tgid() == SELF_TGID.load() {
        return;
    }
    let returned = message::in_stream(moved.flags, returned);
    let file = end::file_of(task::current(), moved.fd);
    let Some(object) = end::object_of(file) else {
        return;
    };
    let direction = match moved.way {
        Way::Out => READ,
        Way::In => WRITE,
        Way::OfFile => {
            let mode: u32 = kernel(file, offset!(file_mode)).unwrap_or(0);
            if mode & file_mode::WRITE != 0 {
                WRITE
            } else {
                READ
            }
        }
    };
    if returned <= 0 {
        if ends(&object, direction, returned, moved.wanted) && !is_read_below(&object) {
            inspect::end_of_stream(&object, moved.fd, direction);
        }
        return;
    }
    look(&object, moved, Looked::of(direction, narrow), returned);
}

/// Direction and width of a call in one argument, of which a function has five.
#[derive(Clone, Copy)]
struct Looked(u64);

impl Looked {
    const NARROW: u64 = 1 << 8;

    #[inline(always)]
    const fn of(direction: u8, narrow: bool) -> Self {
        Self(direction as u64 | if narrow { Self::NARROW } else { 0 })
    }

    #[inline(always)]
    const fn direction(self) -> u8 {
        self.0 as u8
    }
}

#[inline(never)]
unsafe fn look(object: &Object, moved: &Moved, how: Looked, returned: i64) {
    if is_read_below(object) {
        return;
    }
    let Some(scratch) = scratch::take() else {
        return inspect::miss(object, how.direction(), returned as u64);
    };
    // Of the dozens of pairs that calls come as, the verifier would follow each to its end.
    let how = Looked(maps::unknown(how.0));
    let direction = how.direction();
    let mut source = moved.source;
    source.form = maps::unknown(source.form);
    source.memory = if how.0 & Looked::NARROW == 0 {
        copy::memory::WIDE
    } else {
        copy::memory::NARROW
    };
    let call = Call {
        fd: moved.fd,
        direction,
        source,
        returned: returned as u64,
        pass: 0,
    };
    inspect::look(scratch, object, call);
    scratch::give_back(scratch);
}

/// The object is of a family that is read where it is written.
#[inline(always)]
unsafe fn is_read_below(object: &Object) -> bool {
    match object.kind {
        Kind::Pipe => is_covered(family::PIPE),
        Kind::Terminal => is_covered(family::PTY),
        Kind::Socket if end::is_unix(object) => is_covered(family::UNIX),
        Kind::Socket => is_covered(family::TCP),
    }
}

/// A call between two descriptors. What is read is told before what is written.
#[inline(never)]
unsafe fn files(moved: &Moved, returned: i64) {
    let own = task::current_tgid() == SELF_TGID.load();
    if returned < 0 || own || is_covered(family::SPLICE) {
        return;
    }
    let task = task::current();
    if moved.what == What::Between
        && let Some(object) = end::object_of(end::file_of(task, moved.fd))
    {
        if returned > 0 {
            splice::taken_out(&object, moved.fd, returned as u64);
        } else if moved.wanted > 0 {
            inspect::end_of_stream(&object, moved.fd, READ);
        }
    }
    if returned > 0
        && let Some(object) = end::object_of(end::file_of(task, moved.to))
    {
        splice::put_in(&object, moved.to, returned as u64);
    }
}

/// A read of nothing where something was asked for, a write to nobody, a reset; of a terminal, that the other
/// side is closed.
#[inline(always)]
fn ends(object: &Object, way: u8, returned: i64, wanted: u64) -> bool {
    match returned {
        0 => way == READ && wanted > 0,
        EPIPE => way == WRITE,
        EIO => object.kind == Kind::Terminal,
        _ => true,
    }
}
