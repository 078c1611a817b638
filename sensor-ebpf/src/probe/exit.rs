//! `tp_btf/sched_process_exit(struct task_struct *task, …)`: fires per thread.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_abi::record::{Exit, kind};

use crate::{
    emit,
    memory::{kernel, offset},
    task,
};

#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let task: u64 = ctx.arg(0);
    // SAFETY: a live task.
    unsafe {
        let signal: u64 = kernel(task, offset!(task_signal)).unwrap_or(0);
        // Counted down before the tracepoint; two last threads may both see 0, the second is a repeat.
        let live: i32 = kernel(signal, offset!(signal_live)).unwrap_or(0);
        if live == 0 {
            let record = Exit {
                header: emit::header(kind::EXIT, size_of::<Exit>()),
                process: task::process_of(task),
            };
            emit::send(&raw const record, size_of::<Exit>() as u64);
        }
    }
    0
}
