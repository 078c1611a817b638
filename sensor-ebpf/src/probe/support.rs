//! Programs that do nothing: they are loaded to see whether this kernel would take such a program.

use aya_ebpf::{macros::fentry, programs::FEntryContext};

/// On a function that the kernel has for such tests.
#[fentry(function = "bpf_fentry_test1")]
pub fn support_fentry(_ctx: FEntryContext) -> i32 {
    0
}
