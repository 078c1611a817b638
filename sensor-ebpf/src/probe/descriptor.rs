//! A process is handed descriptors by another one (tier 1): passes that rely on who holds what are void.
//!
//! `void scm_detach_fds(struct msghdr *msg, struct scm_cookie *scm)` (net/core/scm.c), and `receive_fd` and `receive_fd_replace`
//! (fs/file.c), which pidfd_getfd(2) and seccomp(2) come to. Before the call: while a descriptor is on its way, its file has a second holder.

use aya_ebpf::{macros::fentry, programs::FEntryContext};

use crate::pass;

#[fentry(function = "scm_detach_fds")]
pub fn scm_detach_fds(_ctx: FEntryContext) -> i32 {
    // SAFETY: a counter.
    unsafe { pass::turn_epoch() };
    0
}

#[fentry(function = "receive_fd")]
pub fn receive_fd(_ctx: FEntryContext) -> i32 {
    // SAFETY: a counter.
    unsafe { pass::turn_epoch() };
    0
}

#[fentry(function = "receive_fd_replace")]
pub fn receive_fd_replace(_ctx: FEntryContext) -> i32 {
    // SAFETY: a counter.
    unsafe { pass::turn_epoch() };
    0
}
