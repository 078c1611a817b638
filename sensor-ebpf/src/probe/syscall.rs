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

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_abi::{
    flow::family,
    record::{
        direction::{READ, WRITE},
        file_mode,
    },
};

use crate::{
    copy, end,
    ending::{self, ECONNRESET, EIO, EPIPE},
    inode::{Kind, Object},
    inspect::{self, Call},
    maps::{self, SELF_TGID, TransferScratch, is_covered},
    memory::{kernel, offset},
    moved::{Moved, way, what},
    pass::{self, Holders},
    probe::{
        listen, message,
        registers::{self, Registers},
    },
    scratch, splice, task,
};

/// Flags with which a receiving call takes nothing of the stream.
const NOT_RECEIVED: u64 = message::NOT_RECEIVED as u64;

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
        // Rare, and which ones have passes would be a long look.
        pass::void_all();
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

/// A call that has no pass. What is found out of it is kept in the buffer: calls below this one need the stack, and of what is
/// there the verifier knows nothing, so that it follows what comes of it once, not once for each way to decode a call.
#[inline(never)]
unsafe fn seen(regs: u64, form: Form, returned: i64) {
    let Some(scratch) = scratch::take() else {
        return;
    };
    let form = Form(maps::unknown(form.0));
    let task = task::current();
    // Asked here, where few ways lead to: each way on which a member of the task is read costs the verifier a search through all
    // types of the kernel.
    let alone = maps::unknown(u64::from(pass::closes_alone(task)));
    let may_pass = form.0 & Form::OF_ONE_FILE.0 & alone != 0;
    decode(regs, form, &raw mut (*scratch).moved);
    let moved = &(*scratch).moved;
    if moved.what == what::MEMORY {
        stream(scratch, task, form, may_pass, returned);
        scratch::give_back(scratch);
        return;
    }
    let (what, fd, to, wanted) = (moved.what, moved.fd, moved.to, moved.wanted);
    scratch::give_back(scratch);
    if what != what::NOTHING {
        files(what, fd, to, wanted, returned);
    }
}

/// Between the caller's memory and a descriptor.
#[inline(always)]
unsafe fn stream(
    scratch: *mut TransferScratch,
    task: u64,
    form: Form,
    may_pass: bool,
    returned: i64,
) {
    let fd = (*scratch).moved.fd;
    let file = end::file_of(task, fd);
    let id = if may_pass && file != 0 {
        pass::of_descriptor(task, fd, file)
    } else {
        0
    };
    let own = task::current_tgid() == SELF_TGID.load();
    match end::object_of(file) {
        Some(object) if !own && !is_read_below(&object) => (*scratch).object = object,
        _ => {
            if id != 0 {
                pass::let_write(id, Holders::Many, u64::MAX);
                pass::let_read(id, Holders::Many);
            }
            return;
        }
    }
    let how = Looked::of(direction_of(&(*scratch).moved, file), form.is(Form::NARROW));
    let unseen = look(scratch, how, id, returned);
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
        way::OUT => READ,
        way::IN => WRITE,
        _ => {
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
unsafe fn look(scratch: *mut TransferScratch, how: Looked, id: u64, returned: i64) -> u64 {
    // Of the dozens of pairs that calls come as, the verifier would follow each to its end.
    let how = Looked(maps::unknown(how.0));
    let direction = how.direction();
    let (object, moved) = (&(*scratch).object, &(*scratch).moved);
    let returned = message::in_stream(moved.flags, returned);
    if returned <= 0 {
        if ending::ends(object, direction, returned, moved.wanted) {
            inspect::end_of_stream(object, moved.fd, direction);
        }
        return 0;
    }
    let mut source = moved.source;
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
    inspect::look(scratch, object, call)
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
unsafe fn files(what: u32, fd: u32, to: u32, wanted: u64, returned: i64) {
    let own = task::current_tgid() == SELF_TGID.load();
    if returned < 0 || own || is_covered(family::SPLICE) {
        return;
    }
    let task = task::current();
    if what == what::BETWEEN
        && let Some(object) = end::object_of(end::file_of(task, fd))
    {
        if returned > 0 {
            splice::taken_out(&object, fd, returned as u64);
        } else if wanted > 0 {
            inspect::end_of_stream(&object, fd, READ);
        }
    }
    if returned > 0
        && let Some(object) = end::object_of(end::file_of(task, to))
    {
        splice::put_in(&object, to, returned as u64);
    }
}
