//! Calls of 32-bit programs: other numbers, and structures of 32-bit words.

use sensor_abi::flow::drop;

use super::NOT_RECEIVED;
use crate::{
    copy::form,
    emit,
    memory::user,
    moved::{Moved, way},
    probe::registers::Registers,
};

/// `include/uapi/linux/net.h`: the calls behind socketcall(2) that move bytes.
mod socketcall {
    pub const SEND: u64 = 9;
    pub const RECV: u64 = 10;
    pub const SENDTO: u64 = 11;
    pub const RECVFROM: u64 = 12;
    pub const SENDMSG: u64 = 16;
    pub const RECVMSG: u64 = 17;
    pub const RECVMMSG: u64 = 19;
    pub const SENDMMSG: u64 = 20;
}

pub use number::{CLOSE, DUP2, DUP3};

/// Whether the number is one of those that [`decode`] knows.
#[inline(always)]
pub fn is_known(number: u32) -> bool {
    matches!(
        number,
        number::READ
            | number::WRITE
            | number::SOCKETCALL
            | number::READV
            | number::WRITEV
            | number::SENDFILE
            | number::SENDFILE64
            | number::PREADV
            | number::PWRITEV
            | number::PREADV2
            | number::PWRITEV2
            | number::SENDTO
            | number::RECVFROM
            | number::SENDMSG
            | number::RECVMSG
            | number::SENDMMSG
            | number::RECVMMSG
            | number::RECVMMSG_TIME64
            | number::SPLICE
            | number::TEE
            | number::VMSPLICE
    )
}

/// As the one of 64-bit programs.
#[inline(always)]
pub fn may_fail_late(number: u32) -> bool {
    matches!(
        number,
        number::SOCKETCALL
            | number::SENDFILE
            | number::SENDFILE64
            | number::RECVFROM
            | number::RECVMSG
            | number::SENDMMSG
            | number::RECVMMSG
            | number::RECVMMSG_TIME64
            | number::SPLICE
    )
}

/// What a call moved.
///
/// # Safety
/// `registers` are those of the 32-bit call that ends.
#[inline(always)]
pub unsafe fn decode(registers: &Registers) -> Moved {
    let number = registers.number();
    let first = registers.narrow_argument(0);
    let fd = first as u32;
    let address = registers.narrow_argument(1);
    let count = registers.narrow_argument(2);
    match number {
        number::READ => Moved::memory(fd, way::OUT, form::BUFFER, address, count),
        number::WRITE => Moved::memory(fd, way::IN, form::BUFFER, address, count),
        number::READV | number::PREADV | number::PREADV2 => {
            Moved::memory(fd, way::OUT, form::VECTOR, address, count)
        }
        number::WRITEV | number::PWRITEV | number::PWRITEV2 => {
            Moved::memory(fd, way::IN, form::VECTOR, address, count)
        }
        number::VMSPLICE => Moved::memory(fd, way::OF_FILE, form::VECTOR, address, count),
        number::SPLICE => Moved::between(fd, count as u32, registers.narrow_argument(4)),
        number::TEE => Moved::into(address as u32, count),
        number::SENDFILE | number::SENDFILE64 => {
            Moved::between(address as u32, fd, registers.narrow_argument(3))
        }
        number::SOCKETCALL => multiplexed(first, address),
        _ => {
            let call = socket_call_of(number);
            let flags = if matches!(call, socketcall::SENDMSG | socketcall::RECVMSG) {
                count
            } else {
                registers.narrow_argument(3)
            };
            socket(call, fd, address, count, flags)
        }
    }
}

/// The call behind socketcall(2) that a call of its own is, or 0.
#[inline(always)]
const fn socket_call_of(number: u32) -> u64 {
    match number {
        number::SENDTO => socketcall::SENDTO,
        number::RECVFROM => socketcall::RECVFROM,
        number::SENDMSG => socketcall::SENDMSG,
        number::RECVMSG => socketcall::RECVMSG,
        number::SENDMMSG => socketcall::SENDMMSG,
        number::RECVMMSG | number::RECVMMSG_TIME64 => socketcall::RECVMMSG,
        _ => 0,
    }
}

