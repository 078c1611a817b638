//! Registers and numbers of system calls: all that differs between processors.

use crate::memory::{load, offset};

/// `struct pt_regs` of a system call; its layout is ABI.
pub struct Registers(pub u64);

#[cfg(bpf_target_arch = "x86_64")]
mod layout {
    /// rdi, rsi, rdx, r10; rbx.
    pub const ARGUMENTS: [usize; 5] = [112, 104, 96, 56, 40];
    /// orig_rax.
    pub const NUMBER: usize = 120;
}

#[cfg(bpf_target_arch = "aarch64")]
mod layout {
    /// orig_x0 (x0 holds the result by now), x1, x2, x3; orig_x0 again.
    pub const ARGUMENTS: [usize; 5] = [272, 8, 16, 24, 272];
    /// syscallno.
    pub const NUMBER: usize = 280;
}

impl Registers {
    /// The first four arguments; the fifth is the first one of a 32-bit call.
    ///
    /// # Safety
    /// `self` holds the typed pointer from the tracepoint.
    #[inline(always)]
    pub unsafe fn argument(&self, index: usize) -> u64 {
        load(self.0, layout::ARGUMENTS[index])
    }

    /// The number of the call.
    ///
    /// # Safety
    /// `self` holds the typed pointer from the tracepoint.
    #[inline(always)]
    pub unsafe fn number(&self) -> u32 {
        load(self.0, layout::NUMBER)
    }
}

/// The current call was made with the 32-bit ABI: its number means something else.
///
/// # Safety
/// `task` is the current `task_struct`, typed.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn is_compat(task: u64) -> bool {
    const TS_COMPAT: u32 = 0x2;
    if offset!(task_info_status) == u32::MAX as usize {
        return false;
    }
    let status: u32 = load(task, offset!(task_info_status));
    status & TS_COMPAT != 0
}

/// The current call was made with the 32-bit ABI: its number means something else.
///
/// # Safety
/// `task` is the current `task_struct`, typed.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn is_compat(task: u64) -> bool {
    const TIF_32BIT: u64 = 1 << 22;
    if offset!(task_info_flags) == u32::MAX as usize {
        return false;
    }
    let flags: u64 = load(task, offset!(task_info_flags));
    flags & TIF_32BIT != 0
}

/// Numbers of the calls that move bytes.
#[cfg(bpf_target_arch = "x86_64")]
pub mod number {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const READV: u32 = 19;
    pub const WRITEV: u32 = 20;
    pub const SENDTO: u32 = 44;
    pub const RECVFROM: u32 = 45;
    pub const SENDMSG: u32 = 46;
    pub const RECVMSG: u32 = 47;
    pub const LISTEN: u32 = 50;
    pub const PREADV: u32 = 295;
    pub const PWRITEV: u32 = 296;
    pub const RECVMMSG: u32 = 299;
    pub const SENDMMSG: u32 = 307;
    pub const PREADV2: u32 = 327;
    pub const PWRITEV2: u32 = 328;
}

/// Numbers of the calls that move bytes.
#[cfg(bpf_target_arch = "aarch64")]
pub mod number {
    pub const READ: u32 = 63;
    pub const WRITE: u32 = 64;
    pub const READV: u32 = 65;
    pub const WRITEV: u32 = 66;
    pub const PREADV: u32 = 69;
    pub const PWRITEV: u32 = 70;
    pub const LISTEN: u32 = 201;
    pub const SENDTO: u32 = 206;
    pub const RECVFROM: u32 = 207;
    pub const SENDMSG: u32 = 211;
    pub const RECVMSG: u32 = 212;
    pub const RECVMMSG: u32 = 243;
    pub const SENDMMSG: u32 = 269;
    pub const PREADV2: u32 = 286;
    pub const PWRITEV2: u32 = 287;
}

/// Of 32-bit calls, on both processors.
pub mod compat {
    /// read(2).
    pub const READ: u32 = 3;
    /// write(2).
    pub const WRITE: u32 = 4;
    /// Index of the argument that holds the descriptor.
    pub const DESCRIPTOR: usize = 4;
}
