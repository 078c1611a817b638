//! Registers and numbers of system calls: all that differs between processors.

use crate::memory::{load, offset};

/// `struct pt_regs` of a system call; its layout is ABI.
pub struct Registers(pub u64);

#[cfg(bpf_target_arch = "x86_64")]
mod layout {
    /// rdi, rsi, rdx, r10, r8.
    pub const ARGUMENTS: [usize; 5] = [112, 104, 96, 56, 72];
    /// Of a 32-bit call: ebx, ecx, edx, esi, edi. What `entry_SYSCALL_compat` keeps elsewhere is in its
    /// place in `pt_regs`.
    pub const NARROW_ARGUMENTS: [usize; 5] = [40, 88, 96, 104, 112];
    /// orig_rax.
    pub const NUMBER: usize = 120;
}

#[cfg(bpf_target_arch = "aarch64")]
mod layout {
    /// orig_x0 (x0 holds the result by now), x1, x2, x3, x4.
    pub const ARGUMENTS: [usize; 5] = [272, 8, 16, 24, 32];
    /// Of a 32-bit call: the same registers.
    pub const NARROW_ARGUMENTS: [usize; 5] = ARGUMENTS;
    /// syscallno.
    pub const NUMBER: usize = 280;
}

impl Registers {
    /// One of the first five arguments.
    ///
    /// # Safety
    /// `self` holds the typed pointer from the tracepoint.
    #[inline(always)]
    pub unsafe fn argument(&self, index: usize) -> u64 {
        load(self.0, layout::ARGUMENTS[index])
    }

    /// One of the first five arguments of a 32-bit call.
    ///
    /// # Safety
    /// `self` holds the typed pointer from the tracepoint.
    #[inline(always)]
    pub unsafe fn narrow_argument(&self, index: usize) -> u64 {
        let argument: u64 = load(self.0, layout::NARROW_ARGUMENTS[index]);
        argument & 0xffff_ffff
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

/// The call was made by x32, whose numbers bear a bit of their own (`__X32_SYSCALL_BIT`, arch/x86/include/uapi/asm/unistd.h).
#[inline(always)]
pub const fn is_x32(number: u32) -> bool {
    // Not -1, which stands for no call: rt_sigreturn(2) leaves it.
    cfg!(bpf_target_arch = "x86_64") && number >> 12 == 0x4000_0000 >> 12
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
