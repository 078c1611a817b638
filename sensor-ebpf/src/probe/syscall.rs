//! Tier 2: `tp_btf/sys_exit(struct pt_regs *regs, long ret)`.
//!
//! Exit alone suffices: the registers still hold the arguments, the return value says what really
//! moved, and the user pages are warm. What a peer does on receipt may be recorded first; user space
//! puts cause before effect.
//!
//! Every call of every program comes here, so what most of them run is short: the file behind the descriptor, and whether it
//! has a pass ([`crate::pass`]). Files that are no streams have one, too.

mod compat;
mod native;

use core::mem::MaybeUninit;

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
    ending::{self, ECONNRESET, EIO, EPIPE},
    inode::{Kind, Object},
    inspect::{self, Call},
    maps::{self, SELF_TGID, is_covered},
    memory::{kernel, offset},
    pass::{self, Holders},
    probe::{
        listen, message,
        registers::{self, Registers},
    },
    scratch, splice, task,
};

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
    let registers = Registers(regs);
    let number = registers.number();
    if returned < 0 && returned != EPIPE && returned != ECONNRESET && returned != EIO {
        // Whatever else it says, what was to be closed is.
        if number == native::CLOSE {
            pass::closed(task::current(), registers.argument(0) as u32);
        }
        return;
    }
    if registers::is_compat(task::current()) {
        if compat::is_known(number) {
            seen(regs, Form::NARROW, returned);
        }
        return;
    }
    let writes = native::is_write(number);
    if writes || native::is_read(number) {
        let task = task::current();
        let fd = registers.argument(0) as u32;
        let id = pass::of_descriptor(task, fd, end::file_of(task, fd));
        let passes = if writes {
            pass::may_write(id, Holders::Many, returned)
        } else {
            returned > 0 && pass::may_read(id, Holders::Many)
        };
        if !passes {
            seen(regs, Form::OF_ONE_FILE, returned);
        }
    } else if native::is_other(number) {
        seen(regs, Form::OTHER, returned);
    } else if number == native::CLOSE {
        pass::closed(task::current(), registers.argument(0) as u32);
    } else if number == native::CLOSE_RANGE {
        pass::closed_many();
    } else if returned == 0 && number == native::LISTEN && !is_covered(family::LISTEN) {
        listen::tell(registers.argument(0) as u32);
    }
}

/// A function of its own: what it needs of the stack is given back before anything else is called.
#[inline(never)]
unsafe fn decode(regs: u64, form: Form, moved: *mut Moved) {
    let registers = Registers(regs);
    moved.write(if form.is(Form::NARROW) {
        compat::decode(&registers)
    } else {
        native::decode(&registers)
    });
}

/// What kind of call ended, in one word.
#[derive(Clone, Copy)]
struct Form(u64);

impl Form {
    /// Of a 64-bit program, on the descriptor that is its first argument; it returned bytes.
    const OF_ONE_FILE: Self = Self(1);
    /// Of a 64-bit program, on two descriptors or of several messages.
    const OTHER: Self = Self(0);
    /// Of a 32-bit program.
    const NARROW: Self = Self(2);

    #[inline(always)]
    const fn is(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A call that has no pass. What it was called with is decoded where it has to be: for the most part only once the descriptor
/// has turned out to lead to a stream.
#[inline(never)]
unsafe fn seen(regs: u64, form: Form, returned: i64) {
    let form = Form(maps::unknown(form.0));
    let task = task::current();
    let mut moved = MaybeUninit::<Moved>::uninit();
    let mut fd = Registers(regs).argument(0) as u32;
    if !form.is(Form::OF_ONE_FILE) {
        decode(regs, form, moved.as_mut_ptr());
        let moved = moved.assume_init_ref();
        match moved.what {
            What::Nothing => return,
            What::Between | What::Into => return files(moved, returned),
            What::Memory => fd = moved.fd,
        }
    }
    let file = end::file_of(task, fd);
    let own = task::current_tgid() == SELF_TGID.load();
    let object = match end::object_of(file) {
        Some(object) if !own && !is_read_below(&object) => object,
        _ => {
            if form.is(Form::OF_ONE_FILE) && file != 0 && pass::closes_alone(task) {
                let id = pass::of_descriptor(task, fd, file);
                pass::let_write(id, Holders::Many, u64::MAX);
                pass::let_read(id, Holders::Many);
            }
            return;
        }
    };
    if form.is(Form::OF_ONE_FILE) {
        decode(regs, form, moved.as_mut_ptr());
    }
    let moved = moved.assume_init_ref();
    if moved.what != What::Memory {
        return;
    }
    let may_pass = form.is(Form::OF_ONE_FILE) && pass::closes_alone(task);
    let id = if may_pass {
        pass::of_descriptor(task, fd, file)
    } else {
        0
    };
    let how = Looked::of(direction_of(moved, file), form.is(Form::NARROW));
    let unseen = look(&object, moved, how, id, returned);
    if unseen == 0 || id == 0 {
        return;
    }
    if how.direction() == WRITE {
        pass::let_write(id, Holders::Many, unseen);
    } else {
        pass::let_read(id, Holders::Many);
    }
}

/// Which way a call moved bytes.
#[inline(always)]
unsafe fn direction_of(moved: &Moved, file: u64) -> u8 {
    match moved.way {
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
    }
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

/// Gives how many bytes of further calls like it need no look.
#[inline(never)]
unsafe fn look(object: &Object, moved: &Moved, how: Looked, id: u64, returned: i64) -> u64 {
    // Of the dozens of pairs that calls come as, the verifier would follow each to its end.
    let how = Looked(maps::unknown(how.0));
    let direction = how.direction();
    let returned = message::in_stream(moved.flags, returned);
    if returned <= 0 {
        if ending::ends(object, direction, returned, moved.wanted) {
            inspect::end_of_stream(object, moved.fd, direction);
        }
        return 0;
    }
    let Some(scratch) = scratch::take() else {
        inspect::miss(object, direction, returned as u64);
        return 0;
    };
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
        pass: id,
    };
    let unseen = inspect::look(scratch, object, call);
    scratch::give_back(scratch);
    unseen
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