/// socketcall(2): a number, and the arguments in memory.
#[inline(always)]
unsafe fn multiplexed(call: u64, arguments: u64) -> Moved {
    let messages = matches!(call, socketcall::SENDMSG | socketcall::RECVMSG);
    if !messages
        && !matches!(
            call,
            socketcall::SEND
                | socketcall::RECV
                | socketcall::SENDTO
                | socketcall::RECVFROM
                | socketcall::SENDMMSG
                | socketcall::RECVMMSG
        )
    {
        return Moved::nothing();
    }
    let read = user::<[u32; 3]>(arguments);
    // Three arguments may be all that is mapped.
    let fourth = if messages {
        Some(0)
    } else {
        user::<u32>(arguments + 12)
    };
    let (Some([fd, address, count]), Some(fourth)) = (read, fourth) else {
        emit::dropped(drop::COMPAT_CALL, 1);
        return Moved::nothing();
    };
    let flags = if messages { count } else { fourth };
    socket(
        call,
        fd,
        u64::from(address),
        u64::from(count),
        u64::from(flags),
    )
}

#[inline(always)]
unsafe fn socket(call: u64, fd: u32, address: u64, count: u64, flags: u64) -> Moved {
    let receives = matches!(
        call,
        socketcall::RECV | socketcall::RECVFROM | socketcall::RECVMSG | socketcall::RECVMMSG
    );
    if receives && flags & NOT_RECEIVED != 0 {
        return Moved::not_received(fd, flags);
    }
    match call {
        socketcall::SEND | socketcall::SENDTO => {
            Moved::memory(fd, way::IN, form::BUFFER, address, count).sent(flags)
        }
        socketcall::RECV | socketcall::RECVFROM => {
            Moved::memory(fd, way::OUT, form::BUFFER, address, count)
        }
        socketcall::SENDMSG => Moved::memory(fd, way::IN, form::MESSAGE, address, 1).sent(flags),
        socketcall::RECVMSG => Moved::memory(fd, way::OUT, form::MESSAGE, address, 1),
        socketcall::SENDMMSG => Moved::memory(fd, way::IN, form::MESSAGES, address, count),
        socketcall::RECVMMSG => Moved::memory(fd, way::OUT, form::MESSAGES, address, count),
        _ => Moved::nothing(),
    }
}

/// Numbers of i386.
#[cfg(bpf_target_arch = "x86_64")]
mod number {
    pub const READ: u32 = 3;
    pub const WRITE: u32 = 4;
    pub const CLOSE: u32 = 6;
    pub const DUP2: u32 = 63;
    pub const SOCKETCALL: u32 = 102;
    pub const READV: u32 = 145;
    pub const WRITEV: u32 = 146;
    pub const SENDFILE: u32 = 187;
    pub const SENDFILE64: u32 = 239;
    pub const SPLICE: u32 = 313;
    pub const TEE: u32 = 315;
    pub const VMSPLICE: u32 = 316;
    pub const DUP3: u32 = 330;
    pub const PREADV: u32 = 333;
    pub const PWRITEV: u32 = 334;
    pub const RECVMMSG: u32 = 337;
    pub const SENDMMSG: u32 = 345;
    pub const SENDTO: u32 = 369;
    pub const SENDMSG: u32 = 370;
    pub const RECVFROM: u32 = 371;
    pub const RECVMSG: u32 = 372;
    pub const PREADV2: u32 = 378;
    pub const PWRITEV2: u32 = 379;
    pub const RECVMMSG_TIME64: u32 = 417;
}

/// Numbers of 32-bit ARM (EABI).
#[cfg(bpf_target_arch = "aarch64")]
mod number {
    pub const READ: u32 = 3;
    pub const WRITE: u32 = 4;
    pub const CLOSE: u32 = 6;
    pub const DUP2: u32 = 63;
    pub const SOCKETCALL: u32 = 102;
    pub const READV: u32 = 145;
    pub const WRITEV: u32 = 146;
    pub const SENDFILE: u32 = 187;
    pub const SENDFILE64: u32 = 239;
    pub const SENDTO: u32 = 290;
    pub const RECVFROM: u32 = 292;
    pub const SENDMSG: u32 = 296;
    pub const RECVMSG: u32 = 297;
    pub const SPLICE: u32 = 340;
    pub const TEE: u32 = 342;
    pub const VMSPLICE: u32 = 343;
    pub const DUP3: u32 = 358;
    pub const PREADV: u32 = 361;
    pub const PWRITEV: u32 = 362;
    pub const RECVMMSG: u32 = 365;
    pub const SENDMMSG: u32 = 374;
    pub const PREADV2: u32 = 392;
    pub const PWRITEV2: u32 = 393;
    pub const RECVMMSG_TIME64: u32 = 417;
}
