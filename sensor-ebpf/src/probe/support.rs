//! Programs that do nothing: they are loaded to see whether this kernel would take such a program, and what it costs to have
//! one at all.

use aya_ebpf::{
    macros::{btf_tracepoint, fentry},
    programs::{BtfTracePointContext, FEntryContext},
};

/// On a function that the kernel has for such tests.
#[fentry(function = "bpf_fentry_test1")]
pub fn support_fentry(_ctx: FEntryContext) -> i32 {
    0
}

/// Where a system call begins: for benchmarks only.
#[btf_tracepoint(function = "sys_enter")]
pub fn support_sys_enter(_ctx: BtfTracePointContext) -> i32 {
    0
}

/// Where it ends: for benchmarks only.
#[btf_tracepoint(function = "sys_exit")]
pub fn support_sys_exit(_ctx: BtfTracePointContext) -> i32 {
    0
}
