//! Tier 2: `tp_btf/sys_exit(struct pt_regs *regs, long ret)`.
//!
//! Exit alone suffices: the registers still hold the arguments, the return value says what really
//! moved, and the user pages are warm. What a peer does on receipt may be recorded first; user space
//! puts cause before effect.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_abi::{
    flow::drop,
    record::direction::{READ, WRITE},
};

use crate::{
    copy::Source,
    emit, end,
    inspect::{self, Call},
    maps::SELF_TGID,
    probe::{
        listen,
        registers::{self, Registers, compat, number},
    },
    task,
};

const EPIPE: i64 = -32;
const ECONNRESET: i64 = -104;
const MSG_OOB: u64 = 0x1;
const MSG_PEEK: u64 = 0x2;
const MSG_TRUNC: u64 = 0x20;
const MSG_ERRQUEUE: u64 = 0x2000;
/// Flags with which a call does not take bytes of the stream into the caller's memory.
const NOT_STREAM: u64 = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE;

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
    if returned <= 0 && returned != 0 && returned != EPIPE && returned != ECONNRESET {
        return;
    }
    let registers = Registers(regs);
    if returned == 0 && registers.number() == number::LISTEN {
        return listen::tell(registers.argument(0) as u32);
    }
    let Some((way, source, wanted)) = decode(&registers) else {
        count_compat(&registers, returned);
        return;
    };
    if returned <= 0 && !ends(way, returned, wanted) {
        return;
    }
    if task::current_tgid() == SELF_TGID.load() {
        return;
    }
    let task = task::current();
    let fd = registers.argument(0) as u32;
    let Some(object) = end::object_of(end::file_of(task, fd)) else {
        return;
    };
    if registers::is_compat(task) {
        return;
    }
    let call = Call {
        fd,
        direction: way,
        source,
        returned: returned as u64,
    };
    if returned > 0 {
        inspect::inspect(&object, call);
    } else {
        inspect::end_of_stream(&object, call);
    }
}

/// Counts the plain reads and writes of pipes and sockets by 32-bit programs: they are not decoded.
#[inline(always)]
unsafe fn count_compat(registers: &Registers, returned: i64) {
    let number = registers.number();
    if returned <= 0 || (number != compat::READ && number != compat::WRITE) {
        return;
    }
    let task = task::current();
    if !registers::is_compat(task) {
        return;
    }
    let fd = registers.argument(compat::DESCRIPTOR) as u32;
    if end::object_of(end::file_of(task, fd)).is_some() {
        emit::dropped(drop::COMPAT_CALL, 1);
    }
}

/// A read of nothing where something was asked for, a write to nobody, or a reset.
#[inline(always)]
fn ends(way: u8, returned: i64, wanted: u64) -> bool {
    match returned {
        0 => way == READ && wanted > 0,
        EPIPE => way == WRITE,
        _ => true,
    }
}

/// Which way a call moves bytes, where they are, and whether it asked for any.
#[inline(always)]
unsafe fn decode(registers: &Registers) -> Option<(u8, Source, u64)> {
    let way = match registers.number() {
        number::READ
        | number::READV
        | number::PREADV
        | number::PREADV2
        | number::RECVFROM
        | number::RECVMSG
        | number::RECVMMSG => READ,
        number::WRITE
        | number::WRITEV
        | number::PWRITEV
        | number::PWRITEV2
        | number::SENDTO
        | number::SENDMSG
        | number::SENDMMSG => WRITE,
        _ => return None,
    };
    let address = registers.argument(1);
    let count = registers.argument(2);
    Some(match registers.number() {
        number::READ | number::WRITE => (way, Source::Buffer(address), count),
        number::SENDTO | number::RECVFROM => {
            if registers.argument(3) & NOT_STREAM != 0 {
                return None;
            }
            (way, Source::Buffer(address), count)
        }
        number::SENDMSG | number::RECVMSG => {
            if count & NOT_STREAM != 0 {
                return None;
            }
            (way, Source::Message(address), 1)
        }
        number::SENDMMSG | number::RECVMMSG => {
            if registers.argument(3) & NOT_STREAM != 0 {
                return None;
            }
            (way, Source::Messages(address), count)
        }
        _ => (way, Source::Vector(address, count), count),
    })
}
