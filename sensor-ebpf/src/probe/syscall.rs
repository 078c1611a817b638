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
    flow::{LOST_ON_PASS_BYTES, drop, family},
    record::{
        direction::{READ, WRITE},
        file_mode,
    },
};

use crate::{
    copy, emit, end,
    ending::{self, ECONNRESET, EFAULT, EINVAL, EIO, EPIPE},
    flow,
    inode::{Kind, Object},
    inspect::{self, Call},
    maps::{self, SELF_TGID, TransferScratch, is_covered},
    memory::{kernel, offset},
    moved::{Moved, way, what},
    pass::{self, Due, Holders},
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
        if returned == EFAULT || returned == EINVAL {
            failed(regs, number);
        } else if number == native::CLOSE {
            // Whatever else it says, what was to be closed is.
            pass::closed(task::current(), registers.argument(0) as u32);
        }
        return;
    }
    if registers::is_compat(task::current()) {
        narrow(regs, number, returned);
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
        closed_range(
            registers.argument(0) as u32,
            registers.argument(1) as u32,
            registers.argument(2),
        );
    } else if number == native::DUP2 || number == native::DUP3 {
        pass::closed(task::current(), returned as u32);
    } else if registers::is_x32(number) {
        emit::dropped(drop::COMPAT_CALL, 1);
    } else if returned == 0 && number == native::LISTEN && !is_covered(family::LISTEN) {
        listen::tell(registers.argument(0) as u32);
    }
}

/// A call of a 32-bit program.
#[inline(always)]
unsafe fn narrow(regs: u64, number: u32, returned: i64) {
    if compat::is_known(number) {
        seen(regs, Form::NARROW, returned);
    } else if number == compat::CLOSE {
        pass::closed(task::current(), Registers(regs).narrow_argument(0) as u32);
    } else if number == native::CLOSE_RANGE {
        // Has one number everywhere.
        let registers = Registers(regs);
        closed_range(
            registers.narrow_argument(0) as u32,
            registers.narrow_argument(1) as u32,
            registers.narrow_argument(2),
        );
    } else if number == compat::DUP2 || number == compat::DUP3 {
        pass::closed(task::current(), returned as u32);
    }
}

/// `close_range(first, last, flags)` has succeeded.
#[inline(never)]
unsafe fn closed_range(first: u32, last: u32, flags: u64) {
    // `include/uapi/linux/close_range.h`: nothing is closed now.
    const CLOEXEC: u64 = 4;
    if flags & CLOEXEC == 0 {
        pass::closed_range(task::current(), first, last);
    }
}

/// A call that failed for what it has to say: bytes may have moved before, and how many is not known.
#[inline(always)]
unsafe fn failed(regs: u64, number: u32) {
    if registers::is_compat(task::current()) {
        if compat::may_fail_late(number) {
            failed_late(regs, Form::NARROW);
        }
    } else if native::may_fail_late(number) {
        failed_late(regs, Form::OTHER);
    }
}

#[inline(never)]
unsafe fn failed_late(regs: u64, form: Form) {
    let Some(scratch) = scratch::take() else {
        return;
    };
    decode(regs, form, &raw mut (*scratch).moved);
    let moved = &(*scratch).moved;
    let (what, way, fd, to) = (moved.what, moved.way, moved.fd, moved.to);
    scratch::give_back(scratch);
    match what {
        what::MEMORY => unread(fd, if way == way::OUT { READ } else { WRITE }),
        what::BETWEEN if !is_covered(family::SPLICE) => {
            unread(fd, READ);
            unread(to, WRITE);
        }
        _ => {}
    }
}

/// Bytes of a descriptor moved unseen, nobody knows how many.
#[inline(never)]
unsafe fn unread(fd: u32, direction: u8) {
    if let Some(object) = end::object_of(end::file_of(task::current(), fd))
        && !is_read_below(&object)
    {
        flow::unread(&object, direction, LOST_ON_PASS_BYTES);
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
    let stamp = pass::stamp();
    let Some(scratch) = scratch::take() else {
        return missed(regs, form, returned);
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
        stream(scratch, task, form, may_pass.then_some(stamp), returned);
        scratch::give_back(scratch);
        return;
    }
    let (what, fd, to, wanted) = (moved.what, moved.fd, moved.to, moved.wanted);
    scratch::give_back(scratch);
    if what == what::DISCARDED {
        discarded(fd, returned);
    } else if what != what::NOTHING {
        files(what, fd, to, wanted, returned);
    }
}

/// No buffer is free: what the call moved is told as missing, where it is easy to say of what.
#[inline(never)]
unsafe fn missed(regs: u64, form: Form, returned: i64) {
    if !form.is(Form::OF_ONE_FILE) || returned <= 0 {
        return;
    }
    let registers = Registers(regs);
    let fd = registers.argument(0) as u32;
    if let Some(object) = end::object_of(end::file_of(task::current(), fd)) {
        let writes = native::is_write(registers.number());
        flow::miss(&object, if writes { WRITE } else { READ }, returned as u64);
    }
}

/// Between the caller's memory and a descriptor.
#[inline(always)]
unsafe fn stream(
    scratch: *mut TransferScratch,
    task: u64,
    form: Form,
    stamp: Option<u64>,
    returned: i64,
) {
    let fd = (*scratch).moved.fd;
    let file = end::file_of(task, fd);
    let due = match stamp {
        Some(stamp) if file != 0 => {
            pass::due(pass::of_descriptor(task, fd, file), stamp, Holders::Many)
        }
        _ => Due::NONE,
    };
    let own = task::current_tgid() == SELF_TGID.load();
    match end::object_of(file) {
        Some(object) if !own && !is_read_below(&object) => (*scratch).object = object,
        _ => {
            pass::let_write(due, u64::MAX);
            pass::let_read(due);
            return;
        }
    }
    let how = Looked::of(direction_of(&(*scratch).moved, file), form.is(Form::NARROW));
    let unseen = look(scratch, how, due.object, returned);
    if unseen == 0 {
        return;
    }
    if how.direction() == WRITE {
        pass::let_write(due, unseen);
    } else {
        pass::let_read(due);
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
    let urgent = returned - message::in_stream(moved.flags, returned);
    let returned = returned - urgent;
    if urgent > 0 {
        flow::unread(object, direction, urgent as u64);
    }
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

/// Bytes came out of a descriptor's stream, and went nowhere. Of a unix socket they do not: there the flag says nothing.
#[inline(never)]
unsafe fn discarded(fd: u32, returned: i64) {
    if returned <= 0 {
        return;
    }
    if let Some(object) = end::object_of(end::file_of(task::current(), fd))
        && !is_read_below(&object)
    {
        flow::unread(&object, READ, returned as u64);
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
