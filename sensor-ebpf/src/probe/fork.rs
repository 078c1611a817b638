//! `tp_btf/sched_process_fork(struct task_struct *parent, struct task_struct *child)`.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_abi::record::{Fork, kind};

use crate::{emit, pass, task};

#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let parent: u64 = ctx.arg(0);
    let child: u64 = ctx.arg(1);
    // SAFETY: both are live tasks.
    unsafe {
        let child = task::process_of(child);
        // A thread's id differs from its process's.
        if child.thread == child.pid {
            pass::turn_epoch();
            let record = Fork {
                header: emit::header(kind::FORK, size_of::<Fork>()),
                parent: task::process_of(parent),
                child,
            };
            emit::send(&raw const record, size_of::<Fork>() as u64);
        }
    }
    0
}
