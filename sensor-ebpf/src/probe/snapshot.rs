//! `iter/task` and `iter/task_file`: what was there before the sensor, as records in the output of
//! the iterators. aya-ebpf has no macro for them; the sections' names are what the loader needs.

use aya_ebpf::helpers::bpf_seq_write;
use sensor_abi::record::{End, Exec, Holder, kind};

use crate::{
    emit, end,
    memory::{kernel, load, offset},
    probe::describe,
    task,
};

/// `struct bpf_iter__task` and the start of `struct bpf_iter__task_file`: ABI of the iterators.
const CONTEXT_META: usize = 0;
const CONTEXT_TASK: usize = 8;
const CONTEXT_FD: usize = 16;
const CONTEXT_FILE: usize = 24;
/// `struct bpf_iter_meta.seq`.
const META_SEQ: usize = 0;

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn snapshot_task(context: u64) -> i32 {
    // SAFETY: the context of `iter/task`.
    unsafe {
        let task: u64 = load(context, CONTEXT_TASK);
        if task == 0 {
            return 0;
        }
        let process = task::process_of(task);
        if process.pid != process.thread {
            return 0;
        }
        let mut record = Exec {
            header: emit::header(kind::PROCESS, size_of::<Exec>()),
            ..Exec::default()
        };
        describe::describe(task, &raw mut record);
        write(context, &record)
    }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
extern "C" fn snapshot_task_file(context: u64) -> i32 {
    // SAFETY: the context of `iter/task_file`.
    unsafe {
        let task: u64 = load(context, CONTEXT_TASK);
        let file: u64 = load(context, CONTEXT_FILE);
        if task == 0 || file == 0 {
            return 0;
        }
        let Some(object) = end::object_of(file) else {
            return 0;
        };
        let mut end = End::default();
        if !end::fill(&object, &raw mut end) {
            return 0;
        }
        let record = Holder {
            header: emit::header(kind::HOLDER, size_of::<Holder>()),
            process: task::process_of(task),
            end,
            fd: load(context, CONTEXT_FD),
            mode: kernel(file, offset!(file_mode)).unwrap_or(0),
        };
        write(context, &record)
    }
}

/// Appends a record to the output. When it says that the output is full, the kernel grows it and
/// calls again.
#[inline(always)]
unsafe fn write<T>(context: u64, record: &T) -> i32 {
    let meta: u64 = load(context, CONTEXT_META);
    let seq: u64 = load(meta, META_SEQ);
    let written = bpf_seq_write(
        seq as *mut _,
        core::ptr::from_ref(record).cast(),
        size_of::<T>() as u32,
    );
    i32::from(written != 0)
}
