//! Calls of 64-bit programs.

use super::NOT_RECEIVED;
use crate::{
    copy::form,
    moved::{Moved, way},
    probe::registers::Registers,
};

pub use number::{CLOSE, CLOSE_RANGE, DUP2, DUP3, LISTEN};

/// Whether the call puts bytes into the one descriptor that is its first argument, and returns how many.
#[inline(always)]
pub fn is_write(number: u32) -> bool {
    matches!(
        number,
        number::WRITE
            | number::WRITEV
            | number::PWRITEV
            | number::PWRITEV2
            | number::SENDTO
            | number::SENDMSG
    )
}

/// Whether the call takes bytes out of the one descriptor that is its first argument, and returns how many.
#[inline(always)]
pub fn is_read(number: u32) -> bool {
    matches!(
        number,
        number::READ
            | number::READV
            | number::PREADV
            | number::PREADV2
            | number::RECVFROM
            | number::RECVMSG
    )
}

/// Whether the number is one of the others that [`decode`] knows.
#[inline(always)]
pub fn is_other(number: u32) -> bool {
    matches!(
        number,
        number::SENDMMSG
            | number::RECVMMSG
            | number::SENDFILE
            | number::SPLICE
            | number::TEE
            | number::VMSPLICE
    )
}

/// Whether such a call may fail (EFAULT, EINVAL) when bytes have moved already: what it has to say of them has no place to go.
#[inline(always)]
pub fn may_fail_late(number: u32) -> bool {
    matches!(
        number,
        number::RECVFROM
            | number::RECVMSG
            | number::RECVMMSG
            | number::SENDMMSG
            | number::SENDFILE
            | number::SPLICE
    )
}

/// What a call moved.
///
/// # Safety
/// `registers` are those of the call that ends.
#[inline(always)]
pub unsafe fn decode(registers: &Registers) -> Moved {
    let number = registers.number();
    let fd = registers.argument(0) as u32;
    let address = registers.argument(1);
    let count = registers.argument(2);
    let flags = match number {
        number::SENDTO | number::RECVFROM | number::SENDMMSG | number::RECVMMSG => {
            registers.argument(3)
        }
        number::SENDMSG | number::RECVMSG => count,
        _ => 0,
    };
    let receives = matches!(
        number,
        number::RECVFROM | number::RECVMSG | number::RECVMMSG
    );
    if receives && flags & NOT_RECEIVED != 0 {
        return Moved::not_received(fd, flags);
    }
    match number {
        number::READ | number::RECVFROM => {
            Moved::memory(fd, way::OUT, form::BUFFER, address, count)
        }
        number::WRITE | number::SENDTO => {
            Moved::memory(fd, way::IN, form::BUFFER, address, count).sent(flags)
        }
        number::READV | number::PREADV | number::PREADV2 => {
            Moved::memory(fd, way::OUT, form::VECTOR, address, count)
        }
        number::WRITEV | number::PWRITEV | number::PWRITEV2 => {
            Moved::memory(fd, way::IN, form::VECTOR, address, count)
        }
        number::VMSPLICE => Moved::memory(fd, way::OF_FILE, form::VECTOR, address, count),
        number::RECVMSG => Moved::memory(fd, way::OUT, form::MESSAGE, address, 1),
        number::SENDMSG => Moved::memory(fd, way::IN, form::MESSAGE, address, 1).sent(flags),
        number::RECVMMSG => Moved::memory(fd, way::OUT, form::MESSAGES, address, count),
        number::SENDMMSG => Moved::memory(fd, way::IN, form::MESSAGES, address, count),
        number::SPLICE => Moved::between(fd, count as u32, registers.argument(4)),
        // What is read by tee stays where it is.
        number::TEE => Moved::into(address as u32, count),
        // What it reads is mostly a file; a socket into a pipe (5.12).
        number::SENDFILE => Moved::between(address as u32, fd, registers.argument(3)),
        _ => Moved::nothing(),
    }
}

/// Numbers of the calls that move bytes, and of some more.
#[cfg(bpf_target_arch = "x86_64")]
mod number {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const CLOSE: u32 = 3;
    pub const READV: u32 = 19;
    pub const WRITEV: u32 = 20;
    pub const DUP2: u32 = 33;
    pub const SENDFILE: u32 = 40;
    pub const SENDTO: u32 = 44;
    pub const RECVFROM: u32 = 45;
    pub const SENDMSG: u32 = 46;
    pub const RECVMSG: u32 = 47;
    pub const LISTEN: u32 = 50;
    pub const SPLICE: u32 = 275;
    pub const TEE: u32 = 276;
    pub const VMSPLICE: u32 = 278;
    pub const PREADV: u32 = 295;
    pub const PWRITEV: u32 = 296;
    pub const DUP3: u32 = 292;
    pub const RECVMMSG: u32 = 299;
    pub const SENDMMSG: u32 = 307;
    pub const PREADV2: u32 = 327;
    pub const PWRITEV2: u32 = 328;
    pub const CLOSE_RANGE: u32 = 436;
}

/// Numbers of the calls that move bytes, and of some more.
#[cfg(bpf_target_arch = "aarch64")]
mod number {
    pub const DUP3: u32 = 24;
    /// There is none.
    pub const DUP2: u32 = DUP3;
    pub const CLOSE: u32 = 57;
    pub const READ: u32 = 63;
    pub const WRITE: u32 = 64;
    pub const READV: u32 = 65;
    pub const WRITEV: u32 = 66;
    pub const PREADV: u32 = 69;
    pub const PWRITEV: u32 = 70;
    pub const SENDFILE: u32 = 71;
    pub const VMSPLICE: u32 = 75;
    pub const SPLICE: u32 = 76;
    pub const TEE: u32 = 77;
    pub const LISTEN: u32 = 201;
    pub const SENDTO: u32 = 206;
    pub const RECVFROM: u32 = 207;
    pub const SENDMSG: u32 = 211;
    pub const RECVMSG: u32 = 212;
    pub const RECVMMSG: u32 = 243;
    pub const SENDMMSG: u32 = 269;
    pub const PREADV2: u32 = 286;
    pub const PWRITEV2: u32 = 287;
    pub const CLOSE_RANGE: u32 = 436;
}
