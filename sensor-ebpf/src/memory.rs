//! Reads of kernel and user memory.

use aya_ebpf::helpers::{bpf_probe_read_kernel, bpf_probe_read_user};

/// Offset of a kernel member, from the frozen globals: to the verifier a constant.
/// For use inside `unsafe`.
macro_rules! offset {
    ($field:ident) => {
        // Volatile, or the compiler would use the default it knows.
        core::ptr::read_volatile(&raw const crate::maps::OFFSETS.$field) as usize
    };
}
pub(crate) use offset;

/// Loads a member straight from a pointer whose type the verifier knows.
///
/// # Safety
/// `base` comes from a typed context argument, helper, or a chain of such loads.
#[inline(always)]
pub unsafe fn load<T: Copy>(base: u64, offset: usize) -> T {
    core::ptr::read_volatile((base as *const u8).add(offset).cast::<T>())
}

/// Reads kernel memory; none if it is not mapped.
///
/// # Safety
/// Any address is fine: the helper checks it.
#[inline(always)]
pub unsafe fn kernel<T>(base: u64, offset: usize) -> Option<T> {
    bpf_probe_read_kernel((base as *const u8).wrapping_add(offset).cast::<T>()).ok()
}

/// Reads user memory of the current task; none if it is not there.
///
/// # Safety
/// Any address is fine: the helper checks it.
#[inline(always)]
pub unsafe fn user<T>(address: u64) -> Option<T> {
    bpf_probe_read_user(address as *const T).ok()
}
