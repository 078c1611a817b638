//! What was needed once is given back.
#![allow(unsafe_code, reason = "malloc_trim of the C library")]

/// Gives free memory back to the kernel: reading its types takes tens of megabytes, which the allocator would keep for ever.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it looks at the allocator's own free memory, under the allocator's locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
