//! Who: the current or another task as a [`Process`].

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task_btf};
use sensor_abi::record::Process;

use crate::memory::{kernel, load, offset};

/// Thread-group id of the current task.
#[inline(always)]
pub fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The current `task_struct`, typed.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: takes no arguments.
    unsafe { bpf_get_current_task_btf() as u64 }
}

/// The current task's process.
///
/// # Safety
/// Offsets are set.
#[inline(always)]
pub unsafe fn current_process() -> Process {
    let ids = bpf_get_current_pid_tgid();
    // Not loaded: of each member of a task that points somewhere, on each way to it, the verifier searches all types of the kernel
    // for whether it may be trusted.
    let leader: u64 = kernel(current(), offset!(task_group_leader)).unwrap_or(0);
    Process {
        start_ns: kernel(leader, offset!(task_start_boottime)).unwrap_or(0),
        pid: (ids >> 32) as u32,
        thread: ids as u32,
    }
}

/// Any task's process; `thread` is the task's own id.
///
/// # Safety
/// `task` is a `task_struct`, or 0.
#[inline(always)]
pub unsafe fn process_of(task: u64) -> Process {
    let leader: u64 = kernel(task, offset!(task_group_leader)).unwrap_or(0);
    Process {
        start_ns: kernel(leader, offset!(task_start_boottime)).unwrap_or(0),
        pid: kernel(task, offset!(task_tgid)).unwrap_or(0),
        thread: kernel(task, offset!(task_pid)).unwrap_or(0),
    }
}

/// Who uses an end, as the flow cache tells users apart: the pid, and how often it has exec'ed, since
/// a wrapper's traffic says nothing about what the server will say in the same process.
///
/// # Safety
/// Offsets are set.
#[inline(always)]
pub unsafe fn current_user() -> u64 {
    let task = current();
    let tgid: u32 = load(task, offset!(task_tgid));
    let execs: u32 = load(task, offset!(task_self_exec_id));
    (u64::from(tgid) << 32) | u64::from(execs)
}
